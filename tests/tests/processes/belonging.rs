//! Who belongs: decisions by several schools, removal, leaving, and what the removed can still do.

use std::path::Path;

use serde_json::Value;
use staffroom_tests::processes::{Serving, cluster, hold_the_same, json, run, until};

use super::partners::three_schools;
use super::{lessons_file, ticket};

/// Hillside, Brook and Northgate, all running, all stewards, all holding the same.
fn three_stewards(folder: &Path) -> ([std::path::PathBuf; 3], [Serving; 3]) {
    let homes = three_schools(folder);
    let [hill, brook, north] = &homes;
    let nodes = [hill, brook, north].map(|home| Serving::start(home, &[]));
    json(brook, &["join", &ticket(hill)]);
    json(north, &["join", &ticket(hill)]);
    level(&[hill, brook, north]);
    let promoted = json(hill, &["school", "promote", "Brook Lane School"]);
    assert_eq!(promoted["decision"]["state"], "decided", "one steward decides alone");
    level(&[hill, brook, north]);
    let waits = json(hill, &["school", "promote", "Northgate Academy"]);
    assert_eq!(waits["decision"]["state"], "open", "two stewards both have to agree");
    yes(brook, &waits);
    level(&[hill, brook, north]);
    (homes, nodes)
}

/// Waits for a proposal at another school, and says yes to it there.
fn yes(home: &Path, proposed: &Value) -> Value {
    let id = proposed["decision"]["id"].as_str().expect("an id");
    until("the proposal has come", || {
        let waiting = json(home, &["decision", "list"]);
        waiting.as_array().expect("a list").iter().any(|one| one["id"] == id).then_some(())
    });
    json(home, &["decision", "yes", id])
}

fn level(homes: &[&Path]) {
    let [first, rest @ ..] = homes else { return };
    until("all hold the same", || rest.iter().all(|home| hold_the_same(first, home)).then_some(()));
}

fn roles(home: &Path) -> Vec<(String, String)> {
    let members = cluster(home)["members"].as_array().cloned().expect("members");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut roles: Vec<_> = members.iter().map(|m| (text(&m["school"]["name"]), text(&m["role"]))).collect();
    roles.sort();
    roles
}

#[test]
fn removing_one_of_three_stewards_takes_two_and_then_nothing_of_its_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([hill, brook, north], [hill_node, brook_node, north_node]) = three_stewards(folder.path());
    json(&north, &["new", "note", "--title", "Before it was removed"]);
    level(&[&hill, &brook, &north]);

    let waits = json(&hill, &["school", "remove", "Northgate Academy"]);
    assert_eq!(waits["decision"]["state"], "open");
    assert_eq!(roles(&hill).len(), 3, "one yes of three removes nobody");
    let begun = std::time::Instant::now();
    let decided = yes(&brook, &waits);
    assert_eq!(decided["decision"]["state"], "decided");
    until("the other steward knows", || (roles(&hill).len() == 2).then_some(()));
    // Its session ends: it holds what it held, and is not told why.
    until("the removed school hears nobody", || {
        let partners = cluster(&north)["partners"].as_array().cloned().expect("partners");
        partners.iter().all(|partner| partner["state"] == "unheard").then_some(())
    });
    assert!(begun.elapsed().as_secs() < 60, "its sessions ended after {:?}", begun.elapsed());
    assert_eq!(roles(&north).len(), 3, "it was not told");

    // What it writes now reaches nobody, and changes nothing anywhere.
    let frontier = |home: &Path| cluster(home)["frontier"].clone();
    let before = (frontier(&hill), frontier(&brook));
    let titles = |home: &Path| json(home, &["list", "--kind", "note"]).as_array().map(Vec::len);
    assert_eq!(titles(&hill), Some(1), "what stood stays");
    json(&north, &["import", &lessons_file(folder.path(), 0..50)]);
    let tried = run(&north, &["sync", "--wait", "5"]);
    assert_eq!(tried.status.code(), Some(6), "{}", String::from_utf8_lossy(&tried.stdout));
    json(&hill, &["new", "note", "--title", "Afterwards"]);
    level(&[&hill, &brook]);
    assert_eq!(titles(&north), Some(1), "nothing more comes to it");
    assert_ne!(frontier(&hill), before.0);
    assert_eq!(json(&hill, &["status"])["store"]["entries"], json(&brook, &["status"])["store"]["entries"]);
    for home in [&hill, &brook, &north] {
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }

    // Admitted again, it goes on, in a new log; what it wrote in between comes too.
    json(&north, &["join", &ticket(&hill)]);
    level(&[&hill, &brook, &north]);
    assert_eq!(roles(&north).iter().filter(|(_, role)| role == "steward").count(), 2);
    json(&north, &["new", "note", "--title", "Back again"]);
    until("all it wrote is there", || (titles(&hill) == Some(3)).then_some(()));
    level(&[&hill, &brook, &north]);
    let lessons = |home: &Path| json(home, &["list", "--kind", "resource"]).as_array().map(Vec::len);
    assert_eq!((lessons(&hill), lessons(&north)), (Some(50), Some(50)), "restated, each once");
    drop((hill_node, brook_node, north_node));
}

