//! Words that go back to the device that wrote them (§2.4): of a log that forks, each node puts aside the
//! history that it held, and the device may have lost that one. It gets it, says it again, and says what it
//! holds of the kind. As long as it says the same, nothing goes back twice; a device that holds something
//! else has lost it anew, or has got more from others, and gets it again.

use super::{Ended, Output, Session};
use crate::fault::Fault;
use crate::id::WriterId;
use crate::limits;
use crate::log::Verified;
use crate::replica::{Replica, Space};
use crate::store::Store;
use crate::sync::message::{Message, Run};

impl Session {
    /// Says what is held here of ended logs of our own, where that is news.
    pub(super) fn say_aside<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        let state = replica.own_aside(self.space).map_err(Ended::Fault)?;
        if let Some(state) = state.filter(|state| self.said_aside != Some(*state)) {
            self.said_aside = Some(state);
            out.push(Output::Send(Message::Aside(state)));
        }
        Ok(())
    }

    /// Looks up what is to go back to the peer, of what is durable.
    pub(super) fn find_returns<S: Store>(&mut self, space: &Space, replica: &Replica<S>) -> Result<(), Fault> {
        if replica.is_staged() {
            return Ok(());
        }
        let writers = &space.charter().resolved().writers;
        let theirs = |writer: &WriterId| writers.get(writer).is_some_and(|enrolled| enrolled.device == self.peer);
        let new = |writer: &WriterId| !self.returned.contains_key(writer);
        let logs: Vec<WriterId> =
            space.forks().map(|fork| fork.place().1).filter(|writer| theirs(writer) && new(writer)).collect();
        for writer in logs {
            let aside = replica.to_return(self.space, &writer, self.their_aside)?;
            self.returned.insert(writer, aside.len());
            self.to_return.extend(aside.into_iter().map(Verified::into_entry));
        }
        Ok(())
    }

    /// The next entries to go back, as many as a batch takes. Histories mix in them, so each entry goes by
    /// itself.
    pub(super) fn next_returns(&mut self, space: &Space) -> Vec<Run> {
        let (mut runs, mut bytes) = (Vec::new(), 0);
        // What was erased since it was looked up goes nowhere.
        self.to_return.retain(|entry| !space.is_erased(&entry.header().record));
        while let Some(entry) = self.to_return.front() {
            bytes += entry.signed_bytes().len() + entry.payload().map_or(0, |payload| payload.as_bytes().len());
            if !runs.is_empty() && (bytes > limits::BATCH_BYTES || runs.len() == limits::BATCH_ENTRIES) {
                break;
            }
            runs.extend(self.to_return.pop_front().map(|entry| Run(vec![entry])));
        }
        runs
    }

    /// Remembers what is at the peer, once all that was under way is durable there.
    pub(super) fn note_returns<S: Store>(&mut self, replica: &mut Replica<S>) {
        let Some(holds) = self.their_aside else { return };
        if self.in_flight == 0 && self.to_return.is_empty() {
            for (writer, count) in self.returned.iter_mut().filter(|(_, count)| **count > 0) {
                replica.note_returned(self.space, writer, core::mem::take(count), holds);
            }
        }
    }
}
