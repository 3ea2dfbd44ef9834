//! A running node whose disk fails: it goes on or ends by itself with a reason, and takes nothing back.
//!
//! The calls of the engine's thread alone fail, the only one that writes the store, from a moment when
//! the node runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json as value};
use staffroom_tests::faults::{Call, Fault, calls, log_in};
use staffroom_tests::processes::{Serving, cluster, hold_the_same, json, lessons, share, until};

use super::super::lessons_file;
use super::partners::behind;
use super::{all, are_listed, can, faults, lines, strides, text, titles};

/// What one run came to.
struct Ran {
    /// Calls of the engine's thread.
    calls: Vec<Call>,
    /// One of them failed.
    failed: bool,
    /// The node ended by itself.
    ended: bool,
}

/// Something that happens to a running node: answers whether it was acknowledged.
type Act<'a> = dyn Fn(usize, &mut Serving) -> Vec<Value> + 'a;

/// Runs a node, lets a call of its engine fail during `act`; then everything acknowledged is there.
/// Nothing where a running process may not be traced.
fn once(home: &Path, folder: &Path, fault: Fault, number: usize, act: &Act<'_>) -> Option<Ran> {
    let said = folder.join("node.log");
    let _ = fs::remove_file(&said);
    let log = log_in(folder);
    let mut node = Serving::logging(home, &["--listen", "/ip4/127.0.0.1/tcp/0"], "warn", &said);
    // By `write` threads wake each other, too: that is no disk's.
    let only: &[PathBuf] = if fault.call == "write" { &[home.join("secrets/signed.part")] } else { &[] };
    let traced = fault.inside(node.pid(), "engine", &log, only)?;
    let told = act(number, &mut node);
    // What a failing commit ended ends within two seconds; what goes on answers.
    let goes_on = share(home).args(["--json", "status"]).output().expect("share starts");
    let running = serde_json::from_slice::<Value>(&goes_on.stdout).is_ok_and(|status| status["running"] == true);
    drop(traced);
    let status = if running {
        node.kill();
        None
    } else {
        Some(node.ended())
    };
    // What is done behind an answer fails behind it, too.
    let seen = calls(&log);
    let hit: Vec<_> = seen.iter().filter(|call| call.failed).collect();
    let failed = !hit.is_empty();
    let what = format!("{fault:?} in run {number}, at {hit:#?}");
    let said = fs::read_to_string(&said).expect("a log");
    if let Some(status) = status {
        assert_eq!(status.code(), Some(1), "{what}");
        assert!(said.contains("\"error\"") && said.contains("nothing more is saved"), "{what}\n{said}");
    }
    assert!(!said.contains("panicked at"), "{what}\n{said}");
    assert!(running || failed, "it ended, and nothing failed: {what}\n{said}");
    are_listed(home, &told);
    let erased = told.iter().filter(|line| line["outcome"] == "erased");
    let listed = titles(home);
    let left = erased.filter(|line| line["id"].as_str().is_some_and(|id| listed.contains_key(id)));
    assert_eq!(left.count(), 0, "acknowledged as erased, and still listed: {what}");
    assert_eq!(json(home, &["verify"])["faults"], value!([]), "{what}");
    Some(Ran { calls: seen, failed, ended: !running })
}

/// Which of these calls fail: about so many on each file.
fn chosen(calls: &[Call], most: usize) -> BTreeSet<usize> {
    let mut files: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for call in calls {
        files.entry(call.file()).or_default().push(call.number);
    }
    let some = |numbers: Vec<usize>| strides(numbers.len(), most).into_iter().map(move |nth| numbers[nth - 1]);
    files.into_values().flat_map(some).collect()
}

