//! `share status`: the honest state of this node and of each partner.

use clap::Args;
use jiff::Zoned;
use staffroom_node::api::{
    Answer, Mending, Partner, PartnerState, Refused, Request, SpaceStatus, Status as State, WaitingSchool,
};

use crate::context::Context;
use crate::failure::{Done, unexpected};
use crate::output::{Output, and, count, one_line, size, some};
use crate::when;

/// Show this node, each cluster and each partner: in step, behind, or not heard
#[derive(Args)]
#[command(after_help = "Examples:\n  share status\n  share status --json")]
pub(crate) struct Status {}

impl Status {
    #[expect(clippy::unused_self, reason = "every verb is run the same way")]
    pub(super) fn run(&self, context: &Context) -> Done {
        let Answer::Status(mut state) = context.client()?.ask(Request::Status)? else {
            return Err(unexpected().into());
        };
        if context.out.json {
            return context.out.json(&json(&mut state));
        }
        told(&context.out, &state)
    }
}

/// The shape of page 4: times in RFC 3339.
pub(super) fn json(state: &mut State) -> serde_json::Value {
    let mut json = serde_json::to_value(&*state).unwrap_or_default();
    let date = |refused: &mut serde_json::Value| {
        if let Some(at) = refused["at"].as_u64() {
            refused["at"] = when::rfc3339(at).into();
        }
    };
    date(&mut json["strangers"]);
    for space in json["spaces"].as_array_mut().into_iter().flatten() {
        for waiting in space["waiting"].as_array_mut().into_iter().flatten() {
            for field in ["since", "expires"] {
                if let Some(at) = waiting[field].as_u64() {
                    waiting[field] = when::rfc3339(at).into();
                }
            }
        }
        for partner in space["partners"].as_array_mut().into_iter().flatten() {
            if let Some(heard) = partner["last_heard"].as_u64() {
                partner["last_heard"] = when::rfc3339(heard).into();
            }
            date(&mut partner["refused"]);
        }
    }
    json
}

fn told(out: &Output, state: &State) -> Done {
    let now = when::now();
    let store = &state.store;
    out.say(&one_line(&state.school.name))?;
    if state.running {
        out.say(&format!("  running, reached at {}", state.listen.first().map_or("no address", String::as_str)))?;
        for address in state.listen.iter().skip(1) {
            out.say(&format!("                      {address}"))?;
        }
    } else {
        out.say("  not running: partners are reached while `share serve` runs")?;
    }
    let entries = some(store.entries, "entry", "entries");
    out.say(&format!("  {}, {entries}, {} on disk", some(store.records, "record", "records"), size(store.bytes)))?;
    if store.files + store.wanted > 0 {
        let wanted = if store.wanted > 0 { format!(", {} not fetched", count(store.wanted)) } else { String::new() };
        out.say(&format!("  {} held{wanted}", some(store.files, "file", "files")))?;
    }
    if store.quarantined > 0 {
        out.say(&format!("  {} held that do not count", some(store.quarantined, "change is", "changes are")))?;
    }
    if store.forks > 0 {
        out.say(&format!("  {} with two histories", some(store.forks, "log", "logs")))?;
    }
    if store.unwiped > 0 {
        let why = store.unwiped_why.as_ref().map(|why| format!(": {}", one_line(why))).unwrap_or_default();
        let records = some(store.unwiped, "erased record waits", "erased records wait");
        out.say(&format!("  {records} for the disk to be cleared of what was in them{why}"))?;
    }
    if let Some(mended) = &store.mended {
        out.say(&format!("  {}", mended_line(mended)))?;
    }
    if let Some(refused) = &state.strangers {
        out.say(&format!("  devices that are no partners: {}", refusal(refused, &now)))?;
    }
    for space in state.spaces.iter().filter(|space| space.name != "school" || space.members.len() > 1) {
        out.say("")?;
        cluster(out, state, space, &now)?;
    }
    Ok(())
}

fn cluster(out: &Output, state: &State, space: &SpaceStatus, now: &Zoned) -> Done {
    out.say(&one_line(&space.name))?;
    for school in &space.waiting {
        out.say(&format!("  {}", waits(school)))?;
    }
    for decision in &space.decisions {
        out.say(&format!("  {}", super::decision::line(decision)))?;
    }
    for school in &space.forks {
        let name = one_line(&school.name);
        out.say(&format!("  a log of {name} has two histories: share school end-fork {name:?}"))?;
    }
    for school in &space.device_forks {
        let name = one_line(&school.name);
        out.say(&format!("  a device of {name} signed two things at one place: the next decision says which stands"))?;
    }
    let others = space.members.iter().filter(|member| member.school.id != state.school.id);
    let names: Vec<String> = others.map(|member| one_line(&member.school.name)).collect();
    if names.is_empty() && !space.waiting.is_empty() {
        return Ok(());
    }
    if names.is_empty() {
        return out.say("  no other school has joined yet: share invite makes a ticket for one");
    }
    for partner in &space.partners {
        // Where a school has several devices in reach of ours, each is told apart.
        let several = space.partners.iter().filter(|other| other.school.id == partner.school.id).count() > 1;
        let mut partner = partner.clone();
        if partner.school.id == state.school.id {
            partner.school.name = format!("our {}", partner.device.short());
        } else if several {
            partner.school.name = format!("{} {}", partner.school.name, partner.device.short());
        }
        out.say(&format!("  {}", line(&partner, now)))?;
    }
    let heard: Vec<&str> = space.partners.iter().map(|partner| partner.school.name.as_str()).collect();
    let silent: Vec<String> = names.iter().filter(|name| !heard.contains(&name.as_str())).cloned().collect();
    if !silent.is_empty() && space.partners.is_empty() {
        out.say(&format!("  with {}", and(&silent)))?;
    }
    Ok(())
}

