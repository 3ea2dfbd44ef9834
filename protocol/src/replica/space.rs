//! One space as a replica holds it: charter and frontier, as staged and as durable.

use std::collections::{BTreeMap, BTreeSet};

use super::Local;
use super::cut::End;
use super::rows::{LogRow, Place};
use crate::charter::Charter;
use crate::erasure::{ErasedBy, Erasures, Mark};
use crate::hash;
use crate::id::{EntryId, RecordId, SchoolId, SpaceId, WriterId};
use crate::log::{Fork, Frontier, Reach};
use crate::planted::{self, Planted};

/// A space: what is durable of it is what sessions tell and send.
#[derive(Debug)]
pub struct Space {
    own_writer: WriterId,
    /// How many writers this store had in the space before that one.
    generation: u32,
    forks: BTreeMap<WriterId, Fork>,
    charter: Charter,
    frontier: Frontier,
    logs: BTreeMap<WriterId, u32>,
    durable_charter: Charter,
    durable_frontier: Frontier,
    /// The logs that are known to fork, and where.
    durable_forks: BTreeMap<WriterId, u64>,
    erasures: Erasures,
    /// The records that are erased, by what is held now.
    erased: BTreeSet<RecordId>,
    durable_erasures: Erasures,
    /// What is durable of them, by record.
    marks: Vec<Mark>,
    /// Whether that has to be looked up anew.
    erasures_changed: bool,
}

