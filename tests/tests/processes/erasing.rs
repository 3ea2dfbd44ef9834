//! Erased is erased (6-promises): not a byte of it in any file under any home, running or stopped.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};

use serde_json::Value;
use staffroom_node::store::RedbStore;
use staffroom_protocol::id::RecordId;
use staffroom_protocol::store::{Read as _, Table};
use staffroom_tests::processes::{Serving, hold_the_same, json, run, until};

use super::partners::three_schools;
use super::{set_up, ticket};

/// Twelve letters that are nowhere else.
fn word() -> String {
    let mut random = RandomState::new().build_hasher().finish();
    let letter = |_| {
        let letter = char::from(b'a' + u8::try_from(random % 26).expect("small"));
        random /= 26;
        letter
    };
    (0..12).map(letter).collect()
}

/// An address that nobody listens on now.
fn address() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("/ip4/127.0.0.1/tcp/{}", free.local_addr().expect("an address").port())
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // The socket has no bytes of its own.
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}
/// Which of these byte strings are in which file under a home.
fn hits(home: &Path, needles: &[Vec<u8>]) -> Vec<(PathBuf, usize)> {
    let mut hits = Vec::new();
    for path in files(home) {
        let bytes = std::fs::read(&path).expect("readable");
        let is_in = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
        hits.extend((0..needles.len()).filter(|at| is_in(&needles[*at])).map(|at| (path.clone(), at)));
    }
    hits
}
/// How the words of a record rest in a stopped node's store besides in the clear: its payloads, which are
/// compressed. Found by the headers that name the record, whatever packs them.
fn packed(home: &Path, record: &RecordId) -> Vec<Vec<u8>> {
    let store = home.join("store.redb");
    let mut keys = BTreeSet::new();
    let about = |header: &[u8]| header.get(125..157) == Some(&record.0[..]);
    let store = RedbStore::peek(&store).expect("a store that nobody has open");
    let mut note = |key: &[u8], header: &[u8]| {
        keys.extend(about(header).then(|| key.to_vec()));
        Ok(true)
    };
    store.scan(Table::Headers, &[], &[], &mut note).expect("headers");
    let mut payloads = Vec::new();
    let mut note = |key: &[u8], payload: &[u8]| {
        payloads.extend(keys.contains(key).then(|| payload.to_vec()));
        Ok(true)
    };
    store.scan(Table::Payloads, &[], &[], &mut note).expect("payloads");
    payloads
}
/// The part of a payload that a scan looks for: long values are spread over pages.
fn part_of(payload: &[u8]) -> Vec<u8> {
    payload[payload.len() / 2..].iter().copied().take(48).collect()
}

/// How many schools have erased a record, as a home knows, and whether all have.
fn receipts(home: &Path, id: &str) -> (usize, bool) {
    let status = json(home, &["erase", id, "--status"]);
    let schools = status["schools"].as_array().expect("schools");
    let erased = schools.iter().filter(|school| school["erased"] == true).count();
    (erased, status["complete"] == true)
}
fn is_sound(home: &Path) {
    assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]), "{}", home.display());
}

