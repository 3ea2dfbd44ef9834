//! One partner of which chunks of a file are asked.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures::io::AsyncReadExt as _;
use staffroom_protocol::blob::{Ask, Found, Get};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::limits;
use tokio::sync::mpsc;

use super::disk::Came;
use super::fetch::Event;
use crate::net::Shared;
use crate::net::frame::{self, NoFrame};
use crate::net::roster::Line;
use crate::net::streams::BLOB;

/// A chunk with what says that it is one.
const CHUNK_FRAME: usize = limits::CHUNK + 1;

/// What a fetch tells one of its providers.
pub(super) enum Tell {
    /// Where chunks go, once the file is begun.
    Begin(mpsc::Sender<Came>),
    /// What to ask for.
    Get(Get),
}

/// Asks a partner for a file, and then for chunks, until it or the fetch ends it; counts the bytes that come.
pub(super) async fn run(
    shared: Arc<Shared>,
    line: Arc<Line>,
    ask: Ask,
    mut told: mpsc::UnboundedReceiver<Tell>,
    events: mpsc::UnboundedSender<Event>,
    heard: Arc<AtomicU64>,
) {
    let mut chunks = None;
    let fault = tokio::select! {
        ended = exchange(&shared, &line, ask, &mut told, &events, &mut chunks, &heard) => match ended {
            Err(NoFrame::Fault(fault)) => Some(fault),
            Ok(()) | Err(NoFrame::Ended) => None,
        },
        () = line.gone() => None,
    };
    // Behind the chunks that it sent, so that none of them is asked of another.
    match chunks {
        Some(chunks) => drop(chunks.send(Came::End(line.device, fault)).await),
        None => drop(events.send(Event::Gone(line.device, fault))),
    }
}

async fn exchange(
    shared: &Shared,
    line: &Arc<Line>,
    ask: Ask,
    told: &mut mpsc::UnboundedReceiver<Tell>,
    events: &mpsc::UnboundedSender<Event>,
    chunks: &mut Option<mpsc::Sender<Came>>,
    heard: &AtomicU64,
) -> Result<(), NoFrame> {
    let mut stream = shared.open(line, BLOB).await.map_err(|_| NoFrame::Ended)?;
    frame::write(&mut stream, &ask.to_bytes()).await?;
    frame::flush(&mut stream).await?;
    let found = frame::read_within(&mut stream, line, Found::MOST, line.times.ask + line.times.frame).await?;
    let Found::Here(manifest) = Found::parse(&found, &ask.blob).map_err(NoFrame::Fault)? else {
        return Ok(());
    };
    if events.send(Event::Here(line.device, manifest)).is_err() {
        return Ok(());
    }
    let Some(Tell::Begin(begun)) = told.recv().await else { return Ok(()) };
    let chunks = chunks.insert(begun);
    let (mut from, mut to) = stream.split();
    // As many as the transfer has under way.
    let (expect, mut expected) = mpsc::unbounded_channel::<u32>();
    let asking = async {
        while let Some(Tell::Get(get)) = told.recv().await {
            for chunk in get.first..get.first + get.count {
                let _ = expect.send(chunk);
            }
            frame::write(&mut to, &get.to_bytes()).await?;
            if told.is_empty() {
                frame::flush(&mut to).await?;
            }
        }
        drop(expect);
        frame::close(&mut to).await?;
        Ok::<(), NoFrame>(())
    };
    let hearing = async {
        while let Some(chunk) = expected.recv().await {
            let frame = frame::read_counted(&mut from, line, CHUNK_FRAME, heard).await?;
            if chunks.send(Came::Chunk(line.device, chunk, frame)).await.is_err() {
                break;
            }
        }
        // Nothing more is expected: a byte now is nobody's chunk.
        match frame::read(&mut from, line, CHUNK_FRAME).await {
            Ok(_) => Err(NoFrame::Fault(Fault::OutOfTurn("chunk"))),
            Err(NoFrame::Ended) => Ok(()),
            Err(why) => Err(why),
        }
    };
    tokio::try_join!(asking, hearing).map(|_| ())
}
