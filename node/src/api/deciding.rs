//! What is asked and answered about decisions of a cluster (§3).

use serde::{Deserialize, Serialize};
use staffroom_protocol::charter::Role;
use staffroom_protocol::id::{DecisionId, SchoolId, SpaceId};

use super::Named;

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proposal {
    /// Make a member a steward.
    Promote {
        /// Its name or id.
        school: String,
    },
    /// Take rights from a member.
    Demote {
        /// Its name or id.
        school: String,
        /// What it is then.
        to: Role,
    },
    /// End a school's membership.
    Remove {
        /// Its name or id.
        school: String,
    },
    /// Let forked logs of a school stand as far as they are held here.
    EndForks {
        /// Its name or id.
        school: String,
    },
    /// Erase a record for everyone.
    Erase {
        /// Its id, shortened or not.
        record: String,
    },
    /// Give the cluster another name.
    Rename {
        /// The name.
        name: String,
    },
}

/// What became of a proposal or a vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// What is, or is to be, decided.
    pub decision: DecisionInfo,
    /// How many stewards the cluster has now.
    pub stewards: usize,
}

/// A decision, or the proposal of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionInfo {
    /// Its id.
    pub id: DecisionId,
    /// Its place in the chain.
    pub number: u32,
    /// The cluster.
    pub space: Named<SpaceId>,
    /// What it does: `promote`, `remove`, …
    pub what: String,
    /// The school that it is about.
    pub school: Option<Named<SchoolId>>,
    /// What else it says: a role, a name.
    pub detail: Option<String>,
    /// How it stands.
    pub state: DecisionState,
    /// Who voted, in that order; the proposer first.
    pub votes: Vec<VoteInfo>,
    /// The schools that may vote.
    pub voters: Vec<Named<SchoolId>>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteInfo {
    /// Whose.
    pub school: Named<SchoolId>,
    /// Yes or no.
    pub yes: bool,
}

/// How a decision stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// It waits for votes.
    Open,
    /// So many said no that it can never pass.
    Failed,
    /// It holds.
    Decided,
    /// Another complete decision stands at its place, and nobody has settled which counts.
    Disputed,
}
