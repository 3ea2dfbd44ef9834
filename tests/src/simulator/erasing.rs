//! Erasing: what is erased is nowhere, whoever was off, put back or told late; and everybody says so.

use std::collections::BTreeSet;

use staffroom_protocol::charter::Body;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SpaceId};
use staffroom_protocol::log::{Entry, SIGNED_HEADER};
use staffroom_protocol::replica::{EditFault, Space, Wiped};
use staffroom_protocol::store::{MemoryStore, Read, Table};
use staffroom_protocol::sync::Message;

use super::invariants::Violation;
use super::node::School;
use super::world::World;

impl World {
    /// Someone erases a record of their school; a steward has it decided now and then.
    pub(super) fn erase(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let Some(card) = self.some_card(number, space) else { return Ok(()) };
        if self.random.per_mille(200) && self.clusters.contains(&space) {
            return self.propose_to_erase(number, space, card.id);
        }
        let Some(next) = self.next_place(number, space) else { return Ok(()) };
        let node = &mut self.nodes[number];
        let (now, own) = (node.clock(self.now_ms), card.school == node.school);
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        match replica.erase(&card.id, now) {
            Ok(true) => {
                let place = self.place(number, space, next);
                self.model.erased(number, space, card.id, place.2);
                self.counts.one("erasures");
                self.say(format_args!("n{number} erases {:?}", card.id));
                self.flush_soon(number);
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(EditFault::NotOwner(_)) if !own => Ok(()),
            Err(EditFault::NoSuchRecord) if self.plan.belonging > 0 || !self.model.tainted.is_empty() => Ok(()),
            Err(fault) => self.refused_write(number, space, &fault),
        }
    }
    fn propose_to_erase(&mut self, number: usize, space: SpaceId, record: RecordId) -> Result<(), Violation> {
        let replica = self.nodes[number].replica.as_ref();
        let genesis = replica.and_then(|replica| replica.genesis_of(&record).ok().flatten());
        let Some((_, writer, seq)) = genesis else { return Ok(()) };
        self.model.may_be_erased.insert(record);
        let body = Body::Erase(record, writer, seq);
        self.propose(number, space, |replica| replica.propose(space, body)).map(drop)
    }

    /// What is erased goes from a node's store for good, as soon as that can be done.
    pub(super) fn wipe(&mut self, number: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[number];
        let now = node.clock(self.now_ms);
        let Some(replica) = node.replica.as_mut().filter(|replica| replica.unwiped() > 0) else { return Ok(()) };
        match replica.wipe(now) {
            Ok(Wiped::Done(records)) => {
                self.counts.more("receipts", records as u64);
                self.flush_soon(number);
                Ok(())
            }
            Ok(Wiped::Later(_) | Wiped::Nothing) | Err(Fault::Store(_)) => Ok(()),
            Err(fault) => Err(Violation::new("receipts_are_given", fault)),
        }
    }

    /// At the end: what was acknowledged as erased is erased, nothing else is, and every member has signed.
    pub(super) fn judge_erasures(&self, space: SpaceId, holders: &[usize]) -> Result<(), Violation> {
        for number in holders {
            let replica = self.nodes[*number].replica.as_ref().expect("all nodes run when they agree");
            nothing_of_what_is_erased_is_held(*number, replica)?;
            let held = replica.space(&space).map_err(|fault| Violation::new("spaces_stay", fault))?;
            let known = held.erased().iter().all(|record| self.model.may_be_erased.contains(record));
            Violation::unless(known, "only_what_was_erased_is_erased", || {
                format!("node {number}: {:?}", held.erased())
            })?;
            // Whoever left, was removed or went on from an earlier state may have told nobody.
            let told = |by: &usize| holders.contains(by) && !self.model.tainted.contains(&self.nodes[*by].device);
            for (record, _, by) in self.model.erasures().filter(|(_, at, by)| *at == space && told(by)) {
                let found = || format!("{record:?}, erased by n{by}, is not at n{number}");
                Violation::unless(held.is_erased(&record), "erased_is_erased_everywhere", found)?;
            }
            for record in held.erased() {
                for other in holders {
                    let (school, device) = (self.nodes[*other].school, self.nodes[*other].device);
                    let given = held.erasures().has_receipt(record, school, device);
                    let found = || format!("n{number} has no receipt of n{other} for {record:?}");
                    Violation::unless(given, "every_member_gives_a_receipt", found)?;
                }
            }
        }
        Ok(())
    }
    /// What is erased at a node.
    pub(super) fn erased_at(&self, number: usize, space: SpaceId) -> BTreeSet<RecordId> {
        let replica = self.nodes[number].replica.as_ref();
        let held = replica.and_then(|replica| replica.space(&space).ok());
        held.map(|held| held.erased().clone()).unwrap_or_default()
    }
}

/// A node that knows of an erasure has no payload of the record, shows nothing of it, and keeps none aside.
pub(super) fn nothing_of_what_is_erased_is_held(number: usize, replica: &School) -> Result<(), Violation> {
    const NAME: &str = "what_is_erased_is_not_held";
    let store: &MemoryStore = replica.store();
    let erased = |entry: &Entry| {
        let header = entry.header();
        replica.space(&header.space).is_ok_and(|space| space.is_erased(&header.record))
    };
    let parsed = |signed: &[u8]| Entry::parse(signed, None).map_err(|fault| Violation::new("store_reads", fault));
    for (table, key, value) in store.iter() {
        match table {
            Table::Headers if store.get(Table::Payloads, key).is_ok_and(|payload| payload.is_some()) => {
                let entry = parsed(value)?;
                Violation::unless(!erased(&entry), NAME, || {
                    format!("n{number}: a payload of {:?}", entry.header().record)
                })?;
            }
            Table::Aside if value.len() > 1 + SIGNED_HEADER => {
                let entry = parsed(&value[1..=SIGNED_HEADER])?;
                Violation::unless(!erased(&entry), NAME, || format!("n{number}: aside, {:?}", entry.header().record))?;
            }
            Table::Cards => {
                let record = RecordId(key.try_into().map_err(|_| Violation::new("store_reads", "a short key"))?);
                Violation::unless(replica.erased(&record).is_none(), NAME, || {
                    format!("n{number}: a card of {record:?}")
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// No payload of a record leaves a node that knows it to be erased.
pub(super) fn what_is_erased_is_never_served(space: Option<&Space>, message: &Message) -> Result<(), Violation> {
    let (Some(space), Message::Entries(runs)) = (space, message) else { return Ok(()) };
    let served =
        runs.iter().flat_map(|run| &run.0).find(|e| e.payload().is_some() && space.is_erased(&e.header().record));
    Violation::unless(served.is_none(), "what_is_erased_is_never_served", || format!("{served:?}"))
}
