//! `/staffroom/join/1` at the node that redeems a ticket (§3.9).
//!
//! It connects, asks, and where a person has to confirm, shows the words and waits: on the stream for
//! as long as the other end holds it, then by asking again. Asking again changes nothing.

use std::sync::Arc;
use std::time::Duration;

use libp2p::swarm::Stream;
use staffroom_protocol::charter::{Missing, Nonce, Redemption, Ticket, Words};
use staffroom_protocol::fault::{Blame, Fault};
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::limits;
use staffroom_protocol::sync::{Joined, Reveal};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::frame::{self, NoFrame};
use super::roster::Line;
use super::streams::{JOIN, NotOpened};
use super::{Shared, peer, random};
use crate::api::{Code, Failure};
use crate::engine::Command;

/// How long connecting may take.
pub(super) const DIAL_TIME: Duration = Duration::from_secs(15);
/// How long the answer may take.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How long the rest of a large charter may take.
pub(super) const CHARTER_TIME: Duration = Duration::from_mins(5);
/// How long a stream is waited on: somewhat longer than the other end holds one.
const HOLD: Duration = Duration::from_mins(1);
/// Before it asks again, about.
const AGAIN: Duration = Duration::from_secs(4);
/// How long the other end may take to see that we hung up.
const HANG_UP: Duration = Duration::from_secs(2);

/// How far a ticket has led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joining {
    /// This school belongs to the space; after these words, where a person confirmed.
    Admitted(SpaceId, Option<Words>),
    /// A person at the other school has to confirm these words.
    Waiting(Words),
}

/// What one conversation led to.
enum Told {
    Charter(Missing),
    Waiting(Words),
}

/// Redeems a ticket at the device that it names; where a person has to confirm, waits for that so long.
///
/// A node that is away for a while is waited for too, once it has shown words: what it promised it keeps.
pub(super) async fn join(shared: &Arc<Shared>, ticket: &Ticket, wait: Duration) -> Result<Joining, Failure> {
    let deadline = Instant::now() + wait;
    let shown = shared.engine.query(|answer| Command::Shown(Box::new(ticket.clone()), answer));
    let mut words = shown.await.flatten();
    loop {
        let told = match converse(shared, ticket, deadline).await {
            Ok(Told::Charter(charter)) => {
                let space = enter(shared, ticket, charter).await?;
                return Ok(Joining::Admitted(space, words));
            }
            Ok(Told::Waiting(shown)) => {
                words = Some(shown);
                Ok(Joining::Waiting(shown))
            }
            Err(failure) if words.is_some() && failure.code == Code::Unreachable => Err(failure),
            Err(failure) => return Err(failure),
        };
        let next = Instant::now() + AGAIN.mul_f64(0.75 + 0.5 * random());
        sleep_until(next.min(deadline)).await;
        if next >= deadline {
            return told;
        }
    }
}

/// Enters the space that the charter is of.
async fn enter(shared: &Arc<Shared>, ticket: &Ticket, charter: Missing) -> Result<SpaceId, Failure> {
    let (ticket, charter) = (Box::new(ticket.clone()), Box::new(charter));
    let entered = shared.engine.query(|answer| Command::Joined { ticket, charter, answer }).await;
    let space = entered.ok_or_else(stopped)?.map_err(|fault| not_entered(&fault))?;
    // The connection is one of partners from now on, and is synced over without a pause.
    let _ = shared.partnerships().await;
    shared.refresh.notify_one();
    Ok(space)
}

/// Connects, asks, and waits until the stream ends or the time is up.
async fn converse(shared: &Arc<Shared>, ticket: &Ticket, deadline: Instant) -> Result<Told, Failure> {
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
    let _held = line.turn().await.ok_or_else(busy)?;
    let stream = shared.open(&line, JOIN).await.map_err(|why| match why {
        NotOpened::NotOffered => unreachable(&place, "no Staffroom node answers there"),
        NotOpened::Gone => unreachable(&place, BROKE),
    })?;
    Talk { shared, line: &line, stream, place: &place }.redeem(ticket, deadline).await
}

/// One conversation with the device that issued a ticket.
struct Talk<'a> {
    shared: &'a Shared,
    line: &'a Line,
    stream: Stream,
    place: &'a str,
}

