//! What the tests of the network stand on: schools, strangers, a cable to pull.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::{AsyncWriteExt, StreamExt};
use libp2p::swarm::{StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Control, OpenStreamError};
use staffroom_node::api::{Answer, Filter, NewRecord, PartnerState, Request, Status};
use staffroom_node::net::Times;
use staffroom_node::{Home, NewSchool, Node, Running};
use staffroom_protocol::charter::Role;
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::{BlobRef, Value};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub(super) const SYNC: StreamProtocol = StreamProtocol::new("/staffroom/sync/1");
pub(super) const JOIN: StreamProtocol = StreamProtocol::new("/staffroom/join/1");
pub(super) const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

/// Grows with each turn of a school's engine, and with each stranger that is cut off.
static TURNS: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// Makes those who wait look again whenever this engine had a turn, until it stops.
pub(super) fn follow(running: &Running) {
    let mut turns = running.engine().turns();
    tokio::spawn(async move {
        while turns.changed().await.is_ok() {
            TURNS.send_modify(|turns| *turns += 1);
        }
    });
}

/// A school with a running node.
pub(super) struct School {
    pub(super) running: Running,
    pub(super) node: Option<Node>,
    folder: TempDir,
}

impl School {
    pub(super) async fn start(name: &str) -> Self {
        Self::start_with(name, Times::default()).await
    }
    /// One whose network waits as long as this.
    pub(super) async fn start_with(name: &str, times: Times) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path());
        home.set_up(&NewSchool { name: name.to_owned(), ..NewSchool::default() }).expect("set up");
        let node = Node::open(&home).expect("open");
        let running = node.run_with(Some(vec![LOOPBACK.to_owned()]), Some(false), times).await.expect("run");
        follow(&running);
        Self { running, node: Some(node), folder }
    }
    pub(super) async fn ask(&self, request: Request) -> Answer {
        self.running.ask(request).await.expect("an answer")
    }
    pub(super) async fn status(&self) -> Status {
        match self.ask(Request::Status).await {
            Answer::Status(status) => *status,
            other => panic!("not a status: {other:?}"),
        }
    }
    pub(super) async fn found(&self, name: &str) {
        self.ask(Request::CreateCluster { name: name.to_owned() }).await;
    }
    pub(super) async fn invite(&self) -> String {
        let invite = Request::Invite { cluster: None, role: Role::Contributor, expires_in: 3600, confirm: false };
        match self.ask(invite).await {
            Answer::Ticket { ticket, .. } => ticket,
            other => panic!("not a ticket: {other:?}"),
        }
    }
    pub(super) async fn note(&self, title: &str) {
        let fields = Fields::from([("title".to_owned(), Value::Line(title.to_owned()))]);
        let record = NewRecord { kind: "note".to_owned(), fields, author: "A. Teacher".to_owned(), open: None };
        self.ask(Request::Save { to: None, records: vec![record] }).await;
    }
    /// Shares a note with a file of these bytes; its id.
    pub(super) async fn file(&self, title: &str, bytes: &[u8]) -> String {
        let manifest = Home::at(self.folder.path()).blobs().add(bytes, &mut |_| {}).expect("stored");
        let file = BlobRef {
            id: manifest.id(),
            name: "file.bin".to_owned(),
            bytes: manifest.length(),
            media_type: "application/octet-stream".to_owned(),
        };
        let fields = Fields::from([
            ("title".to_owned(), Value::Line(title.to_owned())),
            ("attachments".to_owned(), Value::Blobs(vec![file])),
        ]);
        let record = NewRecord { kind: "note".to_owned(), fields, author: "A. Teacher".to_owned(), open: None };
        match self.ask(Request::Save { to: None, records: vec![record] }).await {
            Answer::Saved { outcomes, .. } => outcomes[0].id.expect("it was shared").to_string(),
            other => panic!("not saved: {other:?}"),
        }
    }
    /// Whether all files of a record are here.
    pub(super) async fn has_files_of(&self, id: &str) -> bool {
        let files = Request::Files { id: id.to_owned(), file: None, fetch: false };
        matches!(self.running.ask(files).await, Ok(Answer::Files { files, .. }) if files.iter().all(|file| file.held))
    }
    pub(super) async fn titles(&self) -> Vec<String> {
        let filter = Filter { kind: Some("note".to_owned()), ..Filter::default() };
        let Answer::List(found) = self.ask(Request::List(filter)).await else { panic!("not a list") };
        let title = |fields: &Fields| fields.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut titles: Vec<String> = found.iter().map(|summary| title(&summary.fields)).collect();
        titles.sort();
        titles
    }
    /// The seed of its device's key.
    pub(super) fn seed(&self) -> [u8; 32] {
        let text = std::fs::read_to_string(self.folder.path().join("secrets/device.key")).expect("the key");
        let text = text.lines().next().expect("a key");
        staffroom_protocol::id::from_text(text).and_then(|bytes| bytes.try_into().ok()).expect("32 bytes")
    }
    /// Where a stranger would dial it.
    pub(super) fn address(&self) -> Multiaddr {
        self.running.listen()[0].parse().expect("an address")
    }
    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}

impl Drop for School {
    fn drop(&mut self) {
        tokio::task::block_in_place(|| drop(self.node.take()));
    }
}

/// Waits until something holds, or says what did not: looks again after each turn of an engine.
pub(super) async fn eventually(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let mut turns = TURNS.subscribe();
    let held = timeout(within, async {
        loop {
            turns.borrow_and_update();
            if holds().await {
                return;
            }
            turns.changed().await.expect("it lives as long as the process");
        }
    });
    assert!(held.await.is_ok(), "{what} did not happen within {within:?}");
}

