//! Erasing for everyone (§6): what must go from the store once a record is erased, and the receipt that
//! says that it is gone from the files too.
//!
//! ```text
//! erase entry, ERASURES, decision ──▶ erased: payloads, caches, what was put aside    (one commit)
//!                                        │
//!                            Store::rewrite: nothing of it in the file any more
//!                                        │
//!                                     receipt, which travels
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{RecordRow, join_ids, read_entry, read_header, unpack};
use super::{EditFault, Notice, Replica, split_ids};
use crate::bytes;
use crate::erasure::held::speaks;
use crate::erasure::{ErasedBy, Erasure, Receipt};
use crate::fault::{Blame, Fault};
use crate::id::{BlobId, IdPrefix, RecordId, SpaceId, WriterId};
use crate::limits;
use crate::log::{Entry, EntryKind, Header, Payload, SIGNED_HEADER, Verified};
use crate::planted::{self, Planted};
use crate::record::change::Change;
use crate::record::files_named;
use crate::store::{Read, Store, Table};
use crate::time::Millis;

/// What came of making erased bytes unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wiped {
    /// Nothing waited for it.
    Nothing,
    /// So many receipts are staged.
    Done(usize),
    /// Not now, for this reason: it is to be tried again.
    Later(String),
}

/// What waits for the file to be rewritten.
#[derive(Debug, Default)]
pub(super) struct Wiping {
    /// Erased, and no receipt given since; beside them, those that the next flush makes durable.
    due: BTreeSet<(SpaceId, RecordId)>,
    staged: BTreeSet<(SpaceId, RecordId)>,
    /// Erased since the last flush; of them, those of which something was here.
    fresh: BTreeSet<(SpaceId, RecordId)>,
    found: BTreeSet<(SpaceId, RecordId)>,
    /// Of those, what was here: its bytes may be in the file.
    unwiped: BTreeSet<(SpaceId, RecordId)>,
    /// Whether the file was rewritten since the last of them was removed.
    rewritten: bool,
}

impl Wiping {
    pub(super) fn became_durable(&mut self) {
        self.due.append(&mut self.staged);
    }
}

impl<S: Store> Replica<S> {
    /// Reads what is held of erasures and receipts, and finds what still waits for its receipt.
    pub(super) fn open_erasures(&mut self) -> Result<(), Fault> {
        let (erasures, receipts) = read_erasures(&self.store)?;
        let Self { store, spaces, wiping, .. } = self;
        for erasure in erasures {
            let Some(space) = spaces.get_mut(&erasure.space()) else { continue };
            // Whose it is may be unknown for a while, where a charter was rewritten.
            let owner = erasure.owner(space.charter().resolved()).unwrap_or_default();
            space.erasures_mut().keep(&erasure, owner);
        }
        for receipt in receipts {
            if let Some(space) = spaces.get_mut(&receipt.space) {
                space.erasures_mut().keep_receipt(&receipt);
            }
        }
        store.scan(Table::Unwiped, &[], &[], &mut |key, _| {
            let (space, record) = split_ids(key)?;
            wiping.unwiped.insert((SpaceId(space), RecordId(record)));
            Ok(true)
        })?;
        let (school, device) = (self.me.school.school(), self.me.device.public());
        for (id, space) in spaces {
            let (erased, _) = space.find_erased();
            space.became_durable();
            let waits = |record: &RecordId| {
                wiping.unwiped.contains(&(*id, *record)) || !space.erasures().has_receipt(record, school, device)
            };
            wiping.due.extend(erased.into_iter().filter(waits).map(|record| (*id, record)));
        }
        Ok(())
    }

