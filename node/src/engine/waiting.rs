//! Tickets, and schools that wait for a person's word (§3.9): what the API asks about them.

use staffroom_protocol::charter::{NotWords, Role, Waiting, Words};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{IdPrefix, SchoolId};
use staffroom_protocol::identity::Rights;

use super::desk::Desk;
use super::names::{failed, member, reachable, space, space_name};
use super::wall_clock;
use crate::api::{Answer, Code, Failure, Named, WaitingSchool};

/// Issues a ticket.
pub(super) fn invite(
    desk: &mut Desk,
    cluster: Option<&str>,
    role: Role,
    expires_in: u64,
    confirm: bool,
) -> Result<Answer, Failure> {
    let id = space(&desk.replica, cluster, false)?;
    if desk.listen.is_empty() {
        return Err(Failure::new(Code::Failed, "an invitation needs a running node, which the joiner can reach")
            .hint("start it in another window: share serve"));
    }
    if !desk.replica.rights(&desk.replica.device()).include(Rights::GOVERN) {
        return Err(Failure::new(Code::Refused, "this device may not admit schools for ours")
            .hint("share device list shows which one governs; make the ticket there"));
    }
    let expires = wall_clock().plus(expires_in.saturating_mul(1000));
    let addresses = reachable(&desk.listen);
    let issued = if confirm {
        desk.replica.invite_and_ask(id, role, expires, addresses)
    } else {
        desk.replica.invite(id, role, expires, addresses)
    };
    let ticket = issued.map_err(failed)?;
    Ok(Answer::Ticket { ticket: ticket.to_text(), expires: expires.0, space: space_name(&desk.replica, id) })
}

/// Who waits, of all clusters, the longest first.
pub(super) fn all(desk: &Desk) -> Result<Vec<Waiting>, Failure> {
    desk.replica.waiting(wall_clock()).map_err(failed)
}

/// As people are told it.
pub(super) fn told(waiting: &Waiting) -> WaitingSchool {
    WaitingSchool {
        school: named(waiting),
        role: waiting.role,
        words: waiting.words.map(|words| words.to_string()),
        since: waiting.since.0,
        expires: waiting.expires.0,
    }
}

fn named(waiting: &Waiting) -> Named<SchoolId> {
    let name = if waiting.name.trim().is_empty() { waiting.school.short() } else { waiting.name.clone() };
    Named { id: waiting.school, name }
}

/// Admits the school whose screen shows these words.
pub(super) fn confirm(desk: &mut Desk, said: &str) -> Result<Answer, Failure> {
    let all = all(desk)?;
    let words: Words = said.parse().map_err(|wrong: NotWords| {
        let failure = Failure::new(Code::NotFound, wrong.to_string());
        hints(failure, &all).hint("have them read the words to you once more, in any case, with spaces or dashes")
    })?;
    let Some(waiting) = all.iter().find(|waiting| waiting.words == Some(words)) else {
        return Err(hints(Failure::new(Code::NotFound, "no school that waits shows these words"), &all)
            .hint("if what they read to you is right, somebody else has used the ticket: share school refuse NAME, and make a new one"));
    };
    desk.replica.confirm(waiting.ticket, wall_clock()).map_err(over)?;
    desk.decided.push(waiting.ticket);
    let (school, space) = (named(waiting), space_name(&desk.replica, waiting.space));
    Ok(Answer::Confirmed { school, space, role: waiting.role })
}

/// Refuses a school that waits, by its words, its name, or the start of its id; or a partner.
pub(super) fn refuse(desk: &mut Desk, asked: &str, time: Option<u64>) -> Result<Answer, Failure> {
    let all = all(desk)?;
    let (words, prefix) = (asked.parse().ok(), IdPrefix::parse(asked).ok().filter(|_| asked.len() >= 4));
    let meant = |waiting: &&Waiting| {
        (words.is_some() && waiting.words == words)
            || named(waiting).name.to_lowercase() == asked.to_lowercase()
            || prefix.as_ref().is_some_and(|prefix| prefix.matches(&waiting.school.0))
    };
    let waiting = match all.iter().filter(meant).collect::<Vec<_>>()[..] {
        [one] => one,
        [] => match partner(desk, asked) {
            Ok(school) => return refuse_partner(desk, school, time),
            Err(failure) if failure.code == Code::NotFound => {
                let failure = Failure::new(Code::NotFound, format!("no school called {asked:?} waits or is a partner"));
                return Err(hints(failure, &all));
            }
            Err(failure) => return Err(failure),
        },
        _ => {
            return Err(Failure::new(Code::Usage, format!("more than one school that waits is called {asked:?}"))
                .hint("say its four words instead, or the start of its id: share status --json"));
        }
    };
    desk.replica.refuse(waiting.ticket).map_err(over)?;
    desk.decided.push(waiting.ticket);
    Ok(Answer::Refused { school: named(waiting), space: space_name(&desk.replica, waiting.space) })
}

/// The partner of that name, in any of our spaces.
fn partner(desk: &Desk, asked: &str) -> Result<Named<SchoolId>, Failure> {
    let snapshot = desk.snapshot()?;
    let nobody = || Failure::new(Code::NotFound, format!("no partner is called {asked:?}"));
    let mut found = Err(nobody().hint("share school list shows them"));
    for (id, space) in desk.replica.spaces() {
        match member(&snapshot, *id, space.charter().resolved(), asked) {
            Ok(school) => return Ok(school),
            Err(failure) if failure.code != Code::NotFound => found = Err(failure),
            Err(_) => {}
        }
    }
    found
}

fn refuse_partner(desk: &mut Desk, school: Named<SchoolId>, time: Option<u64>) -> Result<Answer, Failure> {
    if school.id == desk.replica.school() {
        return Err(
            Failure::new(Code::Usage, "that is our own school").hint("end a machine of ours: share device revoke")
        );
    }
    let until = time.map(|seconds| wall_clock().plus(seconds.saturating_mul(1000)));
    desk.replica.refuse_school(school.id, until).map_err(failed)?;
    Ok(Answer::Refusal { school, refused: true, until: until.map(|until| until.0) })
}

/// Talks to a partner again.
pub(super) fn end_refusal(desk: &mut Desk, asked: &str) -> Result<Answer, Failure> {
    let school = partner(desk, asked)?;
    if !desk.replica.end_refusal(school.id).map_err(failed)? {
        return Err(
            Failure::new(Code::NotFound, format!("{} is not refused", school.name)).hint("share status shows who is")
        );
    }
    Ok(Answer::Refusal { school, refused: false, until: None })
}

/// Someone was decided about in the meantime, or the charter does not allow it.
fn over(fault: Fault) -> Failure {
    match fault {
        Fault::Ticket => Failure::new(Code::Refused, "this school does not wait any more, or has not shown its words")
            .hint("share status shows who waits"),
        other => failed(other),
    }
}

/// Who waits, as hints.
fn hints(mut failure: Failure, all: &[Waiting]) -> Failure {
    if all.is_empty() {
        return failure.hint("nobody waits: share join TICKET at the other school, and look at share status");
    }
    for waiting in all {
        failure = failure.hint(format!("{} waits", named(waiting).name));
    }
    failure
}
