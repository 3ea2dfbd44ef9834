//! Joining with real processes: a person confirms, two come at once, nodes are killed in between.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;
use staffroom_protocol::charter::Ticket;
use staffroom_protocol::id::SpaceId;
use staffroom_tests::processes::{Serving, cluster, hold_the_same, json, run, share, until};

use super::{set_up, ticket};

/// How often two come at once.
const TIMES: usize = 10;

fn steward(folder: &Path) -> PathBuf {
    let home = folder.join("hillside");
    set_up(&home, "Hillside Primary");
    json(&home, &["cluster", "create", "The Brook Cluster"]);
    home
}

fn joiner(folder: &Path, name: &str) -> PathBuf {
    let home = folder.join(name);
    set_up(&home, name);
    home
}

/// A ticket whose holder waits.
fn asking(home: &Path) -> String {
    json(home, &["invite"])["ticket"].as_str().expect("a ticket").to_owned()
}

fn start(home: &Path, args: &[&str]) -> Child {
    let mut share = share(home);
    share.arg("--json").args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("share starts")
}

/// Its exit code, and the one document that it printed.
fn ended(child: Child) -> (Option<i32>, Value) {
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// The words that it shows while it waits.
fn shown(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    let event: Value = serde_json::from_str(&line).expect("JSON");
    event["words"].clone()
}

fn waiting(home: &Path) -> Vec<Value> {
    cluster(home)["waiting"].as_array().cloned().unwrap_or_default()
}

fn members(home: &Path) -> usize {
    cluster(home)["members"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_person_confirms_by_four_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = steward(folder.path());
    let brook = joiner(folder.path(), "Brook Lane School");
    let node = Serving::start(&hill, &[]);
    let ticket = asking(&hill);
    let shown = json(&brook, &["join", &ticket, "--wait", "0"]);
    assert_eq!(shown["state"], "waiting");
    let words = shown["words"].as_str().expect("words").to_owned();
    assert_eq!(words.split(' ').count(), 4, "{words}");
    let news = until("the node tells of it", || node.lines().find(|line| line["event"] == "waiting"));
    assert_eq!((&news["words"], &news["school"]["name"]), (&shown["words"], &"Brook Lane School".into()));
    assert_eq!(waiting(&hill)[0]["words"], words);

    let wrong = run(&hill, &["school", "confirm", "zoo", "zoo", "zoo", "zoo"]);
    assert_eq!(wrong.status.code(), Some(3));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(told.contains("Brook Lane School waits") && !told.contains(&words), "{told}");
    assert_eq!(members(&hill), 1);

    let waits = start(&brook, &["join", &ticket, "--wait", "60"]);
    let said = words.to_uppercase().replace(' ', "-");
    assert_eq!(json(&hill, &["school", "confirm", &said])["school"]["name"], "Brook Lane School");
    let (code, joined) = ended(waits);
    assert_eq!((code, &joined["state"], &joined["words"]), (Some(0), &"admitted".into(), &shown["words"]));
    assert_eq!(joined["space"]["name"], "The Brook Cluster");
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
    assert_eq!(json(&brook, &["join", &ticket, "--wait", "0"])["state"], "admitted");
    assert!(waiting(&hill).is_empty());
}

#[test]
fn of_two_schools_at_the_same_instant_one_has_the_ticket() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = steward(folder.path());
    let _node = Serving::start(&hill, &[]);
    let mut firsts = 0;
    for time in 0..TIMES {
        let asks = time % 2 == 0;
        let ticket = if asks { asking(&hill) } else { ticket(&hill) };
        let before = members(&hill);
        let homes = ["a", "b"].map(|name| joiner(folder.path(), &format!("{name}{time}")));
        let both = homes.each_ref().map(|home| start(home, &["join", &ticket, "--wait", "0"]));
        let [one, other] = both.map(ended);
        let mut codes = [one.0, other.0];
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(4)], "time {time}: {one:?}, {other:?}");
        firsts += usize::from(one.0 == Some(0));
        let winner = if one.0 == Some(0) { &one.1 } else { &other.1 };
        assert_eq!(winner["state"], if asks { "waiting" } else { "admitted" });
        if asks {
            let waits = waiting(&hill);
            assert_eq!((waits.len(), members(&hill)), (1, before));
            assert_eq!(waits[0]["words"], winner["words"]);
            json(&hill, &["school", "confirm", winner["words"].as_str().expect("words")]);
        }
        assert_eq!(members(&hill), before + 1);
    }
    println!(
        "{TIMES} times two schools at once with one ticket: one admitted each time, {firsts} times the first started"
    );
}

#[test]
fn words_outlive_kills_on_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = steward(folder.path());
    let brook = joiner(folder.path(), "Brook Lane School");
    let node = Serving::start(&hill, &[]);
    let address = node.ready["listen"][0].as_str().expect("an address");
    let listen = address.split("/p2p/").next().expect("an address").to_owned();
    let ticket = asking(&hill);
    let words = json(&brook, &["join", &ticket, "--wait", "0"])["words"].clone();
    // The joiner's command is killed while it waits; the next one goes on.
    let mut killed = start(&brook, &["join", &ticket, "--wait", "60"]);
    assert_eq!(shown(&mut killed), words);
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    let mut waits = start(&brook, &["join", &ticket, "--wait", "60"]);
    assert_eq!(shown(&mut waits), words);
    // So is the node that issued the ticket, while another command waits.
    node.kill();
    let _node = Serving::start(&hill, &["--listen", &listen]);
    assert_eq!(waiting(&hill)[0]["words"], words);
    json(&hill, &["school", "confirm", words.as_str().expect("words")]);
    let (code, joined) = ended(waits);
    assert_eq!((code, &joined["state"], &joined["words"]), (Some(0), &"admitted".into(), &words));
    until("both hold the same", || hold_the_same(&hill, &brook).then_some(()));
}

#[test]
fn a_ticket_with_a_valid_check_and_a_wrong_secret_or_space_is_refused_like_a_used_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let hill = steward(folder.path());
    let north = joiner(folder.path(), "Northgate Academy");
    let _node = Serving::start(&hill, &[]);
    let used = ticket(&hill);
    json(&joiner(folder.path(), "Brook Lane School"), &["join", &used, "--wait", "0"]);
    let good = Ticket::parse(&asking(&hill)).expect("a ticket");
    let secret = Ticket { secret: [7; 16], ..good.clone() }.to_text();
    let space = Ticket { space: SpaceId([7; 32]), ..good.clone() }.to_text();
    let expired = json(&hill, &["invite", "--expires", "1s"])["ticket"].as_str().expect("a ticket").to_owned();
    let ends = Ticket::parse(&expired).expect("a ticket").expires;
    until("it has ended", || (staffroom_node::engine::wall_clock() > ends).then_some(()));
    let mut answers = [&used, &secret, &space, &expired].map(|ticket| {
        let refused = run(&north, &["join", ticket]);
        (refused.status.code(), String::from_utf8_lossy(&refused.stderr).into_owned())
    });
    assert_eq!(answers[0].0, Some(4), "{answers:?}");
    answers.sort();
    assert_eq!(answers.first(), answers.last(), "one answer to all of them");
    assert!(waiting(&hill).is_empty());
    // A school that is refused by a person hears the same.
    let text = good.to_text();
    assert_eq!(json(&north, &["join", &text, "--wait", "0"])["state"], "waiting");
    json(&hill, &["school", "refuse", "Northgate Academy"]);
    let refused = run(&north, &["join", &text]);
    assert_eq!((refused.status.code(), String::from_utf8_lossy(&refused.stderr).into_owned()), answers[0].clone());
}