    /// Erases a record of this school's, for everyone and for good. Whether it was not erased before.
    pub fn erase(&mut self, record: &RecordId, now: Millis) -> Result<bool, EditFault> {
        self.check()?;
        let (id, row) = self.row_of(record)?.ok_or(EditFault::NoSuchRecord)?;
        let space = self.space(&id)?;
        if space.is_erased(record) {
            return Ok(false);
        }
        match row.owner {
            None => return Err(EditFault::NoSuchRecord),
            Some(owner) if owner != self.school() => return Err(EditFault::NotOwner(owner)),
            Some(_) => {}
        }
        if space.end(&space.own_writer()) != super::End::Open {
            return Err(Fault::NoRight { school: self.school(), act: "write here" }.into());
        }
        let key = self.me.writer(id, space.generation());
        let header = self.header(id, EntryKind::Erase, *record, 0, 0, now)?;
        // It says nothing besides: there is nothing in it that would have to be erased in turn.
        let nothing = Payload::from_bytes(Vec::new());
        let header = Header { commitment: nothing.commitment(), length: nothing.length(), ..header };
        self.stage_entry(&Entry::sign(header, nothing, &key).without_payload())?;
        Ok(true)
    }
    /// The space that a record lives in, and what is held of it; also of one that does not show.
    fn row_of(&self, record: &RecordId) -> Result<Option<(SpaceId, RecordRow)>, Fault> {
        for id in self.spaces.keys() {
            let value = self.reader().get(Table::Records, &join_ids(&id.0, &record.0))?;
            let row = value.map(|value| RecordRow::read(&value)).transpose()?;
            if let Some(row) = row.filter(|row| row.owner.is_some()) {
                return Ok(Some((*id, row)));
            }
        }
        Ok(None)
    }
    /// Where the genesis of a record stands that is held here: with it a decision proves the record.
    pub fn genesis_of(&self, record: &RecordId) -> Result<Option<(SpaceId, WriterId, u64)>, Fault> {
        let Some((id, row)) = self.row_of(record)? else { return Ok(None) };
        Ok(self.genesis_in(&row)?.map(|(writer, seq)| (id, writer, seq)))
    }
    fn genesis_in(&self, row: &RecordRow) -> Result<Option<(WriterId, u64)>, Fault> {
        for (place, _) in &row.entries {
            let entry = read_header(&self.reader(), *place)?;
            if entry.header().kind == EntryKind::Genesis {
                return Ok(Some((entry.header().writer, entry.header().seq)));
            }
        }
        Ok(None)
    }

    /// Does not show a record at our school, or shows it again. Nobody else hears of it.
    pub fn hide(&mut self, record: &RecordId, hidden: bool) -> Result<(), Fault> {
        self.check()?;
        if hidden {
            self.staged.put(Table::Hidden, record.0, []);
        } else {
            self.staged.delete(Table::Hidden, record.0);
        }
        Ok(())
    }
    /// The space of a record that is erased, and who did that.
    pub fn erased(&self, record: &RecordId) -> Option<(SpaceId, ErasedBy)> {
        self.spaces.iter().find_map(|(id, space)| Some((*id, space.erased_by(record)?)))
    }
    /// The erased records whose ids begin so.
    pub fn erased_like(&self, prefix: &IdPrefix) -> Vec<RecordId> {
        let erased = self.spaces.values().flat_map(|space| space.erased().iter());
        erased.filter(|record| prefix.matches(&record.0)).copied().collect()
    }

    /// An entry that is staged may erase its record, or begin one that was erased before it came: the
    /// proof is kept by itself from then on.
    pub(super) fn find_erasure(&mut self, entry: &Verified, row: &RecordRow) -> Result<(), Fault> {
        let header = entry.header();
        let mut signed = Vec::new();
        match header.kind {
            EntryKind::Erase if row.owner == self.space(&header.space)?.school_of(&header.writer) => {
                signed.push(entry.clone());
            }
            EntryKind::Genesis if row.entries.len() > 1 => {
                for (place, _) in row.entries.iter().filter(|(_, school)| row.owner == Some(*school)) {
                    let other = read_header(&self.reader(), *place)?;
                    signed.extend((other.header().kind == EntryKind::Erase).then_some(other));
                }
            }
            _ => {}
        }
        if signed.is_empty() {
            return Ok(());
        }
        let Some(genesis) = self.genesis_in(row)? else { return Ok(()) };
        for entry in signed {
            match Erasure::of(&entry, genesis).and_then(|erasure| self.keep_erasure(&erasure)) {
                Err(fault) if fault.blame() == Blame::Node => return Err(fault),
                // More than one school may make: the entry is held all the same, and erases nothing.
                _ => {}
            }
        }
        Ok(())
    }

    /// Obeys a proof that a record is erased, whether or not anything of the record is here. Whether it is
    /// news.
    pub fn admit_erasure(&mut self, id: SpaceId, erasure: &Erasure) -> Result<bool, Fault> {
        self.check()?;
        if erasure.space() != id {
            return Err(Fault::OtherSpace(erasure.space()));
        }
        let space = self.space(&id)?;
        if space.erasures().has(erasure) {
            return Ok(false);
        }
        erasure.owner(space.charter().resolved())?;
        erasure.verify()?;
        self.keep_erasure(erasure)
    }
    fn keep_erasure(&mut self, erasure: &Erasure) -> Result<bool, Fault> {
        let (id, record) = (erasure.space(), erasure.record());
        let space = self.space_mut(id)?;
        let owner = erasure.owner(space.charter().resolved())?;
        if space.erasures().made_by(&owner) >= limits::SCHOOL_ERASURES {
            return Err(Fault::TooLarge { what: "school's list of erasures", most: limits::SCHOOL_ERASURES as u64 });
        }
        if !space.erasures_mut().keep(erasure, owner) {
            return Ok(false);
        }
        let is_new = space.note_erased(record);
        let key = [&id.0[..], &record.0, &erasure.writer().0].concat();
        self.staged.put(Table::Erasures, key, bytes::encode(erasure));
        self.notices.insert(Notice::Erasures(id));
        if is_new {
            self.erase_records(id, &BTreeSet::from([record]))?;
        }
        Ok(true)
    }

