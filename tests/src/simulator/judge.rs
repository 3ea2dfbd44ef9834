//! All agree: whether what they agree on is what it must be.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::{Catalogue, Record};
use staffroom_protocol::charter::Role;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{EntryId, RecordId, SchoolId, SpaceId, WriterId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::Space;
use staffroom_protocol::store::Table;
use staffroom_protocol::verify::verify;

use super::belonging::rank;
use super::invariants::Violation;
use super::world::World;

impl World {
    /// All agree: compares what they agree on with the model.
    pub(super) fn judge(&mut self) -> Result<(), Violation> {
        let own = self.nodes.iter().filter_map(|node| node.own_space);
        for space in self.clusters.iter().copied().chain(own).collect::<Vec<_>>() {
            let mut holders = self.holders(space);
            if !self.clusters.contains(&space) {
                // Two machines with one key tell each other nothing.
                holders.retain(|number| !self.is_tainted(*number));
            }
            for number in &holders {
                self.judge_node(*number, space)?;
            }
            self.judge_forks(space, &holders)?;
            self.judge_erasures(space, &holders)?;
            for number in &holders {
                let held = self.held(*number, space)?;
                let writes = held.charter().resolved().role(&self.nodes[*number].school) > Some(Role::Reader);
                let stuck = held.charter().forked_devices().any(|device| device == self.nodes[*number].device);
                let goes_on = !writes || stuck || self.can_write(*number, space);
                Violation::unless(goes_on, "the_device_goes_on", || format!("node {number}, {space:?}"))?;
            }
            // Their cards are the same; of two of them, all that is shown.
            let Some(first) = holders.first() else { continue };
            let other = *self.random.pick(&holders);
            let records = self.records(*first, space)?;
            self.judge_records(space, *first, &records)?;
            let same = other == *first || records == self.records(other, space)?;
            Violation::unless(same, "one_view_per_frontier", || format!("node {other} at the end"))?;
        }
        self.judge_together()?;
        self.check_stores()?;
        self.counts.more("entries restated", self.model.restated.len() as u64);
        self.counts.more("entries written", self.model.logs.values().map(|log| log.len() as u64).sum());
        self.counts.more("entries held", self.witnesses.iter().map(|witness| witness.held).sum());
        let members = self.clusters.iter().map(|space| self.model.standing(space).members.len() as u64);
        let members = members.sum();
        self.counts.more("members", members);
        Ok(())
    }

    /// One node's store is checked as `share verify` does, and its caches are made anew: they must come
    /// out as they were, though its entries now come in another order.
    fn check_stores(&mut self) -> Result<(), Violation> {
        let fault = |fault: Fault| Violation::new("stores_are_sound", fault);
        let number = self.random.place(self.nodes.len());
        let replica = self.nodes[number].replica.as_mut().expect("all nodes run when they agree");
        let report = verify(replica.store(), &mut |_| ()).map_err(fault)?;
        Violation::unless(report.wrong.is_empty(), "stores_are_sound", || format!("{:?}", report.wrong))?;
        // What is staged still is no cache: it becomes durable by the way.
        replica.flush().map_err(fault)?;
        let before: Vec<_> =
            replica.store().iter().map(|(table, key, value)| (table, key.to_vec(), value.to_vec())).collect();
        replica.rebuild().and_then(|()| replica.flush()).map_err(fault)?;
        let rows = before.iter().filter(|(table, ..)| *table != Table::Records);
        let rows: BTreeSet<_> = rows.map(|(table, key, value)| (*table, &key[..], &value[..])).collect();
        let again: BTreeSet<_> = replica.store().iter().filter(|(table, ..)| *table != Table::Records).collect();
        let other: Vec<_> = rows.symmetric_difference(&again).map(|(table, key, _)| (table, key)).collect();
        Violation::unless(other.is_empty(), "caches_can_be_made_anew", || format!("node {number}: {other:?}"))
    }

    /// Whether a node's school ran twice with one key, or went on from an earlier state.
    fn is_tainted(&self, number: usize) -> bool {
        self.model.tainted.contains(&self.nodes[number].device)
    }
    fn held(&self, number: usize, space: SpaceId) -> Result<&Space, Violation> {
        let replica = self.nodes[number].replica.as_ref();
        replica
            .expect("all nodes run when they agree")
            .space(&space)
            .map_err(|fault| Violation::new("spaces_stay", fault))
    }

    /// Who belongs, and where logs end, is what the account says, unless that is silent.
    pub(super) fn judge_members(&self, number: usize, space: SpaceId) -> Result<(), Violation> {
        if self.model.unclear.contains(&space) {
            return Ok(());
        }
        let held = self.held(number, space)?;
        let resolved = held.charter().resolved();
        let standing = self.model.standing(&space);
        let members: BTreeMap<SchoolId, u8> = resolved.members.iter().map(|(s, m)| (*s, rank(m.role))).collect();
        let found = || format!("node {number}: {members:?}, not {:?}", standing.members);
        Violation::unless(members == standing.members, "members_are_as_expected", found)?;
        let end = |writer: &staffroom_protocol::charter::Writer| writer.cut.map(|cut| (cut.next, cut.head));
        let writers: BTreeMap<_, _> = resolved.writers.iter().map(|(id, w)| (*id, (w.school, end(w)))).collect();
        let found = || format!("node {number}: {writers:?}, not {:?}", standing.writers);
        Violation::unless(writers == standing.writers, "logs_end_as_expected", found)
    }

    fn judge_node(&self, number: usize, space: SpaceId) -> Result<(), Violation> {
        self.judge_members(number, space)?;
        if self.model.unclear.contains(&space) {
            return Ok(());
        }
        let held = self.held(number, space)?;
        let standing = self.model.standing(&space);
        for (writer, (school, end)) in &standing.writers {
            self.judge_log(space, (number, held), *writer, school, *end)?;
        }
        let known = held.frontier().0.keys().all(|writer| standing.writers.contains_key(writer));
        Violation::unless(known, "only_enrolled_writers_are_held", || format!("node {number}, {space:?}"))
    }

    /// A log is held as far as its school acknowledged it; where it ends, as far as any member ever did.
    fn judge_log(
        &self,
        space: SpaceId,
        (number, held): (usize, &Space),
        writer: WriterId,
        school: &SchoolId,
        end: Option<(u64, EntryId)>,
    ) -> Result<(), Violation> {
        const NAME: &str = "every_acknowledged_entry_is_everywhere";
        if self.nodes.iter().any(|node| node.school == *school && self.is_tainted(node.number)) {
            return Ok(());
        }
        let known = self.model.logs.get(&(space, writer)).map_or(&[][..], Vec::as_slice);
        let reached = |node: usize| self.witnesses[node].reached(space, &writer);
        let members = self.holders(space).into_iter().map(reached).max().unwrap_or_default();
        let expected = end.map_or(known.len() as u64, |(next, _)| next.min(members));
        let (next, head) = (held.frontier().next(&writer), held.frontier().head(&writer));
        let last = usize::try_from(next).ok().and_then(|next| known.get(next.checked_sub(1)?)).copied();
        let found = || format!("node {number} holds {next} of {writer:?}, not {expected} of {}; {end:?}", known.len());
        Violation::unless(next == expected && head == last.unwrap_or_default(), NAME, found)
    }

    /// A fork is named by all who held what stands above it, and no log goes on above one.
    fn judge_forks(&mut self, space: SpaceId, holders: &[usize]) -> Result<(), Violation> {
        let mut forks: BTreeMap<WriterId, u64> = BTreeMap::new();
        for number in holders {
            for (_, writer, seq) in self.held(*number, space)?.forks().map(staffroom_protocol::log::Fork::place) {
                let lowest = forks.entry(writer).or_insert(seq);
                *lowest = seq.min(*lowest);
            }
        }
        self.counts.more("forks", forks.len() as u64);
        for number in holders {
            let held = self.held(*number, space)?;
            for (writer, seq) in &forks {
                let named = held.forks().any(|fork| fork.place() == (space, *writer, *seq));
                let reached = self.witnesses[*number].reached(space, writer);
                let next = held.frontier().next(writer);
                let found = || format!("node {number}: {next} of {writer:?}, forked at {seq}, held to {reached}");
                Violation::unless(
                    next == *seq && (named || reached <= *seq || self.is_tainted(*number)),
                    "forks_are_known_to_all",
                    found,
                )?;
            }
        }
        Ok(())
    }

    /// All records that a node lists in a space, newest first, each in full.
    fn records(&self, number: usize, space: SpaceId) -> Result<Vec<Record>, Violation> {
        let fault = |fault: Fault| Violation::new("catalogue_reads", fault);
        let replica = self.nodes[number].replica.as_ref().expect("all nodes run when they agree");
        let catalogue = Catalogue(replica.store());
        let mut ids: Vec<RecordId> = Vec::new();
        let mut list = |card: staffroom_protocol::record::Card| {
            ids.push(card.id);
            true
        };
        catalogue.newest(&space, &mut list).map_err(fault)?;
        let full =
            |id: &RecordId| catalogue.record(id).map_err(fault)?.ok_or_else(|| Violation::new("catalogue_reads", id));
        ids.iter().map(full).collect()
    }

    fn judge_records(&self, space: SpaceId, number: usize, records: &[Record]) -> Result<(), Violation> {
        let logs = &self.witnesses[number].spaces[&space].logs;
        let stands: BTreeSet<EntryId> = logs.values().flatten().copied().collect();
        let erased = self.erased_at(number, space);
        let mut expected = self.model.shows(space, &stands);
        expected.retain(|record, _| !erased.contains(record));
        let shown: BTreeSet<RecordId> = records.iter().map(|record| record.card.id).collect();
        // Records that nodes began by themselves, to say words again.
        let again = self.model.restated.iter().filter(|(entry, (_, begins))| *begins && stands.contains(*entry));
        let all: BTreeSet<RecordId> = expected
            .keys()
            .copied()
            .chain(again.map(|(_, (record, _))| *record))
            .filter(|record| !erased.contains(record))
            .collect();
        let found = || format!("{} records, not {}", shown.len(), all.len());
        Violation::unless(shown == all, "every_record_is_shown", found)?;
        // What nodes said again builds on what they held just then: of such records the account says
        // whose words must be there, and not which of them is last.
        let touched: BTreeSet<RecordId> = self.model.restated.values().map(|(record, _)| *record).collect();
        self.judge_words(space, &stands, records)?;
        for record in records.iter().filter(|record| !touched.contains(&record.card.id)) {
            let writes = &expected[&record.card.id];
            let same = writes.creation.is_some_and(|m| m.school == record.card.school && m.open == record.card.open);
            let found = || format!("{:?}, not {:?}", writes.creation, record.card);
            Violation::unless(same, "every_record_is_shown", found)?;
            let found = || format!("{} of {:?}, not {}", record.card.not_in_force, record.card.id, writes.void);
            Violation::unless(record.card.not_in_force == writes.void, "honest_changes_are_in_force", found)?;
            for (field, values) in writes.fields() {
                let is = record.view.fields.get(field).and_then(Value::as_str).unwrap_or_default();
                let merged = field == "body" && values.len() > 1;
                let found = || format!("{field} of {:?} is {is:?}, not of {values:?}", record.card.id);
                Violation::unless(merged || values.contains(is), "views_are_as_the_model_says", found)?;
                let unique = field == "title" || field == "summary";
                let conflict = record.view.conflicts.contains_key(field);
                let found = || format!("{field} of {:?}: {values:?}, {:?}", record.card.id, record.view.conflicts);
                Violation::unless(!unique || conflict == (values.len() > 1), "conflicts_stay_visible", found)?;
            }
        }
        Ok(())
    }
}
