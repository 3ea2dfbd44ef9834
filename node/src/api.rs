//! What can be asked of a node, in one place: the command line asks it over the local socket, and
//! the same way where it opened the store itself.
//!
//! Requests and answers are JSON, one a line. The shapes that scripts rely on are in the guide.

mod answer;
mod deciding;
mod device;
mod erasing;
mod failure;
mod history;
mod record;
mod request;
mod status;
mod store;

pub use answer::Answer;
pub use deciding::{Decided, DecisionInfo, DecisionState, Proposal, VoteInfo};
pub use device::{Device, Secret, Sheet};
pub use erasing::{BeforeErasing, ErasingDevice, ErasingSchool, Erasure};
pub use failure::{Code, Failure};
pub use history::{Alternative, Changed, History, NotInForce};
pub use record::{Done, FileInfo, Filter, Imported, NewRecord, Outcome, Record, Summary, Version};
pub use request::Request;
use serde::{Deserialize, Serialize};
pub use status::{Cluster, Member, Partner, PartnerState, Refused, SpaceStatus, Status, StoreStatus, WaitingSchool};
pub use store::{BackedUp, FoundFault, Mending, Verified};

/// An id with the name that people use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named<I> {
    /// The id.
    pub id: I,
    /// The name; the start of the id while no name is known.
    pub name: String,
}