    /// Keeps the word of a device that it has nothing left of an erased record. Whether it is news.
    pub fn admit_receipt(&mut self, id: SpaceId, receipt: &Receipt) -> Result<bool, Fault> {
        self.check()?;
        if receipt.space != id {
            return Err(Fault::OtherSpace(receipt.space));
        }
        let space = self.space(&id)?;
        if space.erasures().holds(receipt) {
            return Ok(false);
        }
        if !space.erasures().bears_receipts(space.charter(), &receipt.record) {
            return Err(Fault::NotErased(receipt.record));
        }
        if !speaks(space.charter(), receipt) {
            return Err(Fault::NoRight { school: receipt.school, act: "give a receipt by this device" });
        }
        receipt.verify()?;
        self.keep_receipt(receipt)
    }
    fn keep_receipt(&mut self, receipt: &Receipt) -> Result<bool, Fault> {
        let key = |device: [u8; 32]| [receipt.space.0, receipt.record.0, receipt.school.0, device].concat();
        let (is_new, dropped) = self.space_mut(receipt.space)?.erasures_mut().keep_receipt(receipt);
        if let Some(dropped) = dropped {
            self.staged.delete(Table::Receipts, key(dropped.0));
        }
        if is_new {
            self.staged.put(Table::Receipts, key(receipt.device.0), bytes::encode(receipt));
            self.notices.insert(Notice::Erasures(receipt.space));
        }
        Ok(is_new)
    }

    /// What is erased now that the charter says something else.
    pub(super) fn follow_erasures(&mut self, id: SpaceId) -> Result<(), Fault> {
        let (new, gone) = self.space_mut(id)?.find_erased();
        for record in gone {
            // What was dropped is not here any more; it shows as missing.
            self.wiping.due.remove(&(id, record));
            self.wiping.fresh.remove(&(id, record));
            self.restage_record(id, record)?;
        }
        if !new.is_empty() {
            self.notices.insert(Notice::Erasures(id));
            self.erase_records(id, &new.into_iter().collect())?;
        }
        Ok(())
    }

