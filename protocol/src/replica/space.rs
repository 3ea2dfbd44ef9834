//! One space as a replica holds it: charter and frontier, as staged and as durable.

use std::collections::BTreeMap;

use super::Local;
use super::rows::{LogRow, Place};
use crate::charter::Charter;
use crate::id::{EntryId, SchoolId, SpaceId, WriterId};
use crate::log::{Frontier, Reach};

/// A space: what is durable of it is what sessions tell and send.
#[derive(Debug)]
pub struct Space {
    own_writer: WriterId,
    charter: Charter,
    frontier: Frontier,
    logs: BTreeMap<WriterId, u32>,
    durable_charter: Charter,
    durable_frontier: Frontier,
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
            own_writer: me.writer(charter.space()).public(),
            durable_charter: charter.clone(),
            charter,
            frontier: Frontier::default(),
            logs: BTreeMap::new(),
            durable_frontier: Frontier::default(),
        }
    }
    pub(super) fn restore_log(&mut self, writer: WriterId, row: LogRow) {
        let reach = Reach { next: row.next, head: row.head };
        self.frontier.0.insert(writer, reach);
        self.durable_frontier.0.insert(writer, reach);
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
        if self.durable_frontier != self.frontier {
            self.durable_frontier.clone_from(&self.frontier);
        }
        if self.durable_charter != self.charter {
            self.durable_charter.clone_from(&self.charter);
        }
    }
}
