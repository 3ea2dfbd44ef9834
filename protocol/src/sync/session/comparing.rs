//! Comparing what both hold (§4.1, §4.2, §4.4): Hello, the charter, frontiers; and our own log, of which a
//! peer may know more than we do (§1.4).

use std::collections::BTreeMap;

use super::{Ended, Log, Output, STALLED_MS, Session};
use crate::charter::Positions;
use crate::fault::Fault;
use crate::id::WriterId;
use crate::limits;
use crate::replica::{Replica, Space, read_entry};
use crate::store::Store;
use crate::sync::message::{Hello, Mark, Message, VERSION};
use crate::time::Millis;

/// How often a peer may ask to compare in a minute: an honest one does so about once, and more often while
/// much happens; each time costs us more than it.
const ROUNDS: u32 = 24;
/// What it asks in one round: HELLO, POSITIONS, ERASURE-MARKS, FRONTIER.
const COMPARISONS: u32 = 4 * ROUNDS;

impl Session {
    pub(super) fn say_hello<S: Store>(
        &mut self,
        replica: &Replica<S>,
        answer: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        self.say_aside(replica, out)?;
        let space = self.durable(replica)?;
        self.said_hello = true;
        self.asked_hello = answer;
        out.push(Output::Send(Message::Hello(Hello {
            version: VERSION,
            space: self.space,
            charter: space.durable_charter().hash(),
            erasures: space.erasures_hash(),
            frontier: space.state_hash(),
            credit: limits::CREDIT,
            answer,
        })));
        Ok(())
    }

    /// Bears only so many questions a minute, whatever the clock does.
    pub(super) fn count_comparison(&mut self, message: &Message, now: Millis) -> Result<(), Ended> {
        if !matches!(
            message,
            Message::Hello(_) | Message::Positions(_) | Message::Frontier(_) | Message::ErasureMarks(_, true)
        ) {
            return Ok(());
        }
        let (count, since) = self.comparisons;
        let anew = count == 0 || now < since || now.since(since) > STALLED_MS;
        self.comparisons = if anew { (1, now) } else { (count + 1, since) };
        if self.comparisons.0 > COMPARISONS {
            return Err(Ended::Fault(Fault::TooOften(message.name())));
        }
        Ok(())
    }

    pub(super) fn compare<S: Store>(
        &mut self,
        hello: Hello,
        replica: &mut Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        if hello.version != VERSION || hello.space != self.space {
            return Err(Ended::Fault(Fault::Malformed { what: "Hello" }));
        }
        let first = !self.heard_hello;
        (self.heard_hello, self.asked_hello) = (true, false);
        if !self.said_hello || (hello.answer && !first) {
            self.say_hello(replica, false, out)?;
        }
        if first {
            self.credit = hello.credit.min(limits::CREDIT);
        }
        let space = self.durable(replica)?;
        let charter = space.durable_charter();
        if hello.charter != charter.hash() {
            // What was refused for want of the charter is offered again after it.
            (self.charter_sent, self.charter_heard, self.said_frontier) = (false, false, false);
            (self.erasures_sent, self.erasures_heard, self.said_marks) = (false, false, false);
            self.said_positions = true;
            out.push(Output::Send(Message::Positions(charter.positions())));
            return Ok(());
        }
        self.positions = charter.positions();
        (self.charter_sent, self.charter_heard, self.said_positions) = (true, true, false);
        if hello.erasures != space.erasures_hash() {
            (self.erasures_sent, self.erasures_heard, self.said_frontier) = (false, false, false);
            self.say_marks(replica, out)?;
            return self.answer_marks(replica, out);
        }
        (self.erasures_sent, self.erasures_heard, self.said_marks) = (true, true, false);
        self.told_erasures = space.durable_erasures().clone();
        self.told_erasures_version = self.told_erasures.version();
        if hello.frontier == space.state_hash() {
            // What either claimed of logs that stand at nothing now is gone.
            self.logs.retain(|writer, _| space.frontier().0.contains_key(writer));
            for (writer, reach) in &space.frontier().0 {
                let log = Log { held: reach.next, sent: reach.next, claimed: reach.next, ..Log::default() };
                self.logs.insert(*writer, log);
            }
            self.told_forks = known_forks(space);
            self.compared = true;
        } else if first || self.is_idle() {
            self.say_frontier(replica, out)?;
        }
        self.answer_marks(replica, out)
    }

