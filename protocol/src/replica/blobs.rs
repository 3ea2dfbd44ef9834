//! Which files this node knows in which space (§5): what it may serve there, and what it lacks.
//!
//! A blob is known in a space where our own staff attached it there, or where it was fetched there. That a
//! record of a partner's names it grants nothing: it makes it wanted.

use std::collections::BTreeSet;

use super::{Notice, Replica};
use crate::blob::Manifest;
use crate::catalogue::Catalogue;
use crate::fault::Fault;
use crate::id::{BlobId, RecordId, SchoolId, SpaceId};
use crate::limits;
use crate::record::Card;
use crate::record::field::{BlobRef, Value};
use crate::store::{Read, Store, Table};

/// How this node came to know a blob in a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Our own staff attached it.
    Attached,
    /// It was fetched from a partner.
    Fetched,
}

impl Known {
    fn byte(self) -> u8 {
        match self {
            Self::Attached => 1,
            Self::Fetched => 2,
        }
    }
}

/// The key of a blob in a space.
pub(crate) fn blob_key(space: &SpaceId, blob: &BlobId) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&space.0);
    key[32..].copy_from_slice(&blob.0);
    key
}

/// The key of a record's use of a blob.
fn use_key(blob: &BlobId, card: &Card) -> Vec<u8> {
    [blob.0, card.space.0, card.id.0].concat()
}

/// The files that a record shows.
fn shown(card: &Card) -> impl Iterator<Item = &BlobRef> {
    card.fields.values().flat_map(|value| match value {
        Value::Blobs(blobs) => &blobs[..],
        _ => &[],
    })
}

impl<S: Store> Replica<S> {
    /// Stages that this node holds a blob, whole and checked, and came to know it in this space.
    pub fn know_blob(&mut self, space: SpaceId, blob: BlobId, length: u64, how: Known) -> Result<(), Fault> {
        self.check()?;
        self.space(&space)?;
        if Manifest::size(length).is_none() {
            return Err(Fault::TooLarge { what: "blob", most: limits::BLOB });
        }
        let key = blob_key(&space, &blob);
        let mut value = vec![how.byte()];
        value.extend_from_slice(&length.to_be_bytes());
        // Who attached it once goes on having attached it.
        if self.reader().get(Table::Blobs, &key)?.is_none() {
            self.staged.put(Table::Blobs, key, value);
        }
        self.staged.delete(Table::Wanted, key);
        self.staged.delete(Table::Dropped, blob.0);
        self.notices.insert(Notice::Blob(space, blob));
        Ok(())
    }

    /// Stages that a blob is not known in a space any more: what is here of it is damaged or was erased.
    /// Where a record shows it, it is wanted again.
    pub fn forget_blob(&mut self, space: SpaceId, blob: BlobId) -> Result<(), Fault> {
        self.check()?;
        let key = blob_key(&space, &blob);
        self.staged.delete(Table::Blobs, key);
        let mut length = None;
        for record in Catalogue(&self.store).uses(&blob, Some(&space))? {
            let card = Catalogue(&self.reader()).card(&record.1)?;
            length = length.or(card.iter().flat_map(shown).find(|shown| shown.id == blob).map(|shown| shown.bytes));
        }
        if let Some(length) = length {
            self.staged.put(Table::Wanted, key, length.to_be_bytes());
        }
        Ok(())
    }

    /// Stages that a school's node holds a blob of a space.
    pub fn note_holder(&mut self, space: SpaceId, blob: BlobId, school: SchoolId) -> Result<(), Fault> {
        self.check()?;
        let key = [space.0, blob.0, school.0].concat();
        if self.reader().get(Table::Holders, &key)?.is_none() {
            self.staged.put(Table::Holders, key, []);
        }
        Ok(())
    }

    /// Stages that the files of an erased record are not known in its space any more, where no other record
    /// there shows them; and that they are removed from the disk, where no other space knows them.
    pub(super) fn drop_files(
        &mut self,
        space: SpaceId,
        record: RecordId,
        files: BTreeSet<BlobId>,
    ) -> Result<(), Fault> {
        for blob in files {
            if self.is_shown(&space, &blob, Some(&record))? {
                continue;
            }
            let key = blob_key(&space, &blob);
            for school in Catalogue(&self.store).holders(&space, &blob)? {
                self.staged.delete(Table::Holders, [space.0, blob.0, school.0].concat());
            }
            self.staged.delete(Table::Blobs, key);
            self.staged.delete(Table::Wanted, key);
            self.staged.put(Table::Dropped, blob.0, []);
        }
        Ok(())
    }
    /// Whether a record of a space, other than this one, shows a blob; with all that is staged.
    fn is_shown(&self, space: &SpaceId, blob: &BlobId, except: Option<&RecordId>) -> Result<bool, Fault> {
        let prefix = [blob.0, space.0].concat();
        let counts = |record: &[u8]| except.is_none_or(|except| record != except.0);
        let is_use = |table: Table, key: &[u8]| table == Table::Uses && key.starts_with(&prefix) && counts(&key[64..]);
        if self.staged.writes().any(|(table, key, value)| value.is_some() && is_use(table, key)) {
            return Ok(true);
        }
        // What a batch takes away is not there any more, though the store still has it.
        let still = |record: &RecordId| {
            let key = [&prefix[..], &record.0].concat();
            counts(&record.0) && self.staged.get(Table::Uses, &key) != Some(None)
        };
        Ok(Catalogue(&self.store).uses(blob, Some(space))?.iter().any(|(_, record)| still(record)))
    }
    /// Stages that a file which came is not to be kept: nothing shows it any more.
    pub fn drop_file(&mut self, blob: &BlobId) -> Result<(), Fault> {
        self.check()?;
        for space in self.spaces.keys() {
            if self.reader().get(Table::Blobs, &blob_key(space, blob))?.is_some() {
                return Ok(());
            }
        }
        self.staged.put(Table::Dropped, blob.0, []);
        Ok(())
    }
    /// Stages that the file of a blob, which no space knew any more, is gone from the disk.
    pub fn file_is_gone(&mut self, blob: &BlobId) -> Result<(), Fault> {
        self.check()?;
        self.staged.delete(Table::Dropped, blob.0);
        Ok(())
    }

    /// Stages which files a record shows, now that its card is this one.
    pub(super) fn stage_uses(&mut self, old: Option<&Card>, new: Option<&Card>) -> Result<(), Fault> {
        if let Some(old) = old {
            let now: BTreeSet<BlobId> = new.into_iter().flat_map(shown).map(|blob| blob.id).collect();
            for blob in shown(old).filter(|blob| !now.contains(&blob.id)) {
                self.staged.delete(Table::Uses, use_key(&blob.id, old));
                if !self.is_shown(&old.space, &blob.id, Some(&old.id))? {
                    self.staged.delete(Table::Wanted, blob_key(&old.space, &blob.id));
                }
            }
        }
        for (card, blob) in new.into_iter().flat_map(|card| shown(card).map(move |blob| (card, blob))) {
            self.staged.put(Table::Uses, use_key(&blob.id, card), []);
            let key = blob_key(&card.space, &blob.id);
            if self.reader().get(Table::Blobs, &key)?.is_none() {
                // Of several the least: a record with a wrong length keeps nobody from the file.
                let before = self.reader().get(Table::Wanted, &key)?.and_then(|value| value.try_into().ok());
                let least = before.map_or(blob.bytes, |before| u64::from_be_bytes(before).min(blob.bytes));
                self.staged.put(Table::Wanted, key, least.to_be_bytes());
                self.notices.insert(Notice::Wanted(card.space));
            }
        }
        Ok(())
    }
}
