//! What an entry means for its record: the part of a batch that is cache.

use super::rows::{Place, RecordRow, join_ids, read_entry, read_header, split_ids};
use super::{Notice, Replica};
use crate::catalogue::Catalogue;
use crate::fault::Fault;
use crate::hash;
use crate::id::{RecordId, SchoolId, SpaceId};
use crate::log::{EntryKind, Verified};
use crate::record::document::LocalFault;
use crate::record::field::Value;
use crate::record::kind;
use crate::record::view::ViewFault;
use crate::record::{Card, Document, Held, InForce, View, changes, in_force};
use crate::store::{Read, Store, Table};
use crate::time::Timestamp;

/// The key under which a record is found by where it came from.
pub(crate) fn source_key(space: SpaceId, school: SchoolId, source: &str) -> [u8; 32] {
    hash::SOURCE.hash(&[&space.0, &school.0, source.as_bytes()])
}

/// Newest first: the space, the time turned round, the record.
fn recent_key(space: SpaceId, updated: Timestamp, record: RecordId) -> Vec<u8> {
    [&space.0[..], &(!updated.0).to_be_bytes(), &record.0].concat()
}

impl<S: Store> Replica<S> {
    /// Stages that `entry`, at `place`, is about its record, and what the record is with it: at once for
    /// the first one, otherwise with all others of the same batch, since each reads all before it.
    pub(super) fn stage_record(&mut self, entry: &Verified, place: Place) -> Result<(), Fault> {
        let header = entry.header();
        let (space, record) = (header.space, header.record);
        let school = self.space(&space)?.school_of(&header.writer).ok_or(Fault::NotEnrolled(header.writer))?;
        let key = join_ids(&space.0, &record.0);
        let row = self.reader().get(Table::Records, &key)?;
        let mut row = match row {
            Some(value) => RecordRow::read(&value)?,
            None => RecordRow { space, owner: None, open: false, entries: Vec::new() },
        };
        if header.kind == EntryKind::Genesis {
            row.owner = Some(school);
            row.open = header.flags & 1 == 1;
        }
        row.entries.push((place, school));
        self.staged.put(Table::Records, key.clone(), row.to_bytes());
        self.notices.insert(Notice::Record(space, record));
        self.find_erasure(entry, &row)?;
        if row.entries.len() > 1 {
            self.stale.insert((space, record));
            return Ok(());
        }
        let held = [Held { entry: entry.clone(), school }];
        self.stage_shown(record, &row, &held)
    }
    /// Stages what the records are that several entries of the batch are about.
    pub(super) fn freshen(&mut self) -> Result<(), Fault> {
        while let Some((space, record)) = self.stale.first().copied() {
            self.restage_record(space, record)?;
            self.stale.remove(&(space, record));
        }
        Ok(())
    }

    /// Stages what a record is once more, now that a payload has come that was missing.
    pub(super) fn restage_record(&mut self, space: SpaceId, record: RecordId) -> Result<(), Fault> {
        let key = join_ids(&space.0, &record.0);
        let Some(value) = self.reader().get(Table::Records, &key)? else { return Ok(()) };
        let row = RecordRow::read(&value)?;
        self.stage_row(space, record, &row)
    }
    /// Stages what a record is, now that its row says this.
    pub(super) fn stage_row(&mut self, space: SpaceId, record: RecordId, row: &RecordRow) -> Result<(), Fault> {
        let held = read_held(&self.reader(), row)?;
        self.stage_shown(record, row, &held)?;
        self.notices.insert(Notice::Record(space, record));
        Ok(())
    }

    /// Stages what a record shows and how much of what is held about it is not in force.
    fn stage_shown(&mut self, record: RecordId, row: &RecordRow, held: &[Held]) -> Result<(), Fault> {
        let key = join_ids(&row.space.0, &record.0);
        if self.space(&row.space)?.is_erased(&record) {
            return self.stage_erased(record, row.space, key);
        }
        let force = in_force(held);
        if !force.not.is_empty() {
            self.staged.put(Table::Quarantine, key, count(force.not.len()).to_be_bytes());
        } else if held.len() != 1 && self.reader().get(Table::Quarantine, &key)?.is_some() {
            self.staged.delete(Table::Quarantine, key);
        }
        self.stage_card(record, row, held, &force)
    }

