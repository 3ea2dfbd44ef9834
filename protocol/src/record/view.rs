//! What a record shows: its fields, what is in conflict, and the heads that a form carries.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    change::{Change, Void},
    document::{Document, LocalFault},
    field::{Fields, Value},
    force::{Held, InForce, changes},
    genesis::read_genesis,
};
use crate::id::ChangeHash;

/// Why a record cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewFault {
    /// No change was given.
    #[error("the record has no changes")]
    NoChanges,
    /// A change is void.
    #[error("a change is void: {0}")]
    Void(#[from] Void),
    /// This node cannot merge the changes.
    #[error(transparent)]
    Local(LocalFault),
}

impl From<LocalFault> for ViewFault {
    fn from(fault: LocalFault) -> Self {
        match fault {
            LocalFault::Void(void) => Self::Void(void),
            other => Self::Local(other),
        }
    }
}

/// A record as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct View {
    /// The name of its kind, known here or not; empty where it says none.
    pub kind: String,
    /// What its fields hold, `kind` among them.
    pub fields: Fields,
    /// The different values that were written at the same time, the one that shows first.
    pub conflicts: BTreeMap<String, Vec<Value>>,
    /// The changes that it was read at, ascending: an edit is made at these.
    pub heads: Vec<ChangeHash>,
}

impl View {
    /// The view of changes, each after those that it builds on. One that has no other before it is
    /// read without building a document.
    pub fn of(changes: &[&[u8]]) -> Result<Self, ViewFault> {
        match changes {
            [] => Err(ViewFault::NoChanges),
            [genesis] => {
                let change = Change::read(genesis)?;
                if let Some(missing) = change.header().deps.first() {
                    return Err(Void::Missing(*missing).into());
                }
                Ok(Self::with(read_genesis(&change)?, BTreeMap::new(), vec![change.header().hash]))
            }
            several => Ok(Self::from(&Document::build(several.iter().copied())?)),
        }
    }

    /// The view of what is in force among entries held about a record.
    pub(crate) fn of_record(force: &InForce, held: &[Held]) -> Result<Self, ViewFault> {
        if force.order.len() > 1 {
            return Ok(Self::from(&Document::of_record(force, held)?));
        }
        Self::of(&changes(held, &force.order))
    }
    /// The last view that this node can make, where it cannot make the whole one: that of as many changes as
    /// it can merge, in their order. The first is read without Automerge, so there is always one.
    pub(crate) fn last_good(force: &InForce, held: &[Held]) -> Self {
        let changes = changes(held, &force.order);
        let view = |count: usize| Self::of(changes.get(..count).unwrap_or_default()).ok();
        let (mut good, mut bad) = (1, changes.len());
        let mut best = view(good).unwrap_or_default();
        while good + 1 < bad {
            let middle = good.midpoint(bad);
            match view(middle) {
                Some(found) => (good, best) = (middle, found),
                None => bad = middle,
            }
        }
        best
    }

    fn with(fields: Fields, conflicts: BTreeMap<String, Vec<Value>>, heads: Vec<ChangeHash>) -> Self {
        let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { kind, fields, conflicts, heads }
    }
}

impl From<&Document> for View {
    fn from(document: &Document) -> Self {
        Self::with(document.fields().clone(), document.conflicts().clone(), document.heads())
    }
}
