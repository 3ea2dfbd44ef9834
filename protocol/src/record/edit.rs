//! Makes changes: what a person typed, as one Automerge change at the heads that they saw.

mod apply;
mod words;

pub(super) use words::difference;

use std::collections::BTreeMap;

use automerge::{Automerge, AutomergeError, transaction::Transaction};

use super::{
    change::{Actor, Change, Void},
    document::{Document, LocalFault, guarded},
    field::Value,
};
use crate::id::ChangeHash;

/// Why no change was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    /// The heads that were named are not among the record's changes.
    #[error("change {0} is not one of this record's")]
    UnknownHead(ChangeHash),
    /// The actor has made changes after these heads: the next lane is the one to take (§2.3).
    #[error("this lane goes on after the heads that the edit is made at")]
    LaneTaken,
    /// The change would be void: the edit is over a limit.
    #[error("the edit is not possible: {0}")]
    Void(Void),
    /// Automerge failed.
    #[error(transparent)]
    Local(#[from] LocalFault),
}

impl Document {
    /// Sets fields, at the heads given or the current ones, and gives the bytes of the one change made.
    ///
    /// Fields that are not named stay. An empty value removes what the field holds; what others add
    /// at the same time stays. `None` where nothing would change. The document includes the change.
    /// At older heads the actor must be one whose last change those heads contain.
    pub fn edit(
        &mut self,
        actor: Actor,
        heads: Option<&[ChangeHash]>,
        edits: &BTreeMap<String, Value>,
    ) -> Result<Option<Vec<u8>>, EditFault> {
        self.change(actor, heads, |tx| edits.iter().try_for_each(|(field, value)| apply::set(tx, field, value)))
    }

    /// Ends a conflict: of the values that [`Document::conflicts`] shows for the field, or any other,
    /// this one is to stand, even where it is the one that shows.
    pub fn settle(&mut self, actor: Actor, field: &str, value: &Value) -> Result<Option<Vec<u8>>, EditFault> {
        self.change(actor, None, |tx| apply::settle(tx, field, value))
    }

    fn change(
        &mut self,
        actor: Actor,
        heads: Option<&[ChangeHash]>,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Result<Option<Vec<u8>>, EditFault> {
        let heads = heads.filter(|heads| !self.are_current(heads));
        if let Some(unknown) = heads.and_then(|heads| heads.iter().find(|head| !self.past.contains(head))) {
            return Err(EditFault::UnknownHead(*unknown));
        }
        if heads.is_some_and(|heads| self.past.count(&actor, heads) < self.past.count_all(&actor)) {
            return Err(EditFault::LaneTaken);
        }
        let Some((automerge, bytes)) = guarded(|| make(&self.automerge, actor, heads, work))? else {
            return Ok(None);
        };
        // What is made here passes the guard before it is signed, like what is sent (§2.3).
        let mut past = self.past.clone();
        Change::read(&bytes).and_then(|change| past.admit(&change)).map_err(EditFault::Void)?;
        *self = guarded(|| Document::with(automerge, past))?;
        Ok(Some(bytes))
    }

    fn are_current(&self, heads: &[ChangeHash]) -> bool {
        let mut heads = heads.to_vec();
        heads.sort_unstable();
        heads.dedup();
        heads == self.heads()
    }
}

/// Makes one change in a copy of the document; gives that copy, which includes it, and its bytes.
fn make(
    document: &Automerge,
    actor: Actor,
    heads: Option<&[ChangeHash]>,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
) -> Result<Option<(Automerge, Vec<u8>)>, LocalFault> {
    let mut copy = match heads {
        Some(heads) => {
            let heads: Vec<_> = heads.iter().map(|head| automerge::ChangeHash(head.0)).collect();
            document.fork_at(&heads)?
        }
        None => document.clone(),
    };
    copy.set_actor(automerge::ActorId::from(actor));
    // Without options Automerge sets time 0 and no message.
    let done = copy.transact(work).map_err(|failure| failure.error)?;
    let Some(hash) = done.hash else { return Ok(None) };
    let change = automerge::ReadDoc::get_change_by_hash(&copy, &hash).ok_or(LocalFault::Incomplete)?;
    // Not `bytes`, which compresses.
    let bytes = change.raw_bytes().to_vec();
    if heads.is_some() {
        copy = document.clone();
        copy.apply_changes([change])?;
    }
    Ok(Some((copy, bytes)))
}
