//! One session: the conversation of two nodes about one space (§4).

mod comparing;
mod entries;
mod erasing;
mod governing;
mod returning;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::message::Message;
use crate::charter::Positions;
use crate::erasure::{Erasures, Mark};
use crate::fault::Fault;
use crate::id::{DecisionId, DeviceId, SpaceId, WriterId};
use crate::limits;
use crate::log::{Entry, Verified};
use crate::planted::{self, Planted};
use crate::replica::{End, Replica, Space};
use crate::store::Store;
use crate::time::Millis;

/// After so long without a word about what is under way, the session ends and is begun anew.
const STALLED_MS: u64 = 60_000;

/// What happens to a session.
#[derive(Debug)]
pub enum Input {
    /// The stream is open.
    Opened,
    /// A message came, other than entries.
    Message(Message),
    /// A batch of entries came, each with what its signature said.
    Entries(Vec<Result<Verified, Fault>>),
    /// What came is no message, or came too slowly: the session ends, and the peer is told why.
    Refused(Fault),
    /// Everything staged so far is durable.
    Durable,
    /// Some time went by: compare again (every minute or so, at random).
    Tick,
    /// The stream is gone.
    Closed,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Send(Message),
    /// Something of the peer's was refused; the session goes on.
    Refused(Fault),
    /// The session is over. Nothing follows.
    Ended(Ended),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The stream closed.
    Closed,
    /// The peer said goodbye, with the code of a fault or 0.
    Bye(u16),
    /// Something that a session cannot go on after.
    Fault(Fault),
    /// The peer did not answer for too long.
    Stalled,
}

/// How two nodes stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether frontiers have been compared yet.
    pub compared: bool,
    /// How many entries the peer holds that we lack.
    pub we_lack: u64,
    /// How many entries we hold that the peer has not said to be durable there.
    pub they_lack: u64,
}

impl Standing {
    /// Whether both hold the same, durably.
    pub fn in_step(&self) -> bool {
        self.compared && self.we_lack == 0 && self.they_lack == 0
    }
}

/// What is known of one log at the peer.
#[derive(Debug, Clone, Copy, Default)]
struct Log {
    /// How far it holds the log, durably, as it said.
    held: u64,
    /// How far we sent.
    sent: u64,
    /// How far it claims to hold it; may be beyond what we hold.
    claimed: u64,
    /// It holds another history: nothing of this log is exchanged.
    disputed: bool,
    /// It was shown where the two histories part, as far as we know.
    shown: bool,
}

/// The state of a session.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one thing that was said or heard; most pairs of them occur")]
pub struct Session {
    space: SpaceId,
    peer: DeviceId,
    initiator: bool,
    /// The last comparison that we sent, to know whether both did.
    said_hello: bool,
    heard_hello: bool,
    /// Of the charter: whether our part was sent and theirs received, once one differs.
    charter_sent: bool,
    charter_heard: bool,
    said_positions: bool,
    /// What the peer holds of the charter, as far as we know.
    positions: Positions,
    /// The same for what is erased, and for receipts.
    erasures_sent: bool,
    erasures_heard: bool,
    said_marks: bool,
    /// What the peer said that it knows, whether to the end, as long as it was not answered.
    their_marks: Vec<Mark>,
    heard_marks: bool,
    /// What the peer holds of them, as far as we know, and the state of ours that was told.
    told_erasures: Erasures,
    told_erasures_version: u64,
    said_frontier: bool,
    compared: bool,
    logs: BTreeMap<WriterId, Log>,
    /// How many votes of each open proposal the peer has heard from us, or we from it.
    told: BTreeMap<DecisionId, usize>,
    /// Forks that the peer is told no more: known when the session began, or told since.
    told_forks: BTreeMap<WriterId, u64>,
    /// Forked logs of the peer's own: how many entries, put aside here, were sent back to it.
    returned: BTreeMap<WriterId, usize>,
    /// What is still to be sent of them.
    to_return: VecDeque<Entry>,
    /// What each side said that it holds of ended logs of its own.
    said_aside: Option<[u8; 16]>,
    their_aside: Option<[u8; 16]>,
    credit: u32,
    /// Batches that we sent and that the peer has not settled.
    in_flight: u32,
    /// We asked for a Hello and have not heard one since.
    asked_hello: bool,
    /// We asked for our own log, of which the peer holds another history.
    asked_own_log: bool,
    /// Batches received that are not durable yet, and the logs they are about.
    unsettled: u32,
    touched: BTreeSet<WriterId>,
    refusals: u32,
    /// How often the peer asked to compare, and since when that is counted.
    comparisons: (u32, Millis),
    last_progress: Millis,
    ended: bool,
}

