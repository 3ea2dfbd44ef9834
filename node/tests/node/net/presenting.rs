//! A school whose admission a partner has not heard of shows it, and strangers show nothing.

use std::time::{Duration, Instant};

use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p_stream::OpenStreamError;
use staffroom_node::api::{Answer, PartnerState, Request};
use staffroom_protocol::charter::{Actor, Charter, Founding, Missing, Role};
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::identity::{IdentityChain, Inception, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::limits;
use staffroom_protocol::sync::{DeviceAsk, SpacePart};

use super::ground::{JOIN, SYNC, School, Stranger, eventually, send, two_schools};

const MORE: [u8; 5] = [1, 0, 0, 0, 4];
const REFUSED: [u8; 5] = [1, 0, 0, 0, 1];
const SOON: Duration = Duration::from_secs(20);

/// The partners of a school that it is in step with.
async fn in_step(school: &School) -> usize {
    let spaces = school.status().await.spaces;
    spaces.iter().flat_map(|space| &space.partners).filter(|p| p.state == PartnerState::InStep).count()
}

/// Switches a node off, and on again where it was, when it is told to.
async fn restarted(school: &mut School, meanwhile: impl AsyncFnOnce()) {
    let address = school.address().to_string();
    let listen = address.split("/p2p/").next().expect("an address").to_owned();
    school.running.stop().await;
    meanwhile().await;
    let node = school.node.as_ref().expect("open");
    school.running = node.run(Some(vec![listen]), Some(false)).await.expect("run again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_school_that_was_admitted_while_a_partner_was_away_is_let_in() {
    let (hill, mut brook) = two_schools().await;
    brook.note("Reading corner").await;
    eventually("the note is at the partner", SOON, async || hill.titles().await.len() == 1).await;
    let coast = School::start("Coast School").await;
    restarted(&mut brook, async || {
        let ticket = hill.invite().await;
        coast.ask(Request::Join { ticket, wait: 0 }).await;
        // With the records comes the partner's address.
        eventually("all is at the newcomer", SOON, async || coast.titles().await.len() == 1).await;
        eventually("in step", SOON, async || in_step(&coast).await == 1).await;
        hill.running.stop().await;
    })
    .await;
    // Nobody but the newcomer can tell.
    coast.note("Fractions with pizza").await;
    eventually("the newcomer's note", SOON, async || brook.titles().await.len() == 2).await;
    eventually("in step", SOON, async || in_step(&coast).await == 1 && in_step(&brook).await == 1).await;
    coast.stop().await;
}

/// A partner that knows a school from one cluster, and has not heard that it belongs to another.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_shown_another_cluster_too() {
    let (hill, mut brook) = two_schools().await;
    let coast = School::start("Coast School").await;
    coast.ask(Request::Join { ticket: hill.invite().await, wait: 0 }).await;
    hill.found("The Coast Cluster").await;
    let invite = async || {
        let cluster = Some("The Coast Cluster".to_owned());
        let invite = Request::Invite { cluster, role: Role::Contributor, expires_in: 3600, confirm: false };
        match hill.ask(invite).await {
            Answer::Ticket { ticket, .. } => ticket,
            other => panic!("not a ticket: {other:?}"),
        }
    };
    brook.ask(Request::Join { ticket: invite().await, wait: 0 }).await;
    eventually("all meet", SOON, async || in_step(&coast).await == 2 && in_step(&brook).await == 3).await;
    restarted(&mut brook, async || {
        coast.ask(Request::Join { ticket: invite().await, wait: 0 }).await;
        eventually("two of the second cluster", SOON, async || in_step(&coast).await == 2).await;
        hill.running.stop().await;
    })
    .await;
    eventually("both clusters", SOON, async || in_step(&coast).await == 2 && in_step(&brook).await == 2).await;
}

/// A stranger's own space, and what it says of it.
fn charter_of(seed: [u8; 32]) -> (SpaceId, Missing) {
    let code = RecoveryCode::from_random([seed[0]; 20]);
    let device = SecretKey::from_seed(&seed);
    let mut school = IdentityChain::new(Inception::new(&code));
    school.certify(&code.root(0), device.public(), Rights::ALL).expect("certified");
    let founding = Founding { name: "Mine".to_owned(), rules: 0, continues: SpaceId::default(), nonce: [0; 16] };
    let (charter, _) = Charter::found(&founding, Actor { school: &school, device: &device }).expect("founded");
    (charter.space(), charter.whole())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_that_presents_nonsense_learns_nothing() {
    let (hill, _brook) = two_schools().await;
    let held = hill.status().await.spaces.iter().find(|space| !space.partners.is_empty()).expect("a cluster").id;
    let before = hill.status().await.spaces;
    let seed = [77; 32];
    let (own, part) = charter_of(seed);
    let presented = |space, part: &Missing| SpacePart { space, part: part.clone() }.to_bytes();
    let frames = [
        ("a space that does not exist", presented(own, &part)),
        ("a space that exists", presented(held, &part)),
        ("nothing about a space that exists", presented(held, &Missing::default())),
        ("noise about a space that exists", [held.0.to_vec(), vec![0xa5; 60_000]].concat()),
        ("noise", vec![0x5a; limits::PRESENTED]),
        ("hardly anything", vec![1]),
    ];
    for (what, frame) in frames {
        let mut stranger = Stranger::connect(hill.address(), seed).await.expect("connected");
        let mut stream = stranger.open(JOIN).await.expect("open to strangers");
        send(&mut stream, &DeviceAsk::Present.to_bytes()).await;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(answer, MORE, "{what}");
        let sent = Instant::now();
        send(&mut stream, &frame).await;
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(answer, REFUSED, "{what}");
        assert!(sent.elapsed() >= Duration::from_millis(250), "{what}: {:?}", sent.elapsed());
        // Whatever else it has to say is not heard.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("to its end");
        assert!(rest.is_empty());
        let refused = stranger.open(SYNC).await;
        assert!(matches!(refused, Err(OpenStreamError::UnsupportedProtocol(_))), "{what}: {refused:?}");
    }
    // More than a part may have is refused before it is read.
    let mut stranger = Stranger::connect(hill.address(), seed).await.expect("connected");
    let mut stream = stranger.open(JOIN).await.expect("open to strangers");
    send(&mut stream, &DeviceAsk::Present.to_bytes()).await;
    let length = u32::try_from(limits::PRESENTED + 1).expect("small").to_le_bytes();
    stream.write_all(&length).await.expect("sent");
    stream.flush().await.expect("sent");
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer[..], [MORE, REFUSED].concat());
    // Nothing of it is kept.
    let now = hill.status().await.spaces;
    let charters = |spaces: &[staffroom_node::api::SpaceStatus]| -> Vec<_> {
        spaces.iter().map(|space| space.charter.clone()).collect()
    };
    assert_eq!(charters(&now), charters(&before));
}
