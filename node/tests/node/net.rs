//! Nodes that meet over real sockets on this machine.

mod ground;
mod joining;
mod presenting;
mod refusals;
mod rot;

use std::time::{Duration, Instant};

use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p_stream::OpenStreamError;
use staffroom_node::api::{Answer, Code, NewRecord, PartnerState, Request, Status};
use staffroom_node::net::Times;
use staffroom_node::{Home, NewSchool, Node};
use staffroom_protocol::charter::{Role, Ticket};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::sync::{Hello, Message};
use tokio::time::{MissedTickBehavior, interval, timeout};

use ground::{Cable, JOIN, LOOPBACK, SYNC, School, Stranger, eventually, partner, two_schools, two_schools_with};

const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_exchange_records_over_tcp() {
    let (hill, brook) = two_schools().await;
    hill.note("Fractions with pizza").await;
    brook.note("Reading corner").await;
    for school in [&hill, &brook] {
        eventually("both notes at both", Duration::from_secs(5), async || {
            school.titles().await == ["Fractions with pizza", "Reading corner"]
        })
        .await;
    }
    hill.stop().await;
    // A node that is switched off is named with a reason, and it does not hold the other up.
    eventually("the reason", Duration::from_secs(10), async || {
        partner(&brook.status().await).1.is_some_and(|why| why.starts_with("connection refused at 127.0.0.1:"))
    })
    .await;
    brook.note("While they were away").await;
    brook.stop().await;
}

