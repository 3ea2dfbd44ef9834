//! How far each writer's log is held: writer → (seq, head).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hash;
use crate::id::{EntryId, WriterId};

/// How far one log is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// How many entries: the seq of the next one.
    pub next: u64,
    /// The last one; zero where there is none.
    pub head: EntryId,
}

/// How far each log is held. A log of which nothing is held is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Frontier(pub BTreeMap<WriterId, Reach>);

impl Frontier {
    /// How many entries of a log are held.
    pub fn next(&self, writer: &WriterId) -> u64 {
        self.0.get(writer).map_or(0, |reach| reach.next)
    }
    /// The last entry held of a log; zero where none is.
    pub fn head(&self, writer: &WriterId) -> EntryId {
        self.0.get(writer).map_or_else(EntryId::default, |reach| reach.head)
    }
    /// How many entries are held.
    pub fn entries(&self) -> u64 {
        self.0.values().map(|reach| reach.next).sum()
    }
    /// Equal exactly when the same entries are held.
    pub fn hash(&self) -> [u8; 32] {
        let mut bytes = Vec::with_capacity(self.0.len() * 72);
        for (writer, reach) in &self.0 {
            bytes.extend_from_slice(&writer.0);
            bytes.extend_from_slice(&reach.next.to_le_bytes());
            bytes.extend_from_slice(&reach.head.0);
        }
        hash::FRONTIER_STATE.hash(&[&bytes])
    }
}
