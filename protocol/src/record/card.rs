//! What lists show of a record: everything but its long texts.

use serde::{Deserialize, Serialize};

use super::field::{Fields, Value};
use crate::id::{ChangeHash, RecordId, SchoolId, SpaceId};
use crate::time::Timestamp;

/// A record in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The record.
    pub id: RecordId,
    /// The space it lives in.
    pub space: SpaceId,
    /// The school that made it.
    pub school: SchoolId,
    /// The name of its kind.
    pub kind: String,
    /// Whether every contributor may edit it.
    pub open: bool,
    /// When it was made, by the clock of who made it.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
    /// The heads of its document.
    pub heads: Vec<ChangeHash>,
    /// Its fields, without texts; the title is what people call it, where it has none of its own.
    pub fields: Fields,
    /// The names of fields that hold more than one value until a person settles them.
    pub conflicts: Vec<String>,
    /// Changes that are in force.
    pub changes: u32,
    /// Changes that are held and not in force.
    pub not_in_force: u32,
    /// Why what is shown may be behind what is held: a fault of this node's own.
    pub local_fault: Option<String>,
}

impl Card {
    /// A line of it, empty where it has none.
    pub fn line(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }
    /// The record that it is about, where it is about one.
    pub fn about(&self) -> Option<RecordId> {
        self.line("about").parse().ok()
    }
    /// The members of a set of it.
    pub fn set(&self, field: &str) -> &[String] {
        self.fields.get(field).map(Value::members).unwrap_or_default()
    }
}