/// Batches of a mebibyte, compressed, decoded and verified on other threads.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_sync_of_long_records_arrives_whole() {
    let (hill, brook) = (School::start("Hillside Primary").await, School::start("Brook Academy").await);
    hill.found("The Valley Cluster").await;
    let note = |number: usize| {
        let words: Vec<String> = (0..400).map(|word| format!("{}", number * 7919 + word * word * 104_729)).collect();
        let fields = Fields::from([
            ("title".to_owned(), Value::Line(format!("Note {number:04}"))),
            ("body".to_owned(), Value::Text(words.join(" "))),
        ]);
        NewRecord { kind: "note".to_owned(), fields, author: "A. Teacher".to_owned(), open: None }
    };
    for start in (0..1000).step_by(200) {
        let records = (start..start + 200).map(note).collect();
        let Answer::Saved { outcomes, .. } = hill.ask(Request::Save { to: None, records }).await else { panic!() };
        assert!(outcomes.iter().all(|outcome| outcome.reason.is_none()), "{:?}", outcomes[0]);
    }
    let ticket = hill.invite().await;
    brook.ask(Request::Join { ticket, wait: 0 }).await;
    eventually("all notes", Duration::from_secs(30), async || brook.status().await.store.records >= 1000).await;
    eventually("in step", Duration::from_secs(5), async || {
        partner(&hill.status().await).0 == PartnerState::InStep
            && partner(&brook.status().await).0 == PartnerState::InStep
    })
    .await;
    let frontier = |status: &Status| status.spaces.iter().find(|s| !s.partners.is_empty()).map(|s| s.frontier.clone());
    assert_eq!(frontier(&hill.status().await), frontier(&brook.status().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_ticket_admits_nobody_else() {
    let (hill, brook) = (School::start("Hillside Primary").await, School::start("Brook Academy").await);
    hill.found("The Valley Cluster").await;
    let ticket = hill.invite().await;
    brook.ask(Request::Join { ticket: ticket.clone(), wait: 0 }).await;
    let late = School::start("Late School").await;
    let began = Instant::now();
    let refused = late.running.ask(Request::Join { ticket, wait: 0 }).await.expect_err("used");
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.message.contains("used or refused, has expired or was altered"), "{refused:?}");
    assert!(began.elapsed() >= Duration::from_millis(250), "the answer does not tell by its time");
    // And who was refused belongs nowhere.
    let Answer::Clusters(clusters) = late.ask(Request::Clusters).await else { panic!("not clusters") };
    assert!(clusters.is_empty());
    // Nobody there: said so, with the address.
    let mut ticket = Ticket::parse(&hill.invite().await).expect("a ticket");
    ticket.addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
    hill.stop().await;
    let failure =
        late.running.ask(Request::Join { ticket: ticket.to_text(), wait: 0 }).await.expect_err("nobody there");
    assert_eq!(failure.code, Code::Unreachable);
    assert!(failure.message.contains("connection refused at 127.0.0.1:1"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_join_and_nothing_else() {
    let (hill, _brook) = two_schools_with(Times { stranger: Duration::from_secs(3), ..Times::default() }).await;
    let mut stranger = Stranger::connect(hill.address(), [7; 32]).await.expect("connected");
    let refused = stranger.open(SYNC).await;
    assert!(matches!(refused, Err(OpenStreamError::UnsupportedProtocol(_))), "{refused:?}");
    // Nonsense on the join protocol is answered like a ticket that admits nobody.
    let mut join = stranger.open(JOIN).await.expect("open to strangers");
    join.write_all(&[3, 0, 0, 0, 1, 2, 3]).await.expect("sent");
    join.flush().await.expect("sent");
    let mut answer = [0; 5];
    join.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, [1, 0, 0, 0, 1]);
    drop(join);
    // Who does nothing is shown out after a while.
    timeout(Duration::from_secs(30), stranger.cut()).await.expect("shown out");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_leave_room_for_members() {
    let (hill, brook) = two_schools().await;
    let mut strangers = Vec::new();
    let mut refused = 0;
    for seed in 100..120 {
        match Stranger::connect(hill.address(), [seed; 32]).await {
            Ok(stranger) => strangers.push(stranger),
            Err(_) => refused += 1,
        }
    }
    // Noise ends before the node says no, so the dialler may see a connection that is cut at once.
    eventually("four are refused", Duration::from_secs(5), async || {
        refused + strangers.iter().filter(|stranger| stranger.is_cut()).count() == 4
    })
    .await;
    assert_eq!(partner(&brook.status().await).0, PartnerState::InStep);
    brook.running.stop().await;
    eventually("gone", Duration::from_secs(5), async || partner(&hill.status().await).0 == PartnerState::Unheard).await;
    let again =
        brook.node.as_ref().expect("open").run(Some(vec![LOOPBACK.to_owned()]), Some(false)).await.expect("run again");
    eventually("back among strangers", Duration::from_secs(5), async || {
        partner(&hill.status().await).0 == PartnerState::InStep
    })
    .await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_oversized_frame_is_cut_off() {
    let times = Times { ask: Duration::from_secs(1), ..Times::default() };
    let hill = School::start_with("Hillside Primary", times).await;
    hill.found("The Valley Cluster").await;
    let mut stranger = Stranger::connect(hill.address(), [9; 32]).await.expect("connected");
    // A length of 4 GiB is refused, and refused in the one way.
    let mut join = stranger.open(JOIN).await.expect("open to strangers");
    join.write_all(&u32::MAX.to_le_bytes()).await.expect("sent");
    join.flush().await.expect("sent");
    let mut answer = [0; 5];
    timeout(Duration::from_secs(2), join.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(answer, [1, 0, 0, 0, 1]);
    drop(join);
    // One byte now and then, by another stranger, since a connection joins once at a time: when its time
    // is over the question is taken for none.
    let mut other = Stranger::connect(hill.address(), [10; 32]).await.expect("connected");
    let join = other.open(JOIN).await.expect("open to strangers");
    let began = Instant::now();
    let (mut read, mut write) = join.split();
    let dripping = tokio::spawn(async move { drip(&mut write, 4096).await });
    timeout(Duration::from_secs(30), read.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(answer, [1, 0, 0, 0, 1]);
    assert!(began.elapsed() >= times.ask, "cut after {:?}", began.elapsed());
    dripping.abort();
}

/// Whoever returns dials, and speaks first, whatever its name is: who stayed has lost a session, and
/// would wait for an hour before it tries again.
#[tokio::test(flavor = "multi_thread")]
async fn who_returns_speaks_first() {
    let hour = Duration::from_hours(1);
    let times = Times { courtesy: hour, pause: hour, ..Times::default() };
    let (mut hill, mut brook) = two_schools_with(times).await;
    for hill_returns in [true, false] {
        let (returns, stays) = if hill_returns { (&mut hill, &brook) } else { (&mut brook, &hill) };
        returns.running.stop().await;
        eventually("gone", SOON, async || partner(&stays.status().await).0 == PartnerState::Unheard).await;
        // At another port: who stayed cannot dial.
        let node = returns.node.as_ref().expect("open");
        let again = node.run_with(Some(vec![LOOPBACK.to_owned()]), Some(false), times).await.expect("run again");
        returns.running = again;
        for school in [&hill, &brook] {
            eventually("back", SOON, async || partner(&school.status().await).0 == PartnerState::InStep).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named() {
    let hill = School::start("Hillside Primary").await;
    let taken = hill.address().to_string();
    let taken = taken.split("/p2p/").next().expect("an address").to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::at(folder.path());
    home.set_up(&NewSchool { name: "Brook Academy".to_owned(), ..NewSchool::default() }).expect("set up");
    let node = Node::open(&home).expect("open");
    let Err(failure) = node.run(Some(vec![taken.clone()]), Some(false)).await else { panic!("it listens twice") };
    tokio::task::block_in_place(|| drop(node));
    assert_eq!(failure.message, format!("cannot listen on {taken}: address in use"));
    assert!(failure.hints[0].contains("--listen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_several_clusters() {
    let (hill, brook) = two_schools().await;
    hill.found("The Coast Cluster").await;
    let cluster = Some("The Coast Cluster".to_owned());
    let invite = Request::Invite { cluster, role: Role::Reader, expires_in: 3600, confirm: false };
    let Answer::Ticket { ticket, .. } = hill.ask(invite).await else { panic!("not a ticket") };
    brook.ask(Request::Join { ticket, wait: 0 }).await;
    for school in [&hill, &brook] {
        eventually("both in step", Duration::from_secs(10), async || {
            let status = school.status().await;
            let partners: Vec<_> = status.spaces.iter().flat_map(|space| &space.partners).collect();
            partners.len() == 2 && partners.iter().all(|partner| partner.state == PartnerState::InStep)
        })
        .await;
    }
}

/// Begins a frame, and sends of it a byte at a time, as slowly as it takes.
async fn drip(write: &mut (impl futures::AsyncWrite + Unpin), length: u32) {
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    write.write_all(&length.to_le_bytes()).await.ok();
    while write.write_all(&[0]).await.is_ok() && write.flush().await.is_ok() {
        ticks.tick().await;
    }
}

/// A member that says Hello and then a byte now and then: it is cut off, by name, and nobody else is.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_drips_ends_its_own_session() {
    let times = Times { frame: Duration::from_secs(1), ..Times::default() };
    let (hill, brook) = two_schools_with(times).await;
    let seed = brook.seed();
    let space = hill.status().await.spaces.iter().find(|space| !space.partners.is_empty()).expect("a cluster").id;
    drop(brook);
    let mut member = Stranger::connect(hill.address(), seed).await.expect("connected");
    let stream = member.open(SYNC).await.expect("open to members");
    let (mut read, mut write) = stream.split();
    let hello =
        Hello { version: 0, space, charter: [0; 32], erasures: [0; 32], frontier: [0; 32], credit: 4, answer: true };
    let hello = staffroom_protocol::sync::encode(&Message::Hello(hello));
    write.write_all(&u32::try_from(hello.len()).expect("small").to_le_bytes()).await.expect("sent");
    write.write_all(&hello).await.expect("sent");
    let began = Instant::now();
    let dripping = tokio::spawn(async move { drip(&mut write, 4096).await });
    let mut rest = Vec::new();
    timeout(Duration::from_secs(45), read.read_to_end(&mut rest)).await.expect("cut off").ok();
    assert!(began.elapsed() >= times.frame, "after {:?}", began.elapsed());
    eventually("the reason", Duration::from_secs(10), async || {
        partner(&hill.status().await).1.is_some_and(|why| why.contains("a frame came too slowly"))
    })
    .await;
    dripping.abort();
}

/// Two schools in step over a cable.
async fn over_a_cable(times: Times) -> (School, School, Cable, tokio::task::JoinHandle<()>) {
    let hill = School::start_with("Hillside Primary", times).await;
    let brook = School::start_with("Brook Academy", times).await;
    hill.found("The Valley Cluster").await;
    let port = hill.address().iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let (cable, address, ended) = Cable::to(format!("127.0.0.1:{}", port.expect("a port"))).await;
    let mut ticket = Ticket::parse(&hill.invite().await).expect("a ticket");
    ticket.addresses = vec![address];
    brook.ask(Request::Join { ticket: ticket.to_text(), wait: 0 }).await;
    for school in [&hill, &brook] {
        eventually("in step", SOON, async || partner(&school.status().await).0 == PartnerState::InStep).await;
    }
    (hill, brook, cable, ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_over_a_line_that_is_never_silent_however_long_a_chunk_takes() {
    let times = Times { chunk: Duration::from_millis(600), ..Times::default() };
    let (hill, brook, cable, ended) = over_a_cable(times).await;
    // A chunk takes three times as long as nothing may come.
    cable.carry(140_000);
    let began = Instant::now();
    let id = hill.file("A film", &vec![7; 400_000]).await;
    eventually("the file is here", SOON, async || brook.has_files_of(&id).await).await;
    assert!(began.elapsed() > times.chunk * 4, "the line was quick: {:?}", began.elapsed());
    ended.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_is_noticed_and_idle_partners_stay_connected() {
    let times = Times { beat: Duration::from_millis(250), silence: Duration::from_secs(4), ..Times::default() };
    let (hill, brook, cable, ended) = over_a_cable(times).await;
    // Idle for so many heartbeats that a dead line would have been silent for too long: they keep it.
    let beats = u32::try_from(times.silence.as_millis() / times.beat.as_millis()).expect("some") + 4;
    timeout(SOON * 3, cable.passes(beats)).await.expect("heartbeats");
    for school in [&hill, &brook] {
        assert_eq!(partner(&school.status().await).0, PartnerState::InStep);
    }
    cable.pull();
    timeout(SOON * 3, ended).await.expect("noticed in time").expect("the cable");
    eventually("connected anew", Duration::from_secs(10), async || {
        partner(&hill.status().await).0 == PartnerState::InStep
            && partner(&brook.status().await).0 == PartnerState::InStep
    })
    .await;
}

/// Needs multicast on a real interface: `STAFFROOM_MULTICAST=1 cargo test …`.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::print_stdout, reason = "the name of what is skipped")]
async fn partners_that_moved_meet_on_the_local_network() {
    if std::env::var_os("STAFFROOM_MULTICAST").is_none() {
        println!("skipped: partners_that_moved_meet_on_the_local_network needs multicast, and STAFFROOM_MULTICAST=1");
        return;
    }
    let (hill, brook) = two_schools().await;
    for school in [&hill, &brook] {
        school.running.stop().await;
    }
    let anywhere = || Some(vec!["/ip4/0.0.0.0/tcp/0".to_owned()]);
    let one = hill.node.as_ref().expect("open").run(anywhere(), Some(true)).await.expect("run");
    let other = brook.node.as_ref().expect("open").run(anywhere(), Some(true)).await.expect("run");
    eventually("found", Duration::from_secs(20), async || partner(&hill.status().await).0 == PartnerState::InStep)
        .await;
    one.stop().await;
    other.stop().await;
}
