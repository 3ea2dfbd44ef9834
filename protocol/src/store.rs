//! Where things rest: a synchronous, transactional store of tables, and one in memory.
//!
//! A [`Store`] maps keys to values in a few [`Table`]s. It is written only by [`Store::commit`]: all
//! writes of a batch or none, durable when it returns. The replica stages what belongs together and
//! commits it in one batch; nothing is acknowledged before.

mod memory;

pub use memory::{Crash, MemoryStore};

use std::collections::BTreeMap;

use crate::fault::Fault;

/// The tables, each as key → value. Numbers in keys are big-endian, so that keys sort by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// space ‖ number (4) → a complete decision with its votes.
    Decisions,
    /// space ‖ device ‖ number (4) → an operation.
    Operations,
    /// space ‖ school → an identity chain.
    Identities,
    /// space ‖ school ‖ its state → an identity chain as it was, which something still rests on.
    PastIdentities,
    /// space ‖ number (4) → a complete decision beside the one of the chain: evidence.
    Splits,
    /// space ‖ device → an operation with the number of the device's last one: evidence.
    Rivals,
    /// space ‖ the proposer's school → a proposal with votes.
    Proposals,
    /// space ‖ writer → the log's number here (4), how many entries, the last one's id.
    Logs,
    /// space ‖ writer → the headers and signatures of two entries with one seq: a fork (§2.4).
    Forks,
    /// space ‖ writer ‖ seq (8) ‖ entry → whether its words were set again (1), header and signature,
    /// then the payload, compressed: what stands above a cut and is in force nowhere.
    Aside,
    /// space ‖ writer → how many entries put aside were sent back to the device that wrote them (8).
    Returned,
    /// space → the number of this store's writer among those it had there (4), once it is not the first.
    Writers,
    /// log (4) ‖ seq (8) → header and signature, as received.
    Headers,
    /// log (4) ‖ seq (8) → payload, compressed.
    Payloads,
    /// space ‖ record → its place, owner and changes: what is held of it. A cache.
    Records,
    /// record → what lists show of it. A cache.
    Cards,
    /// space ‖ all ones − last change (8) ‖ record → nothing: newest first. A cache.
    Recent,
    /// hash of (space, school, source) → record. A cache.
    Sources,
    /// space ‖ school → the record that is the school's profile. A cache.
    Profiles,
    /// record ‖ another one that is about it → nothing. A cache.
    About,
    /// space ‖ record → how many of its changes are held and not in force (4), where any are. A cache.
    Quarantine,
    /// space ‖ record → nothing: what this node could not merge, to be tried again at its next start. A cache.
    Unmerged,
    /// space ‖ blob → how this node came to know it there (1) and its length (8): what it may serve there.
    Blobs,
    /// blob ‖ space ‖ record → nothing: which records show it. A cache.
    Uses,
    /// space ‖ blob → its length as a record says it (8): shown by a record and not known there. A cache.
    Wanted,
    /// space ‖ blob ‖ school → nothing: which partners said, or showed, that they hold it.
    Holders,
    /// blob → nothing: no space knows it any more, and its file is to be removed.
    Dropped,
    /// blob ‖ chunk (4) → its bytes: in backups only, where files lie with the rest.
    Files,
    /// space ‖ a record of an export → the record that it became here.
    Imported,
    /// space ‖ record ‖ writer → the proof that a school erased it (§6).
    Erasures,
    /// space ‖ record ‖ school ‖ device → that it is gone from the files of that device.
    Receipts,
    /// space ‖ record → nothing: erased here, and its bytes may still be in this store's file.
    Unwiped,
    /// record → nothing: not shown at our school, which is nobody else's business.
    Hidden,
    /// school → until when this node refuses to talk to it (8), all ones for good.
    Refusals,
    /// ticket → an invitation that this node issued.
    Invitations,
    /// ticket → an invitation of a further device that this node issued.
    DeviceInvitations,
    /// commitment → the number that the redeemer of a ticket told this node, who waits to be admitted.
    Joins,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::Decisions,
        Self::Operations,
        Self::Identities,
        Self::PastIdentities,
        Self::Splits,
        Self::Rivals,
        Self::Proposals,
        Self::Forks,
        Self::Aside,
        Self::Returned,
        Self::Logs,
        Self::Writers,
        Self::Headers,
        Self::Payloads,
        Self::Records,
        Self::Cards,
        Self::Recent,
        Self::Sources,
        Self::Profiles,
        Self::About,
        Self::Quarantine,
        Self::Unmerged,
        Self::Blobs,
        Self::Uses,
        Self::Wanted,
        Self::Holders,
        Self::Dropped,
        Self::Files,
        Self::Imported,
        Self::Erasures,
        Self::Receipts,
        Self::Unwiped,
        Self::Hidden,
        Self::Refusals,
        Self::Invitations,
        Self::DeviceInvitations,
        Self::Joins,
    ];
    /// Those that can be made again from the others.
    pub const CACHES: [Self; 10] = [
        Self::Records,
        Self::Cards,
        Self::Recent,
        Self::Sources,
        Self::Profiles,
        Self::About,
        Self::Quarantine,
        Self::Unmerged,
        Self::Uses,
        Self::Wanted,
    ];
    /// Its name on disk, with the version of its layout.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decisions => "decisions-1",
            Self::Operations => "operations-1",
            Self::Identities => "identities-1",
            Self::PastIdentities => "past-identities-1",
            Self::Splits => "splits-1",
            Self::Rivals => "rivals-1",
            Self::Proposals => "proposals-1",
            Self::Forks => "forks-1",
            Self::Aside => "aside-1",
            Self::Returned => "returned-1",
            Self::Logs => "logs-1",
            Self::Writers => "writers-1",
            Self::Headers => "headers-1",
            Self::Payloads => "payloads-1",
            Self::Records => "records-1",
            Self::Cards => "cards-1",
            Self::Recent => "recent-1",
            Self::Sources => "sources-1",
            Self::Profiles => "profiles-1",
            Self::About => "about-1",
            Self::Quarantine => "quarantine-1",
            Self::Unmerged => "unmerged-1",
            Self::Blobs => "blobs-1",
            Self::Uses => "uses-1",
            Self::Wanted => "wanted-1",
            Self::Holders => "holders-1",
            Self::Dropped => "dropped-1",
            Self::Files => "files-1",
            Self::Imported => "imported-1",
            Self::Erasures => "erasures-1",
            Self::Receipts => "receipts-1",
            Self::Unwiped => "unwiped-1",
            Self::Hidden => "hidden-1",
            Self::Refusals => "refusals-1",
            Self::Invitations => "invitations-1",
            Self::DeviceInvitations => "device-invitations-1",
            Self::Joins => "joins-1",
        }
    }
}

