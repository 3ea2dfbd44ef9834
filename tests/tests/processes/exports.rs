//! What one school exports, an empty one imports, field by field.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;
use staffroom_tests::processes::{json, lessons, run};

use super::set_up;

/// Every record that a school made, in full, by title; without what differs from place to place.
fn records(home: &Path) -> BTreeMap<String, Json> {
    let mut all = BTreeMap::new();
    for listed in json(home, &["list", "--mine"]).as_array().expect("a list") {
        let mut record = json(home, &["show", listed["id"].as_str().expect("an id")]);
        let fields = record.as_object_mut().expect("an object");
        let elsewhere =
            ["id", "space", "school", "created", "updated", "heads", "history", "about_this", "blobs", "conflicts"];
        fields.retain(|name, _| !elsewhere.contains(&name.as_str()));
        let name = format!("{} {}", fields["kind"], fields["title"]);
        assert!(all.insert(name, record).is_none(), "titles tell them apart");
    }
    all
}

/// The title of the record that a field of another one names.
fn title_of(home: &Path, id: &Json) -> String {
    let shown = json(home, &["show", id.as_str().expect("an id")]);
    shown["title"].as_str().expect("a title").to_owned()
}

fn id_of(home: &Path, title: &str) -> String {
    let all = json(home, &["list", "--mine"]);
    let found = all.as_array().expect("a list").iter().find(|record| record["title"] == title);
    found.unwrap_or_else(|| panic!("{title}"))["id"].as_str().expect("an id").to_owned()
}

