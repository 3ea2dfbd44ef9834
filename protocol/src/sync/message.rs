//! What two nodes say to each other.

use serde::{Deserialize, Serialize};

use crate::charter::{Missing, Positions, Voted};
use crate::erasure::{self, Part};
use crate::id::{EntryId, SpaceId, WriterId};
use crate::log::{Entry, Fork, Frontier};

/// The version of the session's messages.
pub(super) const VERSION: u16 = 0;

/// Opens a session, and compares again later (§4.1, §4.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the messages.
    pub version: u16,
    /// The space.
    pub space: SpaceId,
    /// Of what is held of the charter.
    pub charter: [u8; 32],
    /// Of the erasures and receipts held.
    pub erasures: [u8; 32],
    /// Of the entries held.
    pub frontier: [u8; 32],
    /// How many batches the other may have under way.
    pub credit: u32,
    /// Whether the other is to answer with its own.
    pub answer: bool,
}

/// How far one log is held: the seq of the next entry and the start of the last one's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Whose log.
    pub writer: WriterId,
    /// How many entries.
    pub next: u64,
    /// The first 16 bytes of the last one's id.
    pub head: [u8; 16],
}

impl Mark {
    /// The marks of a frontier.
    pub fn all(frontier: &Frontier) -> Vec<Self> {
        let mark = |(writer, reach): (&WriterId, &crate::log::Reach)| Self {
            writer: *writer,
            next: reach.next,
            head: Self::prefix(&reach.head),
        };
        frontier.0.iter().map(mark).collect()
    }
    /// The part of an id that travels.
    pub(super) fn prefix(id: &EntryId) -> [u8; 16] {
        *id.0.first_chunk().expect("an id has 32 bytes")
    }
}

/// Entries of one log, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run(pub Vec<Entry>);

/// A frame of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Opens, or compares again.
    Hello(Hello),
    /// How far the sender holds the charter.
    Positions(Positions),
    /// A part of what the other lacks of the charter, and whether it is the last.
    Charter(Box<Missing>, bool),
    /// What the sender holds of erasures and receipts, a mark for each record, and whether these are the last.
    ErasureMarks(Vec<erasure::Mark>, bool),
    /// Erasures and receipts that the other lacks, and whether these are the last of those that it asked for.
    Erasures(Box<Part>, bool),
    /// How far the sender holds each log.
    Frontier(Vec<Mark>),
    /// Entries that the other lacks.
    Entries(Vec<Run>),
    /// How far these logs are durable now, and how many batches that settles.
    Held(Vec<(WriterId, u64)>, u32),
    /// Decisions that wait for votes, with those given so far (§4.2).
    Proposals(Vec<Voted>),
    /// Evidence that logs fork (§2.4).
    Forks(Vec<Fork>),
    /// What the sender holds of ended logs of its own that were put aside: told before Hello, and again
    /// when it is other than it was. A node that holds nothing of the kind says nothing.
    Aside([u8; 16]),
    /// The session ends, with the code of a fault or 0.
    Bye(u16),
}

impl Message {
    /// Its name, for people who read logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello(_) => "Hello",
            Self::Positions(_) => "Positions",
            Self::Charter(..) => "Charter",
            Self::ErasureMarks(..) => "ErasureMarks",
            Self::Erasures(..) => "Erasures",
            Self::Frontier(_) => "Frontier",
            Self::Entries(_) => "Entries",
            Self::Held(..) => "Held",
            Self::Proposals(_) => "Proposals",
            Self::Forks(_) => "Forks",
            Self::Aside(_) => "Aside",
            Self::Bye(_) => "Bye",
        }
    }
}
