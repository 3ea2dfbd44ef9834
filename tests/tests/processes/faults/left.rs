//! What a command that was killed leaves of files: it goes by itself, and nothing else does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use staffroom_tests::faults::Fault;
use staffroom_tests::processes::{Serving, json, share, until};

use super::super::files::noise;
use super::super::set_up;
use super::{can, text, titles};

/// Publishes a file, and is killed when the file has its name, before its record is there. Where the file is.
fn killed_publish(home: &Path, folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("written");
    // Another school tells what it will be called.
    let elsewhere = folder.join("elsewhere");
    if !elsewhere.exists() {
        set_up(&elsewhere, "Coast School");
    }
    let id = json(&elsewhere, &["publish", &text(&path)])["id"].clone();
    let id = id
        .as_str()
        .map_or_else(|| json(&elsewhere, &["list"])[0]["id"].as_str().expect("an id").to_owned(), str::to_owned);
    let file = json(&elsewhere, &["show", &id])["blobs"][0]["id"].as_str().expect("an id").to_owned();
    let stored = home.join("blobs").join(&file[..2]).join(&file);
    let mut publish = share(home);
    publish.args(["publish", &text(&path)]);
    let in_folder = [stored.parent().expect("a folder").to_owned()];
    let killed = Fault::killed("fsync", 1).around(&publish, &folder.join("strace.log"), &in_folder).status();
    assert!(killed.is_ok_and(|status| !status.success()), "it was not killed");
    assert!(stored.exists(), "it was killed before the file had its name");
    stored
}

fn make_old(path: &Path) {
    let file = File::options().append(true).open(path).expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_hours(48)).expect("made old");
}

#[test]
fn a_file_whose_publish_was_killed_goes_after_a_day_and_no_other_file_does() {
    if !can("a_file_whose_publish_was_killed_goes_after_a_day_and_no_other_file_does") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let kept = folder.path().join("kept.pdf");
    fs::write(&kept, noise(6, 5_000)).expect("written");
    json(&home, &["publish", &text(&kept)]);
    let id = titles(&home).into_keys().next().expect("a record");
    let file = json(&home, &["show", &id])["blobs"][0]["id"].as_str().expect("an id").to_owned();
    let kept = home.join("blobs").join(&file[..2]).join(&file);
    let old = killed_publish(&home, folder.path(), "old.pdf", &noise(7, 300_000));
    let new = killed_publish(&home, folder.path(), "new.pdf", &noise(8, 300_000));
    assert_eq!(titles(&home).len(), 1, "killed before its record was there");
    let half = home.join("blobs/incoming/half.new");
    fs::write(&half, b"half of it").expect("written");
    for path in [&kept, &old, &half] {
        make_old(path);
    }
    let node = Serving::start(&home, &[]);
    until("it is gone", || (!old.exists()).then_some(()));
    assert!(kept.exists() && new.exists() && !half.exists());
    // Who publishes it again has it again.
    json(&home, &["publish", &text(&folder.path().join("old.pdf"))]);
    assert!(old.exists());
    make_old(&old);
    node.stop();
    let node = Serving::start(&home, &[]);
    assert_eq!(json(&home, &["verify"])["faults"], serde_json::json!([]));
    assert_eq!(titles(&home).len(), 2);
    node.stop();
    assert!(old.exists(), "its record names it");
}
