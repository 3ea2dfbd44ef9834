//! Commands that work without a partner, while calls of the disk fail.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use staffroom_tests::processes::{json, run};

use super::super::backups::restore;
use super::super::files::noise;
use super::super::{lessons_file, set_up};
use super::{Work, are_listed, can, text, titles};

/// Whether a home gives these bytes for the file of a record.
pub(super) fn gives(home: &Path, id: &str, bytes: &[u8], folder: &Path) {
    let to = folder.join("given");
    let _ = fs::remove_file(&to);
    let got = run(home, &["get", id, "--to", &text(&to)]);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    assert!(fs::read(&to).expect("given") == bytes, "other bytes");
}

#[test]
fn publishing_on_a_failing_disk_is_never_answered_with_saved() {
    if !can("publishing_on_a_failing_disk_is_never_answered_with_saved") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let lessons = folder.path().join("lessons");
    fs::create_dir(&lessons).expect("a folder");
    let (sheet, bar) = (noise(1, 300_000), noise(2, 5_000));
    fs::write(lessons.join("sheet.pdf"), &sheet).expect("written");
    fs::write(lessons.join("bar.png"), &bar).expect("written");
    fs::write(lessons.join("page.md"), "# Fractions\n\n![A bar](bar.png)\n").expect("written");
    let there = |told: &[Value], done: bool| {
        are_listed(&home, told);
        for line in told.iter().filter(|line| line["id"].is_string()) {
            let bytes = if line["title"] == "Fractions" { &bar } else { &sheet };
            gives(&home, line["id"].as_str().expect("an id"), bytes, folder.path());
        }
        assert!(!done || titles(&home).len() == 2);
    };
    let work = Work::over("publish", &home, vec!["publish".to_owned(), text(&lessons)], Box::new(there));
    work.sweep(folder.path());
}

#[test]
fn importing_on_a_failing_disk_is_never_answered_with_saved() {
    if !can("importing_on_a_failing_disk_is_never_answered_with_saved") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let there = |told: &[Value], done: bool| {
        are_listed(&home, told);
        assert!(!done || titles(&home).len() == 5);
    };
    let work =
        Work::over("import", &home, vec!["import".to_owned(), lessons_file(folder.path(), 0..5)], Box::new(there));
    work.sweep(folder.path());
}

/// A home with a record of one file.
pub(super) struct Home {
    pub(super) path: PathBuf,
    /// The code on its sheet.
    pub(super) code: String,
    /// The record.
    pub(super) id: String,
    /// The bytes of its file.
    pub(super) file: Vec<u8>,
}

pub(super) fn with_a_record(folder: &Path) -> Home {
    let home = folder.join("hillside");
    let made = json(&home, &["init", "--school", "Hillside Primary"]);
    let sheet = noise(3, 300_000);
    let path = folder.join("sheet.pdf");
    fs::write(&path, &sheet).expect("written");
    json(&home, &["publish", &text(&path)]);
    let id = titles(&home).into_keys().next().expect("a record");
    Home { path: home, code: made["recovery_code"].as_str().expect("a code").to_owned(), id, file: sheet }
}

#[test]
fn erasing_on_a_failing_disk_is_never_answered_with_erased() {
    if !can("erasing_on_a_failing_disk_is_never_answered_with_erased") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Home { path: home, id, .. } = with_a_record(folder.path());
    let gone = |told: &[Value], done: bool| {
        let acknowledged = done || told.iter().any(|line| line["id"] == id.as_str());
        assert!(!acknowledged || !titles(&home).contains_key(&id), "acknowledged, and still listed");
    };
    let work = Work {
        done_already: Some("was erased by"),
        ..Work::over("erase", &home, vec!["erase".to_owned(), id.clone(), "--yes".to_owned()], Box::new(gone))
    };
    work.sweep(folder.path());
}

#[test]
fn a_backup_on_a_failing_disk_is_whole_or_none() {
    if !can("a_backup_on_a_failing_disk_is_whole_or_none") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Home { path: home, code, id, file: sheet } = with_a_record(folder.path());
    let file = folder.path().join("monday.backup");
    let part = folder.path().join("monday.backup.part");
    let whole = |told: &[Value], done: bool| {
        assert!(!part.exists(), "a part is left");
        assert!(file.exists() || !done, "acknowledged, and not there");
        if file.exists() {
            let blank = folder.path().join("blank");
            let _ = fs::remove_dir_all(&blank);
            let restored = restore(&blank, &file, &code);
            assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
            // A file that could not be opened is left out, and that is told.
            if told.last().is_some_and(|line| line["missing"] == 0) {
                gives(&blank, &id, &sheet, folder.path());
            }
        }
    };
    let work = Work {
        makes: vec![file.clone()],
        reads: Some(home.clone()),
        done_already: Some("is there already"),
        ..Work::over("backup", &home, vec!["backup".to_owned(), text(&file)], Box::new(whole))
    };
    work.sweep(folder.path());
}
