//! What one node has acknowledged: what the invariants hold it to after every crash.
//!
//! Logs grow, but for what stands above a cut or a fork, which must say so and be kept aside.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::charter::{Charter, Voted};
use staffroom_protocol::id::{DecisionId, DeviceId, EntryId, OperationId, RecordId, SchoolId, SpaceId, WriterId};
use staffroom_protocol::log::EntryKind;
use staffroom_protocol::replica::{Notice, Replica};
use staffroom_protocol::store::{MemoryStore, Read, Table};

use super::event_log::fnv;
use super::invariants::{self, Violation};
use super::model::Model;
use super::stored;

/// What a node acknowledged of one space.
#[derive(Debug, Clone, Default)]
pub(super) struct SpaceWitness {
    /// The entries of each log, in order.
    pub(super) logs: BTreeMap<WriterId, Vec<EntryId>>,
    /// The proposals that this node's school has answered and that may still be decided.
    pub(super) answered: BTreeMap<DecisionId, Voted>,
    /// The decisions, in order.
    pub(super) decisions: Vec<DecisionId>,
    /// The operations.
    pub(super) operations: BTreeMap<OperationId, DeviceId>,
    /// The hash of the charter, when it was last flushed.
    pub(super) charter: [u8; 32],
    /// The hash of the frontier, when it was last flushed.
    pub(super) frontier: [u8; 32],
    cards: BTreeMap<RecordId, u64>,
    /// The sum of the hashes of all cards.
    pub(super) shown: u64,
}

/// What a node acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct Witness {
    /// By space.
    pub(super) spaces: BTreeMap<SpaceId, SpaceWitness>,
    /// How far each log was ever acknowledged, of an earlier state of the store too: partners know.
    pub(super) reached: BTreeMap<(SpaceId, WriterId), u64>,
    /// Entries newly held since the beginning.
    pub(super) held: u64,
}

/// The hash of a record's card as it lies in the store.
fn card_hash(store: &MemoryStore, record: RecordId) -> Result<u64, Violation> {
    let card = store.get(Table::Cards, &record.0).map_err(|fault| Violation::new("store_reads", fault))?;
    Ok(card.map_or(0, |card| fnv(&[&record.0[..], &card].concat())))
}

impl SpaceWitness {
    fn take_card(&mut self, record: RecordId, hash: u64) {
        let before = self.cards.insert(record, hash).unwrap_or_default();
        self.shown = self.shown.wrapping_sub(before).wrapping_add(hash);
    }
    fn take_charter(&mut self, charter: &Charter, school: SchoolId, model: &mut Model) -> Result<(), Violation> {
        let whole = charter.whole();
        let decisions: Vec<DecisionId> = whole.decisions.iter().map(|complete| complete.decision.id()).collect();
        let operations = whole.operations.iter().map(|operation| (operation.id(), operation.device())).collect();
        invariants::charter_never_goes_back(self, charter, &decisions, &operations, &model.tainted)?;
        let new = whole.decisions.iter().skip(self.decisions.len());
        for voted in new {
            let agreed = model.decided(charter.space(), voted);
            Violation::unless(agreed, "only_a_majority_decides", || format!("{:?}", voted.decision))?;
        }
        let new = whole.operations.iter().filter(|operation| !self.operations.contains_key(&operation.id()));
        model.done(charter.space(), new);
        (self.decisions, self.operations, self.charter) = (decisions, operations, charter.hash());
        invariants::votes_are_never_lost(self, charter, school)?;
        let own = |voted: &&Voted| voted.votes.iter().any(|vote| vote.school == school);
        self.answered = charter.proposals().filter(own).map(|voted| (voted.decision.id(), voted.clone())).collect();
        Ok(())
    }
}

