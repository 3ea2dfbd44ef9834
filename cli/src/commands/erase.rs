//! `share erase`: a record out of existence, at every school.

use std::io::{self, BufRead as _, Write as _};

use clap::Args;
use serde_json::{Value as Json, json};
use staffroom_node::api::{Answer, BeforeErasing, ErasingDevice, ErasingSchool, Erasure, Proposal, Request, Summary};

use super::decision;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, failed, unexpected, usage};
use crate::output::{Output, and, can_ask, one_line, some};
use crate::record::{self, short, title};
use crate::when;

/// Erase a record for everyone, for good
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share erase k3v9xq\n  share erase k3v9xq --yes\n  share erase k3v9xq --status\n\n\
    Its text, its history and the names of its authors go at every school of the cluster, from lists,\n\
    from memory and from the disk; each school signs that they are gone. What cannot be reached:\n\
    backups, printed copies, what browsers keep. share edit k3v9xq --state withdrawn takes it out of\n\
    lists everywhere, share hide k3v9xq at our school alone. To correct a part of a text for good,\n\
    share a new record, then erase the old one."
)]
pub(crate) struct Erase {
    /// Its id; the first letters will do
    id: String,
    /// Do not ask: it is for good
    #[arg(long)]
    yes: bool,
    /// Only show who has erased it, and who has not
    #[arg(long, conflicts_with_all = ["yes", "propose"])]
    status: bool,
    /// Have the stewards of the cluster decide: for a record of another school
    #[arg(long)]
    propose: bool,
}

impl Erase {
    pub(super) fn run(&self, context: &Context) -> Done {
        let mut client = context.client()?;
        if self.status {
            let erasure = ask(&mut client, Request::Erasure { id: self.id.clone() })?;
            context.out.json(&json(&erasure))?;
            return told(&context.out, &erasure);
        }
        let Answer::BeforeErasing(before) = client.ask(Request::BeforeErasing { id: self.id.clone() })? else {
            return Err(unexpected().into());
        };
        let id = before.record.id.to_string();
        if before.own || self.propose {
            self.confirm(context, &before)?;
        }
        if self.propose {
            drop(client);
            return decision::propose(context, None, Proposal::Erase { record: id });
        }
        let erasure = ask(&mut client, Request::Erase { id })?;
        let mut told_json = json(&erasure);
        let others = |all: &[Summary]| all.iter().map(|one| json!(record::json(one))).collect::<Json>();
        told_json["same_files"] = others(&before.same_files);
        told_json["adapted"] = others(&before.adapted);
        context.out.json(&told_json)?;
        after(&context.out, &before, &erasure)
    }

    /// Says what is going to happen, and asks, where there is somebody to ask.
    fn confirm(&self, context: &Context, before: &BeforeErasing) -> Done {
        let out = &context.out;
        out.remark(&warning(before))?;
        if self.yes {
            return Ok(());
        }
        if context.out.json || !can_ask() {
            return Err(usage("erasing is for good, so it has to be said: --yes")
                .hint(format!("share erase {} --yes", short(&before.record.id)))
                .into());
        }
        let mut told = io::stdout();
        write!(told, "\nErase it at every school? Type yes: ").and_then(|()| told.flush())?;
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        read.map_err(|error| failed(format!("standard input cannot be read: {error}")))?;
        if line.trim().eq_ignore_ascii_case("yes") { Ok(()) } else { Err(usage("nothing was erased").into()) }
    }
}

fn ask(client: &mut Client, request: Request) -> Done<Erasure> {
    match client.ask(request)? {
        Answer::Erasure(erasure) => Ok(*erasure),
        _ => Err(unexpected().into()),
    }
}