fn make(home: &Path, args: &[&str]) {
    let output = run(home, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_empty_school_gets_the_same_records_and_the_second_time_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = folder.path().join("hill");
    set_up(&hill, "Hillside Primary");
    let file = folder.path().join("lessons.jsonl");
    std::fs::write(&file, lessons(0..60)).expect("written");
    make(&hill, &["import", file.to_str().expect("UTF-8")]);
    let body = "---\ntitle: not front matter\n---\n\r\nEnds with two.\n\n";
    make(
        &hill,
        &[
            "new",
            "resource",
            "--title",
            "No source",
            &format!("--body={body}"),
            "--tag",
            "a, b",
            "--licence",
            "CC-BY-4.0",
        ],
    );
    make(&hill, &["new", "event", "--title", "Meet", "--start", "2027-06-24 16:00 Europe/Paris", "--capacity", "30"]);
    make(&hill, &["new", "note", "--title", "A draft", "--state", "draft", "--finding", "It helps"]);
    let resource = id_of(&hill, "No source");
    let sheet = folder.path().join("two words & ü.pdf");
    std::fs::write(&sheet, super::files::noise(1, 300_000)).expect("written");
    make(&hill, &["edit", &resource, "--attach", sheet.to_str().expect("UTF-8")]);
    make(&hill, &["new", "comment", "--about", &resource, "--body", "Thanks for this"]);
    make(&hill, &["new", "tried", "--about", &resource, "--what-happened", "It rained"]);
    let meet = id_of(&hill, "Meet");
    make(
        &hill,
        &["new", "collection", "--title", "Kit", "--record", &format!("{meet} go there"), "--record", &resource],
    );
    let before = records(&hill);
    assert!(before.len() >= 66, "{}", before.len());

    for (name, format) in [("pages", "markdown"), ("pages.zip", "markdown"), ("lines", "jsonl"), ("lines.zip", "jsonl")]
    {
        let to = folder.path().join(name);
        let to = to.to_str().expect("UTF-8");
        let exported = json(&hill, &["export", "--to", to, "--format", format]);
        assert_eq!(exported["exported"].as_u64(), Some(before.len() as u64 + 1), "the profile too");
        assert_eq!(run(&hill, &["export", "--to", to]).status.code(), Some(4), "nothing is written over");

        let brook = folder.path().join(format!("brook-{name}"));
        set_up(&brook, "Brook Lane School");
        let said = json(&brook, &["import", to]);
        assert_eq!(
            (said["created"].as_u64(), said["refused"].as_u64()),
            (Some(before.len() as u64), Some(0)),
            "{said}"
        );
        let after = records(&brook);
        for (title, record) in &before {
            let mut same = after[title].clone();
            // What records name has other ids there, and is the same.
            let mut record = record.clone();
            for home_and_record in [(&hill, &mut record), (&brook, &mut same)] {
                let (home, record) = home_and_record;
                if record["about"].is_string() {
                    record["about"] = Json::from(title_of(home, &record["about"]));
                }
                for one in record["records"].as_array_mut().into_iter().flatten() {
                    one["id"] = Json::from(title_of(home, &one["id"]));
                }
                record.as_object_mut().expect("an object").remove("titles");
            }
            assert_eq!(same, record, "{name}");
        }
        let again = json(&brook, &["import", to]);
        assert_eq!((again["created"].as_u64(), again["updated"].as_u64()), (Some(0), Some(0)), "{again}");
        assert_eq!(records(&brook).len(), before.len());
        // The same file, byte for byte, under the same name.
        let got = folder.path().join(format!("got-{name}"));
        let there = id_of(&brook, "No source");
        make(&brook, &["get", &there, "--to", got.to_str().expect("UTF-8")]);
        assert!(std::fs::read(&got).expect("it is here") == std::fs::read(&sheet).expect("it is here"));
        // Also after all that is cache was made anew.
        make(&brook, &["verify", "--rebuild"]);
        assert_eq!(json(&brook, &["import", to])["unchanged"].as_u64(), Some(before.len() as u64));
        // And where it came from, it is what is there.
        let home = json(&hill, &["import", to]);
        assert_eq!((home["created"].as_u64(), home["updated"].as_u64()), (Some(0), Some(0)), "{home}");
        assert!(!brook.join("tmp").exists() || brook.join("tmp").read_dir().expect("a folder").next().is_none());
    }
}

#[test]
fn a_newer_calendar_updates_and_an_older_one_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = folder.path().join("hill");
    set_up(&hill, "Hillside Primary");
    let import = |sequence: u8, more: &str, method: &str| {
        let path = folder.path().join("calendar.ics");
        let calendar = format!(
            "BEGIN:VCALENDAR\r\n{method}BEGIN:VEVENT\r\nUID:meet\r\nSUMMARY:Meet {sequence}\r\n\
             DTSTART;TZID=GMT Standard Time:20350524T1{sequence}0000\r\nSEQUENCE:{sequence}\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        std::fs::write(&path, calendar).expect("written");
        json(&hill, &["import", path.to_str().expect("UTF-8")])
    };
    let event = || json(&hill, &["list", "--mine", "--kind", "event"]).as_array().expect("a list").clone();
    // A cancellation of what nobody knows makes nothing.
    assert_eq!(import(0, "", "METHOD:CANCEL\r\n")["created"], 0);
    assert_eq!(event().len(), 0);
    assert_eq!(import(1, "STATUS:TENTATIVE\r\n", "")["created"], 1);
    assert_eq!(import(1, "STATUS:TENTATIVE\r\n", "")["unchanged"], 1);
    assert_eq!(import(2, "", "")["updated"], 1);
    let now = event();
    assert_eq!((now.len(), &now[0]["state"], &now[0]["title"]), (1, &Json::from("confirmed"), &Json::from("Meet 2")));
    assert_eq!(now[0]["start"], "2035-05-24T12:00:00+01:00[Europe/London]");
    assert_eq!(import(1, "", "")["unchanged"], 1);
    assert_eq!(event()[0]["title"], "Meet 2");
    assert_eq!(import(3, "", "METHOD:CANCEL\r\n")["updated"], 1);
    assert_eq!(event()[0]["state"], "cancelled");
}
