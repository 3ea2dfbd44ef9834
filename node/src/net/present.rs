//! A device shows a partner, which does not sync a space with it, that its school belongs there: both
//! ends (§3.10).
//!
//! Who is asked sees a space and a part of its charter. It answers a stranger's nonsense like a space
//! that does not exist, after the same time, and reads the next part only where the last one brought
//! something: what is true and new comes to an end.

use std::io;
use std::sync::Arc;

use futures::io::AsyncReadExt;
use libp2p::swarm::Stream;
use staffroom_protocol::charter::Presented;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SpaceId};
use staffroom_protocol::limits;
use staffroom_protocol::sync::{DeviceAsk, Joined, SpacePart};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::info;

use super::Shared;
use super::device::refuse;
use super::frame::{self, NoFrame};
use super::join::ANSWER_TIME;
use super::roster::Line;
use super::streams::JOIN;
use crate::engine::{Command, DeviceCommand};

/// Presents this device to a partner that has not heard that it belongs to a space. What it missed is
/// the last of the charter, and how much of that only it knows: so from the last part on, then from the
/// one before.
pub(super) async fn present(shared: Arc<Shared>, device: DeviceId, space: SpaceId) {
    let Some(line) = shared.roster.line_to(&device) else { return };
    let Some(_held) = line.turn().await else { return };
    let asked = |answer| Command::Device(DeviceCommand::Presentation { space, answer });
    let parts = shared.engine.query(asked).await.unwrap_or_default();
    let frames: Vec<Vec<u8>> = parts.into_iter().map(|part| SpacePart { space, part }.to_bytes()).collect();
    for first in (0..frames.len()).rev() {
        match converse(&shared, &line, &frames[first..]).await {
            Ok(true) => {
                info!(device = %device.short(), "a partner knows this device now");
                shared.dial_now.notify_one();
                return;
            }
            Ok(false) => {}
            Err(_) => return,
        }
    }
}

/// Sends one part after the other, as long as more is asked for. Gives back whether we are known.
async fn converse(shared: &Shared, line: &Line, parts: &[Vec<u8>]) -> Result<bool, NoFrame> {
    let mut stream = shared.open(line, JOIN).await.map_err(|_| NoFrame::Ended)?;
    let ask = DeviceAsk::Present.to_bytes();
    for frame in [&ask].into_iter().chain(parts) {
        frame::write(&mut stream, frame).await?;
        frame::flush(&mut stream).await?;
        let answer = frame::read_within(&mut stream, line, limits::JOIN_FRAME, ANSWER_TIME).await?;
        match Joined::of_device(&answer).map_err(NoFrame::Fault)? {
            Joined::More => {}
            Joined::Admitted(_) => return Ok(true),
            _ => break,
        }
    }
    // Another stream is answered once this one has ended at both ends.
    frame::close(&mut stream).await?;
    let _ = timeout(ANSWER_TIME, stream.read(&mut [0])).await;
    Ok(false)
}

/// Hears a device out that presents itself.
pub(super) async fn hear(shared: &Shared, line: &Line, stream: &mut Stream) -> io::Result<()> {
    say(stream, Joined::More).await?;
    for _ in 0..limits::JOIN_PARTS {
        let part = frame::read_within(stream, line, limits::PRESENTED, line.times.ask).await;
        let began = Instant::now();
        let presented = match part {
            Ok(part) => judge(shared, line.device, part).await,
            Err(_) => None,
        };
        match presented {
            Some(Presented::Known) => {
                info!(device = %line.device.short(), "a device of a school is known now");
                return say(stream, Joined::Admitted(0)).await;
            }
            Some(Presented::More) => say(stream, Joined::More).await?,
            None => return refuse(shared, stream, line, began).await,
        }
    }
    refuse(shared, stream, line, Instant::now()).await
}

/// What a part came to, where it is about a space of ours and brought something.
async fn judge(shared: &Shared, device: DeviceId, frame: Vec<u8>) -> Option<Presented> {
    let space = SpacePart::space_of(&frame)?;
    // Strangers that name a space have one thread between them.
    let _turn = shared.judging.acquire().await.ok()?;
    if !shared.engine.query(|answer| Command::Device(DeviceCommand::Holds(space, answer))).await? {
        return None;
    }
    let SpacePart { part, .. } = spawn_blocking(move || SpacePart::parse(&frame)).await.ok()?.ok()?;
    let part = Box::new(part);
    let asked = |answer| Command::Device(DeviceCommand::Presented { space, part, device, answer });
    let presented: Result<Presented, Fault> = shared.engine.query(asked).await?;
    let presented = presented.ok()?;
    let _ = shared.partnerships().await;
    shared.refresh.notify_one();
    // A school that is refused here stays a stranger, whatever it proves.
    (presented == Presented::More || shared.roster.is_member(&device)).then_some(presented)
}

async fn say(stream: &mut Stream, joined: Joined) -> io::Result<()> {
    frame::write(stream, &joined.to_bytes()).await?;
    frame::flush(stream).await
}