/// What a person reads before.
fn warning(before: &BeforeErasing) -> String {
    let summary = &before.record;
    let space = one_line(&summary.space.name);
    let (place, who) = match space.as_str() {
        "school" => ("in the school's own space".to_owned(), "here"),
        _ => (format!("in {space}"), "at every school"),
    };
    let mut text = format!(
        "\"{}\" ({} {}, {place}) is to be erased for good {who}:\n\
         its text, its history and the names of its authors. Nobody can bring it back.\n\
         What this does not reach: backups, printed copies, what browsers keep, what somebody saved elsewhere.",
        one_line(&title(summary)),
        one_line(&summary.kind),
        short(&summary.id),
    );
    let lists = [
        (
            &before.same_files,
            "other record uses the same files and keeps them",
            "other records use the same files and keep them",
        ),
        (&before.adapted, "record was adapted from it and stays", "records were adapted from it and stay"),
    ];
    for (others, one, many) in lists.into_iter().filter(|(others, ..)| !others.is_empty()) {
        text.push_str(&format!("\n\n{}:", some(others.len() as u64, one, many)));
        for other in others {
            let school = one_line(&other.school.name);
            text.push_str(&format!("\n  {}  {}, {school}", short(&other.id), one_line(&title(other))));
        }
    }
    if !(before.same_files.is_empty() && before.adapted.is_empty()) {
        text.push_str("\nIf those are to go too, ask their schools: each erases its own.");
    }
    text
}

/// What a person reads after.
fn after(out: &Output, before: &BeforeErasing, erasure: &Erasure) -> Done {
    let id = short(&erasure.id);
    out.remark(&format!("\n\"{}\" is erased here.", one_line(&title(&before.record))))?;
    let here = |school: &&ErasingSchool| school.devices.iter().any(|device| device.here);
    let others: Vec<String> =
        erasure.schools.iter().filter(|school| !here(school)).map(|school| one_line(&school.school.name)).collect();
    if !others.is_empty() {
        out.remark(&format!("{} will, as soon as they are reached.", and(&others)))?;
    }
    out.remark(&format!("share erase {id} --status shows who has erased it."))
}

/// Who has erased it, a line for each device.
fn told(out: &Output, erasure: &Erasure) -> Done {
    let now = when::now();
    let (id, space) = (short(&erasure.id), one_line(&erasure.space.name));
    let who = match (&erasure.by, &erasure.decision) {
        (Some(school), _) => format!("by {}", one_line(&school.name)),
        (None, Some(decision)) => format!("by decision {}", &decision.to_string()[..6]),
        (None, None) => String::new(),
    };
    let at = erasure.at.map(|at| format!(", {}", when::moment(at, &now))).unwrap_or_default();
    let place = if space == "school" { "our own space".to_owned() } else { space };
    out.say(&format!("Record {id} of {place} was erased {who}{at}."))?;
    let name = |school: &ErasingSchool, device: &ErasingDevice| {
        let name = one_line(&school.school.name);
        let several = school.devices.len() > 1;
        if several { format!("{name}, device {}", &device.device.to_string()[..6]) } else { name }
    };
    let rows: Vec<(String, String)> = erasure
        .schools
        .iter()
        .flat_map(|school| school.devices.iter().map(move |device| (school, device)))
        .map(|(school, device)| (name(school, device), state(device, erasure, &now)))
        .collect();
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    for (name, state) in rows {
        let gap = " ".repeat(longest - name.chars().count());
        out.say(&format!("  {name}{gap}  {state}"))?;
    }
    if erasure.complete { out.say("Nothing of it is left at any of them.") } else { Ok(()) }
}

fn state(device: &ErasingDevice, erasure: &Erasure, now: &jiff::Zoned) -> String {
    match (device.erased, device.here, device.last_heard) {
        (Some(at), ..) => format!("erased {}", when::moment(at, now)),
        (None, true, _) => match &erasure.waits {
            Some(why) => format!("not yet, and tries again: {}", one_line(why)),
            None => "not yet: this node does it now, or when it runs next".to_owned(),
        },
        (None, false, Some(heard)) => format!("not yet; heard {}", when::moment(heard, now)),
        (None, false, None) => "not yet; not heard since this node was started".to_owned(),
    }
}

/// The shape for scripts: times in RFC 3339.
fn json(erasure: &Erasure) -> Json {
    let mut json = serde_json::to_value(erasure).unwrap_or_default();
    let date = |value: &mut Json| {
        if let Some(at) = value.as_u64() {
            *value = when::rfc3339(at).into();
        }
    };
    date(&mut json["at"]);
    for school in json["schools"].as_array_mut().into_iter().flatten() {
        for device in school["devices"].as_array_mut().into_iter().flatten() {
            date(&mut device["erased"]);
            date(&mut device["last_heard"]);
        }
    }
    json
}