impl Session {
    /// A session about `space` with `peer`, who was authenticated by the transport.
    pub fn new(space: SpaceId, peer: DeviceId, initiator: bool) -> Self {
        Self {
            space,
            peer,
            initiator,
            said_hello: false,
            heard_hello: false,
            charter_sent: false,
            charter_heard: false,
            said_positions: false,
            positions: Positions::default(),
            erasures_sent: false,
            erasures_heard: false,
            said_marks: false,
            their_marks: Vec::new(),
            heard_marks: false,
            told_erasures: Erasures::default(),
            told_erasures_version: 0,
            said_frontier: false,
            compared: false,
            logs: BTreeMap::new(),
            told: BTreeMap::new(),
            told_forks: BTreeMap::new(),
            returned: BTreeMap::new(),
            to_return: VecDeque::new(),
            said_aside: None,
            their_aside: None,
            credit: 0,
            in_flight: 0,
            asked_hello: false,
            asked_own_log: false,
            unsettled: 0,
            touched: BTreeSet::new(),
            refusals: 0,
            comparisons: (0, Millis::default()),
            last_progress: Millis::default(),
            ended: false,
        }
    }
    /// The space it is about.
    pub fn space(&self) -> SpaceId {
        self.space
    }
    /// With whom.
    pub fn peer(&self) -> DeviceId {
        self.peer
    }
    /// The logs of which the peer holds another history than we do.
    pub fn disputed(&self) -> impl Iterator<Item = WriterId> + '_ {
        self.logs.iter().filter(|(_, log)| log.disputed).map(|(writer, _)| *writer)
    }
    /// How the two stand.
    pub fn standing(&self, space: &Space) -> Standing {
        let ours = space.frontier();
        let log = |writer: &WriterId| self.logs.get(writer).copied().unwrap_or_default();
        // What a peer claims to hold may be any number, and above where a log ends none of it counts.
        let stands = |writer: &WriterId, claimed: u64| match space.end(writer) {
            End::Cut(cut) => claimed.min(cut.next),
            End::Fork(seq) => claimed.min(seq),
            End::Open | End::NotEnrolled => claimed,
        };
        Standing {
            compared: self.compared && self.knows_erasures(),
            we_lack: (self.logs.iter())
                .fold(0, |sum, (w, log)| sum.saturating_add(stands(w, log.claimed).saturating_sub(ours.next(w)))),
            they_lack: (ours.0.iter())
                .fold(0, |sum, (w, reach)| sum.saturating_add(reach.next.saturating_sub(log(w).held))),
        }
    }

    /// Takes one step.
    pub fn handle<S: Store>(&mut self, input: Input, replica: &mut Replica<S>, now: Millis) -> Vec<Output> {
        if self.ended {
            return Vec::new();
        }
        let mut out = Vec::new();
        if replica.refuses(&self.space, &self.peer, now) {
            self.ended = true;
            // The same as for a space that does not exist.
            let why = Fault::NoSuchSpace;
            return vec![Output::Send(Message::Bye(why.code())), Output::Ended(Ended::Fault(why))];
        }
        // A Hello alone brings nothing forward. The clock may be set back at any time.
        let progress = match &input {
            Input::Tick | Input::Durable | Input::Message(Message::Aside(_)) => false,
            Input::Message(Message::Hello(_)) => !self.heard_hello,
            // Nor does comparing again and again.
            Input::Message(Message::Frontier(_)) => !self.compared,
            _ => true,
        };
        self.last_progress = if progress || !self.is_waiting() { now } else { self.last_progress.min(now) };
        if let Err(ended) = self.step(input, replica, now, &mut out) {
            if let Ended::Fault(fault) = &ended {
                out.push(Output::Send(Message::Bye(fault.code())));
            }
            self.ended = true;
            out.push(Output::Ended(ended));
        }
        out
    }

    fn step<S: Store>(
        &mut self,
        input: Input,
        replica: &mut Replica<S>,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        match input {
            Input::Closed => return Err(Ended::Closed),
            Input::Refused(fault) => return Err(Ended::Fault(fault)),
            Input::Opened if self.initiator => self.say_hello(replica, true, out)?,
            Input::Opened => {}
            Input::Message(message) => {
                self.count_comparison(&message, now)?;
                self.hear(message, replica, out)?;
            }
            Input::Entries(entries) => self.take_in(entries, replica, now, out)?,
            Input::Durable => self.settle(replica, out)?,
            Input::Tick => self.tick(replica, now, out)?,
        }
        self.pump(replica, out)
    }

    /// What is durable of the space, as long as the peer's school belongs to it (§4).
    fn durable<'a, S: Store>(&self, replica: &'a Replica<S>) -> Result<&'a Space, Ended> {
        let space = replica.space(&self.space).map_err(Ended::Fault)?;
        match space.durable_charter().school_of(&self.peer) {
            None if planted::is(Planted::SessionStays) => Ok(space),
            Some(_) => Ok(space),
            None => Err(Ended::Fault(Fault::NoSuchSpace)),
        }
    }

    fn hear<S: Store>(
        &mut self,
        message: Message,
        replica: &mut Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        self.durable(replica)?;
        if !self.heard_hello && !matches!(message, Message::Hello(_) | Message::Aside(_) | Message::Bye(_)) {
            return Err(Ended::Fault(Fault::OutOfTurn(message.name())));
        }
        match message {
            Message::Hello(hello) => self.compare(hello, replica, out),
            Message::Positions(positions) => self.send_charter(positions, replica, out),
            Message::Charter(part, last) => {
                self.positions.cover(&part);
                replica.admit_charter(self.space, *part).map_err(Ended::Fault)?;
                self.charter_heard |= last;
                self.after_charter(replica, out)
            }
            Message::ErasureMarks(marks, last) => self.hear_marks(marks, last, replica, out),
            Message::Erasures(part, last) => self.hear_erasures(&part, last, replica, out),
            Message::Frontier(marks) => self.hear_frontier(&marks, replica, out),
            Message::Held(logs, batches) => {
                // Credit comes back for what was sent, and for no more.
                let settled = batches.min(self.in_flight);
                self.credit = self.credit.saturating_add(settled).min(limits::CREDIT);
                self.in_flight -= settled;
                for (writer, next) in logs {
                    // Only logs that we sent something of: a peer cannot make us keep more.
                    if let Some(log) = self.logs.get_mut(&writer) {
                        log.held = log.held.max(next.min(log.sent));
                    }
                }
                self.note_returns(replica);
                Ok(())
            }
            Message::Proposals(proposals) => self.hear_proposals(proposals, replica, out),
            Message::Forks(forks) => self.hear_forks(&forks, replica, out),
            Message::Aside(state) => {
                self.their_aside = Some(state);
                Ok(())
            }
            Message::Bye(code) => Err(Ended::Bye(code)),
            Message::Entries(_) => Err(Ended::Fault(Fault::OutOfTurn("unverified Entries"))),
        }
    }

    /// Whether no batch is under way in either direction, as far as is known here.
    fn is_idle(&self) -> bool {
        self.unsettled == 0 && self.in_flight == 0
    }
    /// Whether the peer has to say something before this goes on.
    fn is_waiting(&self) -> bool {
        let knows = self.charter_sent && self.charter_heard && self.knows_erasures();
        !self.compared || !knows || self.asked_hello || self.in_flight > 0
    }

    fn tick<S: Store>(&mut self, replica: &Replica<S>, now: Millis, out: &mut Vec<Output>) -> Result<(), Ended> {
        if self.is_waiting() && now.since(self.last_progress) > STALLED_MS {
            return Err(Ended::Stalled);
        }
        if self.compared && self.is_idle() {
            self.say_hello(replica, true, out)?;
        }
        Ok(())
    }
}
