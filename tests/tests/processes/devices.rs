//! A laptop beside the office's machine, a new sheet, a lost machine and a new one in its place.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use staffroom_tests::processes::{Serving, hold_the_same, json, run, share, until};

use super::{set_up, ticket};

/// Runs a verb that asks for a code.
fn with_code(home: &Path, args: &[&str], code: &str) -> Output {
    let mut command = share(home);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("share starts");
    child.stdin.take().expect("piped").write_all(format!("{code}\n").as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

fn succeeded(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The code on a sheet.
fn code_on(sheet: &Path) -> String {
    let text = std::fs::read_to_string(sheet).expect("a sheet");
    let is_code = |line: &&str| line.trim().split('-').filter(|group| group.len() == 4).count() == 8;
    text.lines().find(is_code).expect("a code").trim().to_owned()
}

fn device(home: &Path) -> String {
    json(home, &["status"])["device"].as_str().expect("a device").to_owned()
}

fn titles(home: &Path) -> Vec<String> {
    let listed = json(home, &["list"]);
    let title = |record: &Value| record["title"].as_str().map(str::to_owned);
    listed.as_array().expect("a list").iter().filter_map(title).collect()
}

#[test]
fn a_school_has_a_laptop_loses_its_server_and_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let [hill, brook, laptop, fresh] = [at("hill"), at("brook"), at("laptop"), at("fresh")];
    let first_sheet = at("first.txt");
    let sheet = first_sheet.to_str().expect("UTF-8");
    succeeded(&run(&hill, &["init", "--school", "Hillside Primary", "--sheet", sheet]));
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let serving = Serving::start(&hill, &[]);
    let partner = Serving::start(&brook, &[]);
    json(&brook, &["join", &ticket(&hill)]);

    // A laptop joins; it shares as the school does, and admits nobody.
    let invited = json(&hill, &["device", "invite"]);
    let joined = json(&laptop, &["device", "join", invited["ticket"].as_str().expect("a ticket")]);
    assert_eq!(joined["in_step"], true, "{joined}");
    assert_eq!(joined["school"], json(&hill, &["status"])["school"]);
    let again = run(&at("second"), &["device", "join", invited["ticket"].as_str().expect("a ticket")]);
    assert_eq!(again.status.code(), Some(4), "a ticket is good once");
    let page = at("lesson.md");
    std::fs::write(&page, "# From the laptop\n\nWords.\n").expect("written");
    let page = page.to_str().expect("UTF-8");
    succeeded(&run(&laptop, &["publish", page, "--to", "The Brook Cluster"]));
    let on_the_road = Serving::start(&laptop, &[]);
    until("all hold the laptop's page", || hold_the_same(&laptop, &brook).then_some(()));
    assert!(titles(&brook).contains(&"From the laptop".to_owned()));
    assert_eq!(run(&laptop, &["invite", "--no-confirm"]).status.code(), Some(4));

    // A new sheet makes the first one void.
    let first = code_on(&first_sheet);
    let new_sheet = at("new.txt");
    succeeded(&with_code(&hill, &["key", "rotate", "--sheet", new_sheet.to_str().expect("UTF-8")], &first));
    let second = code_on(&new_sheet);
    assert_eq!(with_code(&hill, &["key", "sheet"], &first).status.code(), Some(4));
    assert!(succeeded(&with_code(&hill, &["key", "sheet"], &second)).contains(&second));

    // The laptop is lost: what of it is here stands, and nobody talks to it any more.
    let lost = device(&laptop);
    assert_eq!(run(&laptop, &["device", "revoke", &device(&hill)]).status.code(), Some(4));
    json(&hill, &["device", "revoke", &lost]);
    until("the partner knows", || {
        let partners = json(&brook, &["status"])["spaces"].to_string();
        (!partners.contains(&lost)).then_some(())
    });
    assert!(titles(&brook).contains(&"From the laptop".to_owned()));
    on_the_road.stop();

    // The server burns down.
    let burnt = device(&hill);
    serving.stop();
    std::fs::remove_dir_all(&hill).expect("gone");
    let from = partner.ready["listen"][0].as_str().expect("an address").to_owned();
    let recover = ["--json", "key", "recover", "--from", &from];
    assert_eq!(with_code(&fresh, &recover, &first).status.code(), Some(4), "the first sheet is void");
    let told: Value = serde_json::from_str(&succeeded(&with_code(&fresh, &recover, &second))).expect("JSON");
    assert_eq!((&told["school"]["name"], &told["in_step"]), (&Value::from("Hillside Primary"), &Value::from(true)));
    assert!(titles(&fresh).contains(&"From the laptop".to_owned()));
    succeeded(&with_code(&fresh, &["device", "revoke", &burnt, "--code"], &second));
    let new_server = Serving::start(&fresh, &[]);
    until("the new machine and the partner hold the same", || hold_the_same(&fresh, &brook).then_some(()));
    succeeded(&run(&fresh, &["publish", page, "--to", "The Brook Cluster"]));
    json(&fresh, &["school", "promote", "Brook Lane School"]);
    until("the partner hears of it", || hold_the_same(&fresh, &brook).then_some(()));
    for home in [&fresh, &brook] {
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
    // No code was ever written down.
    for home in [&fresh, &brook, &laptop] {
        for code in [&first, &second] {
            let plain = code.replace('-', "");
            let found = contains(home, code) || contains(home, &plain) || contains(home, &plain.to_lowercase());
            assert!(!found, "the code lies in {}", home.display());
        }
    }
    new_server.stop();
    partner.stop();
}

#[test]
fn a_laptop_that_a_partner_never_heard_of_presents_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let [hill, brook, laptop] = [at("hill"), at("brook"), at("laptop")];
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    json(&hill, &["cluster", "create", "The Brook Cluster"]);
    let serving = Serving::start(&hill, &[]);
    let partner = Serving::start(&brook, &[]);
    json(&brook, &["join", &ticket(&hill)]);
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    // The partner is off while the laptop joins, and the server when the partner is back.
    let listen = partner.ready["listen"][0].as_str().expect("an address").to_owned();
    let listen = listen.split("/p2p/").next().expect("an address").to_owned();
    partner.stop();
    let invited = json(&hill, &["device", "invite"]);
    json(&laptop, &["device", "join", invited["ticket"].as_str().expect("a ticket"), "--wait", "20"]);
    serving.stop();
    let partner = Serving::start(&brook, &["--listen", &listen]);
    let on_the_road = Serving::start(&laptop, &[]);
    until("the partner knows the laptop", || hold_the_same(&laptop, &brook).then_some(()));
    on_the_road.stop();
    partner.stop();
}

/// What a home holds of every space: its frontier and charter.
fn held(home: &Path) -> Vec<(Value, Value, Value)> {
    let status = json(home, &["status"]);
    let spaces = status["spaces"].as_array().expect("spaces").iter();
    spaces.map(|space| (space["id"].clone(), space["frontier"].clone(), space["charter"].clone())).collect()
}

#[test]
fn a_revoked_laptop_is_heard_in_no_space_of_its_school() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let [hill, brook, laptop] = [at("hill"), at("brook"), at("laptop")];
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    let clusters = ["The Brook Cluster", "The Coast Cluster"];
    let serving = Serving::start(&hill, &[]);
    let partner = Serving::start(&brook, &[]);
    for cluster in clusters {
        json(&hill, &["cluster", "create", cluster]);
        let invited = json(&hill, &["invite", "--cluster", cluster, "--no-confirm"]);
        json(&brook, &["join", invited["ticket"].as_str().expect("a ticket")]);
    }
    let invited = json(&hill, &["device", "invite"]);
    json(&laptop, &["device", "join", invited["ticket"].as_str().expect("a ticket")]);
    // Offline first: both clusters and the school's own space, then in step.
    let everywhere = ["The Brook Cluster", "The Coast Cluster", "school"];
    for space in everywhere {
        json(&laptop, &["new", "note", "--title", "Written on the train", "--to", space]);
    }
    let on_the_road = Serving::start(&laptop, &[]);
    let here = |home: &Path, title: &str| titles(home).iter().filter(|found| *found == title).count();
    until("all of it is at the server", || (here(&hill, "Written on the train") == 3).then_some(()));
    until("and what is shared at the partner", || (here(&brook, "Written on the train") == 2).then_some(()));
    until("the laptop is in step in all three spaces", || (held(&laptop) == held(&hill)).then_some(()));
    let partners = |home: &Path| -> Vec<Value> {
        let spaces = json(home, &["status"])["spaces"].as_array().cloned().expect("spaces");
        spaces.iter().flat_map(|space| space["partners"].as_array().cloned().unwrap_or_default()).collect()
    };
    until("it is in step with everybody", || {
        partners(&laptop).iter().all(|partner| partner["state"] == "in_step").then_some(())
    });

    let lost = device(&laptop);
    json(&hill, &["device", "revoke", &lost]);
    // Its sessions end, in every space, with everybody; nobody counts it among the partners.
    until("nobody talks to the laptop", || {
        partners(&laptop).iter().all(|partner| partner["state"] == "unheard").then_some(())
    });
    for home in [&hill, &brook] {
        until("it is no partner", || partners(home).iter().all(|partner| partner["device"] != *lost).then_some(()));
    }
    for space in everywhere {
        json(&laptop, &["new", "note", "--title", "After it was stolen", "--to", space]);
    }
    // Both clusters are the same at the two; the third space of each is its own.
    until("the server and the partner hold the same", || {
        let at_hill = held(&hill);
        (held(&brook).iter().filter(|space| at_hill.contains(space)).count() == clusters.len()).then_some(())
    });
    let before = [held(&hill), held(&brook)];
    // It dials them, and is a stranger: they say so, and take nothing.
    let asked = run(&laptop, &["--json", "sync", "--wait", "3"]);
    assert_eq!(asked.status.code(), Some(6), "{}", String::from_utf8_lossy(&asked.stderr));
    until("the partner names who came", || (!json(&brook, &["status"])["strangers"].is_null()).then_some(()));
    assert_eq!([held(&hill), held(&brook)], before);
    json(&hill, &["new", "note", "--title", "From the office", "--to", "The Coast Cluster"]);
    until("the others go on", || (here(&brook, "From the office") == 1).then_some(()));
    for home in [&hill, &brook] {
        assert_eq!(here(home, "After it was stolen"), 0);
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
    drop((serving, partner, on_the_road));
}

/// Whether any file of a folder has these letters in it.
fn contains(folder: &Path, letters: &str) -> bool {
    std::fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return contains(&path, letters);
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(letters.len()).any(|window| window == letters.as_bytes())
    })
}
