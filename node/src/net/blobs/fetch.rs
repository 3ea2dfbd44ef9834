//! Fetching one file, from all partners that have it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use staffroom_protocol::blob::{Ask, Dropped, Input, Manifest, Output, Transfer, Verdict};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::DeviceId;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use super::Progress;
use super::disk::{self, Came};
use super::partners::Partners;
use super::provider::Tell;
use super::turn::{Place, Turn};
use crate::engine::{BlobCommand, Command, Want, wall_clock};
use crate::net::Shared;

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
    /// It comes so slowly that others go first; it goes on later.
    #[error("it comes slowly, and others go first")]
    Slow,
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

struct Fetching<'a> {
    shared: &'a Arc<Shared>,
    want: Want,
    partners: Partners,
    /// Who gave some of it.
    holders: BTreeSet<DeviceId>,
    manifest: Option<Manifest>,
}

/// Fetches a file of at most so many bytes; durable, and known to the engine, when this returns.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    mut want: Want,
    most: u64,
    progress: &Progress,
    place: &Place,
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
        partners: Partners::new(shared.clone(), events.clone()),
        holders: BTreeSet::new(),
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
    let fetched = fetching.run(transfer, &mut heard, &chunks, (progress, place)).await;
    if fetched.is_ok() {
        let _ = chunks.send(Came::All).await;
    }
    drop(chunks);
    let holders: Vec<DeviceId> = std::mem::take(&mut fetching.holders).into_iter().collect();
    fetching.partners.close(fetched.is_ok()).await;
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
    /// What a partner is asked first.
    fn ask(&self) -> Ask {
        Ask { space: self.want.space, blob: self.want.blob, manifest: self.manifest.is_none() }
    }

    /// The manifest: what was begun, or what the first partner says that has it.
    async fn manifest(&mut self, heard: &mut mpsc::UnboundedReceiver<Event>) -> Result<Manifest, NotFetched> {
        if let Some(begun) = &self.manifest {
            return Ok(begun.clone());
        }
        loop {
            let ask = self.ask();
            self.partners.ask_around(ask);
            if self.partners.is_empty() {
                return Err(NotFetched::Nobody);
            }
            match heard.recv().await {
                Some(Event::Here(device, Some(manifest))) => {
                    self.partners.here(device);
                    self.manifest = Some(manifest.clone());
                    return Ok(manifest);
                }
                Some(Event::Gone(device, fault)) => self.gone(device, fault).await,
                // Without the manifest that was asked for, or a chunk of nothing.
                Some(Event::Here(device, None) | Event::Chunk(device, ..)) => self.partners.end(device),
                None => return Err(NotFetched::Stopped),
            }
        }
    }

    async fn gone(&mut self, device: DeviceId, fault: Option<Fault>) {
        self.partners.gone(device);
        if let Some(fault) = fault {
            self.partners.ask_no_more(device);
            self.holders.remove(&device);
            self.shared.refused(device, fault.to_string()).await;
        }
    }
    async fn run(
        &mut self,
        mut transfer: Transfer<DeviceId>,
        heard: &mut mpsc::UnboundedReceiver<Event>,
        chunks: &mpsc::Sender<Came>,
        (progress, place): (&Progress, &Place),
    ) -> Result<(), NotFetched> {
        let joined: Vec<DeviceId> = self.partners.that_have_it().collect();
        let mut inputs: Vec<Input<DeviceId>> = vec![Input::Tick];
        for device in joined {
            self.partners.tell(device, Tell::Begin(chunks.clone()));
            inputs.push(Input::Joined(device));
        }
        let mut ticks = interval(self.shared.times.chunk / 10);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut alone_since = None;
        let mut turn = Turn::new(wall_clock(), millis(self.shared.times.chunk));
        loop {
            for input in self.partners.heard().into_iter().chain(inputs.drain(..)) {
                match input {
                    Input::Heard(_, bytes) => turn.add(bytes),
                    Input::Came(_, _, Verdict::Good) => turn.chunk(wall_clock()),
                    _ => {}
                }
                for output in transfer.handle(input, wall_clock()) {
                    match output {
                        Output::Ask(device, get) => self.partners.tell(device, Tell::Get(get)),
                        Output::Drop(device, why) => self.dropped(device, why).await,
                        Output::Done => return Ok(()),
                    }
                }
            }
            let (done, of) = (u64::from(transfer.held()) * staffroom_protocol::limits::CHUNK as u64, self.want.bytes);
            progress.set(self.want.blob, done.min(of), of);
            if turn.is_over(wall_clock()) && place.is_needed() {
                return Err(NotFetched::Slow);
            }
            let ask = self.ask();
            let (left, crowded) = self.partners.ask_around(ask);
            inputs.extend(left.into_iter().map(Input::Left));
            // Somebody may come back: a partner that was started again is asked once more.
            if !self.partners.is_empty() {
                alone_since = None;
            } else if alone_since.get_or_insert_with(Instant::now).elapsed() > self.shared.times.chunk {
                return Err(NotFetched::Nobody);
            }
            tokio::select! {
                event = heard.recv() => match event {
                    Some(Event::Here(device, _)) => {
                        self.partners.here(device);
                        self.partners.tell(device, Tell::Begin(chunks.clone()));
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
                _ = ticks.tick() => {
                    inputs.push(Input::Tick);
                    inputs.extend(crowded.then_some(Input::Crowded));
                }
                // The disk failed: its end says why.
                () = chunks.closed() => return Err(NotFetched::Stopped),
            }
        }
    }

    async fn dropped(&mut self, device: DeviceId, why: Dropped) {
        warn!(device = %device.short(), blob = %self.want.blob.short(), ?why, "nothing more of this file is asked of it");
        match why {
            Dropped::Slow => self.partners.too_slow(device),
            _ => self.partners.ask_no_more(device),
        }
        self.partners.end(device);
        if matches!(why, Dropped::Wrong | Dropped::Unasked) {
            self.holders.remove(&device);
            self.shared.refused(device, Fault::Blob(self.want.blob).to_string()).await;
        }
    }
}
