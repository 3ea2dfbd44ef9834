//! The layout of an entry, signing, verifying (§2.1).
//!
//! | field | at | bytes |
//! |---|---|---|
//! | layout | 0 | 4 |
//! | space | 4 | 32 |
//! | writer | 36 | 32 |
//! | seq | 68 | 8 |
//! | prev | 76 | 32 |
//! | clock | 108 | 8 |
//! | kind | 116 | 1 |
//! | flags | 117 | 1 |
//! | rules | 118 | 2 |
//! | lane | 120 | 1 |
//! | change seq | 121 | 4 |
//! | record | 125 | 32 |
//! | commitment | 157 | 32 |
//! | length | 189 | 4 |
//! | signature | 193 | 64 |

use std::collections::BTreeMap;

use super::payload::Payload;
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{EntryId, RecordId, SpaceId, WriterId};
use crate::identity::{Domain, PublicKey, SecretKey, Signature};
use crate::time::Timestamp;
use crate::{hash, limits};

const WHAT: &str = "entry";

/// Bytes of a header without its signature.
pub const HEADER: usize = 193;
/// Bytes of a header with its signature.
pub const SIGNED_HEADER: usize = HEADER + 64;

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// Begins a record.
    Genesis,
    /// Changes one.
    Change,
    /// Erases one (§6).
    Erase,
    /// Turns *public* on or off.
    Public,
    /// A later kind: held and passed on, not applied.
    Unknown(u8),
}

impl EntryKind {
    pub(crate) fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Genesis,
            1 => Self::Change,
            2 => Self::Erase,
            3 => Self::Public,
            other => Self::Unknown(other),
        }
    }
    /// Its byte in the header.
    pub fn byte(self) -> u8 {
        match self {
            Self::Genesis => 0,
            Self::Change => 1,
            Self::Erase => 2,
            Self::Public => 3,
            Self::Unknown(other) => other,
        }
    }
}

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The space it belongs to.
    pub space: SpaceId,
    /// Whose log it is in.
    pub writer: WriterId,
    /// Its place in the log, from 0.
    pub seq: u64,
    /// The entry before; zero at 0.
    pub prev: EntryId,
    /// For display and tie-breaks only.
    pub clock: Timestamp,
    /// What it does.
    pub kind: EntryKind,
    /// Genesis: bit 0, open to edits by every contributor.
    pub flags: u8,
    /// The rules the record lives under.
    pub rules: u16,
    /// Which of this writer's actors in the record made the change.
    pub lane: u8,
    /// That actor's seq, from 1.
    pub change_seq: u32,
    /// The record it is about.
    pub record: RecordId,
    /// The hash of the payload.
    pub commitment: [u8; 32],
    /// The payload's length.
    pub length: u32,
}

