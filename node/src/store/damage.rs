//! What was found to be damaged in a store's file, and the mark that it leaves for the next start.
//!
//! A read that fails may happen in any thread and in any command. So the mark is a file beside the store,
//! made where the damage is seen; whoever opens the store next finds it, and mends first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use staffroom_protocol::fault::Fault;

use super::OpenError;

/// What is said of a store that was found to be damaged while it is open.
pub(super) const DAMAGED: &str = "its file is damaged on the disk; the next start of share mends it";

/// Why a file that is no node's store is not read.
pub(super) const CUT: &str = "its file is damaged on the disk, or was cut short";

/// Whether a fault is damage that the next start mends.
pub(crate) fn is_damage(fault: &Fault) -> bool {
    matches!(fault, Fault::Store(why) if why == DAMAGED)
}

/// What was found to be damaged, of one file that is open.
#[derive(Debug, Default)]
pub(super) struct Damage {
    mark: Option<PathBuf>,
    first: OnceLock<u64>,
}

impl Damage {
    /// Of a store that is to be mended by whoever opens it next.
    pub(super) fn of(store: &Path) -> Self {
        Self { mark: Some(mark(store)), first: OnceLock::new() }
    }
    /// Notes that a block does not hold; what a read of it fails with.
    pub(super) fn found(&self, block: u64) -> io::Error {
        if self.first.set(block).is_ok() {
            tracing::error!(block, "the store's file is damaged on the disk");
            if let Some(mark) = &self.mark {
                // Where it cannot be made, the next start finds the damage as this one did.
                let _ = fs::write(mark, format!("block {block} of the store was found damaged\n"));
            }
        }
        io::Error::new(io::ErrorKind::InvalidData, format!("block {block} is damaged"))
    }
    /// Whether it was found to be damaged when it was open before.
    pub(super) fn is_marked(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.exists())
    }
    /// What an error on opening the file means.
    pub(super) fn or_unreadable(&self, error: impl std::fmt::Display) -> OpenError {
        if self.first.get().is_some() { OpenError::Damaged } else { OpenError::Unreadable(error.to_string()) }
    }
    /// Why nothing is read or written any more, once that is so.
    pub(super) fn fault(&self) -> Option<Fault> {
        let why = if self.mark.is_some() { DAMAGED } else { CUT };
        self.first.get().map(|_| Fault::Store(why.to_owned()))
    }
}

/// The mark beside a store.
pub(crate) fn mark(store: &Path) -> PathBuf {
    beside(store, ".damaged")
}

/// A file beside a store, named after it.
pub(super) fn beside(store: &Path, what: &str) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(what);
    store.with_file_name(name)
}
