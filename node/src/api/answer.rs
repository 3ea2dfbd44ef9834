//! What is answered.

use serde::{Deserialize, Serialize};
use staffroom_protocol::charter::Role;
use staffroom_protocol::id::{RecordId, SchoolId, SpaceId};

use super::{
    BackedUp, BeforeErasing, Cluster, Decided, DecisionInfo, Device, Erasure, FileInfo, History, Named, Outcome,
    Record, Sheet, Status, Summary, Verified,
};

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Status`](super::Request::Status) and [`Sync`](super::Request::Sync).
    Status(Box<Status>),
    /// To [`Clusters`](super::Request::Clusters).
    Clusters(Vec<Cluster>),
    /// To [`CreateCluster`](super::Request::CreateCluster).
    Cluster(Named<SpaceId>),
    /// To [`Save`](super::Request::Save) and [`Adapt`](super::Request::Adapt): one for each record, in order; all of them durable.
    Saved {
        /// The space they are in.
        space: Named<SpaceId>,
        /// What became of each.
        outcomes: Vec<Outcome>,
    },
    /// To [`Edit`](super::Request::Edit), [`BackTo`](super::Request::BackTo) and
    /// [`Settle`](super::Request::Settle).
    Edited(Outcome),
    /// To [`List`](super::Request::List).
    List(Vec<Summary>),
    /// To [`Ids`](super::Request::Ids).
    Ids(Vec<RecordId>),
    /// To [`Records`](super::Request::Records): one for each of the first ids, nothing for one that is not
    /// here any more.
    Records(Vec<Option<Summary>>),
    /// To [`Count`](super::Request::Count).
    Count(u64),
    /// To [`Show`](super::Request::Show).
    Record(Box<Record>),
    /// To [`History`](super::Request::History).
    History(Box<History>),
    /// To [`Files`](super::Request::Files): the space that the record is in, and its files.
    Files {
        /// Where the record is.
        space: SpaceId,
        /// Its files.
        files: Vec<FileInfo>,
    },
    /// To [`Fetching`](super::Request::Fetching).
    Fetching {
        /// Bytes that are here.
        done: u64,
        /// Bytes in all; nought while nothing is fetched.
        of: u64,
    },
    /// To [`BeforeErasing`](super::Request::BeforeErasing).
    BeforeErasing(Box<BeforeErasing>),
    /// To [`Erase`](super::Request::Erase) and [`Erasure`](super::Request::Erasure).
    Erasure(Box<Erasure>),
    /// To [`Hide`](super::Request::Hide).
    Hidden {
        /// The record, by its title.
        record: Named<RecordId>,
        /// Whether it is not shown now.
        hidden: bool,
    },
    /// To [`Invite`](super::Request::Invite).
    Ticket {
        /// The text to hand over.
        ticket: String,
        /// When it ends, milliseconds since 1970.
        expires: u64,
        /// Where it leads.
        space: Named<SpaceId>,
    },
    /// To [`Devices`](super::Request::Devices) and [`RevokeDevice`](super::Request::RevokeDevice).
    Devices {
        /// Those that act for the school, and those that were revoked.
        devices: Vec<Device>,
        /// Whether the school's chain has two branches of the same weight.
        frozen: bool,
    },
    /// To [`InviteDevice`](super::Request::InviteDevice).
    DeviceTicket {
        /// The text to type on the new device.
        ticket: String,
        /// When it ends, milliseconds since 1970.
        expires: u64,
    },
    /// To [`Sheet`](super::Request::Sheet) and [`Renew`](super::Request::Renew).
    Sheet(Box<Sheet>),
    /// To [`Join`](super::Request::Join): the school belongs.
    Joined {
        /// Where.
        space: Named<SpaceId>,
        /// What both screens showed, where a person confirmed.
        words: Option<String>,
    },
    /// To [`Join`](super::Request::Join): nobody has confirmed yet.
    Waits {
        /// Where the ticket leads.
        space: Named<SpaceId>,
        /// What both screens show.
        words: String,
    },
    /// To [`Confirm`](super::Request::Confirm).
    Confirmed {
        /// Who belongs now.
        school: Named<SchoolId>,
        /// Where.
        space: Named<SpaceId>,
        /// As what.
        role: Role,
    },
    /// To [`Refuse`](super::Request::Refuse) and [`EndRefusal`](super::Request::EndRefusal) of a partner.
    Refusal {
        /// The partner.
        school: Named<SchoolId>,
        /// Whether it is refused now.
        refused: bool,
        /// Until when, milliseconds since 1970; for good where nothing is said.
        until: Option<u64>,
    },
    /// To [`Refuse`](super::Request::Refuse) of a school that waits.
    Refused {
        /// Who does not wait any more.
        school: Named<SchoolId>,
        /// For what it waited.
        space: Named<SpaceId>,
    },
    /// To [`Propose`](super::Request::Propose) and [`Vote`](super::Request::Vote).
    Decided(Box<Decided>),
    /// To [`Propose`](super::Request::Propose): a forked log of our own was ended by this device.
    Retired,
    /// To [`Decisions`](super::Request::Decisions).
    Decisions(Vec<DecisionInfo>),
    /// To [`Decision`](super::Request::Decision).
    Decision(Box<DecisionInfo>),
    /// To [`Backup`](super::Request::Backup).
    BackedUp(BackedUp),
    /// To [`Leave`](super::Request::Leave).
    Left(Named<SpaceId>),
    /// To [`Verify`](super::Request::Verify).
    Verified(Verified),
}
