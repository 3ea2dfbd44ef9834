//! What comes from a partner, while calls of the disk fail.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use staffroom_tests::faults::Saved;
use staffroom_tests::processes::{Serving, cluster, json};

use super::super::files::noise;
use super::super::{lessons_file, set_up, ticket};
use super::{Work, can, text, titles};

/// Two schools in step, of which the first runs and has shared more since; the second stands still.
pub(super) fn behind(folder: &Path) -> (PathBuf, PathBuf, Serving) {
    let (hill, brook) = (folder.join("hillside"), folder.join("brook"));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    let settings = "listen = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\nfetch = \"opened\"\n";
    fs::write(brook.join("share.toml"), settings).expect("settings");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let node = Serving::start(&hill, &[]);
    json(&brook, &["join", &ticket(&hill)]);
    json(&brook, &["sync"]);
    (hill, brook, node)
}

#[test]
fn receiving_on_a_failing_disk_is_never_answered_with_in_step() {
    if !can("receiving_on_a_failing_disk_is_never_answered_with_in_step") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, node) = behind(folder.path());
    json(&hill, &["import", &lessons_file(folder.path(), 0..5)]);
    // Both begin each run as they are now: a store that was put back alone would have words to say again, after
    // both were in step.
    let place = node.ready["listen"][0].as_str().expect("a place").split("/p2p/").next().unwrap_or_default().to_owned();
    node.stop();
    let (ours, theirs, node) = (Saved::of(&brook), Saved::of(&hill), Cell::new(None));
    let begin = || {
        drop(node.take());
        ours.put_back();
        theirs.put_back();
        node.set(Some(Serving::start(&hill, &["--listen", &place])));
        vec!["sync".to_owned()]
    };
    let same = |_: &[Value], done: bool| {
        let (ours, theirs) = (cluster(&brook), cluster(&hill));
        assert!(!done || ours["frontier"] == theirs["frontier"], "in step, and it is not: {ours}\n{theirs}");
        assert!(!done || titles(&brook) == titles(&hill), "in step, and records are missing");
    };
    let work = Work { network: true, ..Work::from("sync", &brook, Box::new(begin), Box::new(same)) };
    work.sweep(folder.path());
}

#[test]
fn fetching_on_a_failing_disk_gives_a_whole_file_or_none() {
    if !can("fetching_on_a_failing_disk_gives_a_whole_file_or_none") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, node) = behind(folder.path());
    let sheet = noise(4, 900_000);
    let path = folder.path().join("sheet.pdf");
    fs::write(&path, &sheet).expect("written");
    json(&hill, &["publish", &text(&path)]);
    json(&brook, &["sync"]);
    let id = titles(&brook).into_keys().next().expect("a record");
    let to = folder.path().join("got.pdf");
    let whole = |_: &[Value], done: bool| {
        assert!(to.exists() || !done, "acknowledged, and not there");
        assert!(!to.exists() || fs::read(&to).expect("got") == sheet, "other bytes");
    };
    let work = Work {
        makes: vec![to.clone()],
        done_already: Some("is there already"),
        network: true,
        ..Work::over("get", &brook, vec!["get".to_owned(), id, "--to".to_owned(), text(&to)], Box::new(whole))
    };
    work.sweep(folder.path());
    drop(node);
}