impl Talk<'_> {
    async fn redeem(mut self, ticket: &Ticket, deadline: Instant) -> Result<Told, Failure> {
        let asked = self.shared.engine.query(|answer| Command::Redemption(Box::new(ticket.clone()), answer)).await;
        let Redemption { join, school } = asked.ok_or_else(stopped)?;
        let chain = school.to_bytes();
        if chain.len() > limits::PRESENTED {
            let (links, most) = (school.links().len(), limits::PRESENTED);
            let message =
                format!("this school's identity is too long to join with: {links} links, more than {most} bytes");
            return Err(Failure::new(Code::Failed, message)
                .hint("share key rotate does not make it shorter: only a school that is set up anew can join"));
        }
        self.send(&join.to_bytes()).await?;
        match self.hear().await? {
            Joined::More => self.send(&chain).await?,
            Joined::Refused => return Err(refused()),
            _ => return Err(not_entered(&Fault::OutOfTurn("Joined"))),
        }
        match self.hear().await? {
            Joined::Admitted(parts) => self.charter(parts).await.map(Told::Charter),
            Joined::Refused => Err(refused()),
            Joined::Compare(nonce) => self.compare(ticket, nonce, deadline).await,
            Joined::Waiting | Joined::More => Err(not_entered(&Fault::OutOfTurn("Joined"))),
        }
    }

    /// Shows our number for theirs, and waits for the person at the other end.
    async fn compare(mut self, ticket: &Ticket, theirs: Nonce, deadline: Instant) -> Result<Told, Failure> {
        let compared = |answer| Command::Compare { ticket: Box::new(ticket.clone()), nonce: theirs, answer };
        let compared = self.shared.engine.query(compared).await;
        let (ours, words) = compared.ok_or_else(stopped)?.map_err(|fault| not_entered(&fault))?;
        self.send(&Reveal(ours).to_bytes()).await?;
        let mut heard = self.hear().await?;
        if heard == Joined::Waiting {
            let until = deadline.min(Instant::now() + HOLD);
            let Ok(Ok(last)) = timeout_at(until, self.answer()).await else {
                self.hang_up().await;
                return Ok(Told::Waiting(words));
            };
            heard = last?;
        }
        match heard {
            Joined::Admitted(parts) => self.charter(parts).await.map(Told::Charter),
            Joined::Refused => Err(refused()),
            Joined::Waiting => Ok(Told::Waiting(words)),
            Joined::Compare(_) | Joined::More => Err(not_entered(&Fault::OutOfTurn("Joined"))),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = async {
            frame::write(&mut self.stream, bytes).await?;
            frame::flush(&mut self.stream).await
        };
        sent.await.map_err(|_| unreachable(self.place, BROKE))
    }

    /// The next answer, which has to come soon.
    async fn hear(&mut self) -> Result<Joined, Failure> {
        let broke = unreachable(self.place, BROKE);
        match timeout(ANSWER_TIME, self.answer()).await {
            Ok(Ok(joined)) => joined,
            _ => Err(broke),
        }
    }

    /// The next answer, whenever it comes; none where the stream ends.
    async fn answer(&mut self) -> Result<Result<Joined, Failure>, NoFrame> {
        let frame = frame::read(&mut self.stream, self.line, limits::JOIN_FRAME).await?;
        Ok(Joined::parse(&frame).map_err(|fault| not_entered(&fault)))
    }

    async fn charter(mut self, parts: u32) -> Result<Missing, Failure> {
        let charter = async {
            let mut charter = Missing::default();
            for _ in 0..parts {
                let part = frame::read(&mut self.stream, self.line, limits::FRAME).await?;
                charter.append(Missing::parse(&part).map_err(NoFrame::Fault)?);
            }
            Ok(charter)
        };
        match timeout(CHARTER_TIME, charter).await {
            Ok(Ok(charter)) if charter.is_empty() => Err(not_entered(&Fault::Malformed { what: "charter" })),
            Ok(Ok(charter)) => Ok(charter),
            Ok(Err(NoFrame::Fault(fault))) => Err(not_entered(&fault)),
            Ok(Err(NoFrame::Ended)) | Err(_) => Err(unreachable(self.place, BROKE)),
        }
    }

    /// Ends the conversation once the other end has seen it: then it takes the next one.
    async fn hang_up(mut self) {
        let ended = async {
            let _ = frame::close(&mut self.stream).await;
            while frame::read(&mut self.stream, self.line, limits::JOIN_FRAME).await.is_ok() {}
        };
        let _ = timeout(HANG_UP, ended).await;
    }
}

/// Another join on the same connection takes its time.
pub(super) fn busy() -> Failure {
    Failure::new(Code::Conflict, "another ticket is being redeemed there just now").hint("try again in a moment")
}

const BROKE: &str = "the connection broke off";

fn unreachable(place: &str, why: &str) -> Failure {
    // The reasons of a dial name the address already.
    let why = if why.contains(place) { why.to_owned() } else { format!("{why} at {place}") };
    Failure::new(Code::Unreachable, format!("the school that issued this ticket was not reached: {why}"))
        .hint("is their node running, and can this machine reach its address? Then try the same ticket again")
}

fn refused() -> Failure {
    Failure::new(Code::Refused, "this ticket does not admit anyone: it was used or refused, has expired or was altered")
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
