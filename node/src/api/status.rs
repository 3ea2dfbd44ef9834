//! The state of a node, of its clusters and of its partners.

use serde::{Deserialize, Serialize};
use staffroom_protocol::charter::Role;
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};

use super::{DecisionInfo, Mending, Named};

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: String,
    /// The schools that belong to it.
    pub members: Vec<Member>,
    /// How many records it holds here.
    pub records: u64,
}

/// A school that belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The school.
    pub school: Named<SchoolId>,
    /// What it may do.
    pub role: Role,
}

/// The honest state of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The school.
    pub school: Named<SchoolId>,
    /// Whether the node runs, or the command opened the store itself.
    pub running: bool,
    /// This node's device.
    pub device: DeviceId,
    /// Where it listens.
    pub listen: Vec<String>,
    /// What it holds.
    pub store: StoreStatus,
    /// What was refused of devices that are no partners, since the node started.
    pub strangers: Option<Refused>,
    /// Each space.
    pub spaces: Vec<SpaceStatus>,
}

/// What was refused of somebody, since the node started: the last thing, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why the last thing was.
    pub what: String,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// How many things were, this one too.
    pub times: u64,
}

/// What a node holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Records.
    pub records: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of the store's own file.
    pub bytes: u64,
    /// Files that are held, each counted in each space that it is known in.
    pub files: u64,
    /// Files that records show and that are not here, or not yet.
    pub wanted: u64,
    /// Changes that are held and do not count.
    pub quarantined: u64,
    /// Logs with two histories.
    pub forks: u64,
    /// Erased records whose bytes may still be in this node's file, and why.
    #[serde(default)]
    pub unwiped: u64,
    /// Why they are.
    #[serde(default)]
    pub unwiped_why: Option<String>,
    /// How the store was mended, as long as the damaged one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended: Option<Mending>,
}

/// One space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceStatus {
    /// Its id.
    pub id: SpaceId,
    /// Its name.
    pub name: String,
    /// Equal exactly where the same entries are held.
    pub frontier: String,
    /// Equal exactly where the same charter is held.
    pub charter: String,
    /// The schools that belong.
    pub members: Vec<Member>,
    /// The devices of the others.
    pub partners: Vec<Partner>,
    /// The schools that wait for a person here to confirm them.
    pub waiting: Vec<WaitingSchool>,
    /// Proposals that wait for votes, and decisions that stand against each other.
    pub decisions: Vec<DecisionInfo>,
    /// Schools of which a log has two histories.
    pub forks: Vec<Named<SchoolId>>,
    /// Schools of which a device signed two operations of the charter at one place.
    pub device_forks: Vec<Named<SchoolId>>,
}

/// A school that holds one of our tickets and waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingSchool {
    /// The school, by the name that it gives itself.
    pub school: Named<SchoolId>,
    /// What the ticket lets it do.
    pub role: Role,
    /// What its screen shows; nothing until it has shown it.
    pub words: Option<String>,
    /// When it asked first, milliseconds since 1970.
    pub since: u64,
    /// When the ticket ends, milliseconds since 1970.
    pub expires: u64,
}

/// A device of a partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partner {
    /// Its school.
    pub school: Named<SchoolId>,
    /// The device.
    pub device: DeviceId,
    /// How it stands.
    pub state: PartnerState,
    /// Entries that either lacks, as far as is known.
    pub missing: u64,
    /// When it was heard last, milliseconds since 1970.
    pub last_heard: Option<u64>,
    /// Why it is not heard.
    pub error: Option<String>,
    /// What of its was refused.
    pub refused: Option<Refused>,
}

/// How a partner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartnerState {
    /// Both hold the same, durably.
    InStep,
    /// Connected, and one lacks something.
    Behind,
    /// Not connected.
    Unheard,
}
