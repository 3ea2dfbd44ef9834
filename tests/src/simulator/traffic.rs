//! What a node's network adapter does: dials, carries frames to sessions and back, commits in groups.

use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::log::{Entry, SIGNED_HEADER, Verified};
use staffroom_protocol::replica::Notice;
use staffroom_protocol::store::Table;
use staffroom_protocol::sync::{self, Ended, Input, Message, Output, Run, Session};

use super::erasing;
use super::event_log::fnv;
use super::invariants::{self, Violation};
use super::network::ConnectionId;
use super::node::Promise;
use super::plan::{Planted, Rule};
use super::planted;
use super::stored;
use super::world::{Event, World};

impl World {
    /// Dials a member that it has no session with, and looks again later.
    pub(super) fn look_whom_to_dial(&mut self, number: usize) -> Result<(), Violation> {
        let pause = 500 + self.random.below(3_000);
        self.after(pause, Event::Dial(number));
        for space in self.clusters.clone() {
            let partners = self.partners(number, space);
            let mine = |c: &ConnectionId| self.network.get(*c).is_some_and(|c| c.space == space && c.ends[0] == number);
            let dialled = self.nodes[number].sessions.keys().filter(|c| mine(c)).count();
            let wanted: Vec<usize> =
                partners.iter().copied().filter(|p| !self.has_session(number, *p, space)).collect();
            // The next one in the ring of members first, so that no group of nodes is left alone.
            if self.random.per_mille(100) {
                self.nodes[number].shunned.clear();
            }
            let welcome = |p: &usize| !self.nodes[number].shunned.contains(&(space, *p));
            let ring: Vec<usize> = partners.iter().copied().filter(welcome).collect();
            let next = ring.iter().copied().find(|p| *p > number).or(ring.first().copied());
            let to = match next {
                Some(next) if wanted.contains(&next) => next,
                _ if dialled < self.plan.dials && !wanted.is_empty() => *self.random.pick(&wanted),
                _ => continue,
            };
            self.dial(number, to, space)?;
        }
        Ok(())
    }