    /// Tries again to merge what this node could not: its program may be a newer one now.
    pub(super) fn retry(&mut self) -> Result<(), Fault> {
        let mut unmerged = Vec::new();
        self.store.scan(Table::Unmerged, &[], &[], &mut |key, _| {
            unmerged.push(split_ids(key)?);
            Ok(true)
        })?;
        if unmerged.is_empty() {
            return Ok(());
        }
        for (space, record) in unmerged {
            self.restage_record(SpaceId(space), RecordId(record))?;
        }
        self.flush().map(|_| ())
    }

    /// Makes everything that is cache anew, from the entries held.
    pub fn rebuild(&mut self) -> Result<(), Fault> {
        self.flush()?;
        for table in Table::CACHES {
            let mut keys = Vec::new();
            self.store.scan(table, &[], &[], &mut |key, _| {
                keys.push(key.to_vec());
                Ok(true)
            })?;
            for key in keys {
                self.staged.delete(table, key);
            }
        }
        let logs = |space: &super::Space| {
            let logs = space.frontier().0.iter();
            logs.filter_map(|(writer, reach)| space.place(writer, 0).map(|first| (first.log, reach.next)))
                .collect::<Vec<_>>()
        };
        let logs: Vec<(u32, u64)> = self.spaces.values().flat_map(logs).collect();
        for (log, next) in logs {
            for seq in 0..next {
                let place = Place { log, seq };
                let entry = read_entry(&self.store, place)?;
                self.stage_record(&entry, place)?;
            }
        }
        Ok(())
    }

    /// The record that one of an export became here, where it is still.
    pub fn imported(&self, space: SpaceId, there: RecordId) -> Result<Option<RecordId>, Fault> {
        let Some(value) = self.reader().get(Table::Imported, &join_ids(&space.0, &there.0))? else { return Ok(None) };
        let here = RecordId(value.try_into().map_err(|_| Fault::Malformed { what: "imported record" })?);
        Ok(self.reader().get(Table::Cards, &here.0)?.map(|_| here))
    }
    /// Stages that a record of an export is this one here, so that it is known when it comes again.
    pub fn remember_imported(&mut self, space: SpaceId, there: RecordId, here: RecordId) {
        self.staged.put(Table::Imported, join_ids(&space.0, &there.0), here.0);
    }

    /// The document of what is in force of a record, brought up to it from the one that was kept.
    pub(super) fn document(
        &mut self,
        space: SpaceId,
        record: RecordId,
        force: &InForce,
        held: &[Held],
    ) -> Result<Document, LocalFault> {
        match self.documents.take(space, record) {
            // What fails step by step may still be merged at once.
            Some(kept) => kept.brought_up(force, held).or_else(|_| Document::of_record(force, held)),
            None => Document::of_record(force, held),
        }
    }
    /// The view of what is in force of a record; its document is kept where one was needed.
    fn merged(&mut self, space: SpaceId, record: RecordId, force: &InForce, held: &[Held]) -> Result<View, ViewFault> {
        if force.order.len() < 2 {
            return View::of_record(force, held);
        }
        let document = self.document(space, record, force, held)?;
        let view = View::from(&document);
        self.documents.keep(space, record, document);
        Ok(view)
    }

    /// Stages the card of a record, the list and the index that lead to it.
    fn stage_card(&mut self, record: RecordId, row: &RecordRow, held: &[Held], force: &InForce) -> Result<(), Fault> {
        let old = self.reader().get(Table::Cards, &record.0)?;
        let old: Option<Card> = old.map(|value| crate::bytes::decode(&value, "card")).transpose()?;
        let view = self.merged(row.space, record, force, held);
        let card = card_of(record, row, held, force, view).map(|(card, _)| card);
        if let Some(old) = old.as_ref().filter(|old| card.is_none() && old.space == row.space) {
            return self.unstage_card(old);
        }
        let Some(card) = card else { return Ok(()) };
        let key = join_ids(&row.space.0, &record.0);
        if card.local_fault.is_some() {
            self.staged.put(Table::Unmerged, key, []);
        } else if old.as_ref().is_some_and(|old| old.local_fault.is_some()) {
            self.staged.delete(Table::Unmerged, key);
        }
        if let Some(old) = &old {
            self.staged.delete(Table::Recent, recent_key(row.space, old.updated, record));
        }
        let source = card.line("source");
        if !source.is_empty() && old.as_ref().is_none_or(|old| old.line("source") != source) {
            self.staged.put(Table::Sources, source_key(row.space, card.school, source), record.0);
        }
        // A profile is the school's own alone; an open record is no profile, whatever it says.
        if card.kind == "school" && !card.open {
            self.staged.put(Table::Profiles, join_ids(&row.space.0, &card.school.0), record.0);
        }
        self.stage_about(old.as_ref(), Some(&card));
        self.stage_uses(old.as_ref(), Some(&card))?;
        self.staged.put(Table::Recent, recent_key(row.space, card.updated, record), []);
        self.staged.put(Table::Cards, record.0, crate::bytes::encode(&card));
        Ok(())
    }
}