#[test]
fn no_byte_of_what_is_erased_is_left_under_any_home() {
    let folder = tempfile::tempdir().expect("a folder");
    let homes = three_schools(folder.path());
    let [hill, brook, north] = &homes;
    // All of them stop in between: they find each other again where they were.
    let listen = [address(), address(), address()];
    let serve = |at: usize| Serving::start(&homes[at], &["--listen", &listen[at]]);
    let nodes = [serve(0), serve(1), serve(2)];
    for home in [brook, north] {
        json(home, &["join", &ticket(hill)]);
    }
    let words = [word(), word(), word(), word(), word(), word()];
    let [title, summary, body, again, attached, replaced] = &words;
    let page = folder.path().join("page.md");
    let text =
        |body: &str| format!("---\ntitle: On {title}\nsummary: It is about {summary}\n---\n\nSee {body} here.\n");
    std::fs::write(&page, text(body)).expect("written");
    let page = page.to_str().expect("UTF-8").to_owned();
    let sheet = |name: &str, word: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("A worksheet with {word} in it")).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (first, second) = (sheet("sheet.pdf", attached), sheet("better.pdf", replaced));
    let published = run(hill, &["--json", "publish", &page, "--attach", &first]);
    let line = String::from_utf8_lossy(&published.stdout).lines().next().unwrap_or_default().to_owned();
    let id = serde_json::from_str::<Value>(&line).expect("JSON")["id"].as_str().expect("an id").to_owned();
    // It is changed too: what was there before rests in other entries, and in pages that are free.
    std::fs::write(&page, text(again)).expect("written");
    json(hill, &["publish", &page]);
    let attached_to = |home: &Path, file: &str| {
        let shown = json(home, &["show", &id])["blobs"].as_array().cloned().unwrap_or_default();
        shown.iter().any(|blob| blob["name"] == file && blob["held"] == true)
    };
    for home in &homes {
        until("the worksheet is there", || attached_to(home, "sheet.pdf").then_some(()));
    }
    // One that was taken out again went with the record all the same.
    json(hill, &["edit", &id, "--attach", &second, "--detach", "sheet.pdf"]);
    for home in &homes {
        until("the better one is there", || attached_to(home, "better.pdf").then_some(()));
    }
    json(hill, &["new", "note", "--title", "This one stays"]);
    // And a file that another record shows stays with that.
    let kept = word();
    let kept_file = sheet("kept.pdf", &kept);
    json(hill, &["edit", &id, "--attach", &kept_file]);
    json(hill, &["publish", &kept_file, "--title", "It has that file too"]);
    let level = || (hold_the_same(hill, brook) && hold_the_same(hill, north)).then_some(());
    until("all three hold the same", level);
    for node in nodes {
        node.stop();
    }

    // The scan can find: each word that rests in the clear, and each payload, under each home.
    let record: RecordId = id.parse().expect("an id");
    let mut needles: Vec<Vec<u8>> = words.iter().map(|word| word.clone().into_bytes()).collect();
    for home in &homes {
        let payloads = packed(home, &record);
        assert_eq!(payloads.len(), 4, "how it began, a change of its text, two of its files");
        let parts: Vec<Vec<u8>> = payloads.iter().map(|payload| part_of(payload)).collect();
        let found: BTreeSet<usize> =
            hits(home, &[needles[..2].to_vec(), needles[4..6].to_vec(), parts.clone()].concat())
                .iter()
                .map(|(_, at)| *at)
                .collect();
        assert_eq!(found.len(), 8, "title, summary, files and payloads are found in {}: {found:?}", home.display());
        needles.extend(parts);
    }
    needles.sort();
    needles.dedup();

    // Hillside erases; Brook Lane is there, Northgate is off.
    let mut running = vec![serve(0), serve(1)];
    let refused = run(hill, &["erase", &id]);
    assert_eq!(refused.status.code(), Some(2), "nobody is asked without a terminal");
    assert!(json(hill, &["list"]).to_string().contains(title.as_str()));
    let not_theirs = run(brook, &["erase", &id, "--yes"]);
    assert_eq!(not_theirs.status.code(), Some(4), "{}", String::from_utf8_lossy(&not_theirs.stderr));
    json(hill, &["erase", &id, "--yes"]);
    until("two have given receipts", || (receipts(hill, &id) == (2, false)).then_some(()));
    for home in [hill, brook] {
        assert_eq!(hits(home, &needles), [], "running, {}", home.display());
    }
    assert!(!hits(north, &needles).is_empty(), "who is off has not erased yet");
    let gone = run(brook, &["show", &id]);
    assert_eq!(gone.status.code(), Some(3));
    let told = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(told.contains("was erased by Hillside Primary on "), "{told}");
    assert!(!words.iter().any(|word| told.contains(word)));

    // It erases when it returns.
    running.push(serve(2));
    until("all have given receipts", || homes.iter().all(|home| receipts(home, &id) == (3, true)).then_some(()));
    until("all three hold the same", level);
    for home in &homes {
        assert_eq!(hits(home, &needles), [], "running, {}", home.display());
        is_sound(home);
    }
    for node in running {
        node.stop();
    }
    for home in &homes {
        assert_eq!(hits(home, &needles), [], "stopped, {}", home.display());
        is_sound(home);
        assert!(json(home, &["list"]).to_string().contains("This one stays"));
        assert!(!hits(home, &[kept.clone().into_bytes()]).is_empty(), "what another record shows stays");
    }
}

#[test]
fn a_node_that_is_killed_while_it_erases_finishes_at_its_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    json(&home, &["cluster", "create", "The Brook Cluster"]);
    let left = home.join("store.redb.rewrite");
    for round in 0..6 {
        let title = word();
        let node = Serving::start(&home, &[]);
        let id = json(&home, &["new", "note", "--title", &title])["id"].as_str().expect("an id").to_owned();
        json(&home, &["erase", &id, "--yes"]);
        if round % 2 == 0 {
            node.kill();
        } else {
            node.stop();
        }
        // What a rewrite left that was cut short has words in it too.
        std::fs::write(&left, &title).expect("written");
        assert!(!hits(&home, &[title.clone().into_bytes()]).is_empty());
        let node = Serving::start(&home, &[]);
        until("the receipt is given", || (receipts(&home, &id) == (1, true)).then_some(()));
        assert_eq!(hits(&home, &[title.into_bytes()]), []);
        is_sound(&home);
        node.stop();
    }
}

