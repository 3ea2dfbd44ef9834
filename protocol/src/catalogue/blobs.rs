//! Files: which are known where, which are wanted, who holds them (§5).

use super::Catalogue;
use crate::fault::Fault;
use crate::id::{BlobId, RecordId, SchoolId, SpaceId};
use crate::replica::blob_key;
use crate::store::{Read, Table};

fn length(value: &[u8]) -> Result<u64, Fault> {
    let bytes = value.last_chunk::<8>().ok_or(Fault::Malformed { what: "blob row" })?;
    Ok(u64::from_be_bytes(*bytes))
}

/// The id in a key, at a place counted in ids.
fn id_at<T: From<[u8; 32]>>(key: &[u8], place: usize) -> Result<T, Fault> {
    let ids = key.as_chunks::<32>().0;
    ids.get(place).copied().map(T::from).ok_or(Fault::Malformed { what: "blob key" })
}

impl<R: Read> Catalogue<'_, R> {
    /// The length of a blob that is known in a space, and so held here.
    pub fn known_blob(&self, space: &SpaceId, blob: &BlobId) -> Result<Option<u64>, Fault> {
        self.0.get(Table::Blobs, &blob_key(space, blob))?.map(|value| length(&value)).transpose()
    }
    /// Visits every blob that is known, with its space and length.
    pub fn known_blobs(&self, visit: &mut dyn FnMut(SpaceId, BlobId, u64) -> bool) -> Result<(), Fault> {
        self.0.scan(Table::Blobs, &[], &[], &mut |key, value| Ok(visit(id_at(key, 0)?, id_at(key, 1)?, length(value)?)))
    }
    /// Visits the blobs of a space that a record shows and that are not known there, with their lengths as
    /// the record says them: from this one on, and then from the first to it.
    pub fn wanted_blobs(
        &self,
        space: &SpaceId,
        from: &BlobId,
        visit: &mut dyn FnMut(BlobId, u64) -> bool,
    ) -> Result<(), Fault> {
        let (start, mut goes_on) = (blob_key(space, from), true);
        self.0.scan(Table::Wanted, &space.0, &start, &mut |key, value| {
            goes_on = visit(id_at(key, 1)?, length(value)?);
            Ok(goes_on)
        })?;
        if !goes_on {
            return Ok(());
        }
        self.0.scan(Table::Wanted, &space.0, &[], &mut |key, value| {
            Ok(key < &start[..] && visit(id_at(key, 1)?, length(value)?))
        })
    }
    /// The records that show a blob, of one space or of all.
    pub fn uses(&self, blob: &BlobId, space: Option<&SpaceId>) -> Result<Vec<(SpaceId, RecordId)>, Fault> {
        let mut uses = Vec::new();
        let prefix = [&blob.0[..], space.map_or(&[][..], |space| &space.0)].concat();
        self.0.scan(Table::Uses, &prefix, &[], &mut |key, _| {
            uses.push((id_at(key, 1)?, id_at(key, 2)?));
            Ok(true)
        })?;
        Ok(uses)
    }
    /// The blobs whose files are to be removed, since no space knows them any more.
    pub fn dropped_blobs(&self) -> Result<Vec<BlobId>, Fault> {
        let mut dropped = Vec::new();
        self.0.scan(Table::Dropped, &[], &[], &mut |key, _| {
            dropped.push(id_at(key, 0)?);
            Ok(true)
        })?;
        Ok(dropped)
    }
    /// The partners that were found to hold a blob of a space.
    pub fn holders(&self, space: &SpaceId, blob: &BlobId) -> Result<Vec<SchoolId>, Fault> {
        let mut holders = Vec::new();
        self.0.scan(Table::Holders, &blob_key(space, blob), &[], &mut |key, _| {
            holders.push(id_at(key, 2)?);
            Ok(true)
        })?;
        Ok(holders)
    }
}
