//! The disk's side of a fetch: a thread that checks and writes what comes.

use std::io;

use staffroom_protocol::blob::{Verdict, read_chunk_frame};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::DeviceId;
use tokio::sync::{mpsc, oneshot};
use tracing::trace;

use super::fetch::Event;
use crate::blobs::{Blobs, Partial};

/// Chunks that came and wait to be checked, of all partners.
const WAITING: usize = 8;

/// After so many chunks it is looked whether there is still room: others write too.
const ROOM_EVERY: u32 = 32;

/// What comes from a partner.
pub(super) enum Came {
    /// A chunk, as its frame.
    Chunk(DeviceId, u32, Vec<u8>),
    /// Its stream ended, behind all chunks that it sent.
    End(DeviceId, Option<Fault>),
    /// All is here: what else comes is not waited for.
    All,
}

/// Starts the thread. It ends once nobody sends any more, and gives back the file, or why it failed.
pub(super) fn start(
    partial: Partial,
    blobs: Blobs,
    events: mpsc::UnboundedSender<Event>,
) -> (mpsc::Sender<Came>, oneshot::Receiver<io::Result<Partial>>) {
    let (chunks, mut came) = mpsc::channel(WAITING);
    let (result, ended) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let _ = result.send(write(partial, &blobs, &mut came, &events));
    });
    (chunks, ended)
}

fn write(
    mut partial: Partial,
    blobs: &Blobs,
    came: &mut mpsc::Receiver<Came>,
    events: &mpsc::UnboundedSender<Event>,
) -> io::Result<Partial> {
    let mut since = 0;
    while let Some(came) = came.blocking_recv() {
        since += 1;
        if since == ROOM_EVERY {
            since = 0;
            blobs.has_room(0)?;
        }
        let event = match came {
            Came::Chunk(from, chunk, frame) => Event::Chunk(from, chunk, judge(&mut partial, chunk, &frame)?),
            Came::End(from, fault) => Event::Gone(from, fault),
            Came::All => break,
        };
        if events.send(event).is_err() {
            break;
        }
    }
    Ok(partial)
}

/// Checks a chunk, and writes the one that it should be.
fn judge(partial: &mut Partial, chunk: u32, frame: &[u8]) -> io::Result<Verdict> {
    Ok(match read_chunk_frame(frame) {
        Ok(Some(bytes)) if partial.write(chunk, bytes)? => {
            trace!(chunk, blob = %partial.id(), "a chunk is here");
            Verdict::Good
        }
        Ok(None) => Verdict::Gone,
        Ok(Some(_)) | Err(_) => Verdict::Wrong,
    })
}
