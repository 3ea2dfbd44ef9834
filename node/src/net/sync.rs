//! One sync stream (§4): frames on one side, the engine's session on the other.
//!
//! ```text
//! stream ─▶ frame ─▶ decode, verify ─▶ engine       reading pauses while its queue is full
//! stream ◀─ frame ◀─ encode ◀──────── engine        ends when the engine ends the session
//! ```
//!
//! What costs time (signatures, compression) runs on threads for blocking work, a large batch on two.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::io::{AsyncReadExt, ReadHalf, WriteHalf};
use libp2p::swarm::Stream;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::limits;
use staffroom_protocol::log::{Entry, Verified};
use staffroom_protocol::sync::{self, Hello, Input, Message};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::spawn_blocking;
use tracing::debug;

use super::Shared;
use super::frame::{self, NoFrame};
use super::roster::Line;
use super::streams::{NotOpened, SYNC};
use crate::engine::{Command, LinkId};

/// The most that a first frame has, bytes: a Hello is 120.
const FIRST_FRAME: usize = 1 << 10;
/// Streams of one device that have not said Hello (§7).
const UNGREETED: usize = 4;
/// Messages that may wait to be sent on one stream: a whole charter comes in a hundred, and what was
/// read before the reader paused is answered too.
const OUTBOUND: usize = 1024;
/// With so many waiting, nothing more is read from the stream.
const WAITING: usize = 64;
/// Frames of at least so many bytes are decoded on a thread of their own.
const LARGE: usize = 16 << 10;
/// Batches of at least so many entries are verified on a thread of their own.
const BATCH: usize = 8;
/// Batches of at least so many entries are verified on two.
const LARGE_BATCH: usize = 32;

/// Opens a stream about a space and syncs until it ends. Gives back whether the other end said anything.
pub(super) async fn open(shared: &Shared, line: &Arc<Line>, space: SpaceId) -> Result<bool, NotOpened> {
    let stream = shared.open(line, SYNC).await?;
    Ok(run(shared, line, stream, space, None).await)
}

/// Counts the streams of one device that have not said Hello.
pub(super) fn ungreeted() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(UNGREETED))
}

/// Takes a stream that a member opened: its first frame says which space it is about. A space that
/// the device does not belong to is answered like one that does not exist, with the end.
pub(super) async fn accept(shared: &Shared, line: &Arc<Line>, mut stream: Stream, held: OwnedSemaphorePermit) {
    let greeting = frame::read_within(&mut stream, line, FIRST_FRAME, line.times.ask);
    let first = tokio::select! {
        first = greeting => first,
        () = line.gone() => return,
    };
    drop(held);
    let why = match first.and_then(|first| hello(&first).map_err(NoFrame::Fault)) {
        Ok(hello) if shared.roster.shares(&line.device, &hello.space) => {
            run(shared, line, stream, hello.space, Some(Message::Hello(hello))).await;
            return;
        }
        // It may have heard of a space before we did.
        Ok(_) | Err(NoFrame::Ended) => "it ended, or is about another space".to_owned(),
        Err(NoFrame::Fault(fault)) => {
            shared.refused(line.device, fault.to_string()).await;
            fault.to_string()
        }
    };
    debug!(device = %line.device.short(), why, "a sync stream without a proper Hello");
}

/// The Hello that a session begins with. Of a Hello, any space can be read.
fn hello(frame: &[u8]) -> Result<Hello, Fault> {
    match sync::decode(frame, SpaceId::default())? {
        Message::Hello(hello) => Ok(hello),
        other => Err(Fault::OutOfTurn(other.name())),
    }
}

/// Carries a session until either side ends it. Gives back whether the other end said anything.
async fn run(shared: &Shared, line: &Arc<Line>, stream: Stream, space: SpaceId, heard: Option<Message>) -> bool {
    let link = shared.next_link();
    let engine = &shared.engine;
    let (outbound, messages) = mpsc::channel(OUTBOUND);
    let initiator = heard.is_none();
    let answered = Arc::new(AtomicBool::new(!initiator));
    let room = Room { outbound: outbound.downgrade(), sent: Arc::default(), answered: answered.clone() };
    let opened = Command::Open { link, space, peer: line.device, initiator, outbound };
    if !engine.send(opened).await {
        return true;
    }
    if let Some(hello) = heard {
        engine.send(Command::Session(link, Input::Message(hello))).await;
    }
    let (from, to) = stream.split();
    let carried = carry(shared, line, link, space, (from, room), (to, messages));
    tokio::select! {
        () = carried => {}
        () = line.gone() => {}
    }
    engine.send(Command::Session(link, Input::Closed)).await;
    answered.load(Ordering::Relaxed)
}

