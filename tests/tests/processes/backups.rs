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

pub(super) fn restore(home: &Path, file: &Path, code: &str) -> std::process::Output {
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

/// Puts the files of a copy back where they were, into the same files: what a virtual machine's snapshot
/// does, which nothing on the machine can tell.
fn turn_back(from: &Path, to: &Path) {
    for name in ["store.redb", "secrets/signed.json"] {
        fs::write(to.join(name), fs::read(from.join(name)).expect("read")).expect("written");
    }
}

fn forks(home: &Path) -> u64 {
    json(home, &["status"])["store"]["forks"].as_u64().expect("a number")
}

fn clean(homes: &[&Path]) {
    for home in homes {
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
}

/// Two schools, of which the first wrote Monday, was copied, and wrote Tuesday; it stands still.
fn since_yesterday(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf, Serving, std::path::PathBuf) {
    let (hill, brook, first, second, _) = pair(folder);
    note(&hill, "Monday");
    until("Monday is there", || (notes(&brook) == ["Monday"]).then_some(()));
    first.stop();
    let yesterday = folder.join("yesterday");
    copy(&hill, &yesterday);
    let first = Serving::start(&hill, &[]);
    note(&hill, "Tuesday");
    until("Tuesday is there", || (notes(&brook).len() == 2).then_some(()));
    first.stop();
    (hill, brook, second, yesterday)
}

#[test]
fn a_store_put_back_under_its_own_secret_loses_nothing_and_forks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, second, yesterday) = since_yesterday(folder.path());
    // The store alone: how far it had signed stands beside it.
    fs::write(hill.join("store.redb"), fs::read(yesterday.join("store.redb")).expect("read")).expect("written");
    note(&hill, "Wednesday");
    let first = Serving::start(&hill, &[]);
    let all = ["Monday", "Tuesday", "Wednesday"];
    until("all is at both", || (notes(&brook) == all && hold_the_same(&hill, &brook)).then_some(()));
    // The whole machine, as a snapshot of it brings it back: only partners can tell.
    first.stop();
    turn_back(&yesterday, &hill);
    note(&hill, "Thursday");
    let first = Serving::start(&hill, &[]);
    let all = ["Monday", "Thursday", "Tuesday", "Wednesday"];
    until("all is at both", || (notes(&brook) == all && hold_the_same(&hill, &brook)).then_some(()));
    note(&hill, "Friday");
    until("it goes on", || (notes(&brook).len() == 5 && hold_the_same(&hill, &brook)).then_some(()));
    assert_eq!((forks(&hill), forks(&brook)), (0, 0));
    clean(&[&hill, &brook]);
    drop((first, second));
}

#[test]
fn a_copied_home_beside_the_running_one_loses_nothing_and_forks_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, second, yesterday) = since_yesterday(folder.path());
    // Each meets the partner in turn, since they share one name on the network.
    for (home, title) in [(&hill, "One"), (&yesterday, "Two"), (&hill, "Three"), (&yesterday, "Four")] {
        note(home, title);
        let running = Serving::start(home, &[]);
        until(title, || (notes(&brook).contains(&title.to_owned()) && hold_the_same(home, &brook)).then_some(()));
        note(home, &format!("{title}, with partners"));
        until("that too", || hold_the_same(home, &brook).then_some(()));
        running.stop();
    }
    assert_eq!(notes(&brook).len(), 10, "{:?}", notes(&brook));
    assert_eq!(forks(&brook), 0);
    clean(&[&hill, &brook, &yesterday]);
    drop(second);
}

/// A node that is found again where it was.
fn serve(home: &Path, place: &str) -> Serving {
    Serving::start(home, &["--listen", place])
}

