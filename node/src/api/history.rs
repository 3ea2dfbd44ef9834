//! What became of a record, change by change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use staffroom_protocol::id::{DeviceId, EntryId, SchoolId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::history::Difference;

use super::{Named, Summary, Version};

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// What lists show of it.
    pub summary: Summary,
    /// Each change that counts, after what it builds on.
    pub changes: Vec<Changed>,
    /// What is held and does not count.
    pub not_in_force: Vec<NotInForce>,
    /// The fields that hold more than one value until a person settles them: each value with the change
    /// that wrote it, the one that shows first.
    pub conflicts: BTreeMap<String, Vec<Alternative>>,
    /// Why nothing is said of what the changes did.
    pub local_fault: Option<String>,
}

/// A change and what it did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Whose, when.
    #[serde(flatten)]
    pub version: Version,
    /// The device that wrote it, as the charter enrolled it.
    pub device: Option<DeviceId>,
    /// What it did, by field.
    pub fields: BTreeMap<String, Difference>,
}

/// A change that is held and does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotInForce {
    /// The entry that carries it.
    pub entry: EntryId,
    /// The school that signed it.
    pub school: Named<SchoolId>,
    /// The device that wrote it, as the charter enrolled it.
    pub device: Option<DeviceId>,
    /// The person, where that is known.
    pub author: String,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Why, in plain words.
    pub reason: String,
}

/// One of the values of a field in conflict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The value.
    pub value: Value,
    /// The change that wrote it, where that can be told.
    pub version: Option<Version>,
}
