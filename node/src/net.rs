//! The network of a node: who it connects to, and what travels there.
//!
//! ```text
//!                  ┌──────────── Net ────────────┐
//!                  │ join, dial now, stop        │
//!                  ▼                             ▼
//!  partnerships ─▶ dialler ──── dial ────▶ swarm's task ◀── listeners, mDNS
//!  (engine)          │                        │  │
//!                    │ opens                  │  └─ one task for each stream that others open
//!                    ▼                        ▼
//!             sync streams ⇄ engine    heartbeats, joins ⇄ engine
//! ```
//!
//! `peer` names devices, `streams` says who may open which stream, `swarm` owns the connections,
//! `dialler` decides whom to dial when, `sync`, and `join` with `redeem`, `device` and `present` carry the two
//! protocols as `frame`s,
//! `blobs` gives and fetches files,
//! `alive` notices lines that went dead, `roster` holds what all of them look at.
//!
//! It promises that a stranger reaches nothing but `/staffroom/join/1`, that whatever a peer sends is
//! bounded before it is allocated, and that a slow peer stalls only itself. It decides nothing about
//! what is held: that is the engine's. It stores nothing.

mod alive;
mod behaviour;
mod blobs;
mod device;
mod dialler;
mod frame;
mod join;
mod pause;
mod peer;
mod present;
mod reason;
mod redeem;
mod roster;
mod streams;
mod swarm;
mod sync;
mod times;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::swarm::{Stream, StreamProtocol};
use staffroom_protocol::charter::{DeviceTicket, Ticket};
use staffroom_protocol::id::{BlobId, DeviceId};
use staffroom_protocol::identity::{IdentityChain, RecoveryCode};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::api::{Code, Failure};
use crate::engine::{Command, Engine, LinkId, Want};
use blobs::NotFetched;
pub use join::Joining;
use roster::{Line, Roster};
use streams::NotOpened;
use swarm::Ask;
pub use times::Times;

/// How long a stream may take to open.
const OPEN_TIME: Duration = Duration::from_secs(15);
/// How long connections may take to end when the node stops.
const STOP_TIME: Duration = Duration::from_secs(2);

/// Where to listen, and whether to look around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetConfig {
    /// Where to listen, as multiaddresses such as `/ip4/0.0.0.0/tcp/4960`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Whether partners on the local network are found by multicast DNS.
    pub mdns: bool,
    /// How long to wait for what.
    pub times: Times,
}

/// A node's network. Clones are handles to the same one; it runs until [`Net::stop`].
#[derive(Clone)]
pub struct Net {
    shared: Arc<Shared>,
    listen: watch::Receiver<Vec<String>>,
}

impl Net {
    /// Starts the network inside a tokio runtime. Returns once every address of `config` is listened
    /// on, or names the one that is not.
    pub async fn start(engine: Engine, device_seed: [u8; 32], config: NetConfig) -> Result<Self, Failure> {
        let roster = Roster::default();
        let swarm = behaviour::swarm(device_seed, config.mdns, roster.clone())?;
        let (asks, asked) = mpsc::channel(256);
        let (reports, reported) = mpsc::channel(1024);
        let (fetches, to_fetch) = mpsc::channel(64);
        let (addresses, listen) = watch::channel(Vec::new());
        let shared = Arc::new(Shared {
            engine,
            roster,
            times: config.times,
            asks,
            links: AtomicU64::new(1),
            dial_now: Notify::new(),
            refresh: Notify::new(),
            holding: Semaphore::new(redeem::HELD),
            judging: Semaphore::new(1),
            learning: tokio::sync::Mutex::default(),
            reached: Notify::new(),
            fetches,
            fetching: blobs::Progress::default(),
            stopped: watch::Sender::new(false),
        });
        let mut task = swarm::Task::new(swarm, shared.clone(), asked, reports, addresses);
        task.listen(&config.listen).await?;
        shared.engine.send(Command::Listening(listen.borrow().clone())).await;
        tokio::spawn(task.run());
        tokio::spawn(blobs::run(shared.clone(), to_fetch));
        tokio::spawn(dialler::run(shared.clone(), reported, listen.clone()));
        Ok(Self { shared, listen })
    }
    /// Where this node listens: full multiaddresses that end in `/p2p/` and its name.
    pub fn listen(&self) -> Vec<String> {
        self.listen.borrow().clone()
    }
    /// Connects to every partner that is not connected, without waiting for its turn.
    pub fn dial_now(&self) {
        self.shared.dial_now.notify_one();
    }
    /// Redeems a ticket at the device that issued it; waits so long for a person there to confirm.
    pub async fn join(&self, ticket: &Ticket, wait: Duration) -> Result<Joining, Failure> {
        join::join(&self.shared, ticket, wait).await
    }
    /// Redeems a ticket of the school that this store, which holds nothing, is to act for.
    pub async fn join_device(&self, ticket: &DeviceTicket) -> Result<IdentityChain, Failure> {
        device::join(&self.shared, ticket).await
    }
    /// Starts a school again with its sheet in this store, which holds nothing; `from` is the full
    /// address of a partner's node.
    pub async fn recover(&self, from: &str, code: &RecoveryCode) -> Result<IdentityChain, Failure> {
        device::recover(&self.shared, from, code).await
    }
    /// Fetches a file, whatever its size; what it lacks of it, if some was fetched before.
    pub async fn fetch(&self, want: Want) -> Result<(), Failure> {
        let (answer, fetched) = oneshot::channel();
        let stopping = || Failure::new(Code::Failed, "the node is stopping");
        self.shared.fetches.send(blobs::Fetch { want, answer }).await.map_err(|_| stopping())?;
        fetched.await.map_err(|_| stopping())?.map_err(|why| match why {
            NotFetched::Nobody => Failure::new(Code::Unreachable, format!("this file was not fetched: {why}"))
                .hint("it is fetched as soon as a partner is reached that has it; share status shows who is"),
            NotFetched::Disk(_) => Failure::new(Code::Failed, format!("this file was not fetched: {why}"))
                .hint("look at the free space of the disk; what was fetched so far is kept"),
            why => Failure::new(Code::Failed, format!("this file was not fetched: {why}")),
        })
    }
    /// How far the fetching of a file is: bytes here, bytes in all.
    pub fn fetching(&self, blob: &BlobId) -> (u64, u64) {
        self.shared.fetching.of(blob)
    }
    /// Ends all connections and stops listening.
    pub async fn stop(&self) {
        self.shared.stopped.send_replace(true);
        let (answer, answered) = oneshot::channel();
        if self.shared.asks.send(Ask::Stop(answer)).await.is_ok() {
            let _ = timeout(STOP_TIME, answered).await;
        }
    }
}