    pub(super) fn send_charter<S: Store>(
        &mut self,
        theirs: Positions,
        replica: &mut Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        let charter = self.durable(replica)?.durable_charter();
        let mut parts = charter.missing(&theirs).parts();
        let last = parts.pop().unwrap_or_default();
        out.extend(parts.into_iter().map(|part| Output::Send(Message::Charter(Box::new(part), false))));
        out.push(Output::Send(Message::Charter(Box::new(last), true)));
        self.positions = theirs;
        self.positions.cover(&charter.whole());
        self.charter_sent = true;
        if !core::mem::replace(&mut self.said_positions, true) {
            // The peer saw a difference where we saw none: ours changed in between.
            self.charter_heard = false;
            out.push(Output::Send(Message::Positions(charter.positions())));
        }
        self.after_charter(replica, out)
    }

    pub(super) fn after_charter<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        self.answer_marks(replica, out)?;
        if self.charter_sent && self.charter_heard && !self.said_marks && !self.knows_erasures() {
            self.say_marks(replica, out)?;
        }
        Ok(())
    }

    /// Sends of the charter what became durable since the peer was told of it last.
    pub(super) fn tell_charter(&mut self, space: &Space, out: &mut Vec<Output>) {
        let missing = space.durable_charter().missing(&self.positions);
        if !missing.is_empty() {
            self.positions.cover(&missing);
            out.extend(missing.parts().into_iter().map(|part| Output::Send(Message::Charter(Box::new(part), false))));
        }
    }

    pub(super) fn say_frontier<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        let marks = Mark::all(self.durable(replica)?.frontier());
        self.said_frontier = true;
        out.push(Output::Send(Message::Frontier(marks)));
        Ok(())
    }

    /// What the peer holds of each log is where we go on from; a log that it lacks is held to 0.
    pub(super) fn hear_frontier<S: Store>(
        &mut self,
        marks: &[Mark],
        replica: &Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        let space = self.durable(replica)?;
        let ours = space.frontier().clone();
        // What is under way to the peer is not sent twice: its answer to that comes later. Unless it holds
        // less than it did: then it asks for the log anew.
        let sent = |writer: &WriterId, from: u64| match self.logs.get(writer) {
            Some(log) if self.in_flight > 0 && from >= log.held => log.sent.max(from),
            _ => from,
        };
        let lacks = |writer: &WriterId| (*writer, Log { sent: sent(writer, 0), ..Log::default() });
        let mut logs: BTreeMap<WriterId, Log> = ours.0.keys().map(lacks).collect();
        let (mut parted, mut own_parted) = (Vec::new(), false);
        for mark in marks {
            let next = mark.next.min(ours.next(&mark.writer));
            let disputed = disputes(mark, space, replica);
            // It knows an entry of our own log that we do not have: ours gives way to what it sends, and
            // is neither shown nor pushed.
            let own = mark.writer == space.own_writer();
            own_parted |= own && disputed;
            let known_better = own && (disputed || mark.next > ours.next(&mark.writer));
            // Above a fork that we know of, the peer holds what will not stand there either. Where the two
            // part below it, what we know of is not where the log forks.
            if mark.next > ours.next(&mark.writer) {
                parted.push(mark.writer);
            }
            let sent = sent(&mark.writer, next);
            logs.insert(
                mark.writer,
                Log { held: next, sent, claimed: mark.next, disputed: disputed || known_better, shown: known_better },
            );
        }
        self.logs = logs;
        // Both hold the same, and yet differ: in what they know to fork.
        if marks == Mark::all(&ours) {
            parted.extend(space.forks().map(|fork| fork.place().1));
        }
        for writer in parted {
            self.show_fork(space, writer, out);
        }
        if !core::mem::replace(&mut self.compared, true) {
            self.told_forks = known_forks(space);
        }
        if !self.said_frontier {
            self.say_frontier(replica, out)?;
        }
        if own_parted {
            self.ask_for_own_log(replica, out)?;
        }
        Ok(())
    }

    /// Has the peer send our own log from its start, once in a session: it leads where we were before
    /// this store was put back.
    pub(super) fn ask_for_own_log<S: Store>(
        &mut self,
        replica: &Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        let space = self.durable(replica)?;
        if !core::mem::replace(&mut self.asked_own_log, true) {
            let mut marks = Mark::all(space.frontier());
            marks.retain(|mark| mark.writer != space.own_writer());
            out.push(Output::Send(Message::Frontier(marks)));
        }
        Ok(())
    }
}

/// The logs that fork, and where.
fn known_forks(space: &Space) -> BTreeMap<WriterId, u64> {
    space.forks().map(|fork| (fork.place().1, fork.place().2)).collect()
}

/// Whether the peer's last entry of a log is another one than ours at that place.
fn disputes<S: Store>(mark: &Mark, space: &Space, replica: &Replica<S>) -> bool {
    let held = mark.next > 0 && mark.next <= space.frontier().next(&mark.writer);
    let place = if held { space.place(&mark.writer, mark.next - 1) } else { None };
    let entry = place.and_then(|place| read_entry(replica.store(), place).ok());
    entry.is_some_and(|entry| Mark::prefix(&entry.id()) != mark.head)
}
