//! `/staffroom/join/1` at the node that issued the ticket (§3.9).
//!
//! Whatever a stranger sends, the answer is the charter, the way to a person's confirmation, or one
//! refusal, and a refusal takes the same time whether the ticket was used, has expired, was altered, or
//! never was. Of those that wait for a person a few streams are held, so that they hear at once; the
//! others ask again. Nothing that decides is kept here: a node that starts anew tells them the same.

use std::io;
use std::time::Duration;

use futures::io::AsyncReadExt;
use libp2p::swarm::Stream;
use staffroom_protocol::charter::{Missing, Nonce, Redeemed, Redemption};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::identity::IdentityChain;
use staffroom_protocol::limits;
use staffroom_protocol::sync::{DeviceAsk, Join, Joined, Reveal};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::frame::{self, NoFrame, REFUSAL_TIME};
use super::roster::{Held, Line};
use super::{Shared, device};
use crate::engine::Command;

/// How long the stream of a joiner that waits is held: less than a stranger may stay.
const HOLD: Duration = Duration::from_secs(45);
/// Streams that are held at a time: half of the strangers that may be connected.
pub(super) const HELD: usize = super::streams::STRANGERS / 2;

/// What a joiner is answered in the end.
enum End {
    Admitted(Missing),
    /// Not, for this reason: it is for our own status, and never told.
    Refused(String),
    Waiting,
    /// It went away.
    Gone,
}

/// Answers somebody who wants to join.
pub(super) async fn redeem(shared: &Shared, line: &Line, mut stream: Stream, held: Held) {
    let answering = async {
        let asked = frame::read_within(&mut stream, line, limits::JOIN_FRAME, line.times.ask).await;
        let mut began = Instant::now();
        if let Some(ask) = asked.as_ref().ok().and_then(|frame| DeviceAsk::parse(frame)) {
            device::answer(shared, line, &mut stream, ask, began).await?;
            drop(held);
            return hear_out(line, stream).await;
        }
        let end = match asked.map(|frame| Join::parse(&frame)) {
            Ok(Ok(join)) => match introduced(shared, line, &mut stream, join).await? {
                Ok((redemption, asked)) => {
                    began = asked;
                    decide(shared, line, &mut stream, redemption).await?
                }
                Err(fault) => refused(&fault),
            },
            Ok(Err(fault)) | Err(NoFrame::Fault(fault)) => refused(&fault),
            Err(NoFrame::Ended) => refused(&Fault::Ticket),
        };
        finish(shared, line, &mut stream, end, began).await?;
        // Free for the next stream before this one ends: who has seen the end may open another.
        drop(held);
        hear_out(line, stream).await
    };
    tokio::select! {
        result = answering => if let Err(error) = result {
            info!(device = %line.device.short(), %error, "the answer to a joiner did not go out");
        },
        () = line.gone() => {}
    }
}

/// Closes our side, and leaves the other the time to read everything: dropping the stream would cut it off.
async fn hear_out(line: &Line, mut stream: Stream) -> io::Result<()> {
    frame::close(&mut stream).await?;
    let _ = timeout(line.times.ask, stream.read(&mut [0])).await;
    Ok(())
}

/// Hears the chain of a joiner that knows the secret of a ticket which is its to use; nobody else's is
/// read. Gives back when it came, too: a refusal takes its time from there.
async fn introduced(
    shared: &Shared,
    line: &Line,
    stream: &mut Stream,
    join: Join,
) -> io::Result<Result<(Redemption, Instant), Fault>> {
    let (asked, joiner) = (Box::new(join.clone()), line.device);
    let proves = shared.engine.query(|answer| Command::Proves { join: asked, joiner, answer }).await;
    if let Err(fault) = proves.unwrap_or(Err(Fault::Ticket)) {
        return Ok(Err(fault));
    }
    say(stream, Joined::More).await?;
    let Ok(chain) = frame::read_within(stream, line, limits::PRESENTED, line.times.ask).await else {
        return Ok(Err(Fault::Ticket));
    };
    let came = Instant::now();
    let chain = spawn_blocking(move || IdentityChain::parse(&chain)).await;
    Ok(chain.unwrap_or(Err(Fault::Ticket)).map(|school| (Redemption { join, school }, came)))
}

