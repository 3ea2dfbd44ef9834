//! `kill -9` in the middle of work: what was acknowledged is there, and work goes on where it stopped.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use staffroom_tests::processes::{Serving, hold_the_same, json, share, until};

use super::{lessons_file, set_up, ticket};

/// How often each kind of work is killed.
const KILLS: usize = 50;

/// The ids of everything that a home lists.
fn listed(home: &Path) -> BTreeSet<String> {
    let all = json(home, &["list"]);
    let id = |record: &serde_json::Value| record["id"].as_str().expect("an id").to_owned();
    all.as_array().expect("an array").iter().map(id).collect()
}

#[test]
fn killed_during_import_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let count = 6_000;
    let file = lessons_file(folder.path(), 0..count);
    let mut acknowledged: BTreeSet<String> = BTreeSet::new();
    let mut opened = Duration::ZERO;
    for kill in 0..KILLS {
        // Killed after a few acknowledgements more than last time, in the middle of a batch or not.
        let stop_after = 1 + (kill * 37) % 211;
        let mut import =
            share(&home).args(["--json", "import", &file]).stdout(Stdio::piped()).spawn().expect("share starts");
        let lines = BufReader::new(import.stdout.take().expect("piped")).lines();
        let mut new = 0;
        for line in lines.map_while(Result::ok) {
            let outcome: serde_json::Value = serde_json::from_str(&line).expect("a line of JSON");
            let Some(id) = outcome["id"].as_str() else { break };
            if acknowledged.insert(id.to_owned()) {
                new += 1;
            }
            if new == stop_after {
                break;
            }
        }
        let _ = import.kill();
        let _ = import.wait();
        let begun = std::time::Instant::now();
        json(&home, &["status"]);
        opened = opened.max(begun.elapsed());
        if kill % 10 == 9 {
            let held = listed(&home);
            let lost: Vec<_> = acknowledged.difference(&held).collect();
            assert!(
                lost.is_empty(),
                "kill {kill}: {} of {} acknowledged are lost: {lost:?}",
                lost.len(),
                acknowledged.len()
            );
        }
    }
    let done = json(&home, &["import", &file]);
    assert_eq!(done["refused"], 0);
    assert_eq!(listed(&home).len(), count);
    assert_eq!(json(&home, &["verify"])["faults"], serde_json::json!([]));
    println!(
        "{KILLS} kills during import: {} acknowledged, 0 lost; slowest `share status` after a kill {opened:?}",
        acknowledged.len()
    );
}

#[test]
fn killed_during_sync_it_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hill, brook) = (folder.path().join("hillside"), folder.path().join("brook"));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let host = Serving::start(&hill, &[]);
    json(&brook, &["join", &ticket(&hill)]);
    let mut numbers = 0..20_000;
    json(&hill, &["import", &lessons_file(folder.path(), numbers.clone())]);
    let entries = |home: &Path| json(home, &["status"])["store"]["entries"].as_u64().expect("a count");
    let mut held = entries(&brook);
    let mut opened = Duration::ZERO;
    let (mut kills, mut cut_short) = (0u64, 0);
    while cut_short < KILLS {
        if hold_the_same(&hill, &brook) {
            numbers = numbers.end..numbers.end + 10_000;
            json(&hill, &["import", &lessons_file(folder.path(), numbers.clone())]);
        }
        let node = Serving::start(&brook, &[]);
        opened = opened.max(node.opened);
        // Killed as soon as it says that it holds more than before, a little or a lot.
        let target = held + (kills * 61) % 509;
        let now = until("more is held", || {
            let now = entries(&brook);
            (now > target || hold_the_same(&hill, &brook)).then_some(now)
        });
        node.kill();
        kills += 1;
        assert!(
            kills < 4 * KILLS as u64,
            "{cut_short} of {kills} kills cut a sync short: the machine is too fast for this test"
        );
        let after = entries(&brook);
        assert!(after >= now, "kill {kills}: {now} entries were durable, {after} are left");
        // Only a kill that left something to be fetched counts.
        cut_short += usize::from(!hold_the_same(&hill, &brook));
        held = after;
    }
    let last = Serving::start(&brook, &[]);
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    assert_eq!(json(&brook, &["verify"])["faults"], serde_json::json!([]));
    println!(
        "{kills} kills during sync, {cut_short} of them before all was there: 0 of {held} lost; slowest start after a kill {opened:?}"
    );
    drop((last, host));
}
