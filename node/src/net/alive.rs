//! Heartbeats: how a cable that was pulled is noticed.
//!
//! Who dialled a connection opens one stream on it, and both ends write a byte every few seconds.
//! Anything that is read counts, so a line that is busy with a large transfer is not taken for dead,
//! as it would be if an answer had to come round behind the data within a time. A connection with a
//! member on which nothing came for [`Times::silence`](super::Times) is closed by the swarm's task.

use std::sync::Arc;
use std::time::Duration;

use futures::io::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::Stream;
use tokio::time::{interval, sleep, timeout};

use super::Shared;
use super::roster::{Held, Line};
use super::streams::ALIVE;

/// Before the stream is opened anew.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps a heartbeat on a connection that we dialled, until it is gone.
pub(super) async fn keep(shared: Arc<Shared>, line: Arc<Line>, _held: Held) {
    let beats = async {
        loop {
            if let Ok(stream) = shared.open(&line, ALIVE).await {
                beat(stream, &line).await;
            }
            sleep(AGAIN).await;
        }
    };
    tokio::select! {
        () = beats => {}
        () = line.gone() => {}
    }
}

/// Answers heartbeats on a connection that the other end dialled.
pub(super) async fn answer(line: Arc<Line>, stream: Stream, _held: Held) {
    tokio::select! {
        () = beat(stream, &line) => {}
        () = line.gone() => {}
    }
}

/// Writes and hears beats until the stream ends.
async fn beat(stream: Stream, line: &Line) {
    let (mut read, mut write) = stream.split();
    let hear = async {
        let mut beats = [0; 256];
        while matches!(read.read(&mut beats).await, Ok(count) if count > 0) {
            line.touch();
        }
    };
    let say = async {
        let mut ticks = interval(line.times.beat);
        loop {
            ticks.tick().await;
            let beat = async {
                write.write_all(&[1]).await?;
                write.flush().await
            };
            if !matches!(timeout(line.times.silence, beat).await, Ok(Ok(()))) {
                return;
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = say => {}
    }
}
