//! Automerge, for records that have been edited (3-records).
//!
//! A document is a cache of changes, built when someone edits or when changes must be merged, and
//! never kept for the truth. All of Automerge runs behind `catch_unwind`: what passed the reader and
//! fits its past ([`Past::admit`]) and is refused here is this node's own fault, not the change's (§2.3). A document is read once,
//! when it is built or edited; its fields are then at hand.

mod read;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use automerge::{Automerge, TextEncoding};

use super::{
    change::{Change, Void},
    field::{Fields, Value},
    force::{Held, InForce, changes},
    past::Past,
};
use crate::{
    id::ChangeHash,
    planted::{self, Planted},
};

pub(super) use read::{Stands, blobs, objects, read as read_fields, standing, union};

/// This node cannot show or edit the record, though its entries are good (§2.3).
///
/// The node shows the last good view, refuses edits, and tries again after an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalFault {
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

/// The changes of one record, merged.
#[derive(Debug, Clone)]
pub struct Document {
    pub(super) automerge: Automerge,
    pub(super) past: Past,
    fields: Fields,
    conflicts: BTreeMap<String, Vec<Value>>,
}

impl Document {
    /// Merges changes, each after those that it builds on.
    pub fn build<'a>(changes: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, LocalFault> {
        let mut past = Past::default();
        let mut read = Vec::new();
        for bytes in changes {
            past.admit(&Change::read(bytes)?)?;
            read.push(bytes);
        }
        Self::merge(past, &read)
    }
    /// Merges changes, each after those that it builds on, that are all of `past`.
    pub(super) fn merge(past: Past, changes: &[&[u8]]) -> Result<Self, LocalFault> {
        // Places in a text are counted in characters, whatever features other crates turn on.
        let empty = Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint);
        guarded(|| Self::with(apply(empty, changes)?, past))
    }
    /// The document of what is in force among entries held about a record.
    pub(crate) fn of_record(force: &InForce, held: &[Held]) -> Result<Self, LocalFault> {
        Self::merge(force.past.clone(), &changes(held, &force.order))
    }
    /// The same for a document of earlier changes of that record: only what came since is merged. Where some
    /// of the earlier ones are in force no more, a document is built anew.
    pub(crate) fn brought_up(self, force: &InForce, held: &[Held]) -> Result<Self, LocalFault> {
        if !self.past.heads().iter().all(|head| force.past.contains(head)) {
            return Self::of_record(force, held);
        }
        let new = force.changes().filter(|(_, hash, _)| !self.past.contains(hash));
        let new: Vec<usize> = new.map(|(place, ..)| place).collect();
        if new.is_empty() {
            return Ok(self);
        }
        let new = changes(held, &new);
        guarded(|| Self::with(apply(self.automerge, &new)?, force.past.clone()))
    }

    /// Reads a document that has taken in all these changes.
    pub(super) fn with(automerge: Automerge, past: Past) -> Result<Self, LocalFault> {
        let mut applied: Vec<ChangeHash> = automerge.get_heads().into_iter().map(|head| ChangeHash(head.0)).collect();
        applied.sort_unstable();
        if applied != past.heads() {
            return Err(LocalFault::Incomplete);
        }
        let (fields, conflicts) = read::read(&automerge)?;
        Ok(Self { automerge, past, fields, conflicts })
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
    /// What its changes weigh ([`Past::weight`]).
    pub(crate) fn weight(&self) -> u64 {
        self.past.weight()
    }
    /// The changes that no other builds on, ascending.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.past.heads()
    }
}

fn apply(mut document: Automerge, changes: &[&[u8]]) -> Result<Automerge, LocalFault> {
    let changes: Result<Vec<_>, _> = changes.iter().map(|bytes| automerge::Change::try_from(*bytes)).collect();
    document.apply_changes(changes.map_err(|error| LocalFault::Refused(error.to_string()))?)?;
    Ok(document)
}

/// Runs Automerge; a panic in it is a fault like any other.
pub(super) fn guarded<T, E: From<LocalFault>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    if planted::is(Planted::LibraryFails) {
        return Err(LocalFault::Panicked("planted".to_owned()).into());
    }
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(LocalFault::Panicked(panic_message(panic.as_ref())).into()))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given").to_owned()
}
