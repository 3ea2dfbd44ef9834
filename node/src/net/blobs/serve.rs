//! Giving partners the files that we know in a space that they belong to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::io::AsyncReadExt as _;
use libp2p::swarm::Stream;
use staffroom_protocol::blob::{Ask, Chunks, Found, Get, chunk_frame};
use staffroom_protocol::id::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tracing::{debug, warn};

use crate::blobs::{Blob, NotRead};
use crate::engine::{BlobCommand, Command};
use crate::net::Shared;
use crate::net::frame::{self, NoFrame};
use crate::net::roster::Line;

/// Files that one device is given at a time.
const STREAMS: usize = 12;
/// Streams that files are given on, to all devices together: each has a thread and an open file.
const ALL_STREAMS: usize = 96;
/// How long a stream may be open without a question.
const IDLE: Duration = Duration::from_mins(1);
/// Chunks that were read and wait to be sent, for each stream.
const AHEAD: usize = 3;

/// How many streams each device has open.
pub(in crate::net) type Served = BTreeMap<DeviceId, Arc<Semaphore>>;

/// A place for one more stream of a device, if it has not too many.
pub(in crate::net) fn served(all: &mut Served, device: DeviceId) -> Option<OwnedSemaphorePermit> {
    if all.values().map(|streams| STREAMS - streams.available_permits()).sum::<usize>() >= ALL_STREAMS {
        return None;
    }
    let streams = all.entry(device).or_insert_with(|| Arc::new(Semaphore::new(STREAMS)));
    streams.clone().try_acquire_owned().ok()
}

/// Answers a stream that a member opened, until it ends.
pub(in crate::net) async fn accept(shared: &Shared, line: &Arc<Line>, stream: Stream, held: OwnedSemaphorePermit) {
    tokio::select! {
        served = serve(shared, line, stream) => if let Err(NoFrame::Fault(fault)) = served {
            shared.refused(line.device, fault.to_string()).await;
        },
        () = line.gone() => {}
    }
    drop(held);
}

async fn serve(shared: &Shared, line: &Line, mut stream: Stream) -> Result<(), NoFrame> {
    let ask = frame::read_within(&mut stream, line, Ask::SIZE, line.times.ask).await?;
    let ask = Ask::parse(&ask).map_err(NoFrame::Fault)?;
    let Some(blob) = open(shared, line, &ask).await else {
        // One answer for what is not here, what is damaged, and what is not theirs to see.
        frame::write(&mut stream, &Found::NotHere.to_bytes()).await?;
        return Ok(frame::close(&mut stream).await?);
    };
    let manifest = blob.manifest();
    let count = manifest.count();
    let found = Found::Here(ask.manifest.then(|| manifest.clone()));
    frame::write(&mut stream, &found.to_bytes()).await?;
    frame::flush(&mut stream).await?;
    let (mut from, mut to) = stream.split();
    let (questions, asked) = mpsc::channel::<Get>(AHEAD);
    let (frames, ready) = mpsc::channel(AHEAD);
    // Ends when either channel does.
    let reading = spawn_blocking(move || read_ahead(&blob, asked, &frames));
    let hearing = async {
        let mut seen = Chunks::default();
        while let Ok(get) = frame::read_within(&mut from, line, Get::SIZE, IDLE).await {
            let get = Get::parse(&get).map_err(NoFrame::Fault)?;
            if !may(shared, line, &ask).await {
                break;
            }
            for chunk in get.first..get.first.saturating_add(get.count).min(count) {
                seen.insert(chunk);
            }
            if questions.send(get).await.is_err() {
                break;
            }
        }
        drop(questions);
        Ok::<bool, NoFrame>(seen.len() == count)
    };
    let saying = async {
        // Gone with this future, so that whoever reads ahead for it ends.
        let mut ready = ready;
        while let Some(chunk) = ready.recv().await {
            frame::write(&mut to, &chunk_frame(chunk.as_deref())).await?;
            if ready.is_empty() {
                frame::flush(&mut to).await?;
            }
        }
        frame::close(&mut to).await
    };
    let (mut hearing, mut saying) = (Box::pin(hearing), Box::pin(saying));
    // Who does not read is not waited for; who asks no more gets what it asked for.
    let ended = tokio::select! {
        all = &mut hearing => {
            drop(hearing);
            (all, saying.await)
        }
        said = &mut saying => {
            drop((hearing, saying));
            (Ok(false), said)
        }
    };
    let damaged = matches!(reading.await, Ok(Err(NotRead::Damaged(_))));
    if damaged {
        set_aside(shared, &ask).await;
    } else if ended.0? && ended.1.is_ok() {
        shared.engine.send(Command::Blob(BlobCommand::Served(ask.space, ask.blob, line.device))).await;
    }
    Ok(())
}

/// Whether the device may be given this file now.
async fn may(shared: &Shared, line: &Line, ask: &Ask) -> bool {
    let may = |answer| Command::Blob(BlobCommand::MayServe(ask.space, ask.blob, line.device, answer));
    shared.engine.query(may).await.unwrap_or(false)
}

/// Opens the file, if the device may have it and it is sound as far as can be seen.
async fn open(shared: &Shared, line: &Line, ask: &Ask) -> Option<Blob> {
    if !may(shared, line, ask).await {
        debug!(device = %line.device.short(), blob = %ask.blob.short(), "a file that is not here for it");
        return None;
    }
    let (blobs, id) = (shared.engine.blobs().clone(), ask.blob);
    match spawn_blocking(move || blobs.open(&id)).await.ok()? {
        Ok(blob) => Some(blob),
        Err(NotRead::Failed(error)) => {
            warn!(blob = %id.short(), %error, "a file cannot be read");
            None
        }
        Err(NotRead::Missing | NotRead::Damaged(_)) => {
            set_aside(shared, ask).await;
            None
        }
    }
}

/// Reads chunks before they are sent. What cannot be had is said so; what is damaged is never sent.
fn read_ahead(
    blob: &Blob,
    mut asked: mpsc::Receiver<Get>,
    frames: &mpsc::Sender<Option<Vec<u8>>>,
) -> Result<(), NotRead> {
    while let Some(Get { first, count }) = asked.blocking_recv() {
        for chunk in first..first.saturating_add(count) {
            let read = if chunk < blob.manifest().count() { blob.chunk(chunk).map(Some) } else { Ok(None) };
            let damaged = read.as_ref().is_err();
            let (frame, result) = read.map_or_else(|why| (None, Err(why)), |bytes| (bytes, Ok(())));
            if frames.blocking_send(frame).is_err() {
                return Ok(());
            }
            if damaged {
                return result;
            }
        }
    }
    Ok(())
}

/// What is damaged here is moved aside, and fetched again from partners.
async fn set_aside(shared: &Shared, ask: &Ask) {
    let (blobs, id) = (shared.engine.blobs().clone(), ask.blob);
    let moved = spawn_blocking(move || blobs.set_aside(&id)).await;
    match moved {
        Ok(Ok(Some(path))) => warn!(blob = %ask.blob.short(), "a damaged file was moved to {}", path.display()),
        Ok(Err(error)) => {
            warn!(blob = %ask.blob.short(), %error, "a damaged file cannot be moved aside");
        }
        _ => {}
    }
    shared.engine.send(Command::Blob(BlobCommand::Damaged(ask.blob))).await;
}