    /// The other members of a space that a node knows of, as nodes.
    fn partners(&self, number: usize, space: SpaceId) -> Vec<usize> {
        let charter = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&space).ok());
        let Some(charter) = charter.map(staffroom_protocol::replica::Space::durable_charter) else { return Vec::new() };
        let member = |node: &&super::node::Node| {
            node.number != number
                && node.device != self.nodes[number].device
                && charter.school_of(&node.device).is_some()
        };
        self.nodes.iter().filter(member).map(|node| node.number).collect()
    }
    fn has_session(&self, number: usize, peer: usize, space: SpaceId) -> bool {
        let with = |c: &ConnectionId| self.network.get(*c).is_some_and(|c| c.space == space && c.ends.contains(&peer));
        self.nodes[number].sessions.keys().any(with)
    }

    fn dial(&mut self, from: usize, to: usize, space: SpaceId) -> Result<(), Violation> {
        let refused = self.nodes[from].refuses.contains(&to) || self.nodes[to].refuses.contains(&from);
        if !self.network.reaches(from, to) || refused {
            return Ok(());
        }
        let connection = self.network.open(space, from, to, self.now_ms);
        self.say(format_args!("n{from} dials n{to}: c{connection}"));
        self.begin_session(connection, 0)
    }

    fn begin_session(&mut self, connection: ConnectionId, side: usize) -> Result<(), Violation> {
        let Some(ends) = self.network.get(connection).map(|c| (c.ends, c.space)) else { return Ok(()) };
        let ([a, b], space) = ends;
        let (number, peer) = if side == 0 { (a, b) } else { (b, a) };
        self.opened.insert((connection, side));
        self.counts.one("sessions");
        let session = Session::new(space, self.nodes[peer].device, side == 0);
        self.nodes[number].sessions.insert(connection, session);
        let pause = 20_000 + self.random.below(40_000);
        self.after(pause, Event::Tick { connection, to: side });
        self.handle(connection, side, Input::Opened)
    }

    /// A node was dialled: two streams of one pair are one too many (§4).
    fn accept(&mut self, connection: ConnectionId) -> Result<bool, Violation> {
        let Some((ends, space)) = self.network.get(connection).map(|c| (c.ends, c.space)) else { return Ok(false) };
        let [dialler, number] = ends;
        let same =
            |c: &ConnectionId| self.network.get(*c).is_some_and(|c| c.space == space && c.ends.contains(&dialler));
        let others: Vec<ConnectionId> = self.nodes[number].sessions.keys().copied().filter(same).collect();
        for other in others {
            let by_us = self.network.get(other).is_some_and(|c| c.ends[0] == number);
            if by_us && self.nodes[number].device < self.nodes[dialler].device {
                self.counts.one("streams closed: both dialled");
                self.opened.insert((connection, 1));
                self.hang_up(connection, 1);
                return Ok(false);
            }
            let side = usize::from(!by_us);
            self.handle(other, side, Input::Closed)?;
        }
        self.begin_session(connection, 1)?;
        Ok(true)
    }

    /// Tells the other end that this one let go.
    fn hang_up(&mut self, connection: ConnectionId, side: usize) {
        let to = 1 - side;
        let arrival = self.network.send(connection, to, self.now_ms);
        let late = arrival.at_ms.last().map_or(1_000, |at| at - self.now_ms);
        self.after(late, Event::Closed { connection, to });
    }

    /// A frame arrives.
    pub(super) fn frame(&mut self, connection: ConnectionId, to: usize, bytes: &[u8]) -> Result<(), Violation> {
        let Some(ends) = self.network.get(connection).map(|c| (c.ends, c.space)) else { return Ok(()) };
        let (number, space) = (ends.0[to], ends.1);
        if !self.network.carries(connection) || self.nodes[number].replica.is_none() {
            return Ok(());
        }
        let is_new = to == 1 && !self.opened.contains(&(connection, 1));
        if is_new && !self.accept(connection)? {
            return Ok(());
        }
        if !self.nodes[number].sessions.contains_key(&connection) {
            return Ok(());
        }
        self.counts.one("frames");
        match sync::decode(bytes, space) {
            Ok(Message::Entries(runs)) => {
                let entries: Vec<Entry> = runs.into_iter().flat_map(|run| run.0).collect();
                let checked = if self.plan.planted == Some(Planted::SkippedSignature) {
                    entries.into_iter().map(|entry| Ok(Verified::unchecked_for_simulation(entry))).collect()
                } else {
                    Entry::verify_all(entries)
                };
                self.flush_soon(number);
                self.handle(connection, to, Input::Entries(checked))
            }
            Ok(message) => self.handle(connection, to, Input::Message(message)),
            Err(fault) if self.with_the_liar(connection) => self.handle(connection, to, Input::Refused(fault)),
            Err(fault) => Err(Violation::new("frames_are_read_as_written", fault)),
        }
    }

    /// An end hears that its connection is gone.
    pub(super) fn closed(&mut self, connection: ConnectionId, to: usize) -> Result<(), Violation> {
        let Some(ends) = self.network.get(connection).map(|c| c.ends) else { return Ok(()) };
        self.opened.insert((connection, to));
        self.handle(connection, to, Input::Closed)?;
        if ends.iter().all(|number| !self.nodes[*number].sessions.contains_key(&connection)) {
            self.network.forget(connection);
        }
        Ok(())
    }

    /// A session compares again, and later once more.
    pub(super) fn tick(&mut self, connection: ConnectionId, to: usize) -> Result<(), Violation> {
        let Some(number) = self.network.get(connection).map(|c| c.ends[to]) else { return Ok(()) };
        if self.nodes[number].sessions.contains_key(&connection) {
            let pause = 20_000 + self.random.below(40_000);
            self.after(pause, Event::Tick { connection, to });
            self.handle(connection, to, Input::Tick)?;
        }
        Ok(())
    }

    /// One step of a session, where it still is there.
    fn handle(&mut self, connection: ConnectionId, side: usize, input: Input) -> Result<(), Violation> {
        let Some(number) = self.network.get(connection).map(|c| c.ends[side]) else { return Ok(()) };
        let node = &mut self.nodes[number];
        let now = node.clock(self.now_ms);
        let (Some(session), Some(replica)) = (node.sessions.get_mut(&connection), node.replica.as_mut()) else {
            return Ok(());
        };
        let outputs = session.handle(input, replica, now);
        let (space, peer) = (session.space(), self.network.get(connection).map_or(number, |c| c.ends[1 - side]));
        if let Ok(held) = replica.space(&space) {
            invariants::in_step_is_true(held, session, &self.witnesses[peer])?;
        }
        if replica.is_staged() {
            self.flush_soon(number);
        }
        for output in outputs {
            let ended = self.ended.contains(&(connection, side));
            Violation::unless(!ended, "session_ends_once", || format!("c{connection}: {output:?} after its end"))?;
            match output {
                Output::Send(message) => self.send(connection, side, number, message)?,
                Output::Refused(fault) => {
                    self.must_be_hostile(connection, &fault)?;
                    self.counts.one("refusals");
                    self.say(format_args!("n{number} refuses on c{connection}: {fault}"));
                }
                Output::Ended(Ended::Fault(fault)) if fault != Fault::NoSuchSpace => {
                    self.must_be_hostile(connection, &fault)?;
                    self.session_ended(connection, side, number, &Ended::Fault(fault));
                }
                Output::Ended(reason) => self.session_ended(connection, side, number, &reason),
            }
        }
        Ok(())
    }

    /// Where frames arrive as they were sent and nobody damages any, nothing is ever refused.
    fn must_be_hostile(&self, connection: ConnectionId, fault: &Fault) -> Result<(), Violation> {
        let clean = self.network.get(connection).is_some_and(|c| c.clean);
        // Who has not heard of a cut yet offers what is above it.
        let cut = matches!(fault, Fault::AboveCut(_) | Fault::NotEnrolled(_)) && self.plan.belonging > 0;
        // Who holds another history of a log, and has not compared yet, pushes what does not follow here.
        let fork = matches!(fault, Fault::Fork { .. } | Fault::Forked(_) | Fault::Chain { what: "entry" })
            || matches!(fault, Fault::NotEnrolled(_) | Fault::Withheld(_));
        let cut = cut || (fork && !self.model.tainted.is_empty());
        let hostile = !clean || self.plan.damage > 0 || cut || self.with_the_liar(connection);
        Violation::unless(hostile, "honest_peers_refuse_each_other_nothing", || format!("c{connection}: {fault}"))
    }

    fn session_ended(&mut self, connection: ConnectionId, side: usize, number: usize, reason: &Ended) {
        self.say(format_args!("n{number} c{connection} ends: {reason:?}"));
        self.ended.insert((connection, side));
        self.counts.one(match reason {
            Ended::Closed => "sessions ended: closed",
            Ended::Bye(_) => "sessions ended: goodbye",
            Ended::Fault(Fault::NoSuchSpace) => "sessions ended: no such space",
            Ended::Fault(_) => "sessions ended: fault",
            Ended::Stalled => "sessions ended: stalled",
        });
        self.nodes[number].sessions.remove(&connection);
        let no_such_space = Fault::NoSuchSpace.code();
        if matches!(reason, Ended::Bye(code) if *code == no_such_space) || *reason == Ended::Fault(Fault::NoSuchSpace) {
            let at = self.network.get(connection).map(|c| (c.space, c.ends[1 - side]));
            self.nodes[number].shunned.extend(at);
        }
        if !matches!(reason, Ended::Closed) {
            self.hang_up(connection, side);
        } else if self.network.carries(connection) {
            self.hang_up(connection, side);
        }
    }

    /// Whether a node put this entry aside, durably, and the other is the device that wrote it.
    fn goes_back(&self, number: usize, peer: usize, entry: &Entry) -> bool {
        let Some(replica) = self.nodes[number].replica.as_ref() else { return false };
        let header = entry.header();
        let Ok(held) = replica.space(&header.space) else { return false };
        let enrolled = held.durable_charter().resolved().writers.get(&header.writer);
        enrolled.is_some_and(|enrolled| enrolled.device == self.nodes[peer].device)
            && stored::aside(replica.store(), header.space, header.writer, header.seq, entry.id()) == Ok(true)
    }

    fn send(
        &mut self,
        connection: ConnectionId,
        side: usize,
        number: usize,
        message: Message,
    ) -> Result<(), Violation> {
        let Some(space) = self.network.get(connection).map(|c| c.space) else { return Ok(()) };
        let message = match (self.plan.planted, self.nodes[number].replica.as_ref()) {
            (Some(Planted::AsideServed), Some(replica)) => planted::with_aside(replica.store(), space, message),
            (Some(Planted::Rule(Rule::UnsignedVote)), _) => planted::with_forged_votes(message),
            (Some(Planted::ForkKept), _) if matches!(message, Message::Forks(_)) => return Ok(()),
            _ => message,
        };
        let school = self.nodes[number].school;
        let peer = self.network.get(connection).map_or(number, |c| c.ends[1 - side]);
        let witness = self.witnesses[number].spaces.get(&space);
        let goes_back = |entry: &Entry| self.goes_back(number, peer, entry);
        invariants::nothing_is_sent_before_it_is_durable(witness, goes_back, school, &message)?;
        let held = self.nodes[number].replica.as_ref().and_then(|replica| replica.space(&space).ok());
        erasing::what_is_erased_is_never_served(held, &message)?;
        let belongs = held.is_some_and(|held| held.durable_charter().school_of(&self.nodes[peer].device).is_some());
        Violation::unless(belongs || matches!(message, Message::Bye(_)), "only_members_are_told_anything", || {
            format!("n{number} to n{peer}: {}", message.name())
        })?;
        let message = self.damage(message);
        let bytes = sync::encode(&message);
        let (name, hash) = (message.name(), fnv(&bytes));
        self.say(format_args!("n{number} c{connection} {name} {} bytes {hash:016x}", bytes.len()));
        let arrival = self.network.send(connection, 1 - side, self.now_ms);
        if arrival.breaks {
            self.counts.one("connections broken");
            self.tell_closed(connection);
        }
        if arrival.at_ms.len() != 1 {
            self.counts.one("frames lost or doubled");
        }
        for at in arrival.at_ms {
            self.after(at - self.now_ms, Event::Frame { connection, to: 1 - side, bytes: bytes.clone() });
        }
        Ok(())
    }

    /// What a bad partner does: a bit of one signature is another.
    fn damage(&mut self, message: Message) -> Message {
        let Message::Entries(mut runs) = message else { return message };
        if self.healed || !self.random.per_mille(self.plan.damage) {
            return Message::Entries(runs);
        }
        let Run(run) = &mut runs[0];
        let at = self.random.place(run.len());
        let mut signed = run[at].signed_bytes().to_vec();
        signed[SIGNED_HEADER - 1 - self.random.place(64)] ^= 1 << self.random.place(8);
        let payload = run[at].payload().cloned();
        run[at] = Entry::parse(&signed, payload).expect("only its signature changed");
        self.counts.one("signatures damaged");
        Message::Entries(runs)
    }

    /// A group commit comes, if none is on its way.
    pub(super) fn flush_soon(&mut self, number: usize) {
        if !std::mem::replace(&mut self.nodes[number].flush_due, true) {
            let pause = 1 + self.random.below(self.plan.flush_ms);
            let start = self.nodes[number].starts;
            self.after(pause, Event::Flush { node: number, start });
        }
    }

    /// A group commit: what was staged is durable, and is acknowledged only now.
    pub(super) fn flush(&mut self, number: usize, start: u64) -> Result<(), Violation> {
        let node = &mut self.nodes[number];
        let Some(replica) = node.replica.as_mut().filter(|_| node.starts == start) else { return Ok(()) };
        node.flush_due = false;
        let notices = match replica.flush() {
            Ok(notices) => notices,
            Err(fault) => {
                self.counts.one("disks failed");
                self.say(format_args!("n{number}: {fault}"));
                self.crash(number, "stops");
                return Ok(());
            }
        };
        self.counts.one("flushes");
        self.witnesses[number].flushed(number, replica, &notices, &mut self.model)?;
        self.model.flushed(number);
        self.say(format_args!("n{number} flushes: {} notices", notices.len()));
        for notice in &notices {
            if let Notice::Restated(_, record) = notice {
                self.say(format_args!("n{number} says again: {record:?}"));
            }
        }
        for space in notices.iter().map(space_of).collect::<std::collections::BTreeSet<_>>() {
            let witness = &self.witnesses[number].spaces[&space];
            invariants::one_view_per_frontier(&mut self.views, number, space, witness)?;
        }
        if self.plan.planted == Some(Planted::TicketTwice) {
            let store = self.nodes[number].replica.as_ref().map(staffroom_protocol::Replica::store);
            let rows = store.map(|store| planted::rows(store, Table::Invitations)).unwrap_or_default();
            for (key, value) in rows {
                self.invitations.entry(key).or_insert(value);
            }
        }
        self.wipe(number)?;
        for promise in std::mem::take(&mut self.nodes[number].promises) {
            self.keep_promise(number, promise);
        }
        for connection in self.nodes[number].sessions.keys().copied().collect::<Vec<_>>() {
            let side = self.network.get(connection).map_or(0, |c| c.side(number));
            self.handle(connection, side, Input::Durable)?;
        }
        Ok(())
    }

    fn keep_promise(&mut self, number: usize, promise: Promise) {
        match promise {
            Promise::Ticket(ticket, to) => {
                for to in to {
                    self.nodes[to].tickets.push((*ticket).clone());
                }
            }
            Promise::Sheet(code) => self.nodes[number].code = code,
            Promise::Spare(spare) => self.nodes[number].spare = spare,
            Promise::Admitted { to, ticket, charter } => self.answer(number, to, ticket, Some(charter)),
        }
    }
}

fn space_of(notice: &Notice) -> SpaceId {
    match *notice {
        Notice::Charter(space)
        | Notice::Entries(space, _)
        | Notice::Record(space, _)
        | Notice::Restated(space, _)
        | Notice::Wanted(space)
        | Notice::Blob(space, _)
        | Notice::Erasures(space) => space,
    }
}
