//! Partners that lie to real nodes over real sockets (6-promises, "A bad partner"): each lie is refused
//! with a reason that `share status` names, costs little, and leaves the others as they were.

mod ground;

use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use serde_json::Value;
use staffroom_protocol::charter::Ticket;
use staffroom_protocol::id::SpaceId;
use staffroom_tests::liar::wire::{JOIN, SYNC};
use staffroom_tests::liar::{Behaviour, Member, Step, two_decisions};
use staffroom_tests::processes::{cluster, json, run, until};

use super::{set_up, ticket};
use ground::{Ground, bounded, refusals, same, serve, strangers};

#[test]
fn what_a_member_makes_up_is_refused_and_named() {
    let mut ground = Ground::new();
    let (mut liar, space) = ground.member(11);
    let refused = [
        (Behaviour::UnknownWriter, "is not enrolled"),
        (Behaviour::FlippedSignature, "the signature of a entry does not hold"),
        (Behaviour::AnothersLog, "the signature of a entry does not hold"),
        (Behaviour::OtherSpace, "the signature of a entry does not hold"),
        (Behaviour::MissingParents, "a entry does not continue its chain"),
        (Behaviour::MegabytePayload, "a payload is larger than 1048576"),
        (Behaviour::ProposesItself, "has no right to vote on this"),
        (Behaviour::DecidesAlone, "a decision does not continue its chain"),
        (Behaviour::HugeLength, "a frame is larger than 1114112"),
        (Behaviour::Nonsense, "a Entries is not laid out as one"),
        (Behaviour::NoHello, "a Frontier message out of turn"),
        (Behaviour::MoreThanItsCredit, "a Entries message out of turn"),
        (Behaviour::AsksForEver, "message came too often"),
    ];
    for (what, why) in refused {
        ground.refuses(&mut liar, space, what, why);
    }
    ground.end();
}

#[test]
fn what_a_member_may_sign_is_held_and_harms_nobody() {
    let mut ground = Ground::new();
    let (mut liar, space) = ground.member(12);
    let entries = |status: &Value| status["store"]["entries"].as_u64().expect("a count");
    let void = |status: &Value| status["store"]["quarantined"].as_u64().expect("a count");
    let one_more = |than: &Value, of: fn(&Value) -> u64| {
        let before = of(than);
        move |now: &Value| of(now) > before
    };
    let now = |ground: &Ground| json(&ground.hill, &["status"]);

    let held = now(&ground);
    ground.bears(&mut liar, space, Behaviour::BackDated, one_more(&held, entries));
    let held = now(&ground);
    ground.bears(&mut liar, space, Behaviour::FarClock, one_more(&held, entries));
    dates_are_ours(&ground);
    let held = now(&ground);
    ground.bears(&mut liar, space, Behaviour::AnothersActor, one_more(&held, void));
    let held = void(&now(&ground));
    ground.bears(&mut liar, space, Behaviour::MadChanges(90), |now| void(now) >= held + 90);
    let list = json(&ground.hill, &["list", "--kind", "note"]);
    let titles = || list.as_array().expect("a list").iter().map(|note| note["title"].as_str().expect("a title"));
    assert_eq!(titles().filter(|title| *title == "Before the lies").count(), 1, "the record stands as it began");
    assert!(!titles().any(|title| title.starts_with("Lie ")), "no lie is shown");
    let held = now(&ground);
    ground.bears(&mut liar, space, Behaviour::MegabyteName, one_more(&held, void));
    let held = entries(&now(&ground));
    ground.bears(&mut liar, space, Behaviour::TinyRecords(4_000), |now| entries(now) >= held + 4_000);
    let held = entries(&now(&ground));
    ground.bears(&mut liar, space, Behaviour::TinyChanges(1_000), |now| entries(now) >= held + 1_000);
    let held = now(&ground);
    ground.bears(&mut liar, space, Behaviour::HostileName, one_more(&held, entries));
    names_do_not_act(&ground);
    ground.end();
}

