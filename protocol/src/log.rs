//! What writers sign: entries, chained into one log for each writer (§2).
//!
//! An [`Entry`] is a header, signed, and the payload it commits to. [`Verified`] is one whose
//! signature was checked; only those are admitted. The [`Frontier`] says how far each log is held.

mod entry;
mod fork;
mod frontier;
mod payload;

pub use entry::{Entry, EntryKind, HEADER, Header, SIGNED_HEADER, Verified};
pub use fork::Fork;
pub use frontier::{Frontier, Reach};
pub use payload::Payload;