impl Witness {
    /// How far a log was ever acknowledged.
    pub(super) fn reached(&self, space: SpaceId, writer: &WriterId) -> u64 {
        self.reached.get(&(space, *writer)).copied().unwrap_or_default()
    }
    /// A flush returned: checks and remembers what it acknowledged.
    pub(super) fn flushed(
        &mut self,
        node: usize,
        replica: &Replica<MemoryStore>,
        notices: &[Notice],
        model: &mut Model,
    ) -> Result<(), Violation> {
        let mut touched = BTreeSet::new();
        for notice in notices {
            match *notice {
                Notice::Charter(space) => {
                    touched.insert(space);
                    let charter = invariants::space_is_held(replica, space)?.durable_charter();
                    self.spaces.entry(space).or_default().take_charter(charter, replica.school(), model)?;
                }
                Notice::Entries(space, writer) => {
                    touched.insert(space);
                    self.take_log(replica, space, writer, model)?;
                }
                // The entry and the record say so themselves.
                Notice::Restated(..) | Notice::Wanted(_) | Notice::Blob(..) => {}
                Notice::Record(space, record) => {
                    let hash = card_hash(replica.store(), record)?;
                    self.spaces.entry(space).or_default().take_card(record, hash);
                }
            }
        }
        for id in touched {
            let space = invariants::space_is_held(replica, id)?;
            let witness = self.spaces.entry(id).or_default();
            witness.frontier = space.state_hash();
            invariants::only_enrolled_writers_are_held(space)?;
            invariants::frontier_is_what_is_held(node, space, witness)?;
            invariants::one_ticket_admits_one_school(space)?;
            invariants::only_who_signs_twice_is_named(space, &model.tainted)?;
        }
        Ok(())
    }

    /// Reads the entries that a log got since the last flush.
    fn take_log(
        &mut self,
        replica: &Replica<MemoryStore>,
        space: SpaceId,
        writer: WriterId,
        model: &mut Model,
    ) -> Result<(), Violation> {
        let held = invariants::space_is_held(replica, space)?;
        let enrolled = held.durable_charter().resolved().writers.get(&writer);
        let own = enrolled.is_some_and(|enrolled| enrolled.device == replica.device());
        let row = stored::log(replica.store(), space, writer).map_err(|why| Violation::new("logs_are_stored", why))?;
        let witness = self.spaces.entry(space).or_default();
        let log = witness.logs.entry(writer).or_default();
        // What was held of another history is put aside; what leads to the end comes in its place.
        let mut same = log.len().min(usize::try_from(row.entries).unwrap_or(usize::MAX));
        while same > 0 {
            let entry = stored::entry(replica.store(), row.number, same as u64 - 1);
            if entry.map_err(|why| Violation::new("logs_have_no_gaps", why))?.id() == log[same - 1] {
                break;
            }
            same -= 1;
        }
        let gives_way = own && held.own_writer() != writer && model.tainted.contains(&replica.device());
        invariants::only_a_cut_shortens(held, writer, log, same, gives_way)?;
        invariants::what_is_cut_is_kept_aside(replica, space, writer, same, &log[same..])?;
        log.truncate(same);
        for seq in log.len() as u64..row.entries {
            let entry = stored::entry(replica.store(), row.number, seq);
            let entry = entry.map_err(|why| Violation::new("logs_have_no_gaps", why))?;
            invariants::no_entry_of_another_space(&entry, space, writer)?;
            invariants::logs_have_no_gaps(&entry, seq, log.last())?;
            invariants::entries_come_from_their_writer(&entry, &mut model.written, own)?;
            log.push(entry.id());
            if own {
                let header = entry.header();
                model.own_entry(entry.id(), header.record, header.kind == EntryKind::Genesis);
            }
            let known = model.logs.entry((space, writer)).or_default();
            if known.len() as u64 == seq {
                known.push(entry.id());
            }
            invariants::held_entries_are_signed(entry)?;
            self.held += 1;
        }
        let reached = self.reached.entry((space, writer)).or_default();
        *reached = row.entries.max(*reached);
        invariants::head_is_the_last_entry(writer, log.last(), row.head)
    }

    /// A node started again: everything that it acknowledged must be there, and nothing else.
    pub(super) fn restarted(&mut self, node: usize, replica: &Replica<MemoryStore>) -> Result<(), Violation> {
        invariants::acknowledged_is_never_lost(self, replica)?;
        for (id, witness) in &mut self.spaces {
            let space = invariants::space_is_held(replica, *id)?;
            invariants::frontier_is_what_is_held(node, space, witness)?;
            invariants::votes_are_never_lost(witness, space.durable_charter(), replica.school())?;
            let (charter, frontier) = (space.durable_charter().hash(), space.state_hash());
            let same = charter == witness.charter && (frontier == witness.frontier || witness.logs.is_empty());
            Violation::unless(same, "a_restart_changes_nothing", || format!("node {node}, space {id:?}"))?;
            let mut shown = 0u64;
            for record in witness.cards.keys() {
                shown = shown.wrapping_add(card_hash(replica.store(), *record)?);
            }
            Violation::unless(shown == witness.shown, "a_restart_changes_nothing", || format!("cards of node {node}"))?;
        }
        Ok(())
    }
}
