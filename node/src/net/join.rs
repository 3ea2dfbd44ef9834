//! `/staffroom/join/1`: redeeming a ticket, from both ends (§3.9).
//!
//! Whatever a stranger sends, the answer is the charter or one refusal, and a refusal takes the same
//! time whether the ticket was used, has expired, was altered, or never was.

use std::sync::Arc;
use std::time::Duration;

use futures::io::AsyncReadExt;
use libp2p::swarm::Stream;
use staffroom_protocol::charter::{Missing, Ticket};
use staffroom_protocol::fault::{Blame, Fault};
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::limits;
use staffroom_protocol::sync::{DeviceAsk, Join, Joined};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::info;

use super::frame::{self, NoFrame};
use super::roster::{Held, Line};
use super::streams::{JOIN, NotOpened};
use super::{Shared, device, peer};
use crate::api::{Code, Failure};
use crate::engine::Command;

/// How long a joiner may take to say what it wants.
pub(super) const ASK_TIME: Duration = Duration::from_secs(10);
/// When a refusal is answered, counted from the question: no store takes longer to look a ticket up.
pub(super) const REFUSAL_TIME: Duration = Duration::from_millis(250);
/// How long connecting may take.
pub(super) const DIAL_TIME: Duration = Duration::from_secs(15);
/// How long the answer may take.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the rest of a large charter may take.
pub(super) const CHARTER_TIME: Duration = Duration::from_mins(5);

/// Redeems a ticket at the device that it names.
pub(super) async fn join(shared: &Arc<Shared>, ticket: &Ticket) -> Result<SpaceId, Failure> {
    let device = ticket.device;
    if device == shared.engine.device() {
        return Err(Failure::new(Code::Usage, "this ticket was issued by this very node")
            .hint("hand it to the school that is to join"));
    }
    let addresses = peer::dialable(&ticket.addresses, &device);
    let place = addresses.first().map_or_else(|| device.short(), peer::for_people);
    let dialled = timeout(DIAL_TIME, shared.dial(device, addresses)).await;
    dialled.unwrap_or_else(|_| Err("no answer".to_owned())).map_err(|why| unreachable(&place, &why))?;
    let line = shared.roster.line_to(&device).ok_or_else(|| unreachable(&place, BROKE))?;
    let _held = line.joining.take().ok_or_else(|| {
        Failure::new(Code::Conflict, "another ticket is being redeemed there just now").hint("try again in a moment")
    })?;
    let stream = shared.open(&line, JOIN).await.map_err(|why| match why {
        NotOpened::NotOffered => unreachable(&place, "no Staffroom node answers there"),
        NotOpened::Gone => unreachable(&place, BROKE),
    })?;
    let charter = redeem_at(shared, &line, stream, ticket, &place).await?;
    let (ticket, charter) = (Box::new(ticket.clone()), Box::new(charter));
    let entered = shared.engine.query(|answer| Command::Joined { ticket, charter, answer }).await;
    let space = entered.ok_or_else(stopped)?.map_err(|fault| not_entered(&fault))?;
    // The connection is one of partners from now on, and is synced over without a pause.
    let _ = shared.partnerships().await;
    shared.refresh.notify_one();
    Ok(space)
}

/// Sends the redemption and takes the charter.
async fn redeem_at(
    shared: &Shared,
    line: &Line,
    mut stream: Stream,
    ticket: &Ticket,
    place: &str,
) -> Result<Missing, Failure> {
    let redemption = shared.engine.query(|answer| Command::Redemption(Box::new(ticket.clone()), answer)).await;
    let join = Join(redemption.ok_or_else(stopped)?).to_bytes();
    if join.len() > limits::JOIN_FRAME {
        let size = join.len();
        return Err(Failure::new(
            Code::Failed,
            format!("this school's identity is too long to join with: {size} bytes"),
        ));
    }
    let broke = || unreachable(place, BROKE);
    let sent = async {
        frame::write(&mut stream, &join).await?;
        frame::flush(&mut stream).await
    };
    sent.await.map_err(|_| broke())?;
    let answer = frame::read_within(&mut stream, line, limits::JOIN_FRAME, ANSWER_TIME).await.map_err(|_| broke())?;
    let parts = match Joined::parse(&answer) {
        Ok(Joined::Admitted(parts)) => parts,
        Ok(Joined::Refused) => return Err(refused()),
        Err(fault) => return Err(not_entered(&fault)),
    };
    let charter = async {
        let mut charter = Missing::default();
        for _ in 0..parts {
            let part = frame::read(&mut stream, line, limits::FRAME).await?;
            charter.append(Missing::parse(&part).map_err(NoFrame::Fault)?);
        }
        Ok(charter)
    };
    match timeout(CHARTER_TIME, charter).await {
        Ok(Ok(charter)) => Ok(charter),
        Ok(Err(NoFrame::Fault(fault))) => Err(not_entered(&fault)),
        Ok(Err(NoFrame::Ended)) | Err(_) => Err(broke()),
    }
}

