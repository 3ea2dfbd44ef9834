//! The proof that a log has two histories (§2.4): two signed entries with one seq.

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Verified};
use crate::fault::Fault;
use crate::id::{SpaceId, WriterId};

/// Headers and signatures of two entries of one log with the same seq, the lower id first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(Vec<u8>, Vec<u8>)", into = "(Vec<u8>, Vec<u8>)")]
pub struct Fork {
    a: Entry,
    b: Entry,
}

impl Fork {
    /// The fork that two entries are, if they are one.
    pub fn of(one: &Entry, other: &Entry) -> Option<Self> {
        let place = |entry: &Entry| (entry.header().space, entry.header().writer, entry.header().seq);
        if place(one) != place(other) || one.id() == other.id() {
            return None;
        }
        let (a, b) = if one.id() < other.id() { (one, other) } else { (other, one) };
        Some(Self { a: a.bare(), b: b.bare() })
    }
    /// The space, the writer, and the seq that was signed twice.
    pub fn place(&self) -> (SpaceId, WriterId, u64) {
        let header = self.a.header();
        (header.space, header.writer, header.seq)
    }
    /// Checks both signatures.
    pub fn verify(&self) -> Result<(), Fault> {
        let both: Result<Vec<Verified>, Fault> = [&self.a, &self.b].into_iter().map(|e| e.clone().verify()).collect();
        both.map(|_| ())
    }
}

impl TryFrom<(Vec<u8>, Vec<u8>)> for Fork {
    type Error = Fault;
    fn try_from((a, b): (Vec<u8>, Vec<u8>)) -> Result<Self, Fault> {
        Self::of(&Entry::parse(&a, None)?, &Entry::parse(&b, None)?).ok_or(Fault::Malformed { what: "fork" })
    }
}
impl From<Fork> for (Vec<u8>, Vec<u8>) {
    fn from(fork: Fork) -> Self {
        (fork.a.signed_bytes().to_vec(), fork.b.signed_bytes().to_vec())
    }
}
