//! How things lie in the store's tables.

use serde::{Deserialize, Serialize};

use crate::bytes::{self, Reader, Writer};
use crate::fault::Fault;
use crate::id::{EntryId, SchoolId, SpaceId};
use crate::limits;
use crate::log::{Payload, Verified};
use crate::store::{Batch, Read, Table, Visit};

/// Where an entry lies: the number that this store gave its log, and its seq.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) log: u32,
    pub(crate) seq: u64,
}

impl Place {
    /// The key of header and payload.
    pub(crate) fn key(self) -> [u8; 12] {
        let mut key = [0; 12];
        key[..4].copy_from_slice(&self.log.to_be_bytes());
        key[4..].copy_from_slice(&self.seq.to_be_bytes());
        key
    }
}

/// How far a log is held, with its number here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogRow {
    pub(crate) log: u32,
    pub(crate) next: u64,
    pub(crate) head: EntryId,
}

impl LogRow {
    pub(crate) fn read(value: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(value, "log row");
        let row = Self { log: reader.u32()?, next: reader.u64()?, head: reader.id()? };
        reader.end()?;
        Ok(row)
    }
    pub(super) fn to_bytes(self) -> Vec<u8> {
        Writer::with_capacity(44).u32(self.log).u64(self.next).bytes(&self.head.0).done()
    }
}

/// What is held of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    /// The space it lives in.
    pub(crate) space: SpaceId,
    /// The school that made it, once its genesis is held.
    pub(crate) owner: Option<SchoolId>,
    /// Whether every contributor may edit it.
    pub(crate) open: bool,
    /// The entries about it, each with the school that wrote it, in order of arrival; what they
    /// mean does not depend on that.
    pub(crate) entries: Vec<(Place, SchoolId)>,
}

impl RecordRow {
    pub(crate) fn read(value: &[u8]) -> Result<Self, Fault> {
        bytes::decode(value, "record row")
    }
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        bytes::encode(self)
    }
}

/// Two ids, one behind the other: a key.
pub(crate) fn join_ids(a: &[u8; 32], b: &[u8; 32]) -> Vec<u8> {
    [&a[..], &b[..]].concat()
}

/// The two ids of a key.
pub(crate) fn split_ids(key: &[u8]) -> Result<([u8; 32], [u8; 32]), Fault> {
    let mut reader = Reader::new(key, "key");
    let ids = (reader.array()?, reader.array()?);
    reader.end()?;
    Ok(ids)
}

/// Compresses payloads for the store: 0 and the bytes, or 1 and a zstd frame of them.
#[derive(Default)]
pub(super) struct Packer(Option<zstd::bulk::Compressor<'static>>);

impl Packer {
    pub(super) fn pack(&mut self, payload: &[u8]) -> Vec<u8> {
        if self.0.is_none() {
            self.0 = zstd::bulk::Compressor::new(1).ok();
        }
        let packed = self.0.as_mut().and_then(|compressor| compressor.compress(payload).ok());
        match packed {
            Some(packed) if packed.len() < payload.len() => [&[1], &packed[..]].concat(),
            _ => [&[0], payload].concat(),
        }
    }
}

pub(super) fn unpack(value: &[u8]) -> Result<Payload, Fault> {
    let damaged = || Fault::Malformed { what: "stored payload" };
    match value.split_first() {
        Some((0, bytes)) => Ok(Payload::from_bytes(bytes.to_vec())),
        Some((1, frame)) => {
            let length = zstd::bulk::Decompressor::upper_bound(frame).ok_or_else(damaged)?;
            let bytes =
                zstd::bulk::decompress(frame, length.min(limits::ENTRY_PAYLOAD as usize)).map_err(|_| damaged())?;
            Ok(Payload::from_bytes(bytes))
        }
        _ => Err(damaged()),
    }
}

/// Reads an entry that is held.
pub(crate) fn read_entry<R: Read>(store: &R, place: Place) -> Result<Verified, Fault> {
    let key = place.key();
    let signed = store.get(Table::Headers, &key)?.ok_or(Fault::Store("an entry is gone".to_owned()))?;
    let payload = store.get(Table::Payloads, &key)?.map(|value| unpack(&value)).transpose()?;
    Verified::from_own_store(&signed, payload)
}

/// Reads an entry that is held, without its payload.
pub(crate) fn read_header<R: Read>(store: &R, place: Place) -> Result<Verified, Fault> {
    let signed = store.get(Table::Headers, &place.key())?.ok_or(Fault::Store("an entry is gone".to_owned()))?;
    Verified::from_own_store(&signed, None)
}

/// A store with what is staged on top of it.
pub struct Overlay<'a, S> {
    pub(super) staged: &'a Batch,
    pub(super) store: &'a S,
}

impl<S: Read> Read for Overlay<'_, S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        match self.staged.get(table, key) {
            Some(value) => Ok(value.map(<[u8]>::to_vec)),
            None => self.store.get(table, key),
        }
    }
    /// Of what is durable only: nothing that is staged is looked for in order.
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        self.store.scan(table, prefix, from, visit)
    }
}
