//! A form that several people had open: each saves it, and all their words are there (§2.3, lanes).

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use staffroom_node::api::{Answer, Done, Request};
use staffroom_node::socket::Connection;
use staffroom_protocol::record::field::{BlobRef, Fields, Value};
use staffroom_tests::processes::{Serving, hold_the_same, json, run, until};

use super::{set_up, ticket};

const BODY: &str = "Ask five questions.\n\nWait three seconds.\n\nLet them explain.\n";

/// Saves the form that was read at these heads, with other words in it.
fn save(home: &Path, read: &Json, who: &str, from: &str, to: &str, tag: &str) {
    let fields = Fields::from([
        ("body".to_owned(), Value::Text(BODY.replacen(from, to, 1))),
        ("tags".to_owned(), Value::set(["old", tag])),
    ]);
    save_fields(home, read, who, fields);
}

fn save_fields(home: &Path, read: &Json, who: &str, fields: Fields) {
    let request = Request::Edit {
        id: read["id"].as_str().expect("an id").to_owned(),
        fields,
        heads: Some(serde_json::from_value(read["heads"].clone()).expect("heads")),
        author: who.to_owned(),
    };
    let answer = Connection::to(&home.join("node.sock")).expect("it runs").ask(&request);
    assert!(matches!(&answer, Ok(Answer::Edited(outcome)) if outcome.outcome == Done::Updated), "{answer:?}");
}

#[test]
fn whoever_saves_a_form_that_others_saved_before_loses_nobodys_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook] = ["hill", "brook"].map(|name| folder.path().join(name));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let nodes = [Serving::start(&hill, &[]), Serving::start(&brook, &[])];
    json(&brook, &["join", &ticket(&hill)]);
    assert!(run(&hill, &["new", "note", "--title", "Starters", "--body", BODY, "--tag", "old"]).status.success());
    until("both hold the note", || hold_the_same(&hill, &brook).then_some(()));
    let id = json(&hill, &["list"])[0]["id"].as_str().expect("an id").to_owned();
    let read = json(&hill, &["show", &id]);
    save(&hill, &read, "A. Teacher", "five", "seven", "retrieval");
    save(&hill, &read, "B. Ahmed", "three", "ten", "thinking");
    save(&hill, &read, "C. Jones", "explain", "explain to each other", "talk");
    // One of the partner school had it open too.
    save(&brook, &read, "D. Evans", "Ask", "Always ask", "wales");
    until("both hold all four", || {
        let both = hold_the_same(&hill, &brook);
        (both && json(&hill, &["show", &id, "--history"])["history"].as_array().map(Vec::len) == Some(5)).then_some(())
    });
    for home in [&hill, &brook] {
        let shown = json(home, &["show", &id, "--history"]);
        let words = "Always ask seven questions.\n\nWait ten seconds.\n\nLet them explain to each other.";
        assert_eq!(shown["body"].as_str().map(str::trim_end), Some(words));
        let mut tags: Vec<&str> = shown["tags"].as_array().expect("tags").iter().filter_map(Json::as_str).collect();
        tags.sort_unstable();
        assert_eq!(tags, ["old", "retrieval", "talk", "thinking", "wales"]);
        assert_eq!(json(home, &["status"])["store"]["quarantined"], 0, "every partner accepts all of them");
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
    for node in nodes {
        node.stop();
    }
}

/// A form that shows a file, and was open while a partner took the file out, does not put it back.
#[test]
fn a_form_that_keeps_a_file_which_a_partner_took_out_leaves_it_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook] = ["hill", "brook"].map(|name| folder.path().join(name));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    // Brook Lane never had the file: to keep it needs no copy.
    fs::write(brook.join("share.toml"), "fetch = \"opened\"\n").expect("settings");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let nodes = [Serving::start(&hill, &[]), Serving::start(&brook, &[])];
    json(&brook, &["join", &ticket(&hill)]);
    let sheet = folder.path().join("sheet.pdf");
    fs::write(&sheet, b"five questions").expect("written");
    json(&hill, &["new", "note", "--title", "Starters", "--attach", sheet.to_str().expect("UTF-8")]);
    until("both hold the note", || hold_the_same(&hill, &brook).then_some(()));
    let id = json(&hill, &["list"])[0]["id"].as_str().expect("an id").to_owned();
    let read = json(&brook, &["show", &id]);
    let files: Vec<BlobRef> = serde_json::from_value(read["blobs"].clone()).expect("files");
    assert_eq!(files.len(), 1);
    json(&hill, &["edit", &id, "--detach", "sheet.pdf"]);
    until("it is out at both", || (json(&brook, &["show", &id])["blobs"] == serde_json::json!([])).then_some(()));
    for (home, who) in [(&brook, "B. Ahmed"), (&hill, "A. Teacher")] {
        let line = Value::Line(format!("by {who}"));
        let fields =
            Fields::from([("summary".to_owned(), line), ("attachments".to_owned(), Value::Blobs(files.clone()))]);
        save_fields(home, &read, who, fields);
    }
    until("both hold both edits", || {
        let both = hold_the_same(&hill, &brook);
        (both && json(&hill, &["show", &id, "--history"])["history"].as_array().map(Vec::len) == Some(4)).then_some(())
    });
    for home in [&hill, &brook] {
        let shown = json(home, &["show", &id]);
        assert_eq!(shown["blobs"], serde_json::json!([]), "it was taken out");
        assert!(shown["summary"].as_str().is_some_and(|line| line.starts_with("by ")), "{shown}");
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
    for node in nodes {
        node.stop();
    }
}
