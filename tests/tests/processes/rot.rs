//! Bytes that change on the disk under real processes: a running node that meets them gives no answer,
//! mends its store and goes on; `share verify` mends where none runs; partners bring what is missing.
//!
//! Damages of every kind over every kind of file are in the node's own tests.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use serde_json::Value;
use staffroom_tests::processes::{Serving, hold_the_same, json, run, until};

use super::{lessons_file, set_up, ticket};

/// What a home lists, by id: titles, and what may not change by itself.
fn listed(home: &Path) -> Vec<(String, String)> {
    let all = json(home, &["list"]);
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        all.as_array().expect("a list").iter().map(|record| (text(record, "id"), text(record, "title"))).collect();
    all.sort();
    all
}

/// Flips a bit in each block of the store that holds these words.
fn flip_where(home: &Path, words: &[u8]) -> usize {
    let path = home.join("store.redb");
    let bytes = fs::read(&path).expect("read");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
    let places = bytes.windows(words.len()).enumerate().filter(|(_, part)| *part == words).map(|(at, _)| at);
    let places: Vec<usize> = places.collect();
    for at in &places {
        file.write_all_at(&[bytes[*at] ^ 16], *at as u64).expect("written");
    }
    places.len()
}

#[test]
fn a_store_that_rots_is_mended_and_the_partner_brings_the_rest() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook) = (folder.path().join("hillside"), folder.path().join("brook"));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let (first, second) = (Serving::start(&hill, &[]), Serving::start(&brook, &[]));
    json(&brook, &["join", &ticket(&hill)]);
    json(&hill, &["import", &lessons_file(folder.path(), 0..150), "--to", "The Brook Cluster"]);
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    until("all is listed", || (listed(&brook).len() >= 150).then_some(()));
    let all = listed(&brook);

    // No node runs: verify finds it and mends it, and says so.
    second.stop();
    assert!(flip_where(&brook, b"Lesson 77:") > 0, "the lesson is in the file");
    let verified = run(&brook, &["--json", "verify"]);
    let told: Value = serde_json::from_slice(&verified.stdout).expect("JSON");
    let faults = told["faults"].as_array().expect("faults");
    assert!(!faults.is_empty() && faults.iter().all(|fault| fault["healed"] == true), "{told}");
    let shown = listed(&brook);
    assert!(shown.iter().all(|record| all.contains(record)), "nothing wrong is shown");
    let doctor = run(&brook, &["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(doctor.contains("was damaged on the disk") && doctor.contains("store.redb.damaged-"), "{doctor}");
    let second = Serving::start(&brook, &[]);
    until("the partner brought the rest", || (hold_the_same(&hill, &brook) && listed(&brook) == all).then_some(()));
    assert_eq!(json(&brook, &["verify"])["faults"], serde_json::json!([]));

    // A node runs: it gives nothing wrong, mends by itself and goes on.
    assert!(flip_where(&brook, b"Lesson 78:") > 0);
    let verified = run(&brook, &["verify"]);
    assert_eq!(verified.status.code(), Some(7), "{}", String::from_utf8_lossy(&verified.stdout));
    until("it goes on and has all again", || {
        let status = run(&brook, &["--json", "status"]);
        let sound = status.status.success() && run(&brook, &["verify"]).status.success();
        (sound && hold_the_same(&hill, &brook) && listed(&brook) == all).then_some(())
    });
    second.stop();

    // Nothing can be read any more: the words say what to do, and nothing is touched.
    let store = brook.join("store.redb");
    fs::write(&store, vec![0; 100_000]).expect("written");
    let listed = run(&brook, &["list"]);
    assert_eq!(listed.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&listed.stderr).contains("share restore"), "{listed:?}");
    assert_eq!(fs::read(&store).expect("there").len(), 100_000);
    first.stop();
}