/// "Northgate waits to be confirmed: cherry tunnel wise orbit".
pub(super) fn waits(school: &WaitingSchool) -> String {
    let name = one_line(&school.school.name);
    match &school.words {
        Some(words) => format!("{name} waits to be confirmed: {words}"),
        None => format!("{name} has used a ticket and not shown its words yet"),
    }
}

/// "Hillside: in step", "Northgate: behind by 12", "Brook: not heard since Tuesday 14:02 (no answer for 17 seconds)".
pub(super) fn line(partner: &Partner, now: &Zoned) -> String {
    let name = one_line(&partner.school.name);
    let why = partner.error.as_ref().map(|why| format!(" ({})", one_line(why))).unwrap_or_default();
    let refused = partner.refused.as_ref().map(|what| format!("; {}", refusal(what, now))).unwrap_or_default();
    let state = match partner.state {
        PartnerState::InStep => "in step".to_owned(),
        PartnerState::Behind => format!("behind by {}", count(partner.missing)),
        PartnerState::Unheard => match partner.last_heard {
            Some(at) => format!("not heard since {}", when::moment(at, now)),
            None => "not heard yet".to_owned(),
        },
    };
    format!("{name}: {state}{why}{refused}")
}

/// "refused 3 times, last Tuesday 14:02: the signature of a entry does not hold".
fn refusal(refused: &Refused, now: &Zoned) -> String {
    let times = if refused.times == 1 { String::new() } else { format!(" {} times, last", count(refused.times)) };
    format!("refused{times} {}: {}", when::moment(refused.at, now), one_line(&refused.what))
}

/// That a damaged store was mended, and what that cost.
pub(super) fn mended_line(mended: &Mending) -> String {
    let pages = some(mended.damaged, "page", "pages");
    let missing = match mended.missing {
        0 => "no entry was lost".to_owned(),
        many => format!("{} lost here, which partners bring again", some(many, "entry was", "entries were")),
    };
    let lost = match mended.lost.len() {
        0 => String::new(),
        _ => "; of a cluster nothing can be read any more: restore a backup, or ask there for a new ticket".to_owned(),
    };
    format!("the store was damaged on the disk ({pages}) and was mended: {missing}{lost}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use staffroom_node::api::Named;
    use staffroom_protocol::charter::Role;
    use staffroom_protocol::id::{DeviceId, SchoolId};

    #[test]
    fn a_school_that_waits_is_told_in_one_line_whatever_it_calls_itself() {
        let waiting = |name: &str, words: Option<&str>| WaitingSchool {
            school: Named { id: SchoolId::default(), name: name.to_owned() },
            role: Role::Reader,
            words: words.map(str::to_owned),
            since: 0,
            expires: 0,
        };
        let words = Some("cherry tunnel wise orbit");
        assert_eq!(waits(&waiting("Brook", words)), "Brook waits to be confirmed: cherry tunnel wise orbit");
        let hostile = waits(&waiting("Brook: in step\n\u{1b}[2J\u{202e}Hillside\0", words));
        assert!(!hostile.contains(['\n', '\u{1b}', '\u{202e}', '\0']), "{hostile:?}");
        assert_eq!(waits(&waiting("Brook", None)), "Brook has used a ticket and not shown its words yet");
    }

    #[test]
    fn partners_are_told_in_one_line() {
        let now: Zoned = "2026-11-22T18:00:00+00:00[Europe/London]".parse().unwrap_or_default();
        let heard = when::millis_of("2026-11-17T14:02:00+00:00[Europe/London]");
        let partner = |state, missing, last_heard, error: Option<&str>| Partner {
            school: Named { id: SchoolId::default(), name: "Brook".to_owned() },
            device: DeviceId::default(),
            state,
            missing,
            last_heard,
            error: error.map(str::to_owned),
            refused: None,
        };
        assert_eq!(line(&partner(PartnerState::InStep, 0, heard, None), &now), "Brook: in step");
        assert_eq!(line(&partner(PartnerState::Behind, 1_200, heard, None), &now), "Brook: behind by 1,200");
        assert_eq!(
            line(&partner(PartnerState::Unheard, 0, heard, Some("no answer for 17 seconds")), &now),
            "Brook: not heard since Tuesday 14:02 (no answer for 17 seconds)"
        );
        let refused =
            |times| Refused { what: "a frame came\ntoo slowly".to_owned(), at: heard.unwrap_or_default(), times };
        let lying = |times| Partner { refused: Some(refused(times)), ..partner(PartnerState::InStep, 0, heard, None) };
        assert_eq!(line(&lying(1), &now), "Brook: in step; refused Tuesday 14:02: a frame came too slowly");
        assert_eq!(
            line(&lying(1_200), &now),
            "Brook: in step; refused 1,200 times, last Tuesday 14:02: a frame came too slowly"
        );
    }
}
