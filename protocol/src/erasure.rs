//! Erasing for everyone (§6): which record was erased, by whom, and which devices have proven it.
//!
//! An [`Erasure`] proves by itself that the school which made a record erased it, so that a node obeys
//! that holds neither the record nor the log. A decision of the space erases too; the charter tells of
//! that. A [`Receipt`] says that the bytes are gone from the files of one device. What of both is held
//! about a space are its [`Erasures`].

pub(crate) mod held;
mod proof;
mod receipt;

pub use held::{Erasures, Mark, Part};
pub use proof::Erasure;
pub use receipt::Receipt;

use crate::charter::Resolved;
use crate::id::{DecisionId, RecordId, SchoolId};
use crate::log::Header;
use crate::time::Timestamp;

/// Who erased a record, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedBy {
    /// The school that made it, by its own clock.
    School(SchoolId, Timestamp),
    /// A decision of the space.
    Decision(DecisionId),
}

/// Whether a decision of the space erases a record. One that does not prove the record does nothing.
pub(crate) fn is_decided(resolved: &Resolved, space: crate::id::SpaceId, record: &RecordId) -> bool {
    let proves = |(writer, seq): &(_, u64)| Header::record_at(space, *writer, *seq) == *record;
    resolved.erased.get(record).is_some_and(proves)
}