/// Redeems, and where a person has to confirm, compares the words and waits for a while.
async fn decide(shared: &Shared, line: &Line, stream: &mut Stream, redemption: Redemption) -> io::Result<End> {
    let nonce = match ask(shared, line, &redemption).await {
        Some(Ok(Redeemed::Compare(nonce))) => nonce,
        answer => return Ok(end_of(answer)),
    };
    if !compare(shared, line, stream, &redemption, nonce).await? {
        // A person may have confirmed in between: then there is nothing left to compare.
        return Ok(match end_of(ask(shared, line, &redemption).await) {
            End::Admitted(charter) => End::Admitted(charter),
            _ => refused(&Fault::Ticket),
        });
    }
    info!(device = %line.device.short(), "a school waits to be confirmed");
    say(stream, Joined::Waiting).await?;
    let Ok(_slot) = shared.holding.try_acquire() else { return Ok(End::Gone) };
    let decided = shared.engine.query(|answer| Command::WhenDecided(redemption.join.ticket, answer));
    let mut more = [0];
    tokio::select! {
        // It has nothing to say any more: whatever comes, it is its end.
        _ = stream.read(&mut more) => return Ok(End::Gone),
        _ = timeout(HOLD, decided) => {}
    }
    Ok(end_of(ask(shared, line, &redemption).await))
}

/// Exchanges numbers. False where the joiner's is not the one it committed to.
async fn compare(
    shared: &Shared,
    line: &Line,
    stream: &mut Stream,
    redemption: &Redemption,
    ours: Nonce,
) -> io::Result<bool> {
    say(stream, Joined::Compare(ours)).await?;
    let shown = frame::read_within(stream, line, limits::JOIN_FRAME, line.times.ask).await;
    let Ok(Ok(Reveal(nonce))) = shown.map(|frame| Reveal::parse(&frame)) else { return Ok(false) };
    let (ticket, joiner) = (redemption.join.ticket, line.device);
    let revealed = shared.engine.query(|answer| Command::Reveal { ticket, joiner, nonce, answer }).await;
    Ok(matches!(revealed, Some(Ok(()))))
}

async fn ask(shared: &Shared, line: &Line, redemption: &Redemption) -> Option<Result<Redeemed, Fault>> {
    let (redemption, joiner) = (Box::new(redemption.clone()), line.device);
    shared.engine.query(|answer| Command::Redeem { redemption, joiner, answer }).await
}

fn end_of(answer: Option<Result<Redeemed, Fault>>) -> End {
    match answer {
        Some(Ok(Redeemed::Admitted(_, charter))) => End::Admitted(charter),
        Some(Ok(Redeemed::Compare(_))) => End::Waiting,
        Some(Err(fault)) => refused(&fault),
        None => refused(&Fault::Ticket),
    }
}

fn refused(fault: &Fault) -> End {
    End::Refused(fault.to_string())
}

async fn say(stream: &mut Stream, joined: Joined) -> io::Result<()> {
    frame::write(stream, &joined.to_bytes()).await?;
    frame::flush(stream).await
}

/// Says the last word.
async fn finish(shared: &Shared, line: &Line, stream: &mut Stream, end: End, began: Instant) -> io::Result<()> {
    match end {
        End::Admitted(charter) => {
            info!(device = %line.device.short(), "a school was admitted");
            // It may open a sync stream the moment it has the charter.
            let _ = shared.partnerships().await;
            shared.refresh.notify_one();
            let parts = charter.parts();
            let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            frame::write(stream, &Joined::Admitted(count).to_bytes()).await?;
            for part in parts {
                frame::write(stream, &part.to_bytes()).await?;
            }
            frame::flush(stream).await
        }
        End::Refused(why) => {
            info!(device = %line.device.short(), why, "a ticket was refused");
            shared.refused(line.device, why).await;
            sleep_until(began + REFUSAL_TIME).await;
            say(stream, Joined::Refused).await
        }
        End::Waiting => say(stream, Joined::Waiting).await,
        End::Gone => Ok(()),
    }
}
