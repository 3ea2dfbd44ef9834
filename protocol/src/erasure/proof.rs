//! The proof that a school erased a record of its own.

use serde::{Deserialize, Serialize};

use crate::charter::Resolved;
use crate::fault::Fault;
use crate::id::{EntryId, RecordId, SchoolId, SpaceId, WriterId};
use crate::log::{Entry, EntryKind, Header};
use crate::time::Timestamp;

const WHAT: &str = "erasure";

/// The signed header of an `erase` entry, with the place of the record's genesis.
///
/// The place proves the record, since its id is the hash of it; the charter says whose the two writers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(Vec<u8>, WriterId, u64)", into = "(Vec<u8>, WriterId, u64)")]
pub struct Erasure {
    entry: Entry,
    genesis: (WriterId, u64),
}

impl Erasure {
    /// The proof that an entry is, with the place of the genesis; its signature is not looked at.
    pub fn of(entry: &Entry, genesis: (WriterId, u64)) -> Result<Self, Fault> {
        let header = entry.header();
        let proves = header.record == Header::record_at(header.space, genesis.0, genesis.1);
        if header.kind != EntryKind::Erase || !proves {
            return Err(Fault::Malformed { what: WHAT });
        }
        Ok(Self { entry: entry.bare(), genesis })
    }
    /// Checks the signature.
    pub fn verify(&self) -> Result<(), Fault> {
        self.entry.clone().verify().map(|_| ())
    }
    /// The space that it is about.
    pub fn space(&self) -> SpaceId {
        self.entry.header().space
    }
    /// The record that is erased.
    pub fn record(&self) -> RecordId {
        self.entry.header().record
    }
    /// Who signed it.
    pub fn writer(&self) -> WriterId {
        self.entry.header().writer
    }
    /// Its id, which is its entry's.
    pub fn id(&self) -> EntryId {
        self.entry.id()
    }
    /// When, by the clock of who signed it.
    pub fn clock(&self) -> Timestamp {
        self.entry.header().clock
    }
    /// Its place in the log of its writer, and its id: of two of one writer, the lower one is kept.
    pub(super) fn rank(&self) -> (u64, EntryId) {
        (self.entry.header().seq, self.entry.id())
    }

    /// The school that signed it, where the record is that school's own.
    pub fn owner(&self, resolved: &Resolved) -> Result<SchoolId, Fault> {
        let of = |writer: &WriterId| resolved.writers.get(writer).map(|writer| writer.school);
        let school = of(&self.writer()).ok_or(Fault::NotEnrolled(self.writer()))?;
        let owner = of(&self.genesis.0).ok_or(Fault::NotEnrolled(self.genesis.0))?;
        if school == owner { Ok(owner) } else { Err(Fault::NoRight { school, act: "erase what another school made" }) }
    }
    /// Whether it counts: neither a `retire` nor a `revoke` ends its log below it. Other cuts and forks do
    /// not matter to it (§6.1).
    pub fn counts(&self, resolved: &Resolved) -> bool {
        let end = resolved.erases_below.get(&self.writer());
        self.owner(resolved).is_ok() && end.is_none_or(|end| self.entry.header().seq < *end)
    }
}

impl TryFrom<(Vec<u8>, WriterId, u64)> for Erasure {
    type Error = Fault;
    fn try_from((signed, writer, seq): (Vec<u8>, WriterId, u64)) -> Result<Self, Fault> {
        Self::of(&Entry::parse(&signed, None)?, (writer, seq))
    }
}
impl From<Erasure> for (Vec<u8>, WriterId, u64) {
    fn from(erasure: Erasure) -> Self {
        (erasure.entry.signed_bytes().to_vec(), erasure.genesis.0, erasure.genesis.1)
    }
}