impl Header {
    /// The signed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::with_capacity(SIGNED_HEADER)
            .u32(limits::LAYOUT)
            .bytes(&self.space.0)
            .bytes(&self.writer.0)
            .u64(self.seq)
            .bytes(&self.prev.0)
            .u64(self.clock.0)
            .u8(self.kind.byte())
            .u8(self.flags)
            .u16(self.rules)
            .u8(self.lane)
            .u32(self.change_seq)
            .bytes(&self.record.0)
            .bytes(&self.commitment)
            .u32(self.length)
            .done()
    }

    /// Reads signed bytes, without their signature.
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, WHAT);
        if reader.u32()? != limits::LAYOUT {
            return Err(reader.malformed());
        }
        let header = Self {
            space: reader.id()?,
            writer: reader.id()?,
            seq: reader.u64()?,
            prev: reader.id()?,
            clock: Timestamp(reader.u64()?),
            kind: EntryKind::from_byte(reader.u8()?),
            flags: reader.u8()?,
            rules: reader.u16()?,
            lane: reader.u8()?,
            change_seq: reader.u32()?,
            record: reader.id()?,
            commitment: reader.array()?,
            length: reader.u32()?,
        };
        reader.end()?;
        header.check()?;
        Ok(header)
    }

    /// What is well formed besides the layout: the first entry has no entry before it and the others
    /// have, the payload is within its bound, and a genesis is about the record it begins.
    fn check(&self) -> Result<(), Fault> {
        if self.length > limits::ENTRY_PAYLOAD {
            return Err(Fault::TooLarge { what: "payload", most: u64::from(limits::ENTRY_PAYLOAD) });
        }
        let first = self.prev == EntryId::default();
        let genesis = self.kind == EntryKind::Genesis;
        let begins = self.record == Self::record_at(self.space, self.writer, self.seq);
        if first != (self.seq == 0) || genesis != begins {
            return Err(Fault::Malformed { what: WHAT });
        }
        Ok(())
    }

    /// Whether it commits to this payload.
    pub fn commits_to(&self, payload: &Payload) -> bool {
        payload.length() == self.length && payload.commitment() == self.commitment
    }

    /// The id of the record that an entry at this place begins.
    pub fn record_at(space: SpaceId, writer: WriterId, seq: u64) -> RecordId {
        RecordId(hash::RECORD.hash(&[&space.0, &writer.0, &seq.to_le_bytes()]))
    }

    /// The actor of the change that this entry carries (§2.3).
    pub fn actor(&self) -> [u8; 16] {
        Self::actor_of(&self.writer, &self.record, self.lane)
    }
    /// The actor of a writer's lane in a record (§2.3).
    pub(crate) fn actor_of(writer: &WriterId, record: &RecordId, lane: u8) -> [u8; 16] {
        let hash = hash::ACTOR.hash(&[&writer.0, &record.0, &[lane]]);
        hash[..16].try_into().expect("16 of 32 bytes")
    }
}

/// A header, its signature, and its payload where that is here. Not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    header: Header,
    id: EntryId,
    signed: Vec<u8>,
    payload: Option<Payload>,
}

impl Entry {
    /// Signs an entry.
    pub fn sign(header: Header, payload: Payload, key: &SecretKey) -> Verified {
        let mut signed = header.to_bytes();
        let id = EntryId(hash::ENTRY.hash(&[&signed]));
        signed.extend_from_slice(&key.sign(Domain::Entry, &id.0));
        Verified(Self { header, id, signed, payload: Some(payload) })
    }
    /// Reads a header with its signature, [`SIGNED_HEADER`] bytes; the payload must match it.
    pub fn parse(signed: &[u8], payload: Option<Payload>) -> Result<Self, Fault> {
        let (bytes, _) = signed.split_at_checked(HEADER).ok_or(Fault::Malformed { what: WHAT })?;
        if signed.len() != SIGNED_HEADER {
            return Err(Fault::Malformed { what: WHAT });
        }
        let header = Header::parse(bytes)?;
        let id = EntryId(hash::ENTRY.hash(&[bytes]));
        if payload.as_ref().is_some_and(|payload| !header.commits_to(payload)) {
            return Err(Fault::Payload(id));
        }
        Ok(Self { header, id, signed: signed.to_vec(), payload })
    }
    /// What was signed.
    pub fn header(&self) -> &Header {
        &self.header
    }
    /// The hash of what was signed.
    pub fn id(&self) -> EntryId {
        self.id
    }
    /// Header and signature, as received.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }
    /// The signature.
    pub fn signature(&self) -> Signature {
        self.signed[HEADER..].try_into().expect("parsed with 64 bytes of signature")
    }
    /// The payload, where it is here.
    pub fn payload(&self) -> Option<&Payload> {
        self.payload.as_ref()
    }

