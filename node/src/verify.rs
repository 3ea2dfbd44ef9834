//! `share verify`: everything that is held is checked from a snapshot, beside the running node.

use staffroom_protocol::verify::{Report, Wrong, verify};

use crate::api::{Answer, Code, Failure, FoundFault, Request, Verified};
use crate::engine::Engine;

/// Checks the store of an engine; where asked, makes what is cache anew and checks again.
pub(crate) fn run(engine: &Engine, rebuild: bool) -> Result<Answer, Failure> {
    let before = check(engine)?;
    let mut faults: Vec<FoundFault> = before.wrong.iter().map(fault).collect();
    let mut report = before;
    if rebuild {
        engine.ask_blocking(Request::Verify { rebuild })?;
        report = check(engine)?;
        for fault in &mut faults {
            fault.healed = !report.wrong.iter().any(|wrong| wrong.what == fault.what && wrong.place == fault.place);
        }
    }
    Ok(Answer::Verified(Verified { entries: report.entries, records: report.records, blobs: 0, faults }))
}

fn check(engine: &Engine) -> Result<Report, Failure> {
    let snapshot = engine.snapshots().take();
    let report = snapshot.and_then(|snapshot| verify(&snapshot, &mut |_| {}));
    report.map_err(|fault| {
        Failure::new(Code::Damaged, format!("the store cannot be read to its end: {fault}")).hint("restore a backup")
    })
}

fn fault(wrong: &Wrong) -> FoundFault {
    FoundFault { what: wrong.what.clone(), place: wrong.place.clone(), healed: false }
}