/// Answers somebody who wants to join.
pub(super) async fn redeem(shared: &Shared, line: &Line, mut stream: Stream, _held: Held) {
    let answering = async {
        let asked = frame::read_within(&mut stream, line, limits::JOIN_FRAME, ASK_TIME).await;
        let began = Instant::now();
        if let Some(ask) = asked.as_ref().ok().and_then(|frame| DeviceAsk::parse(frame)) {
            device::answer(shared, line, &mut stream, ask, began).await?;
            frame::close(&mut stream).await?;
            let _ = timeout(ASK_TIME, stream.read(&mut [0])).await;
            return std::io::Result::Ok(());
        }
        let admitted = match asked.map(|frame| Join::parse(&frame)) {
            Ok(Ok(Join(redemption))) => {
                let (redemption, joiner) = (Box::new(redemption), line.device);
                shared.engine.query(|answer| Command::Redeem { redemption, joiner, answer }).await
            }
            _ => None,
        };
        if let Some(Ok((_, charter))) = admitted {
            info!(device = %line.device.short(), "a school was admitted");
            // It may open a sync stream the moment it has the charter.
            let _ = shared.partnerships().await;
            shared.refresh.notify_one();
            let parts = charter.parts();
            let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
            frame::write(&mut stream, &Joined::Admitted(count).to_bytes()).await?;
            for part in parts {
                frame::write(&mut stream, &part.to_bytes()).await?;
            }
        } else {
            info!(device = %line.device.short(), "a ticket was refused");
            sleep_until(began + REFUSAL_TIME).await;
            frame::write(&mut stream, &Joined::Refused.to_bytes()).await?;
        }
        frame::close(&mut stream).await?;
        // Until it has read everything and closes, at most: dropping the stream would cut it off.
        let _ = timeout(ASK_TIME, stream.read(&mut [0])).await;
        std::io::Result::Ok(())
    };
    tokio::select! {
        result = answering => if let Err(error) = result {
            info!(device = %line.device.short(), %error, "the answer to a joiner did not go out");
        },
        () = line.gone() => {}
    }
}

const BROKE: &str = "the connection broke off";

fn unreachable(place: &str, why: &str) -> Failure {
    // The reasons of a dial name the address already.
    let why = if why.contains(place) { why.to_owned() } else { format!("{why} at {place}") };
    Failure::new(Code::Unreachable, format!("the school that issued this ticket was not reached: {why}"))
        .hint("is their node running, and can this machine reach its address? Then try the same ticket again")
}

fn refused() -> Failure {
    Failure::new(Code::Refused, "this ticket does not admit anyone: it was used, has expired or was altered")
        .hint("ask for a new one")
}

fn not_entered(fault: &Fault) -> Failure {
    match fault {
        fault if fault.blame() == Blame::Node => {
            Failure::new(Code::Failed, format!("the cluster was not entered: {fault}"))
                .hint("look at the free space of the disk, then try the same ticket again")
        }
        fault => Failure::new(Code::Refused, format!("what came back for this ticket does not hold: {fault}"))
            .hint("ask for a new ticket, from another school of the cluster if there is one"),
    }
}

fn stopped() -> Failure {
    Failure::new(Code::Failed, "the node is stopping").hint("start it again, then try the same ticket")
}