impl<S: Store> Replica<S> {
    /// Stages that nothing is said of a record that is erased, not even how much of it is held.
    fn stage_erased(&mut self, record: RecordId, space: SpaceId, key: Vec<u8>) -> Result<(), Fault> {
        self.staged.delete(Table::Quarantine, key.clone());
        self.staged.delete(Table::Unmerged, key);
        self.staged.delete(Table::Hidden, record.0);
        let card = Catalogue(&self.reader()).card(&record)?;
        card.filter(|card| card.space == space).map_or(Ok(()), |card| self.unstage_card(&card))
    }
    /// Stages that a record is shown no more, and that nothing leads to it.
    fn unstage_card(&mut self, old: &Card) -> Result<(), Fault> {
        self.staged.delete(Table::Cards, old.id.0);
        self.staged.delete(Table::Recent, recent_key(old.space, old.updated, old.id));
        self.stage_about(Some(old), None);
        self.stage_uses(Some(old), None)?;
        let source = source_key(old.space, old.school, old.line("source"));
        let profile = join_ids(&old.space.0, &old.school.0);
        for (table, key) in [(Table::Sources, &source[..]), (Table::Profiles, &profile)] {
            if self.reader().get(table, key)?.is_some_and(|record| record == old.id.0) {
                self.staged.delete(table, key);
            }
        }
        Ok(())
    }
}

impl<S: Store> Replica<S> {
    /// Stages what a record is about, now that its card is this one.
    fn stage_about(&mut self, old: Option<&Card>, new: Option<&Card>) {
        let key = |card: &Card| Some(join_ids(&card.about()?.0, &card.id.0));
        let (old, new) = (old.and_then(key), new.and_then(key));
        if let Some(old) = old.filter(|old| new.as_ref() != Some(old)) {
            self.staged.delete(Table::About, old);
        }
        if let Some(new) = new {
            self.staged.put(Table::About, new, []);
        }
    }
}

/// The entries held about a record; without their payloads where they cannot be in force, whatever they say.
pub(crate) fn read_held<R: Read>(store: &R, row: &RecordRow) -> Result<Vec<Held>, Fault> {
    let read = |(place, school): &(Place, SchoolId)| {
        let counts = row.owner.is_some_and(|owner| row.open || owner == *school);
        let entry = if counts { read_entry(store, *place) } else { read_header(store, *place) };
        Ok(Held { entry: entry?, school: *school })
    };
    row.entries.iter().map(read).collect()
}

/// The card of a record out of what is held of it and its view, with that view, or with the last good one
/// where this node cannot make it; nothing while its genesis is not in force.
pub(crate) fn card_of(
    record: RecordId,
    row: &RecordRow,
    held: &[Held],
    force: &InForce,
    view: Result<View, ViewFault>,
) -> Option<(Card, View)> {
    let clocks = || force.order.iter().map(|place| held[*place].entry.header().clock);
    let (mut view, local_fault) = match view {
        Ok(view) => (view, None),
        Err(fault) => (View::last_good(force, held), Some(fault.to_string())),
    };
    // What kind a record is, its genesis says for good.
    if let Some(kind) = genesis_kind(held, &force.order) {
        view.kind = kind;
    }
    let View { kind, mut fields, conflicts, heads } = view.clone();
    let title = kind::title(&kind, &fields);
    if !title.is_empty() {
        fields.insert("title".to_owned(), Value::Line(title));
    }
    let card = Card {
        id: record,
        space: row.space,
        school: row.owner?,
        kind,
        open: row.open,
        created: held[*force.order.first()?].entry.header().clock,
        updated: clocks().max()?,
        heads,
        fields: fields.into_iter().filter(|(_, value)| !matches!(value, Value::Text(_))).collect(),
        conflicts: conflicts.into_keys().collect(),
        changes: count(force.order.len()),
        not_in_force: count(force.not.len()),
        local_fault,
    };
    Some((card, view))
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The kind that the genesis gave a record that was changed since.
fn genesis_kind(held: &[Held], order: &[usize]) -> Option<String> {
    let genesis = changes(held, order.get(..1).filter(|_| order.len() > 1)?);
    View::of(&genesis).ok().map(|view| view.kind)
}
