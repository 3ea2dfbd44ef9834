//! Charters in the store: read when it is opened, staged when they grow, with what follows from that.

use std::collections::{BTreeMap, BTreeSet};

use super::{Notice, Replica, rows, split_ids};
use crate::bytes;
use crate::charter::{Grown, Missing, Operation};
use crate::fault::Fault;
use crate::id::{SchoolId, SpaceId};
use crate::log::Fork;
use crate::store::{Read, Store, Table};

impl<S: Store> Replica<S> {
    pub(super) fn open_proposals(&mut self) -> Result<(), Fault> {
        let mut proposals = Vec::new();
        self.store.scan(Table::Proposals, &[], &[], &mut |key, value| {
            proposals.push((SpaceId(split_ids(key)?.0), bytes::decode(value, "proposal")?));
            Ok(true)
        })?;
        let mut decided = BTreeSet::new();
        for (space, voted) in proposals {
            let Some(held) = self.spaces.get_mut(&space).filter(|_| !decided.contains(&space)) else { continue };
            match held.charter_mut().take_proposal(voted)? {
                // What it had seen came later than its votes: it is complete now, and not durable yet.
                Some(grown) if !grown.is_empty() => {
                    decided.insert(space);
                    self.stage_charter(space, &grown)?;
                }
                _ => held.became_durable(),
            }
        }
        Ok(())
    }
    /// Which of its writers this store writes with.
    pub(super) fn open_writers(&mut self) -> Result<(), Fault> {
        let Self { store, spaces, me, .. } = self;
        store.scan(Table::Writers, &[], &[], &mut |key, value| {
            let malformed = || Fault::Malformed { what: "number of a writer" };
            let space = SpaceId(key.try_into().map_err(|_| malformed())?);
            let generation = u32::from_be_bytes(value.try_into().map_err(|_| malformed())?);
            if let Some(space) = spaces.get_mut(&space) {
                space.set_generation(generation, me);
            }
            Ok(true)
        })
    }
    pub(super) fn open_forks(&mut self) -> Result<(), Fault> {
        let mut forks: Vec<Fork> = Vec::new();
        self.store.scan(Table::Forks, &[], &[], &mut |_, value| {
            forks.push(bytes::decode(value, "fork")?);
            Ok(true)
        })?;
        for fork in forks {
            let (space, writer, _) = fork.place();
            if let Some(space) = self.spaces.get_mut(&space) {
                space.set_fork(writer, fork);
                space.became_durable();
            }
        }
        Ok(())
    }

