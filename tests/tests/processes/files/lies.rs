//! Who may not have a file, and who gives another one.

use std::time::{Duration, Instant};

use staffroom_protocol::id::{BlobId, SpaceId};
use staffroom_tests::liar::Member;
use staffroom_tests::liar::files::{Serves, manifest};
use staffroom_tests::processes::{cluster, hold_the_same, json, until};
use tokio::runtime::Runtime;

use super::super::ticket;
use super::{Schools, noise};

fn write(schools: &Schools, name: &str, bytes: &[u8]) -> String {
    let path = schools.folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

/// What a node answers about a file that is not there for whoever asks.
const NOT_HERE: Option<Vec<u8>> = None;

fn not_here(answer: Option<Vec<u8>>) -> bool {
    answer == Some(vec![0]) || answer == NOT_HERE
}

#[test]
fn a_file_is_given_to_nobody_who_may_not_have_it() {
    let schools = Schools::new(&["hillside", "brook"], "");
    let address =
        schools.nodes[0].as_ref().expect("it runs").ready["listen"][0].as_str().expect("an address").to_owned();
    let runtime = Runtime::new().expect("a runtime");
    let (ours, shared) = (noise(1, 300_000), noise(2, 700_000));
    json(&schools.homes[0], &["publish", &write(&schools, "staff plan.pdf", &ours), "--to", "school"]);
    json(&schools.homes[0], &["publish", &write(&schools, "shared plan.pdf", &shared)]);
    let (ours_id, shared_id) = (manifest(&ours).id(), manifest(&shared).id());
    let space: SpaceId = cluster(&schools.homes[0])["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let status = json(&schools.homes[0], &["status"]);
    let own = status["spaces"].as_array().and_then(|all| all.iter().find(|space| space["name"] == "school"));
    let own: SpaceId = own.and_then(|space| space["id"].as_str()?.parse().ok()).expect("an id");

    runtime.block_on(async {
        // Somebody who belongs nowhere is not offered the protocol at all.
        let stranger = Member::new(31);
        let mut line = stranger.connect(&address).await.expect("connected");
        assert_eq!(line.ask_for(space, shared_id).await, None);
    });
    let mut member = Member::new(32);
    let invited = ticket(&schools.homes[0]);
    runtime.block_on(async {
        member.join(&invited).await;
        // It says in the cluster that a record of its own shows the school's file.
        member.names_a_file(space, "A claim", ours_id, ours.len() as u64);
        let mut line = member.connect(&address).await.expect("connected");
        member.catch_up(&mut line, space).await;
        let nothing = line.ask_for(space, BlobId([7; 32])).await;
        assert!(not_here(nothing.clone()), "{nothing:?}");
        for (of, blob) in [(space, ours_id), (own, ours_id), (own, shared_id), (SpaceId([9; 32]), shared_id)] {
            assert_eq!(line.ask_for(of, blob).await, nothing, "the one answer, for all that is not theirs");
        }
        let given = line.ask_for(space, shared_id).await.expect("an answer");
        assert_eq!(given[1..], manifest(&shared).to_bytes(), "what is theirs is given");
    });
    // At the school the claim changes nothing either: the file is not known in the cluster.
    let id = schools.find(0, "A claim");
    assert_eq!(schools.files(0, &id)[0]["held"], false);
    let mine = schools.find(0, "Staff plan");
    assert_eq!(schools.files(0, &mine)[0]["held"], true);
    // Removed, it gets nothing more.
    let school = member.replica.school().to_string();
    json(&schools.homes[0], &["school", "remove", &school]);
    runtime.block_on(async {
        let mut line = member.connect(&address).await.expect("connected");
        assert!(not_here(line.ask_for(space, shared_id).await), "a removed member is given a file");
    });
}

/// One partner lies about a file, another has it: it comes whole, soon, and the liar is named.
fn comes_in_spite_of(serves: Serves, number: u8, named: Option<&str>) {
    let mut schools = Schools::new(&["hillside", "brook"], "fetch = \"opened\"\n");
    let runtime = Runtime::new().expect("a runtime");
    let bytes = noise(u64::from(number), 12 << 20);
    json(&schools.homes[0], &["publish", &write(&schools, "plan.pdf", &bytes)]);
    let id = schools.find(1, "Plan");
    let mut liar = Member::new(number);
    let space = runtime.block_on(liar.join(&ticket(&schools.homes[0])));
    let address =
        schools.nodes[1].as_ref().expect("it runs").ready["listen"][0].as_str().expect("an address").to_owned();
    until("the partner knows the liar", || hold_the_same(&schools.homes[0], &schools.homes[1]).then_some(()));
    // The honest one is away, so that the liar is asked first.
    schools.kill(0);
    let (asked, mut heard) = tokio::sync::watch::channel(0);
    let mut line = until("the partner offers the liar to sync", || {
        runtime.block_on(async {
            let mut line = liar.connect(&address).await.ok()?;
            liar.is_offered(&mut line, space).await.then_some(line)
        })
    });
    let within = runtime.enter();
    let offering = line.offer(&bytes, serves, asked);
    drop(within);
    let to = schools.folder.path().join("out.pdf");
    let mut get = super::getting(&schools.homes[1], &id, &to);
    if serves != Serves::Another {
        let patience = Duration::from_mins(1);
        let asked =
            runtime.block_on(async { tokio::time::timeout(patience, heard.wait_for(|n| *n > 0)).await.map(drop) });
        asked.expect("the liar is asked");
    }
    schools.start(0);
    let began = Instant::now();
    assert!(
        get.wait().expect("it ends").success() || {
            // Nobody had it for a while: asked again, it goes on where it stopped.
            let again = super::getting(&schools.homes[1], &id, &to).wait();
            again.expect("it ends").success()
        }
    );
    println!("{serves:?}: whole after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_mins(1), "within a minute");
    assert!(std::fs::read(&to).expect("it is here") == bytes, "another file");
    if let Some(why) = named {
        let device = liar.replica.device().to_string();
        until("the liar is named", || {
            let status = json(&schools.homes[1], &["status"]);
            let spaces = status["spaces"].as_array()?.clone();
            let partners = spaces.iter().flat_map(|space| space["partners"].as_array().cloned().unwrap_or_default());
            let its = partners.into_iter().find(|partner| partner["device"] == device.as_str())?;
            its["refused"]["what"].as_str()?.contains(why).then_some(())
        });
    }
    assert!(
        schools.files(1, &id)[0]["partners"].as_array().is_some_and(|all| all.len() == 1),
        "the liar holds nothing"
    );
    offering.abort();
    drop(line);
}

#[test]
fn a_wrong_chunk_is_never_kept() {
    comes_in_spite_of(Serves::Wrong, 33, Some("is not that file"));
}

#[test]
fn who_claims_a_file_and_never_sends_it_is_replaced_within_a_minute() {
    comes_in_spite_of(Serves::Silent, 34, None);
}

#[test]
fn another_files_manifest_and_chunks_too_long_are_refused() {
    comes_in_spite_of(Serves::Another, 35, Some("is not that file"));
    comes_in_spite_of(Serves::TooLong, 36, Some("a frame is larger"));
}