impl Space {
    /// A space whose charter is staged and not durable yet.
    pub(super) fn staged(charter: Charter, me: &Local) -> Self {
        let durable_charter = Charter::empty(charter.space());
        Self { durable_charter, ..Self::durable(charter, me) }
    }
    /// A space whose charter was read from the store.
    pub(super) fn durable(charter: Charter, me: &Local) -> Self {
        Self {
            own_writer: me.writer(charter.space(), 0).public(),
            generation: 0,
            forks: BTreeMap::new(),
            durable_charter: charter.clone(),
            charter,
            frontier: Frontier::default(),
            logs: BTreeMap::new(),
            durable_frontier: Frontier::default(),
            durable_forks: BTreeMap::new(),
            erasures: Erasures::default(),
            erased: BTreeSet::new(),
            durable_erasures: Erasures::default(),
            marks: Vec::new(),
            erasures_changed: false,
        }
    }
    /// The erasures and receipts that are held, with what is staged.
    pub fn erasures(&self) -> &Erasures {
        &self.erasures
    }
    pub(super) fn erasures_mut(&mut self) -> &mut Erasures {
        self.erasures_changed = true;
        &mut self.erasures
    }
    /// The records that are erased.
    pub fn erased(&self) -> &BTreeSet<RecordId> {
        &self.erased
    }
    /// Whether a record is erased.
    pub fn is_erased(&self, record: &RecordId) -> bool {
        self.erased.contains(record)
    }
    /// Whether a record is erased as far as is durable: only that is told.
    pub(crate) fn is_durably_erased(&self, record: &RecordId) -> bool {
        self.durable_erasures.erased(&self.durable_charter, record).is_some()
    }
    /// Who erased a record, where it is erased.
    pub fn erased_by(&self, record: &RecordId) -> Option<ErasedBy> {
        self.erasures.erased(&self.charter, record)
    }
    /// Whether an entry of a record may be held without its payload: it is erased, or was.
    pub(crate) fn may_be_bare(&self, record: &RecordId) -> bool {
        self.is_erased(record) || self.erasures.names(record)
    }
    /// Looks up anew which records are erased; gives back those that were not, and those that are no more.
    pub(super) fn find_erased(&mut self) -> (Vec<RecordId>, Vec<RecordId>) {
        let named = self.erasures.records().chain(self.charter.resolved().erased.keys());
        let now: BTreeSet<RecordId> =
            named.filter(|record| self.erasures.erased(&self.charter, record).is_some()).copied().collect();
        let was = core::mem::replace(&mut self.erased, now);
        let new = self.erased.difference(&was).copied().collect();
        (new, was.difference(&self.erased).copied().collect())
    }
    /// Looks up anew whether one record is erased; whether it was not before and is now.
    pub(super) fn note_erased(&mut self, record: RecordId) -> bool {
        self.erasures.erased(&self.charter, &record).is_some() && self.erased.insert(record)
    }
    /// The erasures and receipts that are durable.
    pub(crate) fn durable_erasures(&self) -> &Erasures {
        &self.durable_erasures
    }
    /// What is durable of them, by record.
    pub fn erasure_marks(&self) -> &[Mark] {
        &self.marks
    }
    /// Equal exactly when the same erasures and receipts are held (§4.1).
    pub fn erasures_hash(&self) -> [u8; 32] {
        Mark::hash(&self.marks)
    }
    /// Takes the writer of this number for this store's own.
    pub(super) fn set_generation(&mut self, generation: u32, me: &Local) {
        self.generation = generation;
        self.own_writer = me.writer(self.id(), generation).public();
    }
    /// Goes on to the next writer of this store's own that nobody has enrolled: one that is enrolled
    /// already belongs to another life of this store, or has ended too.
    pub(super) fn next_generation(&mut self, me: &Local) {
        let mut next = self.generation + 1;
        while self.end(&me.writer(self.id(), next).public()) != End::NotEnrolled {
            next += 1;
        }
        self.set_generation(next, me);
    }
    /// Whether the log of this store's writer goes on no more.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.end(&self.own_writer), End::Cut(_) | End::Fork(_))
    }
    /// The number of this store's writer among those it had in the space.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }
    /// How far a log may be held.
    pub fn end(&self, writer: &WriterId) -> End {
        match self.charter.resolved().writers.get(writer) {
            None => End::NotEnrolled,
            Some(enrolled) => match (enrolled.cut, self.forks.get(writer)) {
                (Some(_), _) if planted::is(Planted::CutIgnored) => End::Open,
                (Some(cut), _) => End::Cut(cut),
                (None, Some(fork)) => End::Fork(fork.place().2),
                (None, None) => End::Open,
            },
        }
    }
    /// Logs of which two histories are known and nobody has said which stands.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.forks.values().filter(|fork| matches!(self.end(&fork.place().1), End::Fork(_)))
    }
    /// The evidence that a log forks.
    pub(crate) fn fork(&self, writer: &WriterId) -> Option<&Fork> {
        self.forks.get(writer)
    }
    pub(super) fn set_fork(&mut self, writer: WriterId, fork: Fork) {
        self.forks.insert(writer, fork);
    }
    /// Shortens a log.
    pub(super) fn cut(&mut self, writer: WriterId, next: u64, head: EntryId) {
        if next == 0 {
            self.frontier.0.remove(&writer);
        } else {
            self.frontier.0.insert(writer, Reach { next, head });
        }
    }
    pub(super) fn restore_log(&mut self, writer: WriterId, row: LogRow) {
        let reach = Reach { next: row.next, head: row.head };
        if row.next > 0 {
            self.frontier.0.insert(writer, reach);
            self.durable_frontier.0.insert(writer, reach);
        }
        self.logs.insert(writer, row.log);
    }
    /// The space.
    pub fn id(&self) -> SpaceId {
        self.charter.space()
    }
    /// This store's writer in it.
    pub fn own_writer(&self) -> WriterId {
        self.own_writer
    }
    /// The charter, with what is staged.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }
    pub(super) fn charter_mut(&mut self) -> &mut Charter {
        &mut self.charter
    }
    /// The charter as it is durable.
    pub fn durable_charter(&self) -> &Charter {
        &self.durable_charter
    }
    /// How far logs are durable.
    #[allow(clippy::misnamed_getters, reason = "what is durable is what the outside sees")]
    pub fn frontier(&self) -> &Frontier {
        &self.durable_frontier
    }
    /// Equal exactly when the same entries are held and the same logs are known to fork.
    pub fn state_hash(&self) -> [u8; 32] {
        let frontier = self.durable_frontier.hash();
        let mut forks = Vec::new();
        for (writer, seq) in &self.durable_forks {
            forks.extend_from_slice(&writer.0);
            forks.extend_from_slice(&seq.to_le_bytes());
        }
        if forks.is_empty() { frontier } else { hash::FORKED_STATE.hash(&[&frontier, &forks]) }
    }
    /// How far logs are held, with what is staged.
    pub fn staged_frontier(&self) -> &Frontier {
        &self.frontier
    }
    /// The school that a writer writes for.
    pub fn school_of(&self, writer: &WriterId) -> Option<SchoolId> {
        self.charter.resolved().writers.get(writer).map(|writer| writer.school)
    }
    /// Where an entry lies in the store.
    pub(crate) fn place(&self, writer: &WriterId, seq: u64) -> Option<Place> {
        self.logs.get(writer).map(|log| Place { log: *log, seq })
    }
    pub(super) fn last_place(&self, writer: &WriterId) -> Option<Place> {
        let next = self.frontier.next(writer);
        self.place(writer, next.checked_sub(1)?)
    }
    pub(super) fn append(&mut self, writer: WriterId, id: EntryId, fresh: u32) -> Place {
        let log = *self.logs.entry(writer).or_insert(fresh);
        let seq = self.frontier.next(&writer);
        self.frontier.0.insert(writer, Reach { next: seq + 1, head: id });
        Place { log, seq }
    }
    pub(super) fn log_row(&self, writer: &WriterId) -> LogRow {
        let log = self.logs.get(writer).copied().unwrap_or_default();
        LogRow { log, next: self.frontier.next(writer), head: self.frontier.head(writer) }
    }
    pub(super) fn became_durable(&mut self) {
        let forks = self.forks().map(|fork| (fork.place().1, fork.place().2)).collect();
        self.durable_forks = forks;
        if self.durable_frontier != self.frontier {
            self.durable_frontier.clone_from(&self.frontier);
        }
        if self.durable_charter != self.charter {
            self.durable_charter.clone_from(&self.charter);
            self.erasures_changed = true;
        }
        if core::mem::take(&mut self.erasures_changed) {
            self.durable_erasures.clone_from(&self.erasures);
            self.marks = self.durable_erasures.marks(&self.durable_charter);
        }
    }
}
