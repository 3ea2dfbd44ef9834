//! What travels beside the charter: proposals with their votes (§4.2), and evidence of forks (§2.4).

use super::{Ended, Output, Session};
use crate::charter::Voted;
use crate::fault::{Blame, Fault};
use crate::id::WriterId;
use crate::log::Fork;
use crate::replica::{End, Replica, Space};
use crate::store::Store;
use crate::sync::message::Message;

impl Session {
    /// Tells of proposals and votes that the peer has not heard of.
    pub(super) fn tell_proposals(&mut self, space: &Space, out: &mut Vec<Output>) {
        let held: Vec<&Voted> = space.durable_charter().proposals().collect();
        self.told.retain(|id, _| held.iter().any(|voted| voted.decision.id() == *id));
        let told = |voted: &&&Voted| self.told.get(&voted.decision.id()).is_none_or(|n| *n < voted.votes.len());
        let news: Vec<Voted> = held.iter().filter(told).map(|voted| (*voted).clone()).collect();
        if !news.is_empty() {
            self.told.extend(news.iter().map(|voted| (voted.decision.id(), voted.votes.len())));
            out.push(Output::Send(Message::Proposals(news)));
        }
    }
    pub(super) fn hear_proposals<S: Store>(
        &mut self,
        proposals: Vec<Voted>,
        replica: &mut Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        for voted in proposals {
            match replica.admit_proposal(self.space, voted) {
                Ok(()) => {}
                Err(fault) if fault.blame() == Blame::Node => return Err(Ended::Fault(fault)),
                Err(fault) => self.refuse(fault, out)?,
            }
        }
        Ok(())
    }

    /// Shows the peer that a log forks, once in a session.
    pub(super) fn show_fork(&mut self, space: &Space, writer: WriterId, out: &mut Vec<Output>) {
        let End::Fork(_) = space.end(&writer) else { return };
        let log = self.logs.entry(writer).or_default();
        if let Some(fork) = space.fork(&writer).filter(|_| !log.shown) {
            log.shown = true;
            out.push(Output::Send(Message::Forks(vec![fork.clone()])));
        }
    }
    /// Tells the peer of logs that turned out to fork since the session began.
    pub(super) fn tell_forks(&mut self, space: &Space, out: &mut Vec<Output>) {
        let told = |fork: &&Fork| self.told_forks.get(&fork.place().1).is_some_and(|seq| *seq <= fork.place().2);
        let news: Vec<Fork> = space.forks().filter(|fork| !told(fork)).cloned().collect();
        self.told_forks.extend(news.iter().map(|fork| (fork.place().1, fork.place().2)));
        // Each is two headers: a frame holds that many with ease.
        out.extend(news.chunks(256).map(|part| Output::Send(Message::Forks(part.to_vec()))));
    }
    pub(super) fn hear_forks<S: Store>(
        &mut self,
        forks: &[Fork],
        replica: &mut Replica<S>,
        out: &mut Vec<Output>,
    ) -> Result<(), Ended> {
        for fork in forks {
            let (space, writer, seq) = fork.place();
            let admitted = if space == self.space { fork.verify() } else { Err(Fault::OtherSpace(space)) }
                .and_then(|()| replica.admit_fork(fork));
            match admitted {
                Ok(_) => self.forked(writer, seq),
                Err(fault) if fault.blame() == Blame::Node => return Err(Ended::Fault(fault)),
                Err(fault) => self.refuse(fault, out)?,
            }
        }
        Ok(())
    }
    /// Both know now that a log forks: what is above counts no more.
    pub(super) fn forked(&mut self, writer: WriterId, seq: u64) {
        self.told_forks.insert(writer, seq);
        if let Some(log) = self.logs.get_mut(&writer) {
            (log.held, log.sent, log.claimed) = (log.held.min(seq), log.sent.min(seq), log.claimed.min(seq));
            (log.disputed, log.shown) = (false, true);
        }
    }
}