    /// Stages that nothing is left of records but the headers of their entries; the rest of it comes with
    /// the flush, once for all of them.
    fn erase_records(&mut self, id: SpaceId, records: &BTreeSet<RecordId>) -> Result<(), Fault> {
        if planted::is(Planted::ErasureIgnored) {
            return Ok(());
        }
        for record in records {
            self.wiping.fresh.insert((id, *record));
            self.documents.take(id, *record);
            let row = self.reader().get(Table::Records, &join_ids(&id.0, &record.0))?;
            let Some(row) = row.map(|row| RecordRow::read(&row)).transpose()? else { continue };
            self.wiping.found.insert((id, *record));
            let mut files = BTreeSet::new();
            for (place, _) in &row.entries {
                let entry = read_entry(&self.reader(), *place)?;
                files.extend(entry.payload().into_iter().flat_map(named));
                self.staged.delete(Table::Payloads, place.key());
            }
            self.stage_row(id, *record, &row)?;
            self.drop_files(id, *record, files)?;
        }
        Ok(())
    }
    /// Takes what was erased since the last flush from where it has to be looked for.
    pub(super) fn finish_erasing(&mut self) -> Result<(), Fault> {
        let fresh = core::mem::take(&mut self.wiping.fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        let mut found = core::mem::take(&mut self.wiping.found);
        for id in fresh.iter().map(|(id, _)| *id).collect::<BTreeSet<SpaceId>>() {
            let records = fresh.iter().filter(|(space, _)| *space == id).map(|(_, record)| *record).collect();
            let aside = self.strip_aside(id, &records)?;
            found.extend(aside.into_iter().map(|record| (id, record)));
        }
        if !found.is_empty() {
            self.forget_sources(&found.iter().map(|(_, record)| *record).collect())?;
            self.wiping.rewritten = false;
        }
        for (id, record) in &found {
            self.staged.put(Table::Unwiped, join_ids(&id.0, &record.0), []);
        }
        self.wiping.unwiped.append(&mut found);
        self.wiping.staged.extend(fresh);
        Ok(())
    }
    /// Takes the payloads from what was put aside of these records; says of which there was any.
    fn strip_aside(&mut self, id: SpaceId, records: &BTreeSet<RecordId>) -> Result<BTreeSet<RecordId>, Fault> {
        let (mut rows, mut files) = (Vec::new(), BTreeMap::<RecordId, BTreeSet<BlobId>>::new());
        let mut note = |key: &[u8], value: &[u8]| -> Result<bool, Fault> {
            let signed = value.get(1..=SIGNED_HEADER).ok_or(Fault::Malformed { what: "entry put aside" })?;
            let entry = Verified::from_own_store(signed, None)?;
            let record = entry.header().record;
            if records.contains(&record) {
                let packed = value.get(1 + SIGNED_HEADER..).filter(|packed| !packed.is_empty());
                let payload = packed.map(unpack).transpose()?;
                files.entry(record).or_default().extend(payload.iter().flat_map(named));
                rows.push((key.to_vec(), entry));
            }
            Ok(true)
        };
        self.store.scan(Table::Aside, &id.0, &[], &mut note)?;
        let staged = self.staged.writes().filter(|(t, key, _)| *t == Table::Aside && key.starts_with(&id.0));
        for (_, key, value) in staged {
            value.map_or(Ok(true), |value| note(key, value))?;
        }
        let mut found = BTreeSet::new();
        for (key, entry) in rows {
            found.insert(entry.header().record);
            // What came back from there meanwhile stays gone from there.
            if self.reader().get(Table::Aside, &key)?.is_some() {
                self.stage_aside(&entry, true);
            }
        }
        for (record, files) in files {
            self.drop_files(id, record, files)?;
        }
        Ok(found)
    }
    /// Nothing leads from where a record came from to it any more, also of sources that it had before.
    fn forget_sources(&mut self, records: &BTreeSet<RecordId>) -> Result<(), Fault> {
        let leads = |value: &[u8]| value.try_into().is_ok_and(|id| records.contains(&RecordId(id)));
        let mut keys = Vec::new();
        self.store.scan(Table::Sources, &[], &[], &mut |key, value| {
            keys.extend(leads(value).then(|| key.to_vec()));
            Ok(true)
        })?;
        let staged = self.staged.writes().filter(|(t, _, value)| *t == Table::Sources && value.is_some_and(leads));
        keys.extend(staged.map(|(_, key, _)| key.to_vec()));
        for key in keys {
            // Another record may come from there since.
            if self.reader().get(Table::Sources, &key)?.is_some_and(|value| leads(&value)) {
                self.staged.delete(Table::Sources, key);
            }
        }
        Ok(())
    }

    /// How many erased records wait for this device's receipt, of those that are durable.
    pub fn unwiped(&self) -> usize {
        self.wiping.due.len()
    }
    /// Has the store rewritten, where anything of an erased record was in it, and stages this device's
    /// receipts. All that was erased so far costs one rewrite.
    pub fn wipe(&mut self, now: Millis) -> Result<Wiped, Fault> {
        self.check()?;
        if self.wiping.due.is_empty() {
            return Ok(Wiped::Nothing);
        }
        let was_here = self.wiping.due.iter().any(|due| self.wiping.unwiped.contains(due));
        // What was here before the store was mended may be in what is kept of it, whatever is known of it now.
        let was_here = was_here || self.store.keeps_older();
        if was_here && (!self.wiping.rewritten || self.store.keeps_older()) {
            if let Err(why) = self.store.rewrite() {
                return Ok(Wiped::Later(why));
            }
            self.wiping.rewritten = true;
        }
        if was_here && self.store.is_read_as_it_was() {
            return Ok(Wiped::Later("a check or a backup still reads the store as it was".to_owned()));
        }
        let (school, device) = (self.school(), self.device());
        let due = core::mem::take(&mut self.wiping.due);
        for (id, record) in &due {
            self.staged.delete(Table::Unwiped, join_ids(&id.0, &record.0));
            self.wiping.unwiped.remove(&(*id, *record));
            if !self.space(id)?.erasures().has_receipt(record, school, device) {
                let receipt = Receipt::sign(*id, *record, school, &self.me.device, now);
                self.keep_receipt(&receipt)?;
            }
        }
        Ok(Wiped::Done(due.len()))
    }
}

/// The files that the change in a payload names.
fn named(payload: &Payload) -> Vec<BlobId> {
    let change = payload.read().ok().and_then(|(_, change)| Change::read(change).ok());
    change.iter().flat_map(files_named).collect()
}

/// Reads the erasures and receipts of all spaces of a store.
pub(crate) fn read_erasures<R: Read>(store: &R) -> Result<(Vec<Erasure>, Vec<Receipt>), Fault> {
    let (mut erasures, mut receipts) = (Vec::new(), Vec::new());
    store.scan(Table::Erasures, &[], &[], &mut |_, value| {
        erasures.push(bytes::decode(value, "erasure")?);
        Ok(true)
    })?;
    store.scan(Table::Receipts, &[], &[], &mut |_, value| {
        receipts.push(bytes::decode(value, "receipt")?);
        Ok(true)
    })?;
    Ok((erasures, receipts))
}