#[test]
fn what_a_member_says_of_erasing_erases_its_own_alone() {
    let mut ground = Ground::new();
    let (mut liar, space) = ground.member(25);
    let entries = |status: &Value| status["store"]["entries"].as_u64().expect("a count");
    let refused = [
        (Behaviour::ErasesAnothers, "has no right to erase what another school made"),
        (Behaviour::ForgesErasure, "the signature of a entry does not hold"),
        (Behaviour::FalseReceipts, "which nobody has erased"),
        (Behaviour::EndlessMarks, "a list of erasures is larger than 131072"),
    ];
    for (what, why) in refused {
        ground.refuses(&mut liar, space, what, why);
    }
    let held = entries(&json(&ground.hill, &["status"]));
    ground.bears(&mut liar, space, Behaviour::ErasedAgain, |now| entries(now) > held);
    let listed = json(&ground.hill, &["list", "--kind", "note"]).to_string();
    assert!(!listed.contains("Erased before it came"), "held without what it said");
    let held = entries(&json(&ground.hill, &["status"]));
    ground.bears(&mut liar, space, Behaviour::EmptyErasures(3_000), |now| entries(now) > held);
    ground.end();
}

/// A clock a hundred years off is shown, and our own goes on as it was.
fn dates_are_ours(ground: &Ground) {
    let list = json(&ground.hill, &["list", "--kind", "note"]);
    let list = list.as_array().expect("a list");
    let year = |note: &Value| note["updated"].as_str().expect("a date")[..4].parse::<u32>().expect("a year");
    let lie = list.iter().filter(|note| note["title"] == "At another time").map(year).max().expect("it is shown");
    let ours = list.iter().filter(|note| note["title"] != "At another time").map(year).max().expect("our own note");
    assert_eq!(lie, ours + 99 + u32::from(lie == ours + 100), "the lie is dated a hundred years off");
}

/// Nothing in a name acts on a terminal, wherever it is shown.
fn names_do_not_act(ground: &Ground) {
    for verb in [&["status"][..], &["cluster", "show"], &["list"]] {
        let told = run(&ground.hill, verb);
        let text = String::from_utf8(told.stdout).expect("UTF-8");
        assert!(!text.contains(['\0', '\u{7}', '\u{1b}', '\u{202e}']), "share {verb:?}: {text:?}");
    }
    let named = run(&ground.hill, &["status"]);
    assert!(String::from_utf8_lossy(&named.stdout).contains("<script>alert(1)</script>"), "shown as it is written");
}

