//! What a backup holds, and what a check of the store found.

use serde::{Deserialize, Serialize};

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Bytes of the file.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Files that belong to them.
    pub files: u64,
    /// Files that are damaged or gone here, and so are not in it.
    pub missing: u64,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Entries checked.
    pub entries: u64,
    /// Records checked.
    pub records: u64,
    /// Blobs checked.
    pub blobs: u64,
    /// What is wrong.
    pub faults: Vec<FoundFault>,
}

/// Something wrong in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundFault {
    /// What is wrong.
    pub what: String,
    /// With which thing.
    #[serde(rename = "where")]
    pub place: String,
    /// Whether it was put right.
    pub healed: bool,
}
