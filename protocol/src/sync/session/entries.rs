//! Entries in both directions: taking in what the peer sends, sending what it lacks (§4.5, §4.6).

use super::{Ended, Output, Session};
use crate::fault::{Blame, Fault};
use crate::limits;
use crate::log::Verified;
use crate::replica::{End, Replica, Space, read_entry};
use crate::store::Store;
use crate::sync::message::{Message, Run};
use crate::time::Millis;

/// How many refusals a session bears before it ends.
const REFUSALS: u32 = 1_000;

impl Session {
    pub(super) fn take_in<S: Store>(
        &mut self,
        entries: Vec<Result<Verified, Fault>>,
        replica: &mut Replica<S>,
        now: Millis,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        self.durable(replica)?;
        // A peer that found no difference pushes at once, even where we found one and said so.
        if !self.heard_hello || self.unsettled >= limits::CREDIT {
            return Err(Ended::Fault(Fault::OutOfTurn("Entries")));
        }
        self.unsettled += 1;
        for entry in entries {
            let admitted = entry.and_then(|entry| {
                if entry.header().space != self.space {
                    return Err(Fault::OtherSpace(entry.header().space));
                }
                if entry.payload().is_none() {
                    return replica.admit_bare(&entry, now).map(|_| (entry.header().writer, entry.header().seq + 1));
                }
                let (writer, seq) = (entry.header().writer, entry.header().seq);
                // What is held has a next one: a seq at the end of its range is never admitted.
                replica.admit(entry, now).map(|_| (writer, seq + 1))
            });
            match admitted {
                Ok((writer, next)) => {
                    self.touched.insert(writer);
                    let log = self.logs.entry(writer).or_default();
                    log.claimed = log.claimed.max(next);
                    log.sent = log.sent.max(next);
                    log.held = log.held.max(next);
                }
                Err(fault) if fault.blame() == Blame::Node => return Err(Ended::Fault(fault)),
                Err(Fault::OwnLog(_)) => self.ask_for_own_log(replica, out)?,
                Err(fault) => {
                    if let Fault::Fork { writer, .. } | Fault::Forked(writer) = fault {
                        let space = replica.space(&self.space).map_err(Ended::Fault)?;
                        self.show_fork(space, writer, out);
                        if let End::Fork(seq) = space.end(&writer) {
                            self.forked(writer, seq);
                        }
                    }
                    // What an honest peer offers that has not heard of the fork is held against nobody.
                    if !matches!(fault, Fault::Forked(_)) {
                        self.refuse(fault, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, fault: Fault, out: &mut Vec<Output>) -> Result<(), Ended> {
        self.refusals += 1;
        if self.refusals > REFUSALS {
            return Err(Ended::Fault(fault));
        }
        out.push(Output::Refused(fault));
        Ok(())
    }

    /// Everything that was staged is durable: say so to the peer.
    pub(super) fn settle<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        if self.unsettled > 0 {
            self.say_aside(replica, out)?;
            let frontier = self.durable(replica)?.frontier();
            let held: Vec<_> = core::mem::take(&mut self.touched).into_iter().map(|w| (w, frontier.next(&w))).collect();
            for (writer, next) in &held {
                // Another history of our own log is here, as far as the peer has it.
                if let Some(log) = self.logs.get_mut(writer).filter(|log| log.claimed == *next) {
                    log.disputed = false;
                }
            }
            out.push(Output::Send(Message::Held(held, core::mem::take(&mut self.unsettled))));
        }
        Ok(())
    }

    /// Sends what the peer lacks, as far as it gave credit: first of the charter, then entries.
    pub(super) fn pump<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        // The charter goes before any entry: without it the peer refuses what it does not know.
        if !self.compared || !self.charter_sent || !self.knows_erasures() {
            return Ok(());
        }
        let space = self.durable(replica)?;
        self.tell_charter(space, out);
        self.tell_erasures(replica, out)?;
        self.tell_proposals(space, out);
        self.tell_forks(space, out);
        self.find_returns(space, replica).map_err(Ended::Fault)?;
        while self.credit > 0 {
            let mut runs = self.next_batch(space, replica).map_err(Ended::Fault)?;
            if runs.is_empty() {
                runs = self.next_returns(space);
            }
            if runs.is_empty() {
                break;
            }
            self.credit -= 1;
            self.in_flight += 1;
            out.push(Output::Send(Message::Entries(runs)));
        }
        Ok(())
    }

    fn next_batch<S: Store>(&mut self, space: &Space, replica: &Replica<S>) -> Result<Vec<Run>, Fault> {
        let mut runs = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        for (writer, reach) in &space.frontier().0 {
            let log = self.logs.entry(*writer).or_default();
            let mut run = Vec::new();
            if log.disputed && !log.shown && entries == 0 {
                // The headers that lead to the peer's last entry show it where the histories part.
                log.shown = true;
                let end = log.held.min(reach.next);
                for seq in end.saturating_sub(limits::BATCH_ENTRIES as u64)..end {
                    let place = space.place(writer, seq).ok_or(Fault::Store("a log is gone".to_owned()))?;
                    run.push(read_entry(replica.store(), place)?.bare());
                }
                entries = limits::BATCH_ENTRIES;
            }
            while !log.disputed
                && log.sent < reach.next
                && entries < limits::BATCH_ENTRIES
                && bytes < limits::BATCH_BYTES
            {
                let place = space.place(writer, log.sent).ok_or(Fault::Store("a log is gone".to_owned()))?;
                let mut entry = read_entry(replica.store(), place)?;
                if space.is_erased(&entry.header().record) {
                    if !space.is_durably_erased(&entry.header().record) {
                        // The peer is told that it is erased once that is durable here, and then this.
                        break;
                    }
                    entry = entry.without_payload();
                }
                let size = entry.signed_bytes().len() + entry.payload().map_or(0, |p| p.as_bytes().len());
                if entries > 0 && bytes + size > limits::BATCH_BYTES {
                    bytes = limits::BATCH_BYTES;
                    break;
                }
                entries += 1;
                bytes += size;
                log.sent += 1;
                run.push(entry.into_entry());
            }
            if !run.is_empty() {
                runs.push(Run(run));
            }
        }
        Ok(runs)
    }
}
