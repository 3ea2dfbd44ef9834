//! Setting a school up, joining and restoring, while calls of the disk fail: what failed left nothing, or
//! what the same command finishes.

use std::cell::Cell;
use std::fs;

use serde_json::Value;
use staffroom_tests::processes::{Serving, cluster, json, run};

use super::super::{lessons_file, set_up};
use super::commands::{Home, gives, with_a_record};
use super::{Work, can, text, titles};

#[test]
fn setting_up_on_a_failing_disk_leaves_nothing_or_what_its_sheet_opens() {
    if !can("setting_up_on_a_failing_disk_leaves_nothing_or_what_its_sheet_opens") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    let anew = || {
        let _ = fs::remove_dir_all(&home);
        ["init", "--school", "Hillside Primary"].map(str::to_owned).to_vec()
    };
    let code = Cell::new(None);
    let set_up = |told: &[Value], done: bool| {
        if let Some(told) = told.iter().find(|line| line["recovery_code"].is_string()) {
            code.set(told["recovery_code"].as_str().map(str::to_owned));
        }
        let is_set_up = run(&home, &["status"]).status.success();
        assert!(!done || is_set_up, "acknowledged, and not set up");
        // What nobody was told the code of would be nobody's for ever.
        let told = code.take();
        assert!(!is_set_up || told.is_some(), "set up, and nobody knows the code");
        code.set(told);
    };
    let begin = || {
        code.set(None);
        anew()
    };
    let work = Work {
        done_already: Some("is already set up in"),
        ..Work::from("init", &home, Box::new(begin), Box::new(set_up))
    };
    work.sweep(folder.path());
}

#[test]
fn joining_on_a_failing_disk_is_finished_by_joining_again() {
    if !can("joining_on_a_failing_disk_is_finished_by_joining_again") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook) = (folder.path().join("hillside"), folder.path().join("brook"));
    set_up(&hill, "Hillside Primary");
    let lessons = lessons_file(folder.path(), 0..5);
    let node = Serving::start(&hill, &[]);
    // A cluster and a school of its own for each run: a steward admits so many and no more.
    let number = Cell::new(0);
    let name = || format!("Cluster {}", number.get());
    let begin = || {
        number.set(number.get() + 1);
        json(&hill, &["cluster", "create", &name()]);
        json(&hill, &["import", &lessons, "--to", &name()]);
        let ticket = json(&hill, &["invite", "--no-confirm", "--cluster", &name()])["ticket"].clone();
        let _ = fs::remove_dir_all(&brook);
        set_up(&brook, "Brook Lane School");
        let settings = "listen = [\"/ip4/127.0.0.1/tcp/0\"]\nmdns = false\nfetch = \"opened\"\n";
        fs::write(brook.join("share.toml"), settings).expect("settings");
        let ticket = ticket.as_str().expect("a ticket").to_owned();
        vec!["join".to_owned(), ticket, "--wait".to_owned(), "30".to_owned()]
    };
    let joined = |_: &[Value], done: bool| {
        if done {
            assert_eq!(cluster(&brook)["name"], name());
            assert_eq!(titles(&brook).len(), 5, "joined, and records are missing");
        }
    };
    let work = Work { network: true, ..Work::from("join", &brook, Box::new(begin), Box::new(joined)) };
    work.sweep(folder.path());
    drop(node);
}

#[test]
fn restoring_on_a_failing_disk_is_finished_by_restoring_again() {
    if !can("restoring_on_a_failing_disk_is_finished_by_restoring_again") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Home { path, code, id, file: sheet } = with_a_record(folder.path());
    let (file, input, blank) =
        (folder.path().join("monday.backup"), folder.path().join("code"), folder.path().join("blank"));
    json(&path, &["backup", &text(&file)]);
    fs::write(&input, code).expect("written");
    let begin = || {
        let _ = fs::remove_dir_all(&blank);
        vec!["restore".to_owned(), text(&file)]
    };
    let restored = |told: &[Value], done: bool| {
        if done {
            assert_eq!(titles(&blank), titles(&path), "restored, and records are missing");
            let whole = told.last().is_none_or(|line| line["missing"] == 0);
            if whole {
                gives(&blank, &id, &sheet, folder.path());
            }
        }
    };
    let work = Work {
        input: Some(input),
        done_already: Some("is already set up in"),
        ..Work::from("restore", &blank, Box::new(begin), Box::new(restored))
    };
    work.sweep(folder.path());
}
