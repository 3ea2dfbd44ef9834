//! Frames on a stream: a length of four bytes, little-endian, and that many bytes.
//!
//! A length above the bound ends the stream before anything is allocated; memory grows with what
//! came, not with what was announced. Who sends a frame too slowly, or does not read, is cut off.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use staffroom_protocol::fault::Fault;
use tokio::time::{Instant, timeout, timeout_at};

use super::roster::Line;

/// When a refusal is answered, counted from the question: no store takes longer to look a ticket up.
pub(super) const REFUSAL_TIME: Duration = Duration::from_millis(250);
/// What a larger frame has to reach beyond [`Times::frame`](super::Times), bytes a second: a tenth of a
/// slow school's line.
const SLOWEST: u64 = 16 << 10;
/// How long a write may stand still.
pub(super) const PROGRESS: Duration = Duration::from_secs(30);
/// How much is allocated before the first byte of a frame, and at least read at a time.
const STEP: usize = 64 << 10;

/// Why no frame came.
#[derive(Debug)]
pub(super) enum NoFrame {
    /// The stream ended, between two frames or within one.
    Ended,
    /// The peer's fault.
    Fault(Fault),
}

impl From<io::Error> for NoFrame {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

/// Reads one frame of at most `most` bytes; waits for its first byte for as long as it takes.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), line: &Line, most: usize) -> Result<Vec<u8>, NoFrame> {
    read_with(stream, line, most, None).await
}

/// The same for a frame that may take as long as it takes, and whose bytes are counted as they come: who
/// waits for it judges by that.
pub(super) async fn read_counted(
    stream: &mut (impl AsyncRead + Unpin),
    line: &Line,
    most: usize,
    heard: &AtomicU64,
) -> Result<Vec<u8>, NoFrame> {
    read_with(stream, line, most, Some(heard)).await
}

async fn read_with(
    stream: &mut (impl AsyncRead + Unpin),
    line: &Line,
    most: usize,
    counted: Option<&AtomicU64>,
) -> Result<Vec<u8>, NoFrame> {
    let came = |count: usize| {
        line.touch();
        if let Some(heard) = counted {
            heard.fetch_add(count as u64, Ordering::Relaxed);
        }
    };
    let mut length = [0; 4];
    stream.read_exact(&mut length[..1]).await?;
    came(1);
    let began = Instant::now();
    let until = |length: u32| {
        let time = line.times.frame + Duration::from_secs(u64::from(length) / SLOWEST);
        counted.is_none().then_some(began + time)
    };
    within(until(0), stream.read_exact(&mut length[1..])).await?;
    let length = u32::from_le_bytes(length);
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    if whole > most {
        return Err(NoFrame::Fault(Fault::TooLarge { what: "frame", most: most as u64 }));
    }
    let deadline = until(length);
    let mut frame = Vec::new();
    let mut filled = 0;
    while filled < whole {
        if filled == frame.len() {
            frame.resize(whole.min(filled.max(STEP) * 2), 0);
        }
        let count = within(deadline, stream.read(&mut frame[filled..])).await?;
        if count == 0 {
            return Err(NoFrame::Ended);
        }
        came(count);
        filled += count;
    }
    Ok(frame)
}

async fn within<T>(deadline: Option<Instant>, reading: impl Future<Output = io::Result<T>>) -> Result<T, NoFrame> {
    let Some(deadline) = deadline else { return Ok(reading.await?) };
    let read = timeout_at(deadline, reading).await;
    Ok(read.map_err(|_| NoFrame::Fault(Fault::Slow { what: "frame" }))??)
}

/// Reads one frame that has to be there within `time`.
pub(super) async fn read_within(
    stream: &mut (impl AsyncRead + Unpin),
    line: &Line,
    most: usize,
    time: Duration,
) -> Result<Vec<u8>, NoFrame> {
    let slow = |_| NoFrame::Fault(Fault::Slow { what: "frame" });
    timeout(time, read(stream, line, most)).await.map_err(slow)?
}

/// Writes one frame, without flushing it.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    write_all(stream, &length.to_le_bytes()).await?;
    write_all(stream, frame).await
}

/// Writes all, as long as something goes on.
async fn write_all(stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = timeout(PROGRESS, stream.write(bytes)).await??;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
    }
    Ok(())
}

/// Sends what was written.
pub(super) async fn flush(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    timeout(PROGRESS, stream.flush()).await?
}

/// Sends what was written, and says that nothing follows.
pub(super) async fn close(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    timeout(PROGRESS, stream.close()).await?
}

#[cfg(test)]
mod tests {
    use futures::io::Cursor;
    use libp2p::swarm::ConnectionId;
    use staffroom_protocol::id::DeviceId;

    use super::super::Times;
    use super::*;

    fn line() -> std::sync::Arc<Line> {
        Line::new(ConnectionId::new_unchecked(0), DeviceId([0; 32]), false, Times::default())
    }

    #[tokio::test]
    async fn frames_come_back_as_they_were_written() {
        for size in [0, 1, 100, STEP, STEP * 2 + 1, 1 << 20] {
            let frame: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).expect("small")).collect();
            let mut stream = Cursor::new(Vec::new());
            write(&mut stream, &frame).await.expect("memory");
            stream.set_position(0);
            assert_eq!(read(&mut stream, &line(), 1 << 20).await.expect("a frame"), frame);
            assert!(matches!(read(&mut stream, &line(), 1 << 20).await, Err(NoFrame::Ended)));
        }
    }

    #[tokio::test]
    async fn a_length_above_the_bound_is_refused_at_once() {
        let mut stream = Cursor::new(u32::MAX.to_le_bytes().to_vec());
        let refused = read(&mut stream, &line(), 1 << 20).await;
        assert!(matches!(refused, Err(NoFrame::Fault(Fault::TooLarge { .. }))));
    }

    #[tokio::test]
    async fn an_announced_megabyte_allocates_what_came() {
        let mut stream = Cursor::new([&(1u32 << 20).to_le_bytes()[..], &[1; 10]].concat());
        assert!(matches!(read(&mut stream, &line(), 1 << 20).await, Err(NoFrame::Ended)));
    }
}