#[test]
fn a_machine_turned_back_between_two_partners_forks_and_one_command_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, first, second, _) = pair(folder.path());
    let coast = folder.path().join("coast");
    set_up(&coast, "Coast School");
    let third = Serving::start(&coast, &[]);
    json(&coast, &["join", &ticket(&hill)]);
    note(&hill, "Monday");
    let in_step = || hold_the_same(&hill, &coast) && hold_the_same(&hill, &brook);
    until("all three hold the same", || (notes(&coast) == ["Monday"] && in_step()).then_some(()));
    let places = [&first, &second, &third].map(|node| node.ready["listen"][0].as_str().expect("a place").to_owned());
    let [at_hill, at_brook, at_coast] = places.map(|place| place.split("/p2p/").next().unwrap_or_default().to_owned());
    third.stop();
    first.stop();
    let before = folder.path().join("before");
    copy(&hill, &before);
    // One partner hears of Tuesday; the machine is turned back; the other hears of Wednesday instead.
    let first = serve(&hill, &at_hill);
    note(&hill, "Tuesday");
    until("the one has Tuesday", || hold_the_same(&hill, &brook).then_some(()));
    first.stop();
    second.stop();
    turn_back(&before, &hill);
    let third = serve(&coast, &at_coast);
    let first = serve(&hill, &at_hill);
    note(&hill, "Wednesday");
    until("the other has Wednesday", || hold_the_same(&hill, &coast).then_some(()));
    let second = serve(&brook, &at_brook);
    let homes: [&Path; 3] = [&hill, &brook, &coast];
    until("all three know of the fork", || (homes.iter().all(|home| forks(home) == 1) && in_step()).then_some(()));
    assert_eq!(cluster(&brook)["forks"][0]["name"], "Hillside Primary", "it is named");
    let all = ["Monday", "Tuesday", "Wednesday"];
    until("all its words are said again", || homes.iter().all(|home| notes(home) == all).then_some(()));
    note(&hill, "Thursday");
    until("it goes on", || (notes(&brook).len() == 4).then_some(()));
    json(&hill, &["school", "end-fork", "Hillside Primary"]);
    until("it is ended", || (homes.iter().all(|home| forks(home) == 0) && in_step()).then_some(()));
    assert_eq!(notes(&coast).len(), 4);
    clean(&homes);
    drop((first, second, third));
}

/// A backup has the files with the records; one that is damaged on the old disk is told, and comes from a
/// partner once the new machine runs.
#[test]
fn files_are_in_a_backup_and_what_was_damaged_comes_from_a_partner() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, first, second, code) = pair(folder.path());
    let publish = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("written");
        json(&hill, &["publish", path.to_str().expect("UTF-8")]);
    };
    let long: Vec<u8> = (0..700_000u32).map(|n| (n.wrapping_mul(n) % 251) as u8).collect();
    publish("sound.pdf", &long);
    publish("damaged.pdf", b"a short one");
    let files = |home: &Path, title: &str| {
        let list = json(home, &["list"]);
        let record = list.as_array().expect("a list").iter().find(|record| record["title"] == title).cloned();
        record.map(|record| json(home, &["show", record["id"].as_str().expect("an id")])["blobs"][0].clone())
    };
    for title in ["Sound", "Damaged"] {
        until("the partner has it", || (files(&brook, title)?["held"] == true).then_some(()));
    }
    let id = files(&hill, "Damaged").expect("its record")["id"].as_str().expect("an id").to_owned();
    fs::write(hill.join("blobs").join(&id[..2]).join(&id), b"rot").expect("damaged");
    let file = folder.path().join("files.backup");
    let made = run(&hill, &["--json", "backup", file.to_str().expect("UTF-8")]);
    assert_eq!(made.status.code(), Some(8), "not all of it is in the backup");
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    assert_eq!((made["files"].as_u64(), made["missing"].as_u64()), (Some(1), Some(1)), "{made}");
    first.kill();
    let blank = folder.path().join("blank");
    let restored = restore(&blank, &file, &code);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(files(&blank, "Sound").expect("its record")["held"], true);
    assert_eq!(files(&blank, "Damaged").expect("its record")["held"], false);
    let out = folder.path().join("out.pdf");
    let list = json(&blank, &["list"]);
    let sound = list.as_array().expect("a list").iter().find(|record| record["title"] == "Sound").cloned();
    let sound = sound.expect("it is there")["id"].as_str().expect("an id").to_owned();
    json(&blank, &["get", &sound, "--to", out.to_str().expect("UTF-8")]);
    assert!(fs::read(&out).expect("it is there") == long);
    let again = Serving::start(&blank, &[]);
    until("the damaged one came", || (files(&blank, "Damaged")?["held"] == true).then_some(()));
    drop((again, second));
}
