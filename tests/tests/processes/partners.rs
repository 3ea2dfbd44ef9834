//! Schools join one another and hold the same.

use std::path::{Path, PathBuf};

use staffroom_tests::processes::{Serving, cluster, corpus, hold_the_same, json, run, until};

use super::{lessons_file, set_up, ticket};

/// The homes of three schools, the first with a cluster.
pub(super) fn three_schools(folder: &Path) -> [PathBuf; 3] {
    let schools =
        [("hillside", "Hillside Primary"), ("brook", "Brook Lane School"), ("northgate", "Northgate Academy")];
    let homes = schools.map(|(home, name)| {
        let home = folder.join(home);
        set_up(&home, name);
        home
    });
    json(&homes[0], &["cluster", "create", "The Brook Cluster"]);
    homes
}

#[test]
fn a_third_school_joins_through_the_second_while_the_first_is_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook, north] = three_schools(folder.path());
    let oak = corpus("oak-lessons.jsonl.gz");
    let file =
        oak.map_or_else(|| lessons_file(folder.path(), 0..2_000), |path| path.to_str().expect("UTF-8").to_owned());
    let imported = json(&hill, &["import", &file]);
    let count = imported["created"].as_u64().expect("a count");
    assert!(count >= 2_000);

    let first = Serving::start(&hill, &[]);
    let second = Serving::start(&brook, &[]);
    let joined = json(&brook, &["join", &ticket(&hill)]);
    assert_eq!(joined["state"], "admitted");
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    assert_eq!(json(&brook, &["status"])["store"]["records"].as_u64(), Some(count + 3));

    json(&hill, &["school", "promote", "Brook Lane School"]);
    until("the second is a steward", || {
        let members = cluster(&brook)["members"].as_array().cloned().unwrap_or_default();
        members.iter().any(|m| m["school"]["name"] == "Brook Lane School" && m["role"] == "steward").then_some(())
    });
    drop(first);
    let third = Serving::start(&north, &[]);
    json(&north, &["join", &ticket(&brook)]);
    until("the third holds the same as the second", || hold_the_same(&brook, &north).then_some(()));

    let again = Serving::start(&hill, &[]);
    until("all three hold the same", || (hold_the_same(&hill, &north) && hold_the_same(&hill, &brook)).then_some(()));
    for home in [&hill, &brook, &north] {
        let verified = json(home, &["verify"]);
        assert_eq!(verified["faults"], serde_json::json!([]));
        assert!(verified["entries"].as_u64().expect("a count") > count);
    }
    for node in [second, third, again] {
        let took = node.stop();
        assert!(took.as_secs() < 10, "a node ends within ten seconds, not {took:?}");
    }
}

#[test]
fn a_ticket_that_was_used_admits_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook, north] = three_schools(folder.path());
    let _first = Serving::start(&hill, &[]);
    let ticket = ticket(&hill);
    // Nobody runs a node for the joiners: the command does, for as long as it takes.
    json(&brook, &["join", &ticket]);
    let refused = run(&north, &["join", &ticket]);
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stderr));
    let mut altered = ticket.into_bytes();
    let middle = altered.len() / 2;
    altered[middle] = if altered[middle] == b'a' { b'b' } else { b'a' };
    let altered = String::from_utf8(altered).expect("ASCII");
    let refused = run(&north, &["join", &altered]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(cluster(&hill)["members"].as_array().map(Vec::len), Some(2));
}
