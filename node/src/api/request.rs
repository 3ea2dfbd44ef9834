//! What can be asked.

use serde::{Deserialize, Serialize};
use staffroom_protocol::charter::Role;
use staffroom_protocol::id::{BlobId, ChangeHash, RecordId};
use staffroom_protocol::record::field::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Filter, Imported, NewRecord, Proposal, Secret};

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
    /// Makes records that were imported, or brings those that came from the same place up to date.
    Import {
        /// A cluster's name or id, `school`, or nothing: the school's only cluster.
        to: Option<String>,
        /// The records.
        records: Vec<Imported>,
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
    /// Gives a record the fields back that it had after one of its changes, as a new change.
    BackTo {
        /// Its id, shortened or not.
        id: String,
        /// The start of the change's id.
        version: String,
        /// The person.
        author: String,
    },
    /// Ends a conflict: one value stands.
    Settle {
        /// The record's id, shortened or not.
        id: String,
        /// The field.
        field: String,
        /// What is to stand.
        value: Value,
        /// The person.
        author: String,
    },
    /// Makes a copy to change, with the original's attribution.
    Adapt {
        /// The original's id, shortened or not.
        id: String,
        /// A cluster's name or id; nothing: our own space.
        to: Option<String>,
        /// The person.
        author: String,
    },
    /// Lists records, newest first.
    List(Filter),
    /// The ids of all records that may be read here and that a filter lets through, the first made first:
    /// profiles of schools and what our school took back are among them.
    Ids(Filter),
    /// Records in full, as many of these as one answer holds, at least one: those that are left are
    /// asked for again.
    Records {
        /// Their ids.
        ids: Vec<RecordId>,
    },
    /// How many records a list would have without its limit.
    Count(Filter),
    /// One record in full.
    Show {
        /// Its id, shortened or not.
        id: String,
        /// The start of a change's id: as it was after that one.
        at: Option<String>,
    },
    /// What each change of a record did, and which do not count.
    History {
        /// Its id, shortened or not.
        id: String,
    },
    /// The files of a record, fetched where they are not held; progress is asked for with [`Self::Fetching`].
    Files {
        /// The record's id, shortened or not.
        id: String,
        /// A file's name or the start of its id; nothing: all of them.
        file: Option<String>,
        /// Whether to fetch what is not held, which needs the network.
        fetch: bool,
    },
    /// How far the fetching of a file is.
    Fetching {
        /// The file.
        blob: BlobId,
    },
    /// What a person should know before a record is erased; nothing is erased yet.
    BeforeErasing {
        /// Its id, shortened or not.
        id: String,
    },
    /// Erases a record of our school's for everyone, for good.
    Erase {
        /// Its id, shortened or not.
        id: String,
    },
    /// Who has erased a record, and who has not.
    Erasure {
        /// Its id, shortened or not.
        id: String,
    },
    /// Does not show a record at our school, or shows it again.
    Hide {
        /// Its id, shortened or not.
        id: String,
        /// Whether it is not to be shown.
        hidden: bool,
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
    /// Refuses a school that waits; or does not talk to a partner.
    Refuse {
        /// Its name, its words or the start of its id.
        school: String,
        /// A partner for so many seconds; for good where nothing is said.
        time: Option<u64>,
    },
    /// Talks to a partner again.
    EndRefusal {
        /// Its name or the start of its id.
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
