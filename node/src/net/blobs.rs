//! Files between nodes (§5): serving what we know, fetching what records show.
//!
//! ```text
//! wanted (engine) ─▶ plan ─▶ fetch ─▶ one `provider` for each partner ◀─▶ stream
//! share get ───────▶          │  ▲            │ chunks
//!                             ▼  │ verdicts   ▼
//!                        transfer (protocol)  disk: checks, writes
//! ```
//!
//! `serve` answers partners: each question is judged by the engine, and each chunk checked before it is
//! sent. `fetch` gets one file from all `partners` that have it, in `places` that are
//! shared out by school; `plan` decides which files when, and those that come slowly take `turn`s. Memory is
//! bounded by the chunks under way, whatever the length of a file.

mod disk;
mod fetch;
mod partners;
mod places;
mod plan;
mod provider;
mod serve;
mod turn;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use staffroom_protocol::id::BlobId;

pub(super) use fetch::NotFetched;
pub(super) use plan::{Fetch, run};
pub(super) use serve::{Served, accept, served};

/// How far each file that is being fetched is: bytes here, bytes in all.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Mutex<BTreeMap<BlobId, (u64, u64)>>>);

impl Progress {
    /// How far a file is; nought of nought while it is not being fetched.
    pub(super) fn of(&self, blob: &BlobId) -> (u64, u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(blob).copied().unwrap_or_default()
    }
    fn set(&self, blob: BlobId, done: u64, of: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(blob, (done, of));
    }
    fn remove(&self, blob: &BlobId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(blob);
    }
}
