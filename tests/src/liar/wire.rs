//! A liar on a socket: libp2p over TCP with Noise and yamux, as nodes have it, with nothing held back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use libp2p::swarm::{Stream, StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use libp2p_stream::{Control, OpenStreamError};
use staffroom_protocol::id::{DeviceId, SpaceId};
use staffroom_protocol::sync::{Message, decode};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{interval, timeout};

use super::Step;

/// Sync of one space.
pub const SYNC: StreamProtocol = StreamProtocol::new("/staffroom/sync/1");
/// Joining with a ticket.
pub const JOIN: StreamProtocol = StreamProtocol::new("/staffroom/join/1");
/// Heartbeats.
const ALIVE: StreamProtocol = StreamProtocol::new("/staffroom/alive/1");
/// How long anything may take that the other end is to do at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// How many streams a liar may open on one connection: as many as yamux lets anybody.
const STREAMS: usize = 4_096;

/// A connection with a node. It keeps its heartbeats: a liar is not found out by its silence.
pub struct Line {
    control: Control,
    /// The node's name.
    pub peer: PeerId,
    swarm: JoinHandle<()>,
    beats: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.swarm.abort();
        self.beats.abort();
    }
}

/// A swarm of a device with this seed.
pub(super) fn swarm(mut seed: [u8; 32]) -> Swarm<libp2p_stream::Behaviour> {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(&mut seed[..]).expect("32 bytes are a key");
    let multiplexer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS);
        config
    };
    SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexer)
        .expect("Noise has what it needs")
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .expect("a behaviour without parts")
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_mins(5)))
        .build()
}

/// The device behind a peer id: an identity multihash of an ed25519 key, whose last 32 bytes are the key.
pub fn device_of(peer: &PeerId) -> DeviceId {
    let bytes = peer.to_bytes();
    DeviceId(*bytes.last_chunk().expect("a peer id has 38 bytes"))
}

impl Line {
    /// Connects to a node with the device key that this seed gives.
    pub async fn connect(address: &str, seed: [u8; 32]) -> Result<Self, String> {
        let mut swarm = swarm(seed);
        let control = swarm.behaviour().new_control();
        let address: Multiaddr = address.parse().map_err(|_| "not an address".to_owned())?;
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
        let peer = timeout(PATIENCE, connected).await.map_err(|_| "no answer".to_owned())??;
        let swarm = tokio::spawn(async move {
            while !matches!(swarm.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {}
        });
        let beats = tokio::spawn(beat(control.clone(), peer));
        Ok(Self { control, peer, swarm, beats })
    }
    /// Opens a stream; fails where the node does not offer the protocol.
    pub async fn open(&mut self, protocol: StreamProtocol) -> Result<Stream, OpenStreamError> {
        self.control.open_stream(self.peer, protocol).await
    }
    /// Streams that the node opens on this connection.
    pub(super) fn accept(&mut self, protocol: StreamProtocol) -> libp2p_stream::IncomingStreams {
        self.control.accept(protocol).expect("nobody else accepts")
    }
    /// Whether the node has ended the connection.
    pub fn is_cut(&self) -> bool {
        self.swarm.is_finished()
    }
    /// Opens as many streams as it is let, up to this many, and says nothing on any; how many it opened.
    pub async fn open_many(&mut self, count: usize) -> usize {
        let mut streams = Vec::new();
        for _ in 0..count {
            match timeout(PATIENCE, self.open(SYNC)).await {
                Ok(Ok(stream)) => streams.push(stream),
                _ => break,
            }
        }
        streams.len()
    }
    /// Lies on a stream about a space, which goes on until the answer is dropped.
    pub async fn lie(&mut self, space: SpaceId, steps: Vec<Step>, reads: bool) -> Result<Lying, OpenStreamError> {
        let (from, to) = self.open(SYNC).await?.split();
        let heard = Arc::new(Heard::default());
        let reading = reads.then(|| tokio::spawn(listen(from, space, heard.clone())));
        let saying = tokio::spawn(speak(to, steps, heard.clone()));
        Ok(Lying { heard, reading, saying, open: None })
    }
}

/// A beat every few seconds, as nodes send them.
async fn beat(mut control: Control, peer: PeerId) {
    let Ok(mut stream) = control.open_stream(peer, ALIVE).await else { return };
    let mut beats = interval(Duration::from_secs(4));
    loop {
        beats.tick().await;
        if stream.write_all(&[1]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// What a liar heard on a stream.
#[derive(Default)]
pub struct Heard {
    settled: AtomicUsize,
    ended: std::sync::atomic::AtomicBool,
    news: Notify,
}

/// A lie under way.
pub struct Lying {
    /// What came back.
    pub heard: Arc<Heard>,
    reading: Option<JoinHandle<()>>,
    saying: JoinHandle<WriteHalf<Stream>>,
    /// Nothing follows; but to close the stream would be honest.
    open: Option<WriteHalf<Stream>>,
}

impl Drop for Lying {
    fn drop(&mut self) {
        self.saying.abort();
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

impl Lying {
    /// Waits until all was said, or the node ended the stream. Once.
    pub async fn said(&mut self) {
        let said = async {
            tokio::select! {
                said = &mut self.saying => self.open = said.ok(),
                // What is written then is read by nobody, and need not get through.
                () = self.heard.until(|heard| heard.ended.load(Ordering::Acquire)) => {}
            }
        };
        timeout(PATIENCE * 3, said).await.expect("said in time");
    }
    /// Waits until the node ended the stream.
    pub async fn ended(&self) {
        let ended = self.heard.until(|heard| heard.ended.load(Ordering::Acquire));
        timeout(PATIENCE * 3, ended).await.expect("ended in time");
    }
}

impl Heard {
    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        loop {
            let news = self.news.notified();
            if holds(self) {
                return;
            }
            news.await;
        }
    }
}

/// Notes what comes, until the stream ends.
async fn listen(mut from: ReadHalf<Stream>, space: SpaceId, heard: Arc<Heard>) {
    while let Some(frame) = read(&mut from).await {
        if let Ok(Message::Held(_, batches)) = decode(&frame, space) {
            heard.settled.fetch_add(batches as usize, Ordering::AcqRel);
        }
        heard.news.notify_waiters();
    }
    heard.ended.store(true, Ordering::Release);
    heard.news.notify_waiters();
}

/// Says one thing after the other; gives the stream back, still open.
async fn speak(mut to: WriteHalf<Stream>, steps: Vec<Step>, heard: Arc<Heard>) -> WriteHalf<Stream> {
    let mut batches = 0;
    for step in steps {
        let said = match step {
            Step::Frame(frame) => {
                batches += usize::from(frame.first() == Some(&ENTRIES));
                write(&mut to, &frame).await
            }
            Step::Raw(bytes) => to.write_all(&bytes).await,
            Step::Settle => {
                let settled = |heard: &Heard| {
                    heard.settled.load(Ordering::Acquire) >= batches || heard.ended.load(Ordering::Acquire)
                };
                heard.until(settled).await;
                Ok(())
            }
        };
        if said.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    to
}

/// The first byte of a frame of entries.
const ENTRIES: u8 = 4;

/// Writes a frame with its length before it.
pub(super) async fn write(to: &mut (impl futures::AsyncWrite + Unpin), frame: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes();
    to.write_all(&length).await?;
    to.write_all(frame).await?;
    to.flush().await
}

/// Reads a frame; none where the stream ends.
pub(super) async fn read(from: &mut (impl futures::AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await.ok()?;
    let mut frame = vec![0; usize::try_from(u32::from_le_bytes(length)).ok()?];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}