    /// Stages what a charter came to be, and what follows from it: where logs end, and that this
    /// store's writer is enrolled where this school has come to be one that writes.
    pub(super) fn stage_charter(&mut self, space: SpaceId, grown: &Grown) -> Result<(), Fault> {
        if grown.is_empty() {
            return Ok(());
        }
        if grown.rewritten {
            self.unstage_charter(space)?;
            let whole = self.space(&space)?.charter().whole();
            self.stage_parts(space, &whole);
        } else {
            self.stage_parts(space, &grown.new);
        }
        self.stage_proposals(space)?;
        self.notices.insert(Notice::Charter(space));
        self.follow_erasures(space)?;
        self.apply_cuts(space)?;
        // A device without the right to write only reads: no fault of who brought the charter.
        let _refused = self.renew_writer(space);
        Ok(())
    }
    pub(super) fn stage_parts(&mut self, space: SpaceId, parts: &Missing) {
        let numbered = |number: u32| [&space.0[..], &number.to_be_bytes()].concat();
        for voted in &parts.decisions {
            self.staged.put(Table::Decisions, numbered(voted.decision.number()), bytes::encode(voted));
        }
        for split in &parts.splits {
            self.staged.put(Table::Splits, numbered(split.decision.number()), bytes::encode(split));
        }
        for operation in &parts.operations {
            let key = [&space.0[..], &operation.device().0, &operation.number().to_be_bytes()].concat();
            // Of a fork, the second comes after the first.
            let first = self.staged.get(Table::Operations, &key).flatten();
            let forks = first.is_some_and(|first| first != Vec::from(operation.clone()));
            let (table, key) = if forks {
                (Table::Rivals, rows::join_ids(&space.0, &operation.device().0))
            } else {
                (Table::Operations, key)
            };
            self.staged.put(table, key, Vec::from(operation.clone()));
        }
        let held = self.spaces.get(&space).map(|space| space.charter().positions().identities).unwrap_or_default();
        for chain in &parts.identities {
            let key = rows::join_ids(&space.0, &chain.school().0);
            if held.get(&chain.school()) == Some(&chain.state_hash()) {
                self.staged.put(Table::Identities, key, bytes::encode(chain));
            } else {
                let key = [&key[..], &chain.state_hash()].concat();
                self.staged.put(Table::PastIdentities, key, bytes::encode(chain));
            }
        }
    }
    /// Removes what is stored of decisions and operations: they are written anew.
    pub(super) fn unstage_charter(&mut self, space: SpaceId) -> Result<(), Fault> {
        for table in [Table::Decisions, Table::Splits, Table::Operations, Table::Rivals, Table::PastIdentities] {
            self.unstage(table, &space.0)?;
        }
        Ok(())
    }
    /// Stages that nothing is left under a prefix.
    pub(super) fn unstage(&mut self, table: Table, prefix: &[u8]) -> Result<(), Fault> {
        let mut keys = BTreeSet::new();
        self.store.scan(table, prefix, &[], &mut |key, _| {
            keys.insert(key.to_vec());
            Ok(true)
        })?;
        let staged = self.staged.writes().filter(|(t, key, _)| *t == table && key.starts_with(prefix));
        keys.extend(staged.map(|(_, key, _)| key.to_vec()));
        for key in keys {
            self.staged.delete(table, key);
        }
        Ok(())
    }
    /// Stages what waits for votes: what does so no more is forgotten.
    pub(super) fn stage_proposals(&mut self, space: SpaceId) -> Result<(), Fault> {
        self.unstage(Table::Proposals, &space.0)?;
        let held: Vec<_> = self.space(&space)?.charter().proposals().cloned().collect();
        for voted in held {
            let by = voted.votes.first().map_or_else(SchoolId::default, |vote| vote.school);
            self.staged.put(Table::Proposals, rows::join_ids(&space.0, &by.0), bytes::encode(&voted));
        }
        self.notices.insert(Notice::Charter(space));
        Ok(())
    }
}

/// Reads all charters of a store.
pub(crate) fn read_charters<R: Read>(store: &R) -> Result<BTreeMap<SpaceId, Missing>, Fault> {
    let mut charters: BTreeMap<SpaceId, Missing> = BTreeMap::new();
    let space = |key: &[u8]| key.first_chunk::<32>().copied().map(SpaceId).ok_or(Fault::Malformed { what: "key" });
    for table in [Table::Identities, Table::PastIdentities] {
        store.scan(table, &[], &[], &mut |key, value| {
            charters.entry(space(key)?).or_default().identities.push(bytes::decode(value, "identity chain")?);
            Ok(true)
        })?;
    }
    store.scan(Table::Decisions, &[], &[], &mut |key, value| {
        charters.entry(space(key)?).or_default().decisions.push(bytes::decode(value, "decision")?);
        Ok(true)
    })?;
    store.scan(Table::Splits, &[], &[], &mut |key, value| {
        charters.entry(space(key)?).or_default().splits.push(bytes::decode(value, "decision")?);
        Ok(true)
    })?;
    for table in [Table::Operations, Table::Rivals] {
        store.scan(table, &[], &[], &mut |key, value| {
            let operation = Operation::try_from(value.to_vec())?;
            charters.entry(space(key)?).or_default().operations.push(operation);
            Ok(true)
        })?;
    }
    Ok(charters)
}