/// Every call of the engine's thread during `act`, or about so many on each file; by default the first and the
/// last.
fn sweep(name: &str, home: &Path, folder: &Path, most: usize, act: &Act<'_>) {
    let (mut number, mut total) = (0, 0);
    for fault in faults() {
        let mut next = |at| {
            number += 1;
            once(home, folder, Fault { at, ..fault }, number, act)
        };
        let Some(clean) = next(None) else {
            println!("skipped: {name} needs leave to trace a running process");
            return;
        };
        assert!(!clean.failed && !clean.ended);
        let count = clean.calls.len();
        let tried = if all() {
            chosen(&clean.calls, most)
        } else {
            strides(count, 1).into_iter().filter(|nth| (1..=count).contains(nth)).collect()
        };
        let (mut runs, mut failed, mut ended) = (0, 0, 0);
        for at in tried {
            let ran = next(Some(at)).expect("as before");
            (runs, failed, ended) = (runs + 1, failed + usize::from(ran.failed), ended + usize::from(ran.ended));
        }
        total += failed;
        if runs > 0 {
            println!(
                "{name}, {fault}: {runs} runs, {failed} calls failed of {count}; {ended} ended by themselves; \
                 0 false acknowledgements"
            );
        }
    }
    assert!(total > 0, "{name}: no call failed");
}

/// A file with three lessons that nobody has yet.
fn three(folder: &Path, number: usize) -> String {
    let path = folder.join("three.jsonl");
    fs::write(&path, lessons(number * 3..number * 3 + 3)).expect("written");
    text(&path)
}
fn says(output: &Output, what: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || stderr.contains("\"error\""), "{what}: no reason\n{stderr}");
    assert!(!stderr.contains("panicked at"), "{what}: {stderr}");
}

#[test]
fn a_running_node_on_a_failing_disk_confirms_nothing_that_it_has_not() {
    let test = "a_running_node_on_a_failing_disk_confirms_nothing_that_it_has_not";
    if !can(test) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    super::set_up(&home, "Hillside Primary");
    let import = |number: usize, _: &mut Serving| {
        let file = three(folder.path(), number);
        let output = share(&home).args(["--json", "import", &file]).output().expect("share starts");
        says(&output, "import");
        lines(&output)
    };
    sweep("serve, import", &home, folder.path(), usize::MAX, &import);
    let erase = |_: usize, _: &mut Serving| {
        let id = titles(&home).into_keys().next().expect("a record");
        let output = share(&home).args(["--json", "erase", &id, "--yes"]).output().expect("share starts");
        says(&output, "erase");
        // The file is written anew behind the answer.
        let _ = share(&home).args(["--json", "status"]).output();
        let erased = output.status.success() || !lines(&output).is_empty();
        if erased { vec![value!({ "id": id, "outcome": "erased" })] } else { Vec::new() }
    };
    // A record for each run.
    json(&home, &["import", &lessons_file(folder.path(), 10_000..if all() { 10_200 } else { 10_020 })]);
    // Erasing writes the whole file anew, by hundreds of calls that are alike.
    sweep("serve, erase", &home, folder.path(), 8, &erase);
}

#[test]
fn a_running_node_on_a_failing_disk_is_not_in_step_with_what_it_has_not() {
    let test = "a_running_node_on_a_failing_disk_is_not_in_step_with_what_it_has_not";
    if !can(test) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook, partner) = behind(folder.path());
    let receive = |number: usize, node: &mut Serving| {
        until("they are in step", || {
            let state = cluster(&hill)["partners"][0]["state"].clone();
            (state == "in_step" || !node.runs()).then_some(())
        });
        json(&hill, &["import", &three(folder.path(), number)]);
        let ids = titles(&hill).into_keys().collect::<Vec<_>>();
        let in_step = until("it has them, or has ended", || {
            let partner = cluster(&hill)["partners"][0].clone();
            let in_step = partner["state"] == "in_step";
            (in_step || !node.runs()).then_some(in_step)
        });
        // Where the partner takes it for in step, it holds all that the partner does.
        let acknowledged = ids.into_iter().filter(|_| in_step);
        acknowledged.map(|id| value!({ "id": id, "outcome": "created" })).collect()
    };
    sweep("serve, receive", &brook, folder.path(), usize::MAX, &receive);
    let node = Serving::start(&brook, &[]);
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    drop((node, partner));
}
