//! Real processes over real sockets: joining, killing, cutting the network.

mod apart;
mod backups;
mod belonging;
mod devices;
mod erasing;
mod exports;
mod faults;
mod files;
mod forms;
mod joining;
mod kills;
mod liar;
mod network;
mod partners;
mod permissions;
mod reading;
mod rot;
mod scheduled;

use std::ops::Range;
use std::path::Path;

use staffroom_tests::processes::{json, run};

/// Sets a school up in an empty home.
pub(crate) fn set_up(home: &Path, name: &str) {
    let output = run(home, &["init", "--school", name]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A ticket of a running steward.
pub(crate) fn ticket(home: &Path) -> String {
    let invited = json(home, &["invite", "--no-confirm"]);
    invited["ticket"].as_str().expect("a ticket").to_owned()
}

/// A file of the lessons with these numbers in a folder.
pub(crate) fn lessons_file(folder: &Path, numbers: Range<usize>) -> String {
    let path = folder.join("lessons.jsonl");
    std::fs::write(&path, staffroom_tests::processes::lessons(numbers)).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}
