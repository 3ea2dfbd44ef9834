//! `share verify`: everything that is held is checked from a snapshot, beside the running node.

use std::collections::BTreeMap;

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::BlobId;
use staffroom_protocol::verify::{Report, Wrong, verify};

use crate::api::{Answer, Code, Failure, FoundFault, Request, Verified};
use crate::blobs::NotRead;
use crate::engine::{BlobCommand, Command, Engine, Want};
use crate::home::Home;
use crate::store::Rotten;

/// What a check found, and the damaged files that partners may give again.
pub(crate) struct Checked {
    pub(crate) verified: Verified,
    /// Each with the place of its fault.
    pub(crate) lost: Vec<(Want, usize)>,
}

/// Checks the store and the files of an engine; where asked, makes what is cache anew and checks again.
pub(crate) fn run(engine: &Engine, home: &Home, rebuild: bool) -> Result<Answer, Failure> {
    check_all(engine, home, rebuild).map(|checked| Answer::Verified(checked.verified))
}

/// The same, with the files that are to be fetched again.
pub(crate) fn check_all(engine: &Engine, home: &Home, rebuild: bool) -> Result<Checked, Failure> {
    let rotten = engine.snapshots().check().map_err(|fault| unreadable(&fault))?;
    let mut faults: Vec<FoundFault> = rotten.iter().map(block).collect();
    let damaged = faults.iter().any(|fault| !fault.healed);
    faults.extend(home.damaged_files().iter().map(small));
    if damaged {
        // What else there is cannot be told before that is mended.
        return Ok(Checked { verified: Verified { faults, damaged, ..Verified::default() }, lost: Vec::new() });
    }
    let before = check(engine)?;
    faults.extend(before.wrong.iter().map(fault));
    let mut report = before;
    if rebuild {
        engine.ask_blocking(Request::Verify { rebuild })?;
        report = check(engine)?;
        for fault in faults.iter_mut().filter(|fault| !fault.healed) {
            fault.healed = !report.wrong.iter().any(|wrong| wrong.what == fault.what && wrong.place == fault.place);
        }
    }
    let (blobs, lost) = check_files(engine, &mut faults)?;
    let verified = Verified { entries: report.entries, records: report.records, blobs, faults, damaged: false };
    Ok(Checked { verified, lost })
}

fn check(engine: &Engine) -> Result<Report, Failure> {
    let snapshot = engine.snapshots().take();
    let report = snapshot.and_then(|snapshot| verify(&snapshot, &mut |_| {}));
    report.map_err(|fault| unreadable(&fault))
}

fn unreadable(fault: &staffroom_protocol::fault::Fault) -> Failure {
    if crate::store::is_damage(fault) {
        return Failure::new(Code::Damaged, fault.to_string()).hint("try again: it is mended first");
    }
    Failure::new(Code::Damaged, format!("the store cannot be read to its end: {fault}")).hint("restore a backup")
}

fn block(rotten: &Rotten) -> FoundFault {
    let table = rotten.table.as_deref().unwrap_or("the list of tables");
    if rotten.block == 0 {
        let what = "one of two copies was damaged on the disk".to_owned();
        return FoundFault { what, place: "the beginning of the store".to_owned(), healed: true };
    }
    let what = "damaged on the disk: the next start of share mends it, a running node does so at once".to_owned();
    FoundFault { what, place: format!("block {} of the store ({table})", rotten.block), healed: false }
}
/// A small file, with the first thing to try.
fn small(failure: &Failure) -> FoundFault {
    let what = failure.hints.first().cloned().unwrap_or_default();
    FoundFault { what, place: failure.message.clone(), healed: false }
}
fn fault(wrong: &Wrong) -> FoundFault {
    FoundFault { what: wrong.what.clone(), place: wrong.place.clone(), healed: false }
}

/// Reads every file that is known, each chunk of it. A damaged one is moved aside, and not counted as
/// held any more: so it is fetched again.
fn check_files(engine: &Engine, faults: &mut Vec<FoundFault>) -> Result<(u64, Vec<(Want, usize)>), Failure> {
    let snapshot = engine.snapshots().take().map_err(|fault| unreadable(&fault))?;
    let mut known: BTreeMap<BlobId, Vec<Want>> = BTreeMap::new();
    let scanned = Catalogue(&snapshot).known_blobs(&mut |space, blob, bytes| {
        known.entry(blob).or_default().push(Want { space, blob, bytes });
        true
    });
    scanned.map_err(|fault| unreadable(&fault))?;
    let mut lost = Vec::new();
    for (blob, wants) in &known {
        let read = engine.blobs().open(blob).and_then(|file| file.copy_to(&mut std::io::sink(), &mut |_| {}));
        let Err(why) = read else { continue };
        let damaged = !matches!(why, NotRead::Failed(_));
        if matches!(why, NotRead::Damaged(_)) {
            engine
                .blobs()
                .set_aside(blob)
                .map_err(|error| Failure::new(Code::Failed, format!("a damaged file cannot be moved: {error}")))?;
        }
        if damaged {
            engine.send_blocking(Command::Blob(BlobCommand::Damaged(*blob)));
            lost.extend(wants.iter().map(|want| (*want, faults.len())));
        }
        let what =
            if matches!(why, NotRead::Missing) { "it is gone from this disk".to_owned() } else { why.to_string() };
        faults.push(FoundFault { what, place: format!("file {blob}"), healed: false });
    }
    Ok((known.len() as u64, lost))
}
