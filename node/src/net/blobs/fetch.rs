//! Fetching one file, from all partners that have it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use libp2p::swarm::ConnectionId;
use staffroom_protocol::blob::{Ask, Dropped, Input, Manifest, Output, Transfer, Verdict};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::DeviceId;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use super::Progress;
use super::disk::{self, Came};
use super::provider::{self, Tell};
use crate::engine::{BlobCommand, Command, Want, wall_clock};
use crate::net::Shared;
use crate::net::frame::PROGRESS;

/// Partners of which chunks of one file are asked at a time.
const PROVIDERS: usize = 4;

/// How often one partner is asked for one file before the fetch is begun anew: it may be started again twice.
const ASKS: u32 = 3;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub(in crate::net) enum NotFetched {
    /// No partner that is reached has it.
    #[error("no partner that can be reached has it")]
    Nobody,
    /// It is longer than what is fetched without being asked for.
    #[error("it is longer than its record says")]
    TooLarge,
    /// Nothing shows it any more.
    #[error("no record shows it any more")]
    Gone,
    /// It cannot be written.
    #[error("it cannot be stored: {0}")]
    Disk(#[from] io::Error),
    /// The node's store failed, or it stops.
    #[error("the node is stopping")]
    Stopped,
}

/// What happens in a fetch.
pub(super) enum Event {
    /// A partner has the file.
    Here(DeviceId, Option<Manifest>),
    /// What a partner sent for a chunk was found to be.
    Chunk(DeviceId, u32, Verdict),
    /// A partner's stream ended, through its fault or not.
    Gone(DeviceId, Option<Fault>),
}

/// What is known of one partner.
struct Partner {
    tell: mpsc::UnboundedSender<Tell>,
    task: AbortHandle,
    /// Whether it said that it has the file.
    here: bool,
}

struct Fetching<'a> {
    shared: &'a Arc<Shared>,
    want: Want,
    tasks: JoinSet<()>,
    partners: BTreeMap<DeviceId, Partner>,
    /// Connections on which it was asked for.
    tried: BTreeSet<ConnectionId>,
    /// How often each partner was asked: one that comes and goes is not asked for ever.
    asks: BTreeMap<DeviceId, u32>,
    /// Who gave some of it.
    holders: BTreeSet<DeviceId>,
    events: mpsc::UnboundedSender<Event>,
    manifest: Option<Manifest>,
}

