//! What a backup holds, and what a check of the store found.

use serde::{Deserialize, Serialize};
use staffroom_protocol::id::SpaceId;

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

/// How a damaged store was mended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mending {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Where the damaged file is kept.
    pub kept: String,
    /// Pages of it that could not be read.
    pub damaged: u64,
    /// Entries that stand.
    pub entries: u64,
    /// Entries that were lost here: partners that hold them bring them again.
    pub missing: u64,
    /// Entries of our own school among those that can still be read.
    pub aside: u64,
    /// Clusters of which nothing can be read any more.
    pub lost: Vec<SpaceId>,
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
    /// Whether the store's file is damaged: the next start mends it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub damaged: bool,
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