#[test]
fn a_school_leaves_and_a_steward_only_after_it_was_demoted() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([hill, brook, north], nodes) = three_stewards(folder.path());
    let refused = run(&north, &["cluster", "leave", "The Brook Cluster"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("hint: share school demote"));
    let waits = json(&north, &["school", "demote", "Northgate Academy"]);
    yes(&hill, &waits);
    level(&[&hill, &brook, &north]);
    json(&north, &["new", "note", "--title", "A last word"]);
    json(&north, &["cluster", "leave", "The Brook Cluster"]);
    until("the others know", || (roles(&hill).len() == 2 && roles(&brook).len() == 2).then_some(()));
    let notes = |home: &Path| json(home, &["list", "--kind", "note"]).as_array().map(Vec::len);
    until("its last word came too", || (notes(&hill) == Some(1) && notes(&brook) == Some(1)).then_some(()));
    assert_eq!(notes(&north), Some(1), "what it holds it keeps");
    let refused = run(&north, &["new", "note", "--title", "Nobody hears this", "--to", "The Brook Cluster"]);
    assert_eq!(refused.status.code(), Some(4), "{}", String::from_utf8_lossy(&refused.stderr));
    drop(nodes);
}

#[test]
fn a_no_of_two_refuses_and_the_place_is_free_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([hill, brook, north], nodes) = three_stewards(folder.path());
    let waits = json(&hill, &["cluster", "rename", "Brookside"]);
    let id = waits["decision"]["id"].as_str().expect("an id").to_owned();
    for home in [&brook, &north] {
        until("it has come", || (json(home, &["decision", "list"]).as_array().map(Vec::len) == Some(1)).then_some(()));
        json(home, &["decision", "no", &id]);
    }
    let again = run(&brook, &["decision", "yes", &id]);
    assert_eq!(again.status.code(), Some(4), "a vote is final");
    until("the proposer knows", || (json(&hill, &["decision", "show", &id])["state"] == "failed").then_some(()));
    let second = json(&hill, &["cluster", "rename", "Brook and Beck"]);
    yes(&north, &second);
    until("it is decided", || (cluster(&brook)["name"] == "Brook and Beck").then_some(()));
    drop(nodes);
}

/// How a home says that a school stands.
fn stands(home: &Path, school: &str) -> (Value, Value) {
    let partners = cluster(home)["partners"].as_array().cloned().expect("partners");
    let partner = partners.into_iter().find(|partner| partner["school"]["name"] == school).expect("a partner");
    (partner["state"].clone(), partner["error"].clone())
}

#[test]
fn a_partner_that_is_refused_is_not_talked_to_until_it_is_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let homes = three_schools(folder.path());
    let [hill, brook, _] = &homes;
    let nodes = [hill, brook].map(|home| Serving::start(home, &[]));
    json(brook, &["join", &ticket(hill)]);
    until("both hold the same", || hold_the_same(hill, brook).then_some(()));
    until("in step", || (stands(hill, "Brook Lane School").0 == "in_step").then_some(()));
    let unknown = run(hill, &["school", "refuse", "Nobody"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", String::from_utf8_lossy(&unknown.stderr));
    assert_eq!(run(hill, &["school", "refuse", "Hillside Primary"]).status.code(), Some(2));
    let refused = json(hill, &["school", "refuse", "Brook Lane School", "--for", "7d"]);
    assert_eq!(refused["refused"], true, "{refused}");
    until("nobody talks any more", || {
        let (state, why) = stands(hill, "Brook Lane School");
        let says = why.as_str().is_some_and(|why| why.starts_with("refused here until"));
        (state == "unheard" && says && stands(brook, "Hillside Primary").0 == "unheard").then_some(())
    });
    // It belongs all the same.
    assert_eq!(cluster(hill)["members"].as_array().map(Vec::len), Some(2));
    json(brook, &["new", "note", "--title", "While we were not heard", "--to", "The Brook Cluster"]);
    json(hill, &["school", "refuse", "Brook Lane School", "--end"]);
    assert_eq!(run(hill, &["school", "refuse", "Brook Lane School", "--end"]).status.code(), Some(3));
    until("they talk again", || hold_the_same(hill, brook).then_some(()));
    let notes = json(hill, &["list", "--kind", "note"]);
    assert_eq!(notes[0]["title"], "While we were not heard");
    drop(nodes);
}
