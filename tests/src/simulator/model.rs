//! What must come of it: an independent account of what was acknowledged.
//!
//! It shares no code with the protocol but the types of ids. A *write* sets fields of a record; it
//! knows which earlier writes its author had seen. Where one write has seen all others of a field,
//! the field holds what it said; where several have not seen each other, one of theirs.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::charter::{Operation, Voted};
use staffroom_protocol::id::{
    DecisionId, DeviceId, EntryId, OperationId, RecordId, SchoolId, SpaceId, TicketId, WriterId,
};

use super::belonging::{Belonging, Standing};

/// May read.
pub(super) const READER: u8 = 1;
/// May write.
pub(super) const CONTRIBUTOR: u8 = 2;
/// May admit.
pub(super) const STEWARD: u8 = 3;

/// Where an entry lies: of one log, its number and id.
pub(super) type Place = (WriterId, u64, EntryId);

/// One saved form.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) record: RecordId,
    /// What made the record, where this write did.
    pub(super) creation: Option<Creation>,
    /// Where its entry lies.
    pub(super) place: Place,
    /// What it set.
    pub(super) fields: BTreeMap<String, String>,
    /// The writes that its author had seen, and those they had seen.
    pub(super) seen: BTreeSet<u64>,
    /// The words that the form showed, whoever said them, or said them again.
    pub(super) read: BTreeSet<String>,
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
    pub(super) expires_ms: u64,
    pub(super) used_by: Option<SchoolId>,
}

/// Something that a node did and has not made durable yet.
#[derive(Debug, Clone)]
enum Pending {
    Write(u64),
    Used(TicketId),
    Issued(TicketId),
    Erased(EntryId),
}

/// The account.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Every acknowledged entry of every log, in order.
    pub(super) logs: BTreeMap<(SpaceId, WriterId), Vec<EntryId>>,
    /// Every entry that its own writer acknowledged, of whatever branch.
    pub(super) written: BTreeSet<EntryId>,
    /// What was decided and done in each space.
    belonging: BTreeMap<SpaceId, Belonging>,
    /// What that comes to.
    standing: BTreeMap<SpaceId, Standing>,
    /// Spaces where somebody signed two things at one place: what they come to is not said here.
    pub(super) unclear: BTreeSet<SpaceId>,
    /// Devices whose store was put back, or that ran twice: they may sign two things at one place.
    pub(super) tainted: BTreeSet<DeviceId>,
    /// Who said yes to what: people, not signatures.
    pub(super) said_yes: BTreeMap<DecisionId, BTreeSet<SchoolId>>,
    /// Entries by which nodes said words again, each with its record and whether it began that.
    pub(super) restated: BTreeMap<EntryId, (RecordId, bool)>,
    said: BTreeSet<EntryId>,
    /// What schools erased, by the entry: the record, where it is, and the node.
    erased: BTreeMap<EntryId, (RecordId, SpaceId, usize)>,
    /// What anybody erased or asked the stewards to, be it that a crash took it back.
    pub(super) may_be_erased: BTreeSet<RecordId>,
    writes: BTreeMap<u64, Write>,
    next_write: u64,
    tickets: BTreeMap<TicketId, Issued>,
    pending: BTreeMap<usize, Vec<Pending>>,
}

