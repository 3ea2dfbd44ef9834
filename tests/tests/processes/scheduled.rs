//! A tip that was written ahead is shared by its node, once.

use std::path::Path;

use serde_json::Value;
use staffroom_tests::processes::{Serving, json, run, until};

use super::set_up;

/// The tips of a space: title and state.
fn tips(home: &Path, space: &str) -> Vec<(String, String)> {
    let listed = json(home, &["list", "--kind", "tip", "--cluster", space]);
    let word = |tip: &Value, name: &str| tip[name].as_str().unwrap_or_default().to_owned();
    let mut tips: Vec<_> =
        listed.as_array().expect("a list").iter().map(|tip| (word(tip, "title"), word(tip, "state"))).collect();
    tips.sort();
    tips
}

#[test]
fn a_scheduled_tip_is_shared_in_its_week_and_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = folder.path().join("hill");
    set_up(&hill, "Hillside Primary");
    let scheduled = |body: &str, week: &str| {
        run(&hill, &["new", "tip", "--body", body, "--week", week, "--state", "scheduled", "--to", "school"])
    };
    assert_eq!(scheduled("Nowhere to go", "2020-W01").status.code(), Some(4), "it is in no cluster");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    assert_eq!(scheduled("No week", "soon").status.code(), Some(4));
    assert!(scheduled("Wait three seconds", "2020-W01").status.success());
    assert!(scheduled("Not yet", "2999-W01").status.success());
    let tip = |title: &str, state: &str| (title.to_owned(), state.to_owned());
    for _ in 0..2 {
        let node = Serving::start(&hill, &[]);
        until("the tip is shared", || (!tips(&hill, "The Brook Cluster").is_empty()).then_some(()));
        assert_eq!(tips(&hill, "The Brook Cluster"), [tip("Wait three seconds", "published")]);
        assert_eq!(tips(&hill, "school"), [tip("Not yet", "scheduled"), tip("Wait three seconds", "published")]);
        node.stop();
    }
}