#[test]
fn lies_about_who_belongs_change_nobody_elses_standing() {
    let mut ground = Ground::new();
    let members = |ground: &Ground| cluster(&ground.hill)["members"].clone();
    let (mut liar, space) = ground.member(13);

    // An old charter is no news: nothing comes of it, and there is nothing to name.
    let mut line = ground.meet(&mut liar, space);
    let before = ground.look();
    let lying = ground.tell(&mut line, &liar, space, Behaviour::OldCharter);
    ground.goes_on();
    drop((lying, line));
    assert_eq!(before.charter(), ground.look().charter(), "the charter after an old one");

    let (held, belongs) = (ground.look(), members(&ground));
    ground.bears(&mut liar, space, Behaviour::AdmitsAFriend, |status| {
        status["spaces"]
            .as_array()
            .expect("spaces")
            .iter()
            .any(|space| space["name"] != "school" && space["charter"] != *held.charter())
    });
    assert_eq!(belongs, members(&ground), "who is admitted without a right does not belong");

    let (mut liar, space) = ground.member(14);
    let mut line = ground.meet(&mut liar, space);
    let before = ground.look();
    let lying = ground.tell(&mut line, &liar, space, Behaviour::TwoOfOneSeq);
    ground.named(&liar, 0, "signed two entries with seq");
    until("the fork is named", || names(&ground, "forks", &liar).then_some(()));
    let after = ground.look();
    assert_eq!(before.list(), after.list(), "neither history counts");
    bounded(&before, &after, "TwoOfOneSeq", "a log of it has two histories");
    drop((lying, line));
    ground.goes_on();

    let (mut liar, space) = ground.member(15);
    let mut line = ground.meet(&mut liar, space);
    let before = ground.look();
    let lying = ground.tell(&mut line, &liar, space, Behaviour::TwoOperations);
    until("the fork is named", || names(&ground, "device_forks", &liar).then_some(()));
    bounded(&before, &ground.look(), "TwoOperations", "a device of it signed two things at one place");
    let told = run(&ground.hill, &["status"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("signed two things at one place"));
    drop((lying, line));
    ground.goes_on();
    ground.end();
}

/// Whether the status of Hillside's cluster names the liar's school under `list`.
fn names(ground: &Ground, list: &str, liar: &Member) -> bool {
    let school = liar.replica.school().to_string();
    let named = cluster(&ground.hill)[list].as_array().cloned().unwrap_or_default();
    named.iter().any(|named| named["id"] == school.as_str())
}

#[test]
fn who_belongs_no_more_or_never_did_is_shown_out() {
    let mut ground = Ground::new();
    let (mut liar, space) = ground.member(16);

    // A key that nobody knows: it is offered nothing but to join.
    let before = ground.look();
    let stranger = Member::new(17);
    let times = strangers(&ground.hill).0;
    ground.runtime.block_on(async {
        let mut line = stranger.connect(&ground.address()).await.expect("connected");
        assert!(line.open(SYNC).await.is_err(), "not offered");
        let mut join = line.open(JOIN).await.expect("offered");
        join.close().await.expect("closed");
        let mut answer = [0; 5];
        let read = tokio::time::timeout(Duration::from_secs(20), join.read_exact(&mut answer)).await;
        read.expect("in time").expect("an answer");
        assert_eq!(answer, [1, 0, 0, 0, 1], "the one refusal");
    });
    shown_out(&ground, times, "this ticket does not admit anyone");
    let times = strangers(&ground.hill).0;
    // It stays until it is shown out: who hangs up at once may never have been there.
    let line = ground.runtime.block_on(stranger.connect(&ground.address())).expect("connected");
    shown_out(&ground, times, "it is no partner, and did not ask to join");
    drop(line);
    let after = ground.look();
    same(&before, &after, Behaviour::NoHello);
    bounded(&before, &after, "an unknown key", "it is no partner");

    // One invitation, claimed by two at once.
    let ticket = Ticket::parse(&ticket(&ground.hill)).expect("a ticket");
    let times = strangers(&ground.hill).0;
    let claims = ground.runtime.block_on(async {
        let claim = |number: u8| {
            let (ticket, address) = (ticket.clone(), ground.address());
            async move {
                let school = Member::new(number);
                let mut line = school.connect(&address).await.expect("connected");
                school.redeem(&mut line, &ticket).await.is_some()
            }
        };
        let (one, other) = tokio::join!(claim(18), claim(19));
        [one, other]
    });
    assert_eq!(claims.iter().filter(|admitted| **admitted).count(), 1, "one of them is admitted: {claims:?}");
    shown_out(&ground, times, "this ticket does not admit anyone");
    ground.goes_on();

    // A member that is removed while its session is open.
    let (mut removed, _) = ground.member(20);
    let mut live = ground.meet(&mut removed, space);
    let open = vec![removed.view(space).hello()];
    let lying = ground.runtime.block_on(live.lie(space, open, true)).expect("offered to members");
    until("its session is open", || is_heard(&ground, &removed).then_some(()));
    let times = strangers(&ground.hill).0;
    json(&ground.hill, &["school", "remove", &removed.replica.school().to_string()]);
    ground.runtime.block_on(lying.ended());
    shown_out(&ground, times, "it does not belong to the cluster that it spoke of");
    until("nothing is offered to it any more", || ground.runtime.block_on(live.open(SYNC)).is_err().then_some(()));
    ground.level();

    // What it writes now comes through a member, and so does what it dates back.
    let mut line = ground.meet(&mut liar, space);
    let (before, times) = (ground.look(), refusals(&ground.hill, &liar).0);
    let lying = ground.tell(&mut line, &removed, space, Behaviour::AfterItsRemoval);
    ground.named(&liar, times + 1, "above its cut");
    let after = ground.look();
    same(&before, &after, Behaviour::AfterItsRemoval);
    bounded(&before, &after, "AfterItsRemoval", "above its cut");
    drop((lying, line, live));
    ground.goes_on();
    ground.end();
}

fn shown_out(ground: &Ground, times: u64, why: &str) {
    until(&format!("a stranger is named: {why}"), || {
        let (now, what) = strangers(&ground.hill);
        (now > times && what == why).then_some(())
    });
    let told = run(&ground.hill, &["status"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains(why), "share status says so to people too");
}

fn is_heard(ground: &Ground, liar: &Member) -> bool {
    let device = liar.replica.device().to_string();
    let partners = cluster(&ground.hill)["partners"].as_array().cloned().unwrap_or_default();
    partners.iter().any(|partner| partner["device"] == device.as_str() && partner["state"] == "in_step")
}

/// Takes as long as a node bears with who is slow: half a minute, for both at once.
#[test]
fn who_stalls_or_crowds_a_node_stalls_itself_alone() {
    let mut ground = Ground::new();
    let (mut drips, space) = ground.member(21);
    let (mut deaf, _) = ground.member(22);
    let (mut crowds, _) = ground.member(23);
    let mut lines = [ground.meet(&mut drips, space), ground.meet(&mut deaf, space)];
    let [slow, silent] = &mut lines;
    let lies =
        [ground.tell(slow, &drips, space, Behaviour::Drip), ground.tell(silent, &deaf, space, Behaviour::NeverReads)];

    let mut crowd = [ground.meet(&mut crowds, space), ground.meet(&mut crowds, space), ground.meet(&mut crowds, space)];
    let calm = ground.look();
    let opened: usize = crowd.iter_mut().map(|line| ground.runtime.block_on(line.open_many(3_400))).sum();
    assert!(opened > 10_000, "{opened} streams");
    ground.named(&crowds, 0, "it opens more streams than it greets on");
    bounded(&calm, &ground.look(), &format!("{opened} streams"), "more streams than it greets on");
    drop(crowd);
    ground.goes_on();
    // The same before a Hello as after it.
    let mut line = ground.meet(&mut crowds, space);
    let times = refusals(&ground.hill, &crowds).0;
    let huge = vec![Step::Raw(u32::MAX.to_le_bytes().to_vec())];
    let lying = ground.runtime.block_on(line.lie(space, huge, true)).expect("offered to members");
    ground.named(&crowds, times, "a frame is larger than 1024");
    drop((lying, line));

    let calm = ground.look();
    ground.runtime.block_on(lies[0].ended());
    ground.named(&drips, 0, "a frame came too slowly");
    ground.named(&deaf, 0, "a sign that it reads came too slowly");
    bounded(&calm, &ground.look(), "Drip and NeverReads", "came too slowly");
    drop((lies, lines));
    ground.goes_on();
    ground.end();
}

#[test]
fn two_complete_decisions_at_one_place_are_kept_as_evidence_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let [hill, brook] = ["hillside", "brook"].map(|name| folder.path().join(name));
    set_up(&hill, "Hillside Primary");
    set_up(&brook, "Brook Lane School");
    let nodes = [serve(&hill), serve(&brook)];
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut liar = Member::new(24);
    let homes = [hill.clone(), brook.clone()];
    let space: SpaceId = runtime.block_on(liar.serve("The Brook Cluster", 2, move |tickets| {
        // Each is admitted; in step it is not, since the liar syncs only when it wants to.
        for (home, ticket) in homes.into_iter().zip(tickets) {
            std::thread::spawn(move || run(&home, &["join", &ticket, "--wait", "1"]));
        }
    }));
    until("both belong", || {
        let both = [&hill, &brook].map(|home| json(home, &["cluster", "list"]).as_array().map_or(0, Vec::len));
        (both == [1, 1]).then_some(())
    });
    // Each hears of another decision than the other, and then they meet.
    let address = |node: usize| nodes[node].ready["listen"][0].as_str().expect("an address").to_owned();
    let lies = runtime.block_on(async {
        // Hillside once more: it is to know what Brook has signed meanwhile.
        for node in [0, 1, 0] {
            let mut line = liar.connect(&address(node)).await.expect("connected");
            liar.catch_up(&mut line, space).await;
        }
        let mut lies = Vec::new();
        for (node, steps) in two_decisions(&liar.view(space)).into_iter().enumerate() {
            let mut line = liar.connect(&address(node)).await.expect("connected");
            lies.push((line.lie(space, steps, true).await.expect("offered to members"), line));
        }
        tokio::time::timeout(Duration::from_secs(20), async { lies[0].0.said().await }).await.expect("said");
        lies
    });
    for home in [&hill, &brook] {
        until("both decisions are named", || {
            let decisions = cluster(home)["decisions"].as_array().cloned().unwrap_or_default();
            (decisions.iter().filter(|decision| decision["state"] == "disputed").count() == 2).then_some(())
        });
        let told = run(home, &["status"]);
        assert!(String::from_utf8_lossy(&told.stdout).contains("another decision stands at its place"));
    }
    drop(lies);
    // What people write still comes to the other; which decision counts is for people to settle.
    json(&hill, &["new", "note", "--title", "After two decisions"]);
    until("it has come", || json(&brook, &["list"]).to_string().contains("After two decisions").then_some(()));
    for home in [&hill, &brook] {
        assert_eq!(json(home, &["verify"])["faults"], serde_json::json!([]));
    }
}
