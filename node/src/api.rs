//! What can be asked of a node, in one place: the command line asks it over the local socket, and
//! the same way where it opened the store itself.
//!
//! Requests and answers are JSON, one a line. The shapes that scripts rely on are in the guide.

mod device;

use std::collections::BTreeMap;

mod deciding;

pub use deciding::{Decided, DecisionInfo, DecisionState, Proposal, VoteInfo};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use staffroom_protocol::charter::Role;
use staffroom_protocol::id::{ChangeHash, DeviceId, RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::Value;

pub use device::{Device, Secret, Sheet};

/// Asks for something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The state of the node and of each partner.
    Status,
    /// The clusters this school is in, its own space not counted.
    Clusters,
    /// Founds a cluster.
    CreateCluster {
        /// Its name.
        name: String,
    },
    /// Makes records, or brings those that came from the same source up to date.
    Save {
        /// A cluster's name or id, `school`, or nothing: the school's only cluster.
        to: Option<String>,
        /// The records.
        records: Vec<NewRecord>,
    },
    /// Changes one record.
    Edit {
        /// Its id, shortened or not.
        id: String,
        /// Fields to set; an empty value removes one.
        fields: BTreeMap<String, Value>,
        /// The heads at which the fields were read.
        heads: Option<Vec<ChangeHash>>,
        /// The person.
        author: String,
    },
    /// Lists records, newest first.
    List(Filter),
    /// How many records a list would have without its limit.
    Count(Filter),
    /// One record in full.
    Show {
        /// Its id, shortened or not.
        id: String,
    },
    /// Issues a ticket.
    Invite {
        /// The cluster's name or id; nothing: the only one.
        cluster: Option<String>,
        /// Reader or contributor.
        role: Role,
        /// How long it is good for, seconds.
        expires_in: u64,
        /// Whether a person confirms who joins with it.
        confirm: bool,
    },
    /// Redeems a ticket, and waits for the confirmation if it takes one. Needs the network.
    Join {
        /// Its text.
        ticket: String,
        /// How long to wait for the confirmation, milliseconds.
        wait: u64,
    },
    /// Admits the school that waits and shows these words.
    Confirm {
        /// As a person typed them.
        words: String,
    },
    /// Refuses a school that waits.
    Refuse {
        /// Its name, its words or the start of its id.
        school: String,
    },
    /// The devices of this school.
    Devices,
    /// Ends a device of this school for good.
    RevokeDevice {
        /// The start of its id.
        device: String,
        /// The recovery code, where the device may do more than write.
        code: Option<Secret>,
    },
    /// Issues a ticket for a further device of this school.
    InviteDevice {
        /// How long it is good for, seconds.
        expires_in: u64,
    },
    /// What the school's sheet says besides the code.
    Sheet,
    /// Replaces the keys of one recovery code by those of another.
    Renew {
        /// The code that counts now.
        old: Secret,
        /// The one that is to count.
        new: Secret,
    },
    /// Makes the school's own space where a school started again without one.
    OwnSpace {
        /// The school's name, where no cluster knows it.
        name: Option<String>,
    },
    /// Proposes a decision, with our yes.
    Propose {
        /// The cluster's name or id; nothing: the only one.
        cluster: Option<String>,
        /// What is to be decided.
        proposal: Proposal,
    },
    /// Answers a proposal, for good.
    Vote {
        /// The start of its id.
        id: String,
        /// Yes or no.
        yes: bool,
    },
    /// What waits for votes.
    Decisions {
        /// The cluster's name or id; nothing: all of them.
        cluster: Option<String>,
        /// What was decided too.
        all: bool,
    },
    /// One decision or proposal.
    Decision {
        /// The start of its id.
        id: String,
    },
    /// Ends our membership.
    Leave {
        /// The cluster's name or id.
        cluster: String,
    },
    /// Copies all that is held into a file, beside the running node.
    Backup {
        /// Where to; nothing may be there.
        path: PathBuf,
    },
    /// Checks every chain, signature and hash; rebuilds what is cache where asked.
    Verify {
        /// Whether to rebuild.
        rebuild: bool,
    },
    /// Connects to all partners now, and answers with the status once those that can be reached are
    /// in step, or when the time is up.
    Sync {
        /// How long to wait at most, milliseconds.
        wait: u64,
    },
}

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
    /// At most so many.
    pub limit: Option<usize>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Status`] and [`Request::Sync`].
    Status(Box<Status>),
    /// To [`Request::Clusters`].
    Clusters(Vec<Cluster>),
    /// To [`Request::CreateCluster`].
    Cluster(Named<SpaceId>),
    /// To [`Request::Save`]: one for each record, in order; all of them durable.
    Saved {
        /// The space they are in.
        space: Named<SpaceId>,
        /// What became of each.
        outcomes: Vec<Outcome>,
    },
    /// To [`Request::Edit`].
    Edited(Outcome),
    /// To [`Request::List`].
    List(Vec<Summary>),
    /// To [`Request::Count`].
    Count(u64),
    /// To [`Request::Show`].
    Record(Box<Record>),
    /// To [`Request::Invite`].
    Ticket {
        /// The text to hand over.
        ticket: String,
        /// When it ends, milliseconds since 1970.
        expires: u64,
        /// Where it leads.
        space: Named<SpaceId>,
    },
    /// To [`Request::Devices`] and [`Request::RevokeDevice`].
    Devices {
        /// Those that act for the school, and those that were revoked.
        devices: Vec<Device>,
        /// Whether the school's chain has two branches of the same weight.
        frozen: bool,
    },
    /// To [`Request::InviteDevice`].
    DeviceTicket {
        /// The text to type on the new device.
        ticket: String,
        /// When it ends, milliseconds since 1970.
        expires: u64,
    },
    /// To [`Request::Sheet`] and [`Request::Renew`].
    Sheet(Box<Sheet>),
    /// To [`Request::Join`]: the school belongs.
    Joined {
        /// Where.
        space: Named<SpaceId>,
        /// What both screens showed, where a person confirmed.
        words: Option<String>,
    },
    /// To [`Request::Join`]: nobody has confirmed yet.
    Waits {
        /// Where the ticket leads.
        space: Named<SpaceId>,
        /// What both screens show.
        words: String,
    },
    /// To [`Request::Confirm`].
    Confirmed {
        /// Who belongs now.
        school: Named<SchoolId>,
        /// Where.
        space: Named<SpaceId>,
        /// As what.
        role: Role,
    },
    /// To [`Request::Refuse`].
    Refused {
        /// Who does not wait any more.
        school: Named<SchoolId>,
        /// For what it waited.
        space: Named<SpaceId>,
    },
    /// To [`Request::Propose`] and [`Request::Vote`].
    Decided(Box<Decided>),
    /// To [`Request::Propose`]: a forked log of our own was ended by this device.
    Retired,
    /// To [`Request::Decisions`].
    Decisions(Vec<DecisionInfo>),
    /// To [`Request::Decision`].
    Decision(Box<DecisionInfo>),
    /// To [`Request::Backup`].
    BackedUp(BackedUp),
    /// To [`Request::Leave`].
    Left(Named<SpaceId>),
    /// To [`Request::Verify`].
    Verified(Verified),
}

/// An id with the name that people use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named<I> {
    /// The id.
    pub id: I,
    /// The name; the start of the id while no name is known.
    pub name: String,
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
    /// Why what is shown may be behind what is held.
    pub local_fault: Option<String>,
    /// Changes that are held and do not count.
    pub not_in_force: u32,
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
    /// Bytes of the file.
    pub bytes: u64,
    /// Changes that are held and do not count.
    pub quarantined: u64,
    /// Logs with two histories.
    pub forks: u64,
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

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// Bytes of the file.
    pub bytes: u64,
    /// Records.
    pub records: u64,
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

/// A request that was not carried out: what is wrong with what, and what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// Sets the exit code.
    pub code: Code,
    /// What is wrong with what.
    pub message: String,
    /// Things to try.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without hints.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new() }
    }
    /// Adds a thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// What sort of failure it is: the exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 1.
    Failed,
    /// 2.
    Usage,
    /// 3.
    NotFound,
    /// 4: permission, charter.
    Refused,
    /// 5.
    Conflict,
    /// 6.
    Unreachable,
    /// 7.
    Damaged,
    /// 8.
    PartlyDone,
}

impl Code {
    /// The exit code.
    pub fn exit(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::Damaged => 7,
            Self::PartlyDone => 8,
        }
    }
}
