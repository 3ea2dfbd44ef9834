//! Backups: made beside a running node, restored on a blank machine, edited before and after partners
//! are met; a copied home beside the running one; a store put back. Nobody's words are lost.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use staffroom_tests::processes::{Serving, cluster, hold_the_same, json, run, share, until};

use super::{set_up, ticket};

/// Two schools in step, running, with the code on the first one's sheet.
fn pair(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf, Serving, Serving, String) {
    let (hill, brook) = (folder.join("hillside"), folder.join("brook"));
    let output = run(&hill, &["init", "--school", "Hillside Primary"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = said.lines().map(str::trim).find(|line| line.len() == 39 && line.matches('-').count() == 7);
    let code = code.expect("the sheet's code").to_owned();
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let (first, second) = (Serving::start(&hill, &[]), Serving::start(&brook, &[]));
    json(&brook, &["join", &ticket(&hill)]);
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    (hill, brook, first, second, code)
}

fn note(home: &Path, title: &str) {
    json(home, &["new", "note", "--title", title, "--to", "The Brook Cluster"]);
}

fn notes(home: &Path) -> Vec<String> {
    let all = json(home, &["list", "--kind", "note"]);
    let mut titles: Vec<String> =
        all.as_array().expect("a list").iter().map(|n| n["title"].as_str().unwrap_or_default().to_owned()).collect();
    titles.sort();
    titles
}

fn restore(home: &Path, file: &Path, code: &str) -> std::process::Output {
    let mut command = share(home);
    command.arg("restore").arg(file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("share starts");
    writeln!(child.stdin.take().expect("piped"), "{code}").expect("written");
    child.wait_with_output().expect("it ends")
}

#[test]
fn yesterday_s_backup_on_a_blank_machine_loses_nothing_and_forks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, first, second, code) = pair(folder.path());
    note(&hill, "Monday");
    json(&hill, &["new", "note", "--title", "A draft of our own", "--to", "school"]);
    until("Monday is there", || (notes(&brook) == ["Monday"]).then_some(()));
    let file = folder.path().join("monday.backup");
    json(&hill, &["backup", file.to_str().expect("UTF-8")]);
    let again = run(&hill, &["backup", file.to_str().expect("UTF-8")]);
    assert_eq!(again.status.code(), Some(4), "nothing is overwritten");
    // No secret is in it.
    let bytes = fs::read(&file).expect("a file");
    for secret in ["device.key", "life.key"] {
        let secret = fs::read(hill.join("secrets").join(secret)).expect("a secret");
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    note(&hill, "Tuesday");
    until("Tuesday is there", || (notes(&brook).len() == 2).then_some(()));
    // The machine is lost.
    first.kill();
    let blank = folder.path().join("blank");
    let wrong = restore(&blank, &file, "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA");
    assert_eq!(wrong.status.code(), Some(4), "{}", String::from_utf8_lossy(&wrong.stderr));
    let refused = restore(&brook, &file, &code);
    assert_eq!(refused.status.code(), Some(4), "a home that is not empty");
    let done = restore(&blank, &file, &code);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(notes(&blank), ["A draft of our own", "Monday"]);
    note(&blank, "Before it met anybody");
    let node = Serving::start(&blank, &[]);
    until("both hold the same", || hold_the_same(&blank, &brook).then_some(()));
    note(&blank, "Afterwards");
    let shared = ["Afterwards", "Before it met anybody", "Monday", "Tuesday"];
    until("all is at the partner", || (notes(&brook) == shared).then_some(()));
    until("and here", || (notes(&blank).len() == 5).then_some(()));
    let status = json(&brook, &["status"]);
    assert_eq!((&status["store"]["forks"], &status["store"]["quarantined"]), (&0.into(), &0.into()));
    for home in [&blank, &brook] {
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
    drop((node, second));
}

/// Copies a home, without its socket.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (kind, target) = (entry.file_type().expect("a type"), to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

#[test]
fn a_store_that_was_put_back_forks_and_one_command_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, first, second, _) = pair(folder.path());
    note(&hill, "Monday");
    until("Monday is there", || (notes(&brook) == ["Monday"]).then_some(()));
    first.stop();
    let yesterday = folder.path().join("yesterday");
    copy(&hill, &yesterday);
    let first = Serving::start(&hill, &[]);
    note(&hill, "Tuesday");
    until("Tuesday is there", || (notes(&brook).len() == 2).then_some(()));
    first.stop();
    fs::remove_dir_all(&hill).expect("removed");
    copy(&yesterday, &hill);
    // It writes before it meets anybody, under its own secrets: its log has two histories now.
    note(&hill, "Wednesday");
    let first = Serving::start(&hill, &[]);
    until("both know of the fork", || {
        let forks = |home: &Path| json(home, &["status"])["store"]["forks"] == 1;
        (forks(&hill) && forks(&brook) && hold_the_same(&hill, &brook)).then_some(())
    });
    assert_eq!(cluster(&brook)["forks"][0]["name"], "Hillside Primary", "it is named");
    until("its words are said again", || (notes(&brook) == ["Monday", "Wednesday"]).then_some(()));
    note(&hill, "Thursday");
    until("it goes on", || (notes(&brook).len() == 3).then_some(()));
    json(&hill, &["school", "end-fork", "Hillside Primary"]);
    until("it is ended", || {
        let forks = |home: &Path| json(home, &["status"])["store"]["forks"] == 0;
        (forks(&hill) && forks(&brook) && hold_the_same(&hill, &brook)).then_some(())
    });
    for home in [&hill, &brook] {
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
    drop((first, second));
}