/// Reads and writes until the peer or the engine ends it; what the engine said last still goes out.
async fn carry(
    shared: &Shared,
    line: &Line,
    link: LinkId,
    space: SpaceId,
    from: (ReadHalf<Stream>, Room),
    (to, messages): (WriteHalf<Stream>, mpsc::Receiver<Message>),
) {
    let writing = write(to, messages, from.1.sent.clone());
    let mut writing = std::pin::pin!(writing);
    tokio::select! {
        why = read(shared, line, link, space, from) => {
            let input = match why {
                NoFrame::Ended => Input::Closed,
                NoFrame::Fault(fault) => Input::Refused(fault),
            };
            // The engine ends the session, and with it the queue of messages.
            if shared.engine.send(Command::Session(link, input)).await {
                let _ = writing.await;
            }
        }
        written = &mut writing => {
            if written.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
                let fault = Fault::Slow { what: "sign that it reads" };
                shared.engine.send(Command::Session(link, Input::Refused(fault))).await;
            }
        }
    }
}

/// Hands what comes to the engine.
async fn read(
    shared: &Shared,
    line: &Line,
    link: LinkId,
    space: SpaceId,
    (mut from, room): (ReadHalf<Stream>, Room),
) -> NoFrame {
    loop {
        room.wait().await;
        let frame = match frame::read(&mut from, line, limits::FRAME).await {
            Ok(frame) => frame,
            Err(why) => return why,
        };
        room.answered.store(true, Ordering::Relaxed);
        let input = match decode(frame, space).await {
            Ok(input) => input,
            Err(fault) => return NoFrame::Fault(fault),
        };
        if !shared.engine.send(Command::Session(link, input)).await {
            return NoFrame::Ended;
        }
    }
}

/// What waits to be sent, as far as the reader minds it: who does not read what it asks for is not
/// read from either, so that no answers pile up.
struct Room {
    outbound: mpsc::WeakSender<Message>,
    sent: Arc<Notify>,
    /// Whether anything came.
    answered: Arc<AtomicBool>,
}

impl Room {
    /// Waits until little waits to be sent, or nothing ever will again.
    async fn wait(&self) {
        while self.outbound.upgrade().is_some_and(|outbound| outbound.capacity() < OUTBOUND - WAITING) {
            self.sent.notified().await;
        }
    }
}

/// Reads a frame, and checks the signatures of a batch.
async fn decode(frame: Vec<u8>, space: SpaceId) -> Result<Input, Fault> {
    let message = if frame.len() < LARGE {
        sync::decode(&frame, space)?
    } else {
        spawn_blocking(move || sync::decode(&frame, space)).await.map_err(|_| broke())??
    };
    let Message::Entries(runs) = message else { return Ok(Input::Message(message)) };
    let entries: Vec<Entry> = runs.into_iter().flat_map(|run| run.0).collect();
    verify(entries).await.map(Input::Entries)
}

/// Checks the signatures of a batch, keeping its order.
async fn verify(mut entries: Vec<Entry>) -> Result<Vec<Result<Verified, Fault>>, Fault> {
    if entries.len() < BATCH {
        return Ok(Entry::verify_all(entries));
    }
    let rest = if entries.len() < LARGE_BATCH { Vec::new() } else { entries.split_off(entries.len() / 2) };
    let first = spawn_blocking(move || Entry::verify_all(entries));
    let second = (!rest.is_empty()).then(|| spawn_blocking(move || Entry::verify_all(rest)));
    let mut verified = first.await.map_err(|_| broke())?;
    if let Some(second) = second {
        verified.extend(second.await.map_err(|_| broke())?);
    }
    Ok(verified)
}

/// A frame on which a decoder broke down: it is the peer's, whatever the decoder's fault.
fn broke() -> Fault {
    Fault::Malformed { what: "frame" }
}

/// Sends what the engine says, until it ends the session.
async fn write(mut to: WriteHalf<Stream>, mut messages: mpsc::Receiver<Message>, sent: Arc<Notify>) -> io::Result<()> {
    while let Some(message) = messages.recv().await {
        sent.notify_one();
        send(&mut to, message).await?;
        while let Ok(message) = messages.try_recv() {
            sent.notify_one();
            send(&mut to, message).await?;
        }
        frame::flush(&mut to).await?;
    }
    frame::close(&mut to).await
}

async fn send(to: &mut WriteHalf<Stream>, message: Message) -> io::Result<()> {
    let frame = match message {
        Message::Entries(_) | Message::Charter(..) | Message::Erasures(..) | Message::Frontier(_) => {
            spawn_blocking(move || sync::encode(&message)).await.map_err(io::Error::other)?
        }
        small => sync::encode(&small),
    };
    frame::write(to, &frame).await
}