/// Writes that become durable together: one for each key, the last one staged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch(BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>);

impl Batch {
    /// Sets the value of a key.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.insert((table, key.into()), Some(value.into()));
    }
    /// Removes a key.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.insert((table, key.into()), None);
    }
    /// What it would do to a key: nothing, remove it, or set it.
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Option<&[u8]>> {
        self.0.get(&(table, key.to_vec())).map(Option::as_deref)
    }
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// How many writes.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// The writes, in order of tables and keys; no value removes the key.
    pub fn writes(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.0.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_deref()))
    }
}

/// What is asked about each key and value of a scan: go on, or stop.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool, Fault>;

/// What can be read of a store at one moment.
pub trait Read {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;
    /// Visits the keys that start with `prefix`, from `from` on, in order, until `visit` says false.
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault>;
}

/// A store that one replica writes.
pub trait Store: Read {
    /// Makes all writes durable, or none. After an error nothing may be written any more.
    fn commit(&mut self, batch: Batch) -> Result<(), Fault>;
    /// Makes what was removed or replaced unreadable in whatever the store rests in, not in its tables
    /// alone. Where that cannot be done now, says why, and nothing is other than before.
    fn rewrite(&mut self) -> Result<(), String>;
    /// Whether readers still have what it rested in before it was rewritten: it goes with the last of them.
    fn is_read_as_it_was(&self) -> bool;
    /// Whether something is kept beside it that has bytes which it had once: a rewrite removes that too.
    fn keeps_older(&self) -> bool {
        false
    }
}
