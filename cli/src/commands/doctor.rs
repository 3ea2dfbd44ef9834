//! `share doctor`: what is wrong here, and what to do about it.

use clap::Args;
use jiff::Zoned;
use serde::Serialize;
use staffroom_node::api::{Answer, Failure, PartnerState, Request, SpaceStatus, Status};

use super::decision;
use super::status::{line, mended_line, waits};
use crate::context::Context;
use crate::failure::{Done, Ended, unexpected};
use crate::output::{one_line, size, some};
use crate::when;

/// Below so many free bytes a disk is nearly full: a backup or a large file more fills it.
const LITTLE_ROOM: u64 = 2 << 30;

/// Say what is wrong with this node and what to do about it
#[derive(Args)]
#[command(after_help = "Examples:\n  share doctor\n  share doctor --json\n\n\
    It looks at the folder, the keys, the settings, the disk and every partner, and changes nothing.\n\
    Ends with 0 where nothing is wrong, 1 otherwise. share verify reads every byte besides.")]
pub(crate) struct Doctor {}

/// Something that somebody should see to.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    #[serde(rename = "try")]
    hints: Vec<String>,
}

impl Finding {
    fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hints: vec![hint.into()] }
    }
    /// What a failure says.
    fn of(failure: Failure) -> Self {
        Self { what: failure.message, hints: failure.hints }
    }
}

impl Doctor {
    #[expect(clippy::unused_self, reason = "every verb is run the same way")]
    pub(super) fn run(&self, context: &Context) -> Done {
        let findings = look(context)?;
        let out = &context.out;
        out.json(&serde_json::json!({ "findings": findings }))?;
        for finding in &findings {
            out.say(&one_line(&finding.what))?;
            for hint in &finding.hints {
                out.say(&format!("  {}", one_line(hint)))?;
            }
        }
        if findings.is_empty() {
            return out.remark("Nothing is wrong here.");
        }
        let things = some(u64::try_from(findings.len()).unwrap_or(u64::MAX), "thing", "things");
        out.note(&format!("{things} to see to."));
        Err(Ended::With(1))
    }
}

fn look(context: &Context) -> Done<Vec<Finding>> {
    let home = &context.home;
    let mut findings = Vec::new();
    // Keys and settings first: where they are wrong, nothing else answers.
    findings.extend(home.config().err().map(Finding::of));
    findings.extend(home.local().err().map(Finding::of));
    if !findings.is_empty() {
        return Ok(findings);
    }
    findings.extend(disk(context));
    let mut client = match context.client() {
        Ok(client) => client,
        Err(Ended::Failed(failure)) => {
            findings.push(Finding::of(failure));
            return Ok(findings);
        }
        Err(ended) => return Err(ended),
    };
    let running = client.runs_already();
    let Answer::Status(status) = client.ask(Request::Status)? else { return Err(unexpected().into()) };
    if !running {
        findings.push(Finding::new(
            "no node runs here, so no partner is reached and nothing comes in",
            "share serve, or the service that starts it: systemctl status staffroom",
        ));
    }
    held(&status, &mut findings);
    let now = when::now();
    for space in &status.spaces {
        cluster(space, &status, running, &now, &mut findings);
    }
    Ok(findings)
}

fn disk(context: &Context) -> Option<Finding> {
    let free = context.home.free_space()?;
    let what = format!("the disk is nearly full: {} are free", size(free));
    let hint =
        format!("make room on the disk of {}; no file is fetched into the last 256 MB", context.home.path().display());
    (free < LITTLE_ROOM).then(|| Finding::new(what, hint))
}

/// What is held and is not as it should be.
fn held(status: &Status, findings: &mut Vec<Finding>) {
    let store = &status.store;
    if let Some(mended) = &store.mended {
        findings.push(Finding {
            what: mended_line(mended),
            hints: vec![
                "look at the health of this disk: what it changed once it may change again".to_owned(),
                format!("once partners are in step and share verify finds nothing, remove {}", one_line(&mended.kept)),
            ],
        });
    }
    if store.quarantined > 0 {
        let changes = some(store.quarantined, "change is", "changes are");
        findings.push(Finding::new(
            format!("{changes} held that do not count"),
            "share why ID says which and why; a newer version of share may understand them",
        ));
    }
}

fn cluster(space: &SpaceStatus, status: &Status, running: bool, now: &Zoned, findings: &mut Vec<Finding>) {
    let name = one_line(&space.name);
    for school in &space.waiting {
        findings.push(Finding::new(
            format!("{name}: {}", waits(school)),
            "compare the words over the telephone, then: share school confirm WORDS",
        ));
    }
    for school in space.forks.iter().chain(&space.device_forks) {
        let school = one_line(&school.name);
        findings.push(Finding::new(
            format!("{name}: {school} has two histories, as after a machine was copied or turned back"),
            format!("share school end-fork {school:?}, after a word with them"),
        ));
    }
    for waiting in &space.decisions {
        findings.push(Finding::new(
            format!("{name}: {}", decision::line(waiting)),
            "share decision list, then share decision yes or no",
        ));
    }
    for partner in space.partners.iter().filter(|partner| partner.school.id != status.school.id && running) {
        let told = format!("{name}: {}", line(partner, now));
        if partner.state == PartnerState::Unheard {
            findings.push(Finding::new(
                told,
                "is their node on, and can this machine reach it? share sync tries again now",
            ));
        } else if partner.refused.is_some() {
            findings.push(Finding::new(told, "tell them: their node may be an old version, or not theirs any more"));
        }
    }
}
