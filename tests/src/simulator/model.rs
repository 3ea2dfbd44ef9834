//! What must come of it: an independent account of what was acknowledged.
//!
//! It shares no code with the protocol but the types of ids. A *write* sets fields of a record; it
//! knows which earlier writes its author had seen. Where one write has seen all others of a field,
//! the field holds what it said; where several have not seen each other, one of theirs.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::id::{EntryId, RecordId, SchoolId, SpaceId, TicketId, WriterId};

/// May read.
pub(super) const READER: u8 = 1;
/// May write.
pub(super) const CONTRIBUTOR: u8 = 2;
/// May admit.
pub(super) const STEWARD: u8 = 3;

/// One saved form.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) record: RecordId,
    /// Where its entry lies.
    pub(super) place: (WriterId, u64),
    /// What it set.
    pub(super) fields: BTreeMap<String, String>,
    /// The writes that its author had seen, and those they had seen.
    pub(super) seen: BTreeSet<u64>,
}

/// A record that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Creation {
    pub(super) space: SpaceId,
    pub(super) school: SchoolId,
    pub(super) open: bool,
}

/// A ticket that was issued.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issued {
    pub(super) space: SpaceId,
    pub(super) by: usize,
    pub(super) rank: u8,
    pub(super) expires_ms: u64,
    pub(super) used_by: Option<SchoolId>,
}

/// Something that a node did and has not made durable yet.
#[derive(Debug, Clone)]
enum Pending {
    Write(u64),
    Creation(RecordId),
    Member(SpaceId, SchoolId, u8),
    Used(TicketId),
    Issued(TicketId),
}

/// The account.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Every acknowledged entry of every log, in order.
    pub(super) logs: BTreeMap<(SpaceId, WriterId), Vec<EntryId>>,
    /// Who belongs, with what rank.
    pub(super) members: BTreeMap<(SpaceId, SchoolId), u8>,
    /// Records, also those that are not durable yet.
    pub(super) records: BTreeMap<RecordId, Creation>,
    writes: BTreeMap<u64, Write>,
    next_write: u64,
    tickets: BTreeMap<TicketId, Issued>,
    pending: BTreeMap<usize, Vec<Pending>>,
}

impl Model {
    fn wait(&mut self, node: usize, pending: Pending) {
        self.pending.entry(node).or_default().push(pending);
    }
    /// A node founded a space.
    pub(super) fn founded(&mut self, node: usize, space: SpaceId, school: SchoolId) {
        self.wait(node, Pending::Member(space, school, STEWARD));
    }
    /// A node made a school a steward.
    pub(super) fn promoted(&mut self, node: usize, space: SpaceId, school: SchoolId) {
        self.wait(node, Pending::Member(space, school, STEWARD));
    }
    /// A node issued a ticket.
    pub(super) fn issued(&mut self, ticket: TicketId, issued: Issued) {
        self.tickets.insert(ticket, issued);
        self.wait(issued.by, Pending::Issued(ticket));
    }
    /// Whether a ticket must admit a school now; `now_ms` by the clock of the node that issued it.
    pub(super) fn admits(&self, ticket: TicketId, space: SpaceId, by: usize, school: SchoolId, now_ms: u64) -> bool {
        self.tickets.get(&ticket).is_some_and(|issued| {
            issued.by == by
                && issued.space == space
                && now_ms <= issued.expires_ms
                && issued.used_by.is_none_or(|used_by| used_by == school)
        })
    }
    /// A ticket admitted a school, or was used up by one that belonged already.
    pub(super) fn admitted(&mut self, ticket: TicketId, school: SchoolId, belonged: bool) {
        let Some(issued) = self.tickets.get_mut(&ticket) else { return };
        let (node, space, rank) = (issued.by, issued.space, issued.rank);
        if issued.used_by.replace(school).is_none() {
            self.wait(node, Pending::Used(ticket));
            if !belonged {
                self.wait(node, Pending::Member(space, school, rank));
            }
        }
    }
    /// A node made a record with its first write.
    pub(super) fn created(&mut self, node: usize, creation: Creation, write: Write) {
        self.records.insert(write.record, creation);
        self.wait(node, Pending::Creation(write.record));
        self.wrote(node, write);
    }
    /// A node changed a record.
    pub(super) fn wrote(&mut self, node: usize, write: Write) {
        self.next_write += 1;
        self.writes.insert(self.next_write, write);
        self.wait(node, Pending::Write(self.next_write));
    }
    /// What a node sees of a record that holds these entries: writes held with all they had seen.
    pub(super) fn visible(&self, record: RecordId, holds: impl Fn(&(WriterId, u64)) -> bool) -> BTreeSet<u64> {
        let held = |id: &u64| self.writes.get(id).is_some_and(|write| holds(&write.place));
        let of_record = self.writes.iter().filter(|(_, write)| write.record == record);
        of_record.filter(|(id, write)| held(id) && write.seen.iter().all(held)).map(|(id, _)| *id).collect()
    }

