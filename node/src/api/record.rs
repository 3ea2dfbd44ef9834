//! Records: to make, to find, and as they are shown.

use serde::{Deserialize, Serialize};
use staffroom_protocol::id::{ChangeHash, RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::{BlobRef, Value};
use std::collections::BTreeMap;

use super::Named;

/// A record to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRecord {
    /// The name of its kind.
    pub kind: String,
    /// Its fields.
    pub fields: Fields,
    /// The person.
    pub author: String,
    /// Whether every school of the cluster may edit it; by its kind where nothing is said.
    pub open: Option<bool>,
}

/// A record that was imported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// What it is to be.
    pub record: NewRecord,
    /// The record that it was where it was exported: so it is known when it comes again.
    pub origin: Option<RecordId>,
    /// Whether nothing is made where it is not known.
    pub only_known: bool,
}

/// Which records to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// A cluster's name or id, or `school`; nothing: all spaces.
    pub space: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of the school of this name or id.
    pub school: Option<String>,
    /// Only with this subject.
    pub subject: Option<String>,
    /// Only for this key stage.
    pub key_stage: Option<String>,
    /// Only with this tag.
    pub tag: Option<String>,
    /// Only changed since, milliseconds since 1970.
    pub since: Option<u64>,
    /// Only of our own school.
    pub mine: bool,
    /// Only what is not shown at our school; otherwise all but that.
    #[serde(default)]
    pub hidden: bool,
    /// At most so many.
    pub limit: Option<usize>,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its id, where it was made or found.
    pub id: Option<RecordId>,
    /// Its kind.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// What was done.
    pub outcome: Done,
    /// Why it was refused.
    pub reason: Option<String>,
    /// What is missing or was left out.
    pub warnings: Vec<String>,
}

/// What was done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It is new.
    Created,
    /// It was there and has changed.
    Updated,
    /// It was there as it is.
    Unchanged,
    /// It was not taken.
    Refused,
}

/// A record in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    pub kind: String,
    /// Its space.
    pub space: Named<SpaceId>,
    /// The school that made it.
    pub school: Named<SchoolId>,
    /// When it was made, milliseconds since 1970.
    pub created: u64,
    /// When it was changed last, milliseconds since 1970.
    pub updated: u64,
    /// The heads of its document.
    pub heads: Vec<ChangeHash>,
    /// Whether every school of the space may edit it.
    pub open: bool,
    /// Its fields, without long texts.
    pub fields: Fields,
}

/// A record in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What lists show; with the long texts.
    pub summary: Summary,
    /// Fields that hold more than one value until a person settles them: all values.
    pub conflicts: BTreeMap<String, Vec<Value>>,
    /// Each change, oldest first.
    pub history: Vec<Version>,
    /// What is about it, in the same space: comments and the like, the first made first.
    pub about_this: Vec<Summary>,
    /// The files that belong to it.
    pub files: Vec<FileInfo>,
    /// The titles of the records that it names, as far as they are here.
    pub titles: BTreeMap<String, String>,
    /// Why what is shown may be behind what is held.
    pub local_fault: Option<String>,
    /// Changes that are held and do not count.
    pub not_in_force: u32,
    /// Whether lists leave it out at our school.
    #[serde(default)]
    pub hidden: bool,
}

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The change.
    pub change: ChangeHash,
    /// The school that signed it.
    pub school: Named<SchoolId>,
    /// The person.
    pub author: String,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Whether it began the record.
    pub genesis: bool,
}

/// A file that belongs to a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its name, length and media type, as the record says them.
    pub file: BlobRef,
    /// Whether it is held here, and may be opened.
    pub held: bool,
    /// The partners that were found to hold it.
    pub partners: Vec<Named<SchoolId>>,
}
