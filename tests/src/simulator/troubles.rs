//! What goes wrong, and how all of it heals.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::id::OperationId;
use staffroom_protocol::store::{Crash, Table};

use super::invariants::Violation;
use super::network::ConnectionId;
use super::plan::{Planted, Trouble};
use super::planted;
use super::world::{Event, World};

impl World {
    /// One trouble, and the next one later.
    pub(super) fn trouble(&mut self) -> Result<(), Violation> {
        if self.healed || self.plan.troubles.is_empty() {
            return Ok(());
        }
        let pause = 500 + self.random.below(self.plan.trouble_ms);
        self.after(pause, Event::Trouble);
        let node = self.random.place(self.nodes.len());
        match *self.random.pick(&self.plan.troubles) {
            Trouble::Crash => self.crash(node, "crashes"),
            Trouble::Partition => self.part_or_join(),
            Trouble::ClockJump => {
                let hours = i64::try_from(self.random.below(48)).expect("small") - 24;
                let seconds = i64::try_from(self.random.below(3_600)).expect("small");
                let off = if self.random.per_mille(300) { 0 } else { (hours * 3_600 + seconds) * 1_000 };
                self.nodes[node].clock_off_ms = off;
                self.counts.one("clock jumps");
                self.say(format_args!("n{node} clock is now {off} ms off"));
            }
            // The disk of a node fails some commits after a start.
            Trouble::DiskFails => self.crash(node, "crashes"),
            Trouble::Refuse => {
                let other = self.random.place(self.nodes.len());
                if !self.nodes[node].refuses.remove(&other) && node != other {
                    self.nodes[node].refuses.insert(other);
                    self.counts.one("refusals of a peer");
                    self.say(format_args!("n{node} refuses n{other}"));
                    for connection in self.network.of(node) {
                        if self.network.get(connection).is_some_and(|c| c.ends.contains(&other)) {
                            self.break_off(connection);
                        }
                    }
                }
            }
            Trouble::Restore => self.keep_or_put_back(node),
            Trouble::Copy => self.copy(node),
            Trouble::Break => {
                let connections = self.network.of(node);
                if !connections.is_empty() {
                    let connection = *self.random.pick(&connections);
                    self.break_off(connection);
                }
            }
        }
        Ok(())
    }

    /// Keeps a copy of a node's store, or puts the one that was kept back under the same secrets.
    fn keep_or_put_back(&mut self, number: usize) {
        if self.decides(number) || self.nodes[number].replica.is_none() {
            // Who votes twice lets two decisions stand at one place; that is for `settle`.
            self.nodes[number].kept = None;
            return;
        }
        let Some((store, witness)) = self.nodes[number].kept.take() else {
            let store = self.nodes[number].replica.as_ref().map(|replica| replica.store().clone());
            self.nodes[number].kept = store.map(|store| (store, self.witnesses[number].clone()));
            return;
        };
        self.crash(number, "is put back to an earlier state");
        self.counts.one("stores put back");
        self.model.tainted.insert(self.nodes[number].device);
        let before = std::mem::replace(&mut self.witnesses[number], witness);
        // Partners were told how far it held each log: what they know of that was true.
        self.witnesses[number].reached = before.reached;
        for (space, before) in before.spaces {
            let known = |id: &OperationId| {
                let mut spaces = self.witnesses.iter().filter_map(|witness| witness.spaces.get(&space));
                spaces.any(|witness| witness.operations.contains_key(id))
            };
            let lost: Vec<OperationId> = before.operations.into_keys().filter(|id| !known(id)).collect();
            self.model.lost(space, &lost);
        }
        self.nodes[number].store = Some(store);
    }

    /// A node's machine is copied, and both run.
    fn copy(&mut self, number: usize) {
        let copied = self.nodes.len() > self.plan.nodes;
        if copied || self.decides(number) || self.clusters.len() > number {
            return;
        }
        let Some(store) = self.nodes[number].replica.as_ref().map(|replica| replica.store().clone()) else { return };
        let copy = self.nodes.len();
        self.nodes.push(self.nodes[number].copy(copy, store));
        self.witnesses.push(self.witnesses[number].clone());
        self.model.tainted.insert(self.nodes[number].device);
        self.counts.one("machines copied");
        self.say(format_args!("n{number} is copied: n{copy}"));
        for event in [Event::Start(copy), Event::Act(copy), Event::Dial(copy)] {
            let pause = 100 + self.random.below(3_000);
            self.after(pause, event);
        }
    }

