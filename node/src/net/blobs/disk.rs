//! The disk's side of a fetch: a thread that checks and writes what comes.

use std::io;

use staffroom_protocol::blob::{Verdict, read_chunk_frame};
use staffroom_protocol::id::DeviceId;
use tokio::sync::{mpsc, oneshot};

use super::fetch::Event;
use crate::blobs::Partial;

/// Chunks that came and wait to be checked, of all partners.
const WAITING: usize = 8;

/// A chunk that came from a partner, as its frame.
pub(super) struct Came {
    pub(super) from: DeviceId,
    pub(super) chunk: u32,
    pub(super) frame: Vec<u8>,
}

/// Starts the thread. It ends once nobody sends any more, and gives back the file, or why it failed.
pub(super) fn start(
    partial: Partial,
    events: mpsc::UnboundedSender<Event>,
) -> (mpsc::Sender<Came>, oneshot::Receiver<io::Result<Partial>>) {
    let (chunks, mut came) = mpsc::channel(WAITING);
    let (result, ended) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let _ = result.send(write(partial, &mut came, &events));
    });
    (chunks, ended)
}

fn write(
    mut partial: Partial,
    came: &mut mpsc::Receiver<Came>,
    events: &mpsc::UnboundedSender<Event>,
) -> io::Result<Partial> {
    while let Some(Came { from, chunk, frame }) = came.blocking_recv() {
        let verdict = match read_chunk_frame(&frame) {
            Ok(Some(bytes)) if partial.write(chunk, bytes)? => Verdict::Good,
            Ok(None) => Verdict::Gone,
            Ok(Some(_)) | Err(_) => Verdict::Wrong,
        };
        if events.send(Event::Chunk(from, chunk, verdict)).is_err() {
            break;
        }
    }
    Ok(partial)
}