pub(super) fn partner(status: &Status) -> (PartnerState, Option<String>) {
    let all: Vec<_> = status.spaces.iter().flat_map(|space| &space.partners).collect();
    assert_eq!(all.len(), 1, "one partner: {all:?}");
    (all[0].state, all[0].error.clone())
}

/// Two schools of one cluster, in step.
pub(super) async fn two_schools() -> (School, School) {
    two_schools_with(Times::default()).await
}
/// The same, whose networks wait as long as this.
pub(super) async fn two_schools_with(times: Times) -> (School, School) {
    let hill = School::start_with("Hillside Primary", times).await;
    let brook = School::start_with("Brook Academy", times).await;
    hill.found("The Valley Cluster").await;
    let ticket = hill.invite().await;
    brook.ask(Request::Join { ticket, wait: 0 }).await;
    for school in [&hill, &brook] {
        eventually("in step", Duration::from_secs(10), async || {
            partner(&school.status().await).0 == PartnerState::InStep
        })
        .await;
    }
    (hill, brook)
}

/// Somebody with libp2p and a key of their own.
pub(super) struct Stranger {
    control: Control,
    peer: PeerId,
    is_cut: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stranger {
    /// Connects with the key that this seed gives.
    pub(super) async fn connect(address: Multiaddr, seed: [u8; 32]) -> Result<Self, String> {
        let mut seed = seed;
        let keypair = libp2p::identity::Keypair::ed25519_from_bytes(&mut seed[..]).expect("a key");
        let mut swarm: Swarm<libp2p_stream::Behaviour> = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("tcp")
            .with_behaviour(|_| libp2p_stream::Behaviour::new())
            .expect("behaviour")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_mins(2)))
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
        let is_cut = Arc::new(AtomicBool::new(false));
        let ended = is_cut.clone();
        let task = tokio::spawn(async move {
            loop {
                if let SwarmEvent::ConnectionClosed { .. } = swarm.select_next_some().await {
                    break;
                }
            }
            ended.store(true, Ordering::Relaxed);
            TURNS.send_modify(|turns| *turns += 1);
        });
        Ok(Self { control, peer, is_cut, task })
    }
    pub(super) async fn open(&mut self, protocol: StreamProtocol) -> Result<libp2p::Stream, OpenStreamError> {
        self.control.open_stream(self.peer, protocol).await
    }
    /// Waits until the connection is gone.
    pub(super) async fn cut(&mut self) {
        (&mut self.task).await.expect("the stranger's swarm");
    }
    /// Whether the connection is gone.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// Sends a frame.
pub(super) async fn send(stream: &mut libp2p::Stream, frame: &[u8]) {
    let length = u32::try_from(frame.len()).expect("short").to_le_bytes();
    stream.write_all(&[&length, frame].concat()).await.expect("sent");
    stream.flush().await.expect("sent");
}

/// A wire between two nodes, which counts what passes and can be pulled.
#[derive(Clone)]
pub(super) struct Cable {
    /// How often bytes came, from the near end and from the far one.
    passed: watch::Sender<[u32; 2]>,
    pulled: Arc<AtomicBool>,
    /// Bytes a second that it carries; nought where it carries all.
    carries: Arc<AtomicU64>,
}

impl Cable {
    /// A cable to an address, where it begins, and its end: once it was pulled and both nodes have let go.
    pub(super) async fn to(far: String) -> (Self, String, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let cable = Self { passed: watch::Sender::new([0; 2]), pulled: Arc::default(), carries: Arc::default() };
        let task = tokio::spawn(cable.clone().pass(listener, far));
        (cable, format!("/ip4/127.0.0.1/tcp/{port}"), task)
    }
    /// Passes bytes on until it is pulled; then it keeps both connections open and says nothing.
    async fn pass(self, listener: TcpListener, far: String) {
        let (mut near, _) = listener.accept().await.expect("a connection");
        let mut far = TcpStream::connect(far).await.expect("a connection");
        let (mut one, mut other) = (vec![0; 65536], vec![0; 65536]);
        loop {
            let (from, count, bytes, out) = tokio::select! {
                count = near.read(&mut one) => (0, count, &one, &mut far),
                count = far.read(&mut other) => (1, count, &other, &mut near),
            };
            let count = count.unwrap_or(0);
            if self.pulled.load(Ordering::Relaxed) {
                if count == 0 {
                    return;
                }
            } else {
                assert_ne!(count, 0, "closed before it was pulled");
                out.write_all(&bytes[..count]).await.expect("passed on");
                self.passed.send_modify(|passed| passed[from] += 1);
                let carries = self.carries.load(Ordering::Relaxed);
                if let Some(time) = (count as u64 * 1_000).checked_div(carries) {
                    // This is the line: it is as slow as it is.
                    sleep(Duration::from_millis(time)).await;
                }
            }
        }
    }
    /// Waits until bytes came so often from both ends, from now on.
    pub(super) async fn passes(&self, often: u32) {
        let mut passed = self.passed.subscribe();
        let before = *passed.borrow();
        let more = |passed: &[u32; 2]| (0..2).all(|end| passed[end] >= before[end] + often);
        passed.wait_for(more).await.expect("the cable lives");
    }
    /// From now on it carries so many bytes a second, both ways together.
    pub(super) fn carry(&self, bytes: u64) {
        self.carries.store(bytes, Ordering::Relaxed);
    }
    pub(super) fn pull(&self) {
        self.pulled.store(true, Ordering::Relaxed);
    }
}
