//! Two schools write on while the cable is pulled; afterwards both show the same, and nothing is lost.

use std::path::Path;

use serde_json::{Value, json};
use staffroom_tests::processes::{Serving, hold_the_same, json, run, until};

use super::{set_up, ticket};

/// The full id of the record with this title.
fn id_of(home: &Path, title: &str) -> String {
    let listed = json(home, &["list"]);
    let found = listed.as_array().expect("a list").iter().find(|record| record["title"] == title).cloned();
    found.expect("it is here")["id"].as_str().expect("an id").to_owned()
}

fn succeeds(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert!(output.status.success(), "share {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both nodes run until they hold the same, then the cable is pulled again. The first listens where it
/// always does.
fn meet(hill: &Path, brook: &Path, listen: &str) {
    let nodes = [Serving::start(hill, &["--listen", listen]), Serving::start(brook, &[])];
    until("both hold the same", || hold_the_same(hill, brook).then_some(()));
    for node in nodes {
        node.stop();
    }
}

/// A record as both show it, with its history: there is no difference between them.
fn shown_alike(hill: &Path, brook: &Path, id: &str) -> Value {
    let [here, there] = [hill, brook].map(|home| json(home, &["show", id, "--history"]));
    assert_eq!(here, there);
    assert_eq!(json(hill, &["why", id]), json(brook, &["why", id]));
    here
}

#[test]
fn what_was_written_on_both_sides_of_a_pulled_cable_is_all_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook] = ["hill", "brook"].map(|name| folder.path().join(name));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let first = Serving::start(&hill, &[]);
    let listen = first.ready["listen"][0].as_str().expect("an address").to_owned();
    let listen = listen.split("/p2p/").next().expect("an address").to_owned();
    json(&brook, &["join", &ticket(&hill)]);
    first.stop();
    let paragraph = "Five questions at the start of every lesson show who is lost.";
    succeeds(&hill, &["new", "note", "--title", "Starters", "--body", paragraph, "--tag", "starter", "--tag", "old"]);
    let event = ["new", "event", "--title", "TeachMeet", "--editable-by", "cluster", "--state", "tentative"];
    let times = ["--start", "24 June 2026 16:00", "--end", "24 June 2026 18:00"];
    succeeds(&hill, &[&event[..], &times[..]].concat());
    meet(&hill, &brook, &listen);
    let (note, event) = (id_of(&brook, "Starters"), id_of(&brook, "TeachMeet"));

    // Apart: the same paragraph in other words, tags added and removed, the event moved and cancelled.
    let ours = "Five quick questions at the start of every lesson show who is lost.";
    let theirs = "Five questions at the start of every lesson show early who is stuck.";
    succeeds(&hill, &["edit", &note, "--body", ours, "--tag", "starter", "--tag", "retrieval", "--as", "A. Teacher"]);
    succeeds(&brook, &["edit", &note, "--body", theirs, "--tag", "starter", "--tag", "old", "--tag", "maths"]);
    let moved = ["--start", "25 June 2026 16:00", "--end", "25 June 2026 18:00", "--state", "confirmed"];
    succeeds(&hill, &[&["edit", &event][..], &moved[..], &["--as", "A. Teacher"]].concat());
    let called_off = ["--end", "24 June 2026 19:00", "--state", "cancelled", "--as", "B. Ahmed"];
    succeeds(&brook, &[&["edit", &event][..], &called_off[..]].concat());
    meet(&hill, &brook, &listen);

    let merged = shown_alike(&hill, &brook, &note);
    assert_eq!(merged["body"], "Five quick questions at the start of every lesson show early who is stuck.");
    let mut tags: Vec<&str> = merged["tags"].as_array().expect("tags").iter().filter_map(Value::as_str).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["maths", "retrieval", "starter"]);
    assert_eq!(merged["conflicts"], json!({}));
    assert_eq!(merged["history"].as_array().map(Vec::len), Some(3));

    // Both say what waits for a choice, who wrote what, and how to end it.
    let disputed = shown_alike(&hill, &brook, &event);
    assert_eq!(disputed["start"], "2026-06-25T16:00:00+01:00[Europe/London]");
    for (field, ours, theirs) in [
        ("state", "confirmed", "cancelled"),
        ("end", "2026-06-25T18:00:00+01:00[Europe/London]", "2026-06-24T19:00:00+01:00[Europe/London]"),
    ] {
        let values = disputed["conflicts"][field].as_array().expect("a conflict");
        assert!(values.len() == 2 && values.contains(&json!(ours)) && values.contains(&json!(theirs)), "{values:?}");
        for home in [&hill, &brook] {
            let listed = run(home, &["--json", "settle", &event, field]);
            assert_eq!(listed.status.code(), Some(5));
            let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
            let wrote = |value: &str| {
                listed["values"].as_array().expect("values").iter().find(|v| v["value"] == value).cloned()
            };
            assert_eq!(wrote(ours).expect("ours")["school"]["name"], "Hillside Primary");
            assert_eq!(wrote(theirs).expect("theirs")["author"], "B. Ahmed");
        }
    }
    for home in [&hill, &brook] {
        let page = succeeds(home, &["show", &event]);
        let to_choose = format!("To choose: share settle {} state --take NUMBER", &event[..6]);
        assert!(page.contains(&to_choose) && page.contains("cancelled") && page.contains("confirmed"), "{page}");
    }

    // One settles, also a date by its place in the list; it is settled on both.
    assert_eq!(run(&brook, &["settle", &event, "place", "Hall"]).status.code(), Some(2));
    succeeds(&brook, &["settle", &event, "state", "cancelled", "--as", "B. Ahmed"]);
    let first_end = disputed["conflicts"]["end"][0].clone();
    succeeds(&brook, &["settle", &event, "end", "--take", "1"]);
    meet(&hill, &brook, &listen);
    let settled = shown_alike(&hill, &brook, &event);
    assert_eq!((&settled["conflicts"], &settled["state"]), (&json!({}), &json!("cancelled")));
    assert_eq!(settled["end"], first_end);
    for home in [&hill, &brook] {
        assert!(run(home, &["settle", &event, "state"]).status.success(), "nothing is in conflict");
        assert!(!succeeds(home, &["show", &event]).contains("To choose"));
    }
}