    /// All that a node did is durable.
    pub(super) fn flushed(&mut self, node: usize) {
        for pending in self.pending.remove(&node).unwrap_or_default() {
            if let Pending::Member(space, school, rank) = pending {
                let held = self.members.entry((space, school)).or_default();
                *held = rank.max(*held);
            }
        }
    }
    /// What a node did and was not durable never happened.
    pub(super) fn crashed(&mut self, node: usize) {
        for pending in self.pending.remove(&node).unwrap_or_default() {
            match pending {
                Pending::Write(id) => drop(self.writes.remove(&id)),
                Pending::Creation(record) => drop(self.records.remove(&record)),
                Pending::Used(ticket) => {
                    if let Some(issued) = self.tickets.get_mut(&ticket) {
                        issued.used_by = None;
                    }
                }
                Pending::Issued(ticket) => drop(self.tickets.remove(&ticket)),
                Pending::Member(..) => {}
            }
        }
    }

    /// The members that a space must have.
    pub(super) fn members_of(&self, space: SpaceId) -> BTreeMap<SchoolId, u8> {
        let of = self.members.iter().filter(|((s, _), _)| *s == space);
        of.map(|((_, school), rank)| (*school, *rank)).collect()
    }
    /// The logs that a member of a space must hold, with how many entries and the last one.
    pub(super) fn frontier_of(&self, space: SpaceId) -> BTreeMap<WriterId, (u64, EntryId)> {
        let of = self.logs.iter().filter(|((s, _), ids)| *s == space && !ids.is_empty());
        of.map(|((_, writer), ids)| (*writer, (ids.len() as u64, *ids.last().expect("not empty")))).collect()
    }
    /// The records that a space must show.
    pub(super) fn records_of(&self, space: SpaceId) -> BTreeMap<RecordId, Creation> {
        self.records.iter().filter(|(_, c)| c.space == space).map(|(id, c)| (*id, *c)).collect()
    }
    /// For each field of each record, what it may hold at the end: one value where the writes agree.
    pub(super) fn expected(&self) -> BTreeMap<RecordId, BTreeMap<String, BTreeSet<String>>> {
        let mut all: BTreeMap<RecordId, BTreeMap<String, BTreeMap<u64, &Write>>> = BTreeMap::new();
        for (id, write) in &self.writes {
            for field in write.fields.keys() {
                all.entry(write.record).or_default().entry(field.clone()).or_default().insert(*id, write);
            }
        }
        let last = |writes: &BTreeMap<u64, &Write>, field: &str| -> BTreeSet<String> {
            let seen: BTreeSet<u64> = writes.values().flat_map(|write| write.seen.iter().copied()).collect();
            let unseen = writes.iter().filter(|(id, _)| !seen.contains(id));
            unseen.map(|(_, write)| write.fields[field].clone()).collect()
        };
        let fields = |fields: BTreeMap<String, BTreeMap<u64, &Write>>| {
            fields.iter().map(|(field, writes)| (field.clone(), last(writes, field))).collect()
        };
        all.into_iter().map(|(record, of)| (record, fields(of))).collect()
    }
}