impl Model {
    fn wait(&mut self, node: usize, pending: Pending) {
        self.pending.entry(node).or_default().push(pending);
    }
    /// A node acknowledged a decision; says whether more than half of the stewards before it said yes.
    pub(super) fn decided(&mut self, space: SpaceId, voted: &Voted) -> bool {
        let belonging = self.belonging.entry(space).or_default();
        let known = belonging.length();
        let stewards = belonging.stewards(voted.decision.number() as usize);
        if !belonging.decided(voted) {
            self.unclear.insert(space);
        }
        if self.belonging[&space].length() > known {
            self.standing.insert(space, self.belonging[&space].standing());
        }
        let yes = self.said_yes.get(&voted.decision.id()).cloned().unwrap_or_default();
        voted.decision.number() == 0 || 2 * stewards.intersection(&yes).count() > stewards.len()
    }
    /// A node acknowledged operations.
    pub(super) fn done<'a>(&mut self, space: SpaceId, operations: impl Iterator<Item = &'a Operation>) {
        let belonging = self.belonging.entry(space).or_default();
        let known = belonging.length();
        for operation in operations {
            if !belonging.done(operation) {
                self.unclear.insert(space);
            }
        }
        if belonging.length() > known {
            self.standing.insert(space, belonging.standing());
        }
    }
    /// Operations that only a store knew which was put back since: nobody has them any more. Who hears of
    /// one after all, still under way, acknowledges it anew.
    pub(super) fn lost(&mut self, space: SpaceId, operations: &[OperationId]) {
        let belonging = self.belonging.entry(space).or_default();
        belonging.lost(operations);
        self.standing.insert(space, belonging.standing());
    }
    /// Who belongs to a space, who writes, where logs end.
    pub(super) fn standing(&self, space: &SpaceId) -> Standing {
        self.standing.get(space).cloned().unwrap_or_default()
    }
    /// The rank of a school in a space; 0 where it does not belong.
    pub(super) fn rank(&self, space: &SpaceId, school: &SchoolId) -> u8 {
        self.standing.get(space).and_then(|standing| standing.members.get(school)).copied().unwrap_or_default()
    }
    /// A node issued a ticket.
    pub(super) fn issued(&mut self, ticket: TicketId, issued: Issued) {
        self.tickets.insert(ticket, issued);
        self.wait(issued.by, Pending::Issued(ticket));
    }
    /// Whether a ticket must admit a school now, to which it `belongs` or not; `now_ms` by the clock of
    /// the node that issued it, and `steward` what its school is as far as it knows.
    pub(super) fn admits(
        &self,
        (ticket, space): (TicketId, SpaceId),
        by: usize,
        school: SchoolId,
        now_ms: u64,
        (belongs, steward): (bool, bool),
    ) -> bool {
        self.tickets.get(&ticket).is_some_and(|issued| {
            issued.by == by
                && issued.space == space
                && now_ms <= issued.expires_ms
                && issued.used_by.map_or(belongs || steward, |used_by| belongs && used_by == school)
        })
    }
    /// A ticket admitted a school, or was used up by one that belonged already.
    pub(super) fn admitted(&mut self, ticket: TicketId, school: SchoolId) {
        let Some(issued) = self.tickets.get_mut(&ticket) else { return };
        if issued.used_by.replace(school).is_none() {
            let by = issued.by;
            self.wait(by, Pending::Used(ticket));
        }
    }
    /// A node made or changed a record.
    pub(super) fn wrote(&mut self, node: usize, write: Write) {
        self.next_write += 1;
        self.said.insert(write.place.2);
        self.writes.insert(self.next_write, write);
        self.wait(node, Pending::Write(self.next_write));
    }
    /// A node erased a record.
    pub(super) fn erased(&mut self, node: usize, space: SpaceId, record: RecordId, entry: EntryId) {
        self.said.insert(entry);
        self.may_be_erased.insert(record);
        self.erased.insert(entry, (record, space, node));
        self.wait(node, Pending::Erased(entry));
    }
    /// What schools erased and acknowledged.
    pub(super) fn erasures(&self) -> impl Iterator<Item = (RecordId, SpaceId, usize)> {
        let pending = |entry: &EntryId| {
            let waits = |pending: &Pending| matches!(pending, Pending::Erased(waits) if waits == entry);
            self.pending.values().flatten().any(waits)
        };
        self.erased.iter().filter(move |(entry, _)| !pending(entry)).map(|(_, erased)| *erased)
    }
    /// A node acknowledged an entry of its own: what no person wrote, it said again.
    pub(super) fn own_entry(&mut self, entry: EntryId, record: RecordId, begins: bool) {
        if !self.said.contains(&entry) {
            self.restated.insert(entry, (record, begins));
        }
    }
    /// What a node sees of a record that holds these entries: writes held with all they had seen.
    pub(super) fn visible(&self, record: RecordId, holds: impl Fn(&Place) -> bool) -> BTreeSet<u64> {
        let of_record = self.writes.iter().filter(|(_, write)| write.record == record);
        let held: BTreeSet<u64> = of_record.filter(|(_, write)| holds(&write.place)).map(|(id, _)| *id).collect();
        held.iter().filter(|id| self.writes[id].seen.is_subset(&held)).copied().collect()
    }
    /// What nodes wrote and made durable.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = (u64, &Write)> {
        let pending = self.pending.values().flatten();
        let pending = pending.filter_map(|pending| if let Pending::Write(id) = pending { Some(*id) } else { None });
        let pending: BTreeSet<u64> = pending.collect();
        self.writes.iter().filter(move |(id, _)| !pending.contains(id)).map(|(id, write)| (*id, write))
    }
    /// What others wrote in a field in place of a word of a write, having seen that or read the word.
    pub(super) fn wrote_over<'a>(
        &'a self,
        write: u64,
        field: &'a str,
        word: &'a str,
    ) -> impl Iterator<Item = (&'a Write, &'a str)> {
        let over = move |other: &&Write| other.seen.contains(&write) || other.read.contains(word);
        let others = self.writes.values().filter(over);
        others.filter_map(move |other| Some((other, other.fields.get(field)?.as_str())))
    }
    /// What must show in a space where these entries stand.
    pub(super) fn shows(&self, space: SpaceId, stands: &BTreeSet<EntryId>) -> BTreeMap<RecordId, Shown<'_>> {
        let mut shown: BTreeMap<RecordId, Shown<'_>> = BTreeMap::new();
        let held = |id: &u64| self.writes.get(id).is_some_and(|write| stands.contains(&write.place.2));
        for (id, write) in self.writes.iter().filter(|(id, _)| held(id)) {
            let record = shown.entry(write.record).or_default();
            if write.seen.iter().all(held) {
                record.creation = record.creation.or(write.creation);
                record.writes.insert(*id, write);
            } else {
                record.void += 1;
            }
        }
        shown.retain(|_, record| record.creation.is_some_and(|creation| creation.space == space));
        shown
    }

    /// All that a node did is durable.
    pub(super) fn flushed(&mut self, node: usize) {
        self.pending.remove(&node);
    }
    /// What a node did and was not durable never happened.
    pub(super) fn crashed(&mut self, node: usize) {
        for pending in self.pending.remove(&node).unwrap_or_default() {
            match pending {
                Pending::Write(id) => drop(self.writes.remove(&id)),
                Pending::Used(ticket) => {
                    if let Some(issued) = self.tickets.get_mut(&ticket) {
                        issued.used_by = None;
                    }
                }
                Pending::Issued(ticket) => drop(self.tickets.remove(&ticket)),
                Pending::Erased(entry) => drop(self.erased.remove(&entry)),
            }
        }
    }
}

/// What must show of a record.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown<'a> {
    /// What made it.
    pub(super) creation: Option<Creation>,
    /// What counts.
    writes: BTreeMap<u64, &'a Write>,
    /// How many changes do not: something that they rest on was cut.
    pub(super) void: u32,
}

impl Shown<'_> {
    /// For each field what it may hold: one value where the writes agree.
    pub(super) fn fields(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let names: BTreeSet<&str> = self.writes.values().flat_map(|w| w.fields.keys()).map(String::as_str).collect();
        names.into_iter().map(|name| (name, self.last(name))).collect()
    }
    fn last(&self, name: &str) -> BTreeSet<&str> {
        let of = || self.writes.iter().filter(|(_, write)| write.fields.contains_key(name));
        let seen: BTreeSet<u64> = of().flat_map(|(_, write)| write.seen.iter().copied()).collect();
        of().filter(|(id, _)| !seen.contains(id)).map(|(_, write)| write.fields[name].as_str()).collect()
    }
}