/// Fetches a file of at most so many bytes; durable, and known to the engine, when this returns.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    mut want: Want,
    most: u64,
    progress: &Progress,
) -> Result<(), NotFetched> {
    if !shared.roster.lines().iter().any(|line| shared.roster.shares(&line.device, &want.space)) {
        return Err(NotFetched::Nobody);
    }
    let (events, mut heard) = mpsc::unbounded_channel();
    let blobs = shared.engine.blobs().clone();
    let begun = spawn_blocking(move || blobs.begun(&want.space, &want.blob)).await.ok().flatten();
    let mut fetching = Fetching {
        shared,
        want,
        tasks: JoinSet::new(),
        partners: BTreeMap::new(),
        tried: BTreeSet::new(),
        asks: BTreeMap::new(),
        holders: BTreeSet::new(),
        events: events.clone(),
        manifest: begun,
    };
    let manifest = fetching.manifest(&mut heard).await?;
    // The id is that of the manifest: what a record says of the length is a hint.
    want.bytes = manifest.length();
    fetching.want = want;
    if want.bytes > most {
        return Err(NotFetched::TooLarge);
    }
    let blobs = shared.engine.blobs().clone();
    let begun = manifest.clone();
    let partial = spawn_blocking(move || blobs.partial(&want.space, begun)).await.map_err(io::Error::other)??;
    let transfer = Transfer::new(manifest.count(), partial.held().clone(), millis(shared.times.chunk));
    let (chunks, written) = disk::start(partial, shared.engine.blobs().clone(), events);
    let fetched = fetching.run(transfer, &mut heard, &chunks, progress).await;
    if fetched.is_ok() {
        let _ = chunks.send(Came::All).await;
    }
    drop(chunks);
    let holders: Vec<DeviceId> = std::mem::take(&mut fetching.holders).into_iter().collect();
    fetching.close(fetched.is_ok()).await;
    let written = written.await.map_err(|_| NotFetched::Stopped)?;
    if fetched.is_err() || written.is_err() {
        // Where nothing shows it any more, what came of it goes.
        shared.engine.send(Command::Blob(BlobCommand::GivenUp(want))).await;
    }
    let partial = written?;
    fetched?;
    let blobs = shared.engine.blobs().clone();
    spawn_blocking(move || blobs.finish(partial)).await.map_err(io::Error::other)??;
    let known = |answer| Command::Blob(BlobCommand::Fetched(want, holders, answer));
    match shared.engine.query(known).await {
        Some(Ok(())) => {
            info!(blob = %want.blob.short(), bytes = want.bytes, "a file was fetched");
            Ok(())
        }
        Some(Err(Fault::Blob(_))) => Err(NotFetched::Gone),
        Some(Err(_)) | None => Err(NotFetched::Stopped),
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Fetching<'_> {
    /// Asks every connected partner of the space that was not asked yet, as long as there is room.
    fn ask_around(&mut self) {
        for line in self.shared.roster.lines() {
            let belongs = self.shared.roster.shares(&line.device, &self.want.space);
            let asked = self.tried.contains(&line.id) || self.partners.contains_key(&line.device);
            let asks = self.asks.get(&line.device).copied().unwrap_or(0);
            if !belongs || asked || asks >= ASKS || self.partners.len() >= PROVIDERS {
                continue;
            }
            self.tried.insert(line.id);
            self.asks.insert(line.device, asks + 1);
            let ask = Ask { space: self.want.space, blob: self.want.blob, manifest: self.manifest.is_none() };
            let (tell, told) = mpsc::unbounded_channel();
            let device = line.device;
            let run = provider::run(self.shared.clone(), line, ask, told, self.events.clone());
            let task = self.tasks.spawn(run);
            self.partners.insert(device, Partner { tell, task, here: false });
        }
    }

    /// The manifest: what was begun, or what the first partner says that has it.
    async fn manifest(&mut self, heard: &mut mpsc::UnboundedReceiver<Event>) -> Result<Manifest, NotFetched> {
        if let Some(begun) = &self.manifest {
            return Ok(begun.clone());
        }
        loop {
            self.ask_around();
            if self.partners.is_empty() {
                return Err(NotFetched::Nobody);
            }
            match heard.recv().await {
                Some(Event::Here(device, Some(manifest))) => {
                    self.here(device);
                    self.manifest = Some(manifest.clone());
                    return Ok(manifest);
                }
                Some(Event::Gone(device, fault)) => self.gone(device, fault).await,
                // Without the manifest that was asked for, or a chunk of nothing.
                Some(Event::Here(device, None) | Event::Chunk(device, ..)) => self.end(device),
                None => return Err(NotFetched::Stopped),
            }
        }
    }

    fn here(&mut self, device: DeviceId) {
        if let Some(partner) = self.partners.get_mut(&device) {
            partner.here = true;
        }
    }
    async fn gone(&mut self, device: DeviceId, fault: Option<Fault>) {
        self.partners.remove(&device);
        if let Some(fault) = fault {
            self.asks.insert(device, ASKS);
            self.holders.remove(&device);
            self.shared.refused(device, fault.to_string()).await;
        }
    }
    fn end(&mut self, device: DeviceId) {
        if let Some(partner) = self.partners.remove(&device) {
            partner.task.abort();
        }
    }

    async fn run(
        &mut self,
        mut transfer: Transfer<DeviceId>,
        heard: &mut mpsc::UnboundedReceiver<Event>,
        chunks: &mpsc::Sender<Came>,
        progress: &Progress,
    ) -> Result<(), NotFetched> {
        let joined: Vec<DeviceId> = self.partners.iter().filter(|(_, p)| p.here).map(|(device, _)| *device).collect();
        let mut inputs: Vec<Input<DeviceId>> = vec![Input::Tick];
        for device in joined {
            self.begin(device, chunks);
            inputs.push(Input::Joined(device));
        }
        let mut ticks = interval(self.shared.times.chunk / 10);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alone_since = None;
        loop {
            for input in inputs.drain(..) {
                for output in transfer.handle(input, wall_clock()) {
                    match output {
                        Output::Ask(device, get) => {
                            if let Some(partner) = self.partners.get(&device) {
                                let _ = partner.tell.send(Tell::Get(get));
                            }
                        }
                        Output::Drop(device, why) => self.dropped(device, why).await,
                        Output::Done => return Ok(()),
                    }
                }
            }
            let (done, of) = (u64::from(transfer.held()) * staffroom_protocol::limits::CHUNK as u64, self.want.bytes);
            progress.set(self.want.blob, done.min(of), of);
            self.ask_around();
            // Somebody may come back: a partner that was started again is asked once more.
            if !self.partners.is_empty() {
                alone_since = None;
            } else if alone_since.get_or_insert_with(Instant::now).elapsed() > self.shared.times.chunk {
                return Err(NotFetched::Nobody);
            }
            tokio::select! {
                event = heard.recv() => match event {
                    Some(Event::Here(device, _)) => {
                        self.here(device);
                        self.begin(device, chunks);
                        inputs.push(Input::Joined(device));
                    }
                    Some(Event::Chunk(device, chunk, verdict)) => {
                        if verdict == Verdict::Good {
                            self.holders.insert(device);
                        }
                        inputs.push(Input::Came(device, chunk, verdict));
                    }
                    Some(Event::Gone(device, fault)) => {
                        self.gone(device, fault).await;
                        inputs.push(Input::Left(device));
                    }
                    None => return Err(NotFetched::Stopped),
                },
                _ = ticks.tick() => inputs.push(Input::Tick),
                // The disk failed: its end says why.
                () = chunks.closed() => return Err(NotFetched::Stopped),
            }
        }
    }

    /// Takes leave of the partners. With their tasks the ends of the channel of chunks go, and so the
    /// writing thread ends, where it has not got all.
    async fn close(mut self, politely: bool) {
        self.partners.clear();
        if politely {
            // They hear that it was all that we wanted, and nobody waits for that.
            let leaving = async move { while self.tasks.join_next().await.is_some() {} };
            tokio::spawn(timeout(PROGRESS, leaving));
        } else {
            self.tasks.shutdown().await;
        }
    }

    fn begin(&self, device: DeviceId, chunks: &mpsc::Sender<Came>) {
        if let Some(partner) = self.partners.get(&device) {
            let _ = partner.tell.send(Tell::Begin(chunks.clone()));
        }
    }

    async fn dropped(&mut self, device: DeviceId, why: Dropped) {
        warn!(device = %device.short(), blob = %self.want.blob.short(), ?why, "nothing more of this file is asked of it");
        self.end(device);
        // Not on another connection either.
        self.asks.insert(device, ASKS);
        if matches!(why, Dropped::Wrong | Dropped::Unasked) {
            self.holders.remove(&device);
            self.shared.refused(device, Fault::Blob(self.want.blob).to_string()).await;
        }
    }
}