/// What the tasks of the network share.
struct Shared {
    engine: Engine,
    roster: Roster,
    times: Times,
    asks: mpsc::Sender<Ask>,
    links: AtomicU64,
    dial_now: Notify,
    refresh: Notify,
    /// A partner was reached.
    reached: Notify,
    /// Files that somebody waits for.
    fetches: mpsc::Sender<blobs::Fetch>,
    /// How far files are that are being fetched.
    fetching: blobs::Progress,
    /// Streams of joiners that wait for a person.
    holding: Semaphore,
    /// Strangers that present a part of a charter: one is judged at a time.
    judging: Semaphore,
    /// Who asks who belongs.
    learning: tokio::sync::Mutex<()>,
    stopped: watch::Sender<bool>,
}

impl Shared {
    /// A name for a stream that no other has.
    fn next_link(&self) -> LinkId {
        self.links.fetch_add(1, Ordering::Relaxed)
    }
    /// Opens a stream on a connection.
    async fn open(&self, line: &Line, protocol: StreamProtocol) -> Result<Stream, NotOpened> {
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Open { device: line.device, connection: line.id, protocol, answer };
        self.asks.send(ask).await.map_err(|_| NotOpened::Gone)?;
        let opened = timeout(OPEN_TIME, answered).await;
        opened.ok().and_then(Result::ok).unwrap_or(Err(NotOpened::Gone))
    }
    /// Connects to a device at one of these addresses, or says in plain words why not.
    async fn dial(&self, device: DeviceId, addresses: Vec<Multiaddr>) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let stopping = || "this node is stopping".to_owned();
        self.asks.send(Ask::Dial { device, addresses, answer }).await.map_err(|_| stopping())?;
        answered.await.map_err(|_| stopping())?
    }
    /// Learns anew who belongs. Says nothing once the engine stopped.
    async fn partnerships(&self) -> Option<Vec<crate::engine::Partnership>> {
        // One after the other: an older answer must not take the place of a newer one.
        let _turn = self.learning.lock().await;
        let partnerships = self.engine.query(Command::Partnerships).await?;
        self.roster.set_partnerships(&partnerships);
        Some(partnerships)
    }
    /// Something of a device's was refused: `share status` names the last thing.
    async fn refused(&self, device: DeviceId, what: String) {
        self.engine.send(Command::Refused(device, what)).await;
    }
    /// Waits until the network is stopped.
    async fn stopped(&self) {
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }
}

/// The failure of an address that cannot be listened on.
fn cannot_listen(code: Code, address: &str, why: &str) -> Failure {
    Failure::new(code, format!("cannot listen on {address}: {why}"))
        .hint("choose another address with `--listen`, for example `--listen /ip4/0.0.0.0/tcp/4961`")
}

/// Between nought and one, evenly.
fn random() -> f64 {
    let draw = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(draw) / f64::from(u32::MAX)
}
