//! Nodes that meet over real sockets on this machine.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::{StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Control, OpenStreamError};
use staffroom_node::api::{Answer, Code, Filter, NewRecord, PartnerState, Request, Status};
use staffroom_node::{Home, NewSchool, Node, Running};
use staffroom_protocol::charter::{Role, Ticket};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const SYNC: StreamProtocol = StreamProtocol::new("/staffroom/sync/1");
const JOIN: StreamProtocol = StreamProtocol::new("/staffroom/join/1");
const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// A school with a running node.
struct School {
    running: Running,
    node: Option<Node>,
    _folder: TempDir,
}

impl School {
    async fn start(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        home.set_up(&NewSchool { name: name.to_owned(), ..NewSchool::default() }).expect("set up");
        let node = Node::open(&home).expect("open");
        let running = node.run(Some(vec![LOOPBACK.to_owned()]), Some(false)).await.expect("run");
        Self { running, node: Some(node), _folder: folder }
    }
    async fn ask(&self, request: Request) -> Answer {
        self.running.ask(request).await.expect("an answer")
    }
    async fn status(&self) -> Status {
        match self.ask(Request::Status).await {
            Answer::Status(status) => *status,
            other => panic!("not a status: {other:?}"),
        }
    }
    async fn found(&self, name: &str) {
        self.ask(Request::CreateCluster { name: name.to_owned() }).await;
    }
    async fn invite(&self) -> String {
        let invite = Request::Invite { cluster: None, role: Role::Contributor, expires_in: 3600 };
        match self.ask(invite).await {
            Answer::Ticket { ticket, .. } => ticket,
            other => panic!("not a ticket: {other:?}"),
        }
    }
    async fn note(&self, title: &str) {
        let fields = Fields::from([("title".to_owned(), Value::Line(title.to_owned()))]);
        let record = NewRecord { kind: "note".to_owned(), fields, author: "A. Teacher".to_owned(), open: None };
        self.ask(Request::Save { to: None, records: vec![record] }).await;
    }
    async fn titles(&self) -> Vec<String> {
        let filter = Filter { kind: Some("note".to_owned()), ..Filter::default() };
        let Answer::List(found) = self.ask(Request::List(filter)).await else { panic!("not a list") };
        let title = |fields: &Fields| fields.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut titles: Vec<String> = found.iter().map(|summary| title(&summary.fields)).collect();
        titles.sort();
        titles
    }
    /// Where a stranger would dial it.
    fn address(&self) -> Multiaddr {
        self.running.listen()[0].parse().expect("an address")
    }
    async fn stop(self) {
        self.running.stop().await;
    }
}

impl Drop for School {
    fn drop(&mut self) {
        tokio::task::block_in_place(|| drop(self.node.take()));
    }
}

/// Waits until something holds, or says what did not.
async fn eventually(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < within, "{what} did not happen within {within:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn partner(status: &Status) -> (PartnerState, Option<String>) {
    let all: Vec<_> = status.spaces.iter().flat_map(|space| &space.partners).collect();
    assert_eq!(all.len(), 1, "one partner: {all:?}");
    (all[0].state, all[0].error.clone())
}

/// Two schools of one cluster, in step.
async fn two_schools() -> (School, School) {
    let (hill, brook) = (School::start("Hillside Primary").await, School::start("Brook Academy").await);
    hill.found("The Valley Cluster").await;
    let ticket = hill.invite().await;
    brook.ask(Request::Join { ticket }).await;
    for school in [&hill, &brook] {
        eventually("in step", Duration::from_secs(10), async || {
            partner(&school.status().await).0 == PartnerState::InStep
        })
        .await;
    }
    (hill, brook)
}

