//! Erasing for everyone, and not showing at our school.

use serde::{Deserialize, Serialize};
use staffroom_protocol::id::{DecisionId, DeviceId, RecordId, SchoolId, SpaceId};

use super::{Named, Summary};

/// What a person should know before a record is erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeforeErasing {
    /// The record.
    pub record: Summary,
    /// Whether it is our school's own: another's takes a decision of the stewards.
    pub own: bool,
    /// Other records that use the same files: those stay.
    pub same_files: Vec<Summary>,
    /// Records that were adapted from it: those stay.
    pub adapted: Vec<Summary>,
}

/// Who has erased a record, and who has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The record.
    pub id: RecordId,
    /// Where it was.
    pub space: Named<SpaceId>,
    /// The school that erased its own record.
    pub by: Option<Named<SchoolId>>,
    /// The decision that erased it.
    pub decision: Option<DecisionId>,
    /// When, by the clock of the school that did, milliseconds since 1970; a decision has no time.
    pub at: Option<u64>,
    /// Whether every device of every member school has said that nothing of it is left.
    pub complete: bool,
    /// Why this node has not, and tries again.
    pub waits: Option<String>,
    /// The member schools, and others that gave a receipt.
    pub schools: Vec<ErasingSchool>,
}

/// How far a school is with erasing a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasingSchool {
    /// The school.
    pub school: Named<SchoolId>,
    /// Whether all of its devices have said that nothing of it is left.
    pub erased: bool,
    /// Its devices.
    pub devices: Vec<ErasingDevice>,
}

/// How far a device is with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasingDevice {
    /// The device.
    pub device: DeviceId,
    /// Whether it is the one that answers.
    pub here: bool,
    /// When it said that nothing is left in its files, by its clock, milliseconds since 1970.
    pub erased: Option<u64>,
    /// When this node heard from it last, since it was started; milliseconds since 1970.
    pub last_heard: Option<u64>,
}