    /// The same without its payload.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self { payload: None, ..self.clone() }
    }

    /// Checks the signature.
    pub fn verify(self) -> Result<Verified, Fault> {
        let key = PublicKey::parse(&self.header.writer.0, Domain::Entry)?;
        self.verify_with(&key)
    }
    fn verify_with(self, key: &PublicKey) -> Result<Verified, Fault> {
        key.verify(Domain::Entry, &self.id.0, &self.signature())?;
        Ok(Verified(self))
    }

    /// Checks many, reading each writer's key once. May run on any thread.
    ///
    /// Every signature is checked by itself: ed25519's batch equation accepts some signatures that
    /// the strict check refuses, and what is held must be the same on every node.
    pub fn verify_all(entries: Vec<Entry>) -> Vec<Result<Verified, Fault>> {
        let mut keys: BTreeMap<WriterId, Result<PublicKey, Fault>> = BTreeMap::new();
        let verify = |entry: Entry| {
            let writer = entry.header.writer;
            let key = keys.entry(writer).or_insert_with(|| PublicKey::parse(&writer.0, Domain::Entry));
            key.clone().and_then(|key| entry.verify_with(&key))
        };
        entries.into_iter().map(verify).collect()
    }
}

/// An entry whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(Entry);

impl Verified {
    /// Reads one that this node's own store kept: it was verified before it was written, and the
    /// store guards its pages with checksums. `share verify` checks the signature again.
    pub(crate) fn from_own_store(signed: &[u8], payload: Option<Payload>) -> Result<Self, Fault> {
        Entry::parse(signed, payload).map(Self)
    }
    /// Takes an entry without looking at its signature: a fault planted on purpose, so that the
    /// simulator can show that it would catch a node that does this. Nothing else may call it.
    #[doc(hidden)]
    pub fn unchecked_for_simulation(entry: Entry) -> Self {
        Self(entry)
    }
}

impl Verified {
    /// The same without its payload.
    #[must_use]
    pub fn without_payload(self) -> Self {
        Self(Entry { payload: None, ..self.0 })
    }
    /// The entry, to be sent.
    pub fn into_entry(self) -> Entry {
        self.0
    }
}

impl core::ops::Deref for Verified {
    type Target = Entry;
    fn deref(&self) -> &Entry {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(seed: [u8; 32], seq: u64, change: Vec<u8>) -> Verified {
        let key = SecretKey::from_seed(&seed);
        let (space, writer) = (SpaceId([7; 32]), key.public());
        let payload = Payload::new([3; 16], "Ada Brook", &change);
        let header = Header {
            space,
            writer,
            seq,
            prev: if seq == 0 { EntryId::default() } else { EntryId([1; 32]) },
            clock: Timestamp(5),
            kind: EntryKind::Genesis,
            flags: 1,
            rules: limits::RULES,
            lane: 0,
            change_seq: 1,
            record: Header::record_at(space, writer, seq),
            commitment: payload.commitment(),
            length: payload.length(),
        };
        Entry::sign(header, payload, &key)
    }

    proptest! {
        #[test]
        fn any_entry_is_read_as_signed_and_any_flipped_bit_is_refused(seed: [u8; 32], seq in 0u64..1 << 40, change: Vec<u8>, bit in 0usize..SIGNED_HEADER * 8) {
            let entry = entry(seed, seq, change);
            let mut bytes = entry.signed_bytes().to_vec();
            let again = Entry::parse(&bytes, entry.payload().cloned()).unwrap().verify().unwrap();
            prop_assert_eq!(&again, &entry);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Entry::parse(&bytes, None).and_then(Entry::verify).is_err());
        }
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(Entry::parse(&bytes, None).and_then(Entry::verify).is_err());
        }
    }

    #[test]
    fn another_payload_is_refused() {
        let entry = entry([1; 32], 0, vec![1, 2, 3]);
        let other = Payload::new([3; 16], "Ada Brook", &[1, 2, 4]);
        assert_eq!(Entry::parse(entry.signed_bytes(), Some(other)), Err(Fault::Payload(entry.id())));
    }

    #[test]
    fn a_small_order_key_is_refused() {
        let mut bytes = entry([1; 32], 0, vec![]).signed_bytes().to_vec();
        bytes[36..68].copy_from_slice(&[0; 32]);
        let record = Header::record_at(SpaceId([7; 32]), WriterId([0; 32]), 0);
        bytes[125..157].copy_from_slice(&record.0);
        let refused = Entry::parse(&bytes, None).and_then(Entry::verify);
        assert_eq!(refused, Err(Fault::Signature { what: "entry" }));
    }
}