/// Somebody with libp2p and a key of their own.
struct Stranger {
    control: Control,
    peer: PeerId,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stranger {
    /// Connects with the key that this seed gives.
    async fn connect(address: Multiaddr, seed: [u8; 32]) -> Result<Self, String> {
        let mut seed = seed;
        let keypair = libp2p::identity::Keypair::ed25519_from_bytes(&mut seed[..]).expect("a key");
        let mut swarm: Swarm<libp2p_stream::Behaviour> = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("tcp")
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .expect("behaviour")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(120)))
            .build();
        let control = swarm.behaviour().new_control();
        swarm.dial(address).map_err(|error| error.to_string())?;
        let connected = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => return Ok(peer_id),
                    SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.to_string()),
                    _ => {}
                }
            }
        };
        let peer = timeout(Duration::from_secs(10), connected).await.expect("an outcome")?;
        let task = tokio::spawn(async move {
            loop {
                if let SwarmEvent::ConnectionClosed { .. } = swarm.select_next_some().await {
                    return;
                }
            }
        });
        Ok(Self { control, peer, task })
    }
    async fn open(&mut self, protocol: StreamProtocol) -> Result<libp2p::Stream, OpenStreamError> {
        self.control.open_stream(self.peer, protocol).await
    }
    /// Whether the connection is gone.
    fn is_cut(&self) -> bool {
        self.task.is_finished()
    }
}

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
        partner(&brook.status().await)
            .1
            .is_some_and(|why| why.starts_with("connection refused at 127.0.0.1:"))
    })
    .await;
    brook.note("While they were away").await;
    brook.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_used_ticket_admits_nobody_else() {
    let (hill, brook) = (School::start("Hillside Primary").await, School::start("Brook Academy").await);
    hill.found("The Valley Cluster").await;
    let ticket = hill.invite().await;
    brook.ask(Request::Join { ticket: ticket.clone() }).await;
    let late = School::start("Late School").await;
    let began = Instant::now();
    let refused = late.running.ask(Request::Join { ticket }).await.expect_err("used");
    assert_eq!(refused.code, Code::Refused);
    assert!(refused.message.contains("used, has expired or was altered"), "{refused:?}");
    assert!(began.elapsed() >= Duration::from_millis(250), "the answer does not tell by its time");
    // And who was refused belongs nowhere.
    let Answer::Clusters(clusters) = late.ask(Request::Clusters).await else { panic!("not clusters") };
    assert!(clusters.is_empty());
    // Nobody there: said so, with the address.
    let mut ticket = Ticket::parse(&hill.invite().await).expect("a ticket");
    ticket.addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
    hill.stop().await;
    let failure = late.running.ask(Request::Join { ticket: ticket.to_text() }).await.expect_err("nobody there");
    assert_eq!(failure.code, Code::Unreachable);
    assert!(failure.message.contains("connection refused at 127.0.0.1:1"), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_join_and_nothing_else() {
    let (hill, _brook) = two_schools().await;
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
    // Who does nothing is shown out after ten seconds.
    eventually("shown out", Duration::from_secs(13), async || stranger.is_cut()).await;
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
    eventually("gone", Duration::from_secs(5), async || {
        partner(&hill.status().await).0 == PartnerState::Unheard
    })
    .await;
    let again = brook.node.as_ref().expect("open").run(Some(vec![LOOPBACK.to_owned()]), Some(false)).await.expect("run again");
    eventually("back among strangers", Duration::from_secs(5), async || {
        partner(&hill.status().await).0 == PartnerState::InStep
    })
    .await;
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_oversized_frame_is_cut_off() {
    let hill = School::start("Hillside Primary").await;
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
    // One byte a second: after ten seconds the question is taken for none.
    let join = loop {
        match stranger.open(JOIN).await {
            Ok(stream) => break stream,
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    };
    let began = Instant::now();
    let (mut read, mut write) = join.split();
    let dripping = tokio::spawn(async move {
        write.write_all(&[200, 0, 0, 0]).await.ok();
        while write.write_all(&[0]).await.is_ok() && write.flush().await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    });
    timeout(Duration::from_secs(15), read.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(answer, [1, 0, 0, 0, 1]);
    assert!(began.elapsed() >= Duration::from_secs(9), "cut after {:?}", began.elapsed());
    dripping.abort();
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