    fn part_or_join(&mut self) {
        if self.network.is_parted() {
            self.network.part(BTreeSet::new());
            self.say(format_args!("the network grows together"));
            return;
        }
        let apart: BTreeSet<usize> = (0..self.nodes.len()).filter(|_| self.random.per_mille(500)).collect();
        self.say(format_args!("the network falls apart: {apart:?}"));
        self.counts.one("partitions");
        self.network.part(apart);
    }

    /// A connection carries nothing any more; both ends hear of it later.
    pub(super) fn break_off(&mut self, connection: ConnectionId) {
        if self.network.break_off(connection) {
            self.counts.one("connections broken");
            self.tell_closed(connection);
        }
    }
    pub(super) fn tell_closed(&mut self, connection: ConnectionId) {
        for to in 0..2 {
            let late = 10 + self.random.below(if self.healed { 500 } else { 15_000 });
            self.after(late, Event::Closed { connection, to });
        }
    }

    /// A node is gone; it starts again later.
    pub(super) fn crash(&mut self, number: usize, how: &str) {
        if self.nodes[number].replica.is_none() {
            return;
        }
        let staged = self.nodes[number].replica.as_ref().is_some_and(staffroom_protocol::Replica::is_staged);
        self.say(format_args!("n{number} {how}, staged: {staged}"));
        self.counts.one("crashes");
        self.counts.more("crashes with something staged", u64::from(staged));
        for connection in self.nodes[number].sessions.keys().copied().collect::<Vec<_>>() {
            self.break_off(connection);
        }
        self.counts.more("sessions ended: crash", self.nodes[number].sessions.len() as u64);
        self.nodes[number].crash();
        self.model.crashed(number);
        let pause = 100 + self.random.below(if self.healed { 500 } else { 20_000 });
        self.after(pause, Event::Start(number));
    }

    /// A node starts with what its store kept.
    pub(super) fn start(&mut self, number: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[number];
        let Some(store) = node.store.as_mut() else { return Ok(()) };
        let crash = if self.healed {
            Crash::Never
        } else if self.plan.planted == Some(Planted::LostFlush) && node.starts > 0 {
            Crash::LosesFlush
        } else if self.plan.troubles.contains(&Trouble::DiskFails) && node.starts > 0 && self.random.per_mille(400) {
            Crash::FailsAfter(u32::try_from(self.random.below(20)).expect("small"))
        } else {
            Crash::Never
        };
        match self.plan.planted {
            Some(Planted::YesForgotten) => planted::forget(store, Table::Proposals, &BTreeMap::new()),
            Some(Planted::TicketTwice) => planted::forget(store, Table::Invitations, &self.invitations),
            _ => {}
        }
        store.break_with(crash);
        node.start(&mut self.random).map_err(|fault| Violation::new("a_store_opens_again", fault))?;
        let starts = node.starts;
        self.say(format_args!("n{number} starts, {crash:?}"));
        if starts > 1 {
            let replica = self.nodes[number].replica.as_ref().expect("was just started");
            self.witnesses[number].restarted(number, replica)?;
        }
        // What was erased before the last stop and could not be made unreadable then.
        self.wipe(number)
    }

    /// Everything heals: what is down starts, clocks are right, the network carries all.
    pub(super) fn heal(&mut self) -> Result<(), Violation> {
        self.healed = true;
        self.say(format_args!("everything heals"));
        self.network.heal();
        for number in 0..self.nodes.len() {
            self.nodes[number].clock_off_ms = 0;
            self.nodes[number].refuses.clear();
            let broken = self.nodes[number].replica.as_ref().map(|replica| replica.store().broken_with());
            if matches!(broken, Some(Crash::Fails | Crash::FailsAfter(_) | Crash::LosesFlush)) {
                self.crash(number, "gets another disk");
            }
            self.start(number)?;
        }
        Ok(())
    }
}
