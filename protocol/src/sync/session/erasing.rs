//! Erasures and receipts (§4.3, §6): both sides have heard of all that is erased before either sends an
//! entry, so that a node which was off erases before it serves anything.
//!
//! ```text
//! charter known ─▶ ErasureMarks ⇄ ErasureMarks ─▶ Erasures ⇄ Erasures ─▶ frontier, entries
//! ```

use super::{Ended, Output, Session};
use crate::erasure::{Mark, Part};
use crate::fault::{Blame, Fault};
use crate::limits;
use crate::replica::Replica;
use crate::store::Store;
use crate::sync::message::Message;

impl Session {
    /// Whether both sides have told what is erased.
    pub(super) fn knows_erasures(&self) -> bool {
        self.erasures_sent && self.erasures_heard
    }
    /// Begins to compare what is erased: tells what is known of it here, a mark for each record.
    pub(super) fn say_marks<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        let marks = self.durable(replica)?.erasure_marks();
        self.said_marks = true;
        let parts = marks.chunks(limits::ERASURE_MARKS).count().max(1);
        let mut chunks = marks.chunks(limits::ERASURE_MARKS);
        for part in 1..=parts {
            let marks = chunks.next().unwrap_or_default().to_vec();
            out.push(Output::Send(Message::ErasureMarks(marks, part == parts)));
        }
        Ok(())
    }
    pub(super) fn hear_marks<S: Store>(
        &mut self,
        marks: Vec<Mark>,
        last: bool,
        replica: &Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        if core::mem::take(&mut self.heard_marks) {
            self.their_marks.clear();
        }
        let most = limits::ERASURE_MARKS * limits::ERASURE_MARK_PARTS;
        if self.their_marks.len() + marks.len() > most {
            return Err(Ended::Fault(Fault::TooLarge { what: "list of erasures", most: most as u64 }));
        }
        self.their_marks.extend(marks);
        self.heard_marks = last;
        self.answer_marks(replica, out)
    }
    /// Sends what the peer lacks, once it has told what it knows and both know the same charter: what
    /// erases a record, and who gives receipts, is told before the receipts are.
    pub(super) fn answer_marks<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        if !self.heard_marks || !self.charter_sent || !self.charter_heard {
            return Ok(());
        }
        self.heard_marks = false;
        let theirs = core::mem::take(&mut self.their_marks);
        let space = self.durable(replica)?;
        self.tell_charter(space, out);
        let ours = space.durable_erasures();
        let known = ours.at(space.erasure_marks(), &theirs);
        let lacks = theirs.iter().any(|mark| space.erasure_marks().binary_search(mark).is_err());
        let mut parts = ours.beyond(&known, space.durable_charter()).parts();
        let end = parts.pop().unwrap_or_default();
        out.extend(parts.into_iter().map(|part| Output::Send(Message::Erasures(Box::new(part), false))));
        out.push(Output::Send(Message::Erasures(Box::new(end), true)));
        self.told_erasures = ours.clone();
        self.told_erasures_version = ours.version();
        self.erasures_sent = true;
        if !self.said_marks && lacks {
            // The peer saw a difference where we saw none: ours changed in between. Where it holds nothing that
            // we lack, there is nothing to ask for.
            self.erasures_heard = false;
            self.say_marks(replica, out)?;
        }
        self.after_erasures(replica, out)
    }
    pub(super) fn hear_erasures<S: Store>(
        &mut self,
        part: &Part,
        last: bool,
        replica: &mut Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        for erasure in &part.erasures {
            match replica.admit_erasure(self.space, erasure) {
                Ok(_) => self.told_erasures.cover(erasure),
                Err(fault) if fault.blame() == Blame::Node => return Err(Ended::Fault(fault)),
                Err(fault) => self.refuse(fault, out)?,
            }
        }
        for receipt in &part.receipts {
            match replica.admit_receipt(self.space, receipt) {
                Ok(_) => drop(self.told_erasures.keep_receipt(receipt)),
                Err(fault) if fault.blame() == Blame::Node => return Err(Ended::Fault(fault)),
                Err(fault) => self.refuse(fault, out)?,
            }
        }
        self.erasures_heard |= last && self.said_marks;
        self.after_erasures(replica, out)
    }
    fn after_erasures<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        // What comes from now on is another exchange, and answered.
        self.said_marks &= !self.knows_erasures();
        let next = self.charter_sent && self.charter_heard && self.knows_erasures() && !self.said_frontier;
        if next { self.say_frontier(replica, out) } else { Ok(()) }
    }

    /// Tells of what was erased, and of receipts, since the peer heard of them last.
    pub(super) fn tell_erasures<S: Store>(&mut self, replica: &Replica<S>, out: &mut Vec<Output>) -> Result<(), Ended> {
        let space = self.durable(replica)?;
        let ours = space.durable_erasures();
        if ours.version() == self.told_erasures_version {
            return Ok(());
        }
        let news = ours.beyond(&self.told_erasures, space.durable_charter());
        self.told_erasures = ours.clone();
        self.told_erasures_version = ours.version();
        if !news.is_empty() {
            let parts = news.parts().into_iter();
            out.extend(parts.map(|part| Output::Send(Message::Erasures(Box::new(part), false))));
        }
        Ok(())
    }
}
