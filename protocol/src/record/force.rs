//! Which changes of a record are in force (§2.2): a pure function of the entries held about it.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Change, ChangeHeader};
use crate::id::{ChangeHash, SchoolId, WriterId};
use crate::log::{EntryKind, Verified};

/// An entry about a record, with the school that its writer writes for.
#[derive(Debug, Clone)]
pub struct Held {
    /// The entry; its payload may be missing.
    pub entry: Verified,
    /// The school of its writer.
    pub school: SchoolId,
}

/// What is in force of a record, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InForce {
    /// Places in the list that was asked about, each after what it depends on.
    pub order: Vec<usize>,
    /// The hash of each change in `order`.
    pub hashes: Vec<ChangeHash>,
    /// What each change in `order` builds on.
    pub deps: Vec<Vec<ChangeHash>>,
    /// How many entries are not in force: void, or waiting for what they depend on.
    pub not: usize,
}

impl InForce {
    /// Whether a document at `heads` contains the change at `place` of `order`.
    pub fn contains(&self, heads: &[ChangeHash], place: usize) -> bool {
        let mut wanted: BTreeSet<ChangeHash> = heads.iter().copied().collect();
        for at in (place..self.order.len()).rev() {
            if wanted.remove(&self.hashes[at]) {
                if at == place {
                    return true;
                }
                wanted.extend(&self.deps[at]);
            }
        }
        false
    }
}

/// Finds what is in force among all entries held about one record, in whatever order they came.
pub fn in_force(held: &[Held]) -> InForce {
    let genesis = held.iter().find(|h| h.entry.header().kind == EntryKind::Genesis);
    let Some(genesis) = genesis else { return InForce { not: held.len(), ..InForce::default() } };
    let open = genesis.entry.header().flags & 1 == 1;
    let firsts = first_of_each(held);
    let candidate = |(place, h): (usize, &Held)| {
        let header = h.entry.header();
        let permitted = open || h.school == genesis.school;
        let changes = matches!(header.kind, EntryKind::Genesis | EntryKind::Change);
        if !permitted || !changes || !firsts.contains(&place) {
            return None;
        }
        let (_, bytes) = h.entry.payload()?.read().ok()?;
        let change = Change::read(bytes).ok()?;
        let change = change.header();
        let same = change.actor() == header.actor() && change.seq == u64::from(header.change_seq);
        let begins = change.deps.is_empty() == (header.kind == EntryKind::Genesis);
        (same && begins).then(|| (change.hash, Candidate::new(place, change)))
    };
    let mut waiting: BTreeMap<ChangeHash, Candidate> = held.iter().enumerate().filter_map(candidate).collect();
    // The highest operation number in the causal past of each change in force, its own counted.
    let mut done: BTreeMap<ChangeHash, u64> = BTreeMap::new();
    let mut result = InForce::default();
    // Each round takes those whose dependencies are in force, in the order of their hashes.
    loop {
        let complete = |c: &Candidate| c.deps.iter().all(|dep| done.contains_key(dep));
        let ready: Vec<ChangeHash> = waiting.iter().filter(|(_, c)| complete(c)).map(|(hash, _)| *hash).collect();
        if ready.is_empty() {
            break;
        }
        for hash in ready {
            let Some(candidate) = waiting.remove(&hash) else { continue };
            let highest = candidate.deps.iter().filter_map(|dep| done.get(dep)).max().copied().unwrap_or(0);
            if candidate.operations.0 != highest + 1 {
                continue;
            }
            done.insert(hash, candidate.operations.1);
            result.order.push(candidate.place);
            result.hashes.push(hash);
            result.deps.push(candidate.deps);
        }
    }
    result.not = held.len() - result.order.len();
    result
}

/// A change that is in force if what it builds on is.
struct Candidate {
    place: usize,
    deps: Vec<ChangeHash>,
    /// The numbers of its first and its last operation.
    operations: (u64, u64),
}

impl Candidate {
    fn new(place: usize, change: &ChangeHeader) -> Self {
        Self { place, deps: change.deps.clone(), operations: (change.start_op, change.last_op()) }
    }
}

/// Of entries of one log with the same lane and change seq, the earliest counts.
fn first_of_each(held: &[Held]) -> BTreeSet<usize> {
    let mut firsts: BTreeMap<(WriterId, u8, u32), (u64, usize)> = BTreeMap::new();
    for (place, h) in held.iter().enumerate() {
        let header = h.entry.header();
        let first = firsts.entry((header.writer, header.lane, header.change_seq)).or_insert((header.seq, place));
        *first = (*first).min((header.seq, place));
    }
    firsts.into_values().map(|(_, place)| place).collect()
}