#[test]
fn without_a_running_node_it_is_erased_when_the_command_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("hillside");
    set_up(&home, "Hillside Primary");
    let title = word();
    let id = json(&home, &["new", "note", "--title", &title])["id"].as_str().expect("an id").to_owned();
    assert!(!hits(&home, &[title.clone().into_bytes()]).is_empty());
    json(&home, &["erase", &id, "--yes"]);
    assert_eq!(hits(&home, &[title.into_bytes()]), []);
    assert_eq!(receipts(&home, &id), (1, true));
    is_sound(&home);
}

#[test]
fn what_is_hidden_is_left_out_of_our_lists_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook, _] = three_schools(folder.path());
    let nodes = [Serving::start(&hill, &[]), Serving::start(&brook, &[])];
    json(&brook, &["join", &ticket(&hill)]);
    let id = json(&hill, &["new", "note", "--title", "Exit tickets"])["id"].as_str().expect("an id").to_owned();
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    let lists = |home: &Path, args: &[&str]| {
        let list = json(home, &[&["list"], args].concat());
        list.as_array().expect("a list").iter().any(|record| record["id"] == id.as_str())
    };
    let kit = json(&hill, &["new", "collection", "--title", "Ends of lessons", "--record", &format!("{id} First")]);
    let kit = kit["id"].as_str().expect("an id").to_owned();
    json(&hill, &["new", "comment", "--about", &kit, "--body", "We begin with these"]);
    let comment = json(&hill, &["list", "--kind", "comment"])[0]["id"].as_str().expect("an id").to_owned();
    until("both hold all", || hold_the_same(&hill, &brook).then_some(()));
    let before = json(&hill, &["status"])["spaces"].clone();
    assert_eq!(json(&brook, &["hide", &id])["hidden"], true);
    assert!(!lists(&brook, &[]) && lists(&brook, &["--hidden"]) && lists(&hill, &[]));
    assert_eq!(json(&brook, &["show", &id])["hidden"], true);
    // Neither a list that names it nor an export tells of it.
    let shown = |home: &Path| String::from_utf8_lossy(&run(home, &["show", &kit]).stdout).into_owned();
    assert!(!shown(&brook).contains("Exit tickets") && shown(&brook).contains("hidden at our school"));
    assert!(shown(&hill).contains("Exit tickets"));
    let export = |name: &str, args: &[&str]| {
        let to = folder.path().join(name);
        let place = to.to_str().expect("UTF-8");
        json(&brook, &[&["export", "--format", "jsonl", "--to", place], args].concat());
        let lines = std::fs::read_dir(&to).expect("a folder").map(|entry| entry.expect("an entry").path());
        let lines = lines.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
        lines.map(|path| std::fs::read_to_string(path).expect("read")).collect::<String>()
    };
    assert!(!export("shown", &[]).contains("Exit tickets") && export("hidden", &["--hidden"]).contains("Exit tickets"));
    json(&brook, &["hide", &comment]);
    assert_eq!(json(&brook, &["show", &kit])["about_this"], serde_json::json!([]));
    let frontier =
        |spaces: &Value| spaces.as_array().expect("spaces").iter().map(|s| s["frontier"].clone()).collect::<Vec<_>>();
    assert_eq!(frontier(&before), frontier(&json(&hill, &["status"])["spaces"]), "nobody else hears of it");
    assert_eq!(json(&brook, &["hide", &id, "--undo"])["hidden"], false);
    assert!(lists(&brook, &[]) && !lists(&brook, &["--hidden"]));
    for node in nodes {
        node.stop();
    }
}

#[test]
fn the_stewards_erase_what_another_school_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook, _] = three_schools(folder.path());
    let nodes = [Serving::start(&hill, &[]), Serving::start(&brook, &[])];
    json(&brook, &["join", &ticket(&hill)]);
    let title = word();
    let made = json(&brook, &["new", "note", "--to", "The Brook Cluster", "--title", &title]);
    let id = made["id"].as_str().expect("an id").to_owned();
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    let refused = run(&hill, &["erase", &id, "--yes"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--propose"));
    // One steward decides by itself.
    assert_eq!(json(&hill, &["erase", &id, "--propose", "--yes"])["decision"]["state"], "decided");
    until("both have erased it", || (receipts(&hill, &id) == (2, true)).then_some(()));
    for home in [&hill, &brook] {
        assert_eq!(hits(home, &[title.clone().into_bytes()]), []);
        let told = run(home, &["show", &id]);
        assert!(String::from_utf8_lossy(&told.stderr).contains("was erased by a decision of The Brook Cluster"));
        is_sound(home);
    }
    for node in nodes {
        node.stop();
    }
}
