//! Automerge, for records that have been edited (3-records).
//!
//! A document is a cache of changes, built when someone edits or when changes must be merged, and
//! never kept for the truth. All of Automerge runs behind `catch_unwind`: what passed [`Change::read`]
//! and is refused here is this node's own fault, not the change's (§2.3). A document is read once,
//! when it is built or edited; its fields are then at hand.

mod read;

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use automerge::{Automerge, TextEncoding};

use super::{
    change::{Actor, Change, ChangeHeader, Void},
    field::{Fields, Value},
};
use crate::id::ChangeHash;

pub(super) use read::{Stands, blobs, objects, read as read_fields, standing, union};

/// This node cannot show or edit the record, though its entries are good (§2.3).
///
/// The node shows the last good view, refuses edits, and tries again after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalFault {
    /// A change was given before one that it builds on, or without it.
    #[error("change {change} builds on {missing}, which is not there")]
    Missing {
        /// The change.
        change: ChangeHash,
        /// What it builds on.
        missing: ChangeHash,
    },
    /// A change was given that does not pass the reader.
    #[error("a change is void: {0}")]
    Void(#[from] Void),
    /// Automerge refused what the reader let pass.
    #[error("Automerge: {0}")]
    Refused(String),
    /// Automerge panicked.
    #[error("Automerge stopped: {0}")]
    Panicked(String),
    /// Automerge did not take in all changes, and gave no reason.
    #[error("Automerge did not apply all changes")]
    Incomplete,
}

impl From<automerge::AutomergeError> for LocalFault {
    fn from(error: automerge::AutomergeError) -> Self {
        Self::Refused(error.to_string())
    }
}

/// What the document knows of a change without asking Automerge.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) deps: Vec<ChangeHash>,
    pub(super) actor: Actor,
    pub(super) seq: u64,
}

/// The changes of one record, merged.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) automerge: Automerge,
    pub(super) changes: BTreeMap<ChangeHash, Node>,
    heads: Vec<ChangeHash>,
    fields: Fields,
    conflicts: BTreeMap<String, Vec<Value>>,
}

impl Document {
    /// Merges changes, each after those that it builds on.
    pub fn build<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, LocalFault> {
        let mut nodes = BTreeMap::new();
        let mut read = Vec::new();
        for bytes in changes {
            let change = Change::read(bytes)?;
            note(&mut nodes, change.header())?;
            read.push(bytes);
        }
        guarded(|| {
            // Places in a text are counted in characters, whatever features other crates turn on.
            let mut automerge = Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint);
            let changes: Result<Vec<_>, _> = read.iter().map(|bytes| automerge::Change::try_from(*bytes)).collect();
            automerge.apply_changes(changes.map_err(|error| LocalFault::Refused(error.to_string()))?)?;
            Self::with(automerge, nodes)
        })
    }

    /// Reads a document that has taken in all these changes.
    pub(super) fn with(automerge: Automerge, changes: BTreeMap<ChangeHash, Node>) -> Result<Self, LocalFault> {
        let heads = heads_of(&changes);
        let mut applied: Vec<ChangeHash> = automerge.get_heads().into_iter().map(|head| ChangeHash(head.0)).collect();
        applied.sort_unstable();
        if applied != heads {
            return Err(LocalFault::Incomplete);
        }
        let (fields, conflicts) = read::read(&automerge)?;
        Ok(Self { automerge, changes, heads, fields, conflicts })
    }

    /// What each field holds.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }
    /// The values of the lines, numbers and texts that were written at the same time, where they differ:
    /// the one that shows first.
    pub fn conflicts(&self) -> &BTreeMap<String, Vec<Value>> {
        &self.conflicts
    }
    /// The changes that no other builds on, ascending.
    pub fn heads(&self) -> &[ChangeHash] {
        &self.heads
    }

    /// The last number that an actor used, in the causal past of `heads` or in all changes.
    pub(super) fn last_seq(&self, actor: Actor, heads: Option<&[ChangeHash]>) -> u64 {
        let past = heads.map(|heads| self.past(heads));
        let counts = |hash: &ChangeHash| past.as_ref().is_none_or(|past| past.contains(hash));
        let own = self.changes.iter().filter(|(hash, node)| node.actor == actor && counts(hash));
        own.map(|(_, node)| node.seq).max().unwrap_or(0)
    }

    /// These changes and all that they build on.
    fn past(&self, heads: &[ChangeHash]) -> BTreeSet<ChangeHash> {
        let mut past = BTreeSet::new();
        let mut ahead: Vec<ChangeHash> = heads.to_vec();
        while let Some(hash) = ahead.pop() {
            if let (true, Some(node)) = (past.insert(hash), self.changes.get(&hash)) {
                ahead.extend(&node.deps);
            }
        }
        past
    }
}

/// Adds a change to those that are there; what it builds on must be among them.
pub(super) fn note(changes: &mut BTreeMap<ChangeHash, Node>, header: &ChangeHeader) -> Result<(), LocalFault> {
    if let Some(missing) = header.deps.iter().find(|dep| !changes.contains_key(dep)) {
        return Err(LocalFault::Missing { change: header.hash, missing: *missing });
    }
    changes.insert(header.hash, Node { deps: header.deps.clone(), actor: header.actor(), seq: header.seq });
    Ok(())
}

fn heads_of(changes: &BTreeMap<ChangeHash, Node>) -> Vec<ChangeHash> {
    let built_on: BTreeSet<&ChangeHash> = changes.values().flat_map(|node| &node.deps).collect();
    changes.keys().filter(|hash| !built_on.contains(hash)).copied().collect()
}

/// Runs Automerge; a panic in it is a fault like any other.
pub(super) fn guarded<T, E: From<LocalFault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(LocalFault::Panicked(panic_message(panic.as_ref())).into()))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given").to_owned()
}
