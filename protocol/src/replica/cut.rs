//! Where logs end: cuts and forks, what stands above them, and what comes back (§2.4, §3.6).
//!
//! Above a cut nothing is held. What was there is put aside, not thrown away: where a later decision
//! lets more of a log stand, it comes back from there.

use std::collections::{BTreeMap, BTreeSet};

use super::record::read_held;
use super::rows::{RecordRow, join_ids, read_entry, unpack};
use super::{Notice, Replica, Space};
use crate::charter::Cut;
use crate::fault::{Blame, Fault};
use crate::id::{EntryId, RecordId, SpaceId, WriterId};
use crate::limits;
use crate::log::{Entry, EntryKind, Fork, Verified};
use crate::record::Held;
use crate::store::{Read, Store, Table};

/// How far a log may be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its writer is not enrolled.
    NotEnrolled,
    /// It goes on.
    Open,
    /// The charter ended it.
    Cut(Cut),
    /// Two histories of it were signed: what was before stands.
    Fork(u64),
}

/// What was held of a record, and what is.
type BeforeAndAfter = (Vec<Held>, Vec<Held>);

impl<S: Store> Replica<S> {
    /// Brings what is held to what the charter says of each log now.
    pub(super) fn apply_cuts(&mut self, id: SpaceId) -> Result<(), Fault> {
        let held: Vec<WriterId> = self.space(&id)?.staged_frontier().0.keys().copied().collect();
        for writer in held {
            let space = self.space(&id)?;
            let next = space.staged_frontier().next(&writer);
            let keep = match space.end(&writer) {
                End::Open => next,
                End::Fork(seq) => seq.min(next),
                End::Cut(cut) if cut.next > next => next,
                End::Cut(cut) if self.entry_id(id, &writer, cut.next)? == cut.head => cut.next,
                // Another history than the one that stands: it is fetched anew from its start.
                End::Cut(_) | End::NotEnrolled => 0,
            };
            if keep < next {
                self.put_aside(id, writer, keep)?;
            }
        }
        let enrolled: Vec<WriterId> = self.space(&id)?.charter().resolved().writers.keys().copied().collect();
        for writer in enrolled {
            self.take_back(id, writer)?;
        }
        Ok(())
    }

    /// The id of the last of `next` entries of a log; zero for none.
    fn entry_id(&self, space: SpaceId, writer: &WriterId, next: u64) -> Result<EntryId, Fault> {
        let Some(seq) = next.checked_sub(1) else { return Ok(EntryId::default()) };
        let place = self.space(&space)?.place(writer, seq).ok_or(Fault::Chain { what: "entry" })?;
        Ok(read_entry(&self.reader(), place)?.id())
    }

    /// Puts aside all entries of a log but the first `keep`.
    pub(super) fn put_aside(&mut self, id: SpaceId, writer: WriterId, keep: u64) -> Result<(), Fault> {
        let next = self.space(&id)?.staged_frontier().next(&writer);
        let mut records: BTreeSet<RecordId> = BTreeSet::new();
        let mut begun: BTreeSet<RecordId> = BTreeSet::new();
        let mut gone = Vec::new();
        for seq in keep..next {
            let place = self.space(&id)?.place(&writer, seq).ok_or(Fault::Chain { what: "entry" })?;
            let entry = read_entry(&self.reader(), place)?;
            self.stage_aside(&entry, false);
            gone.push(place);
            records.insert(entry.header().record);
            if entry.header().kind == EntryKind::Genesis {
                begun.insert(entry.header().record);
            }
        }
        let head = self.entry_id(id, &writer, keep)?;
        let space = self.space_mut(id)?;
        let log = space.log_row(&writer).log;
        space.cut(writer, keep, head);
        let row = space.log_row(&writer);
        self.staged.put(Table::Logs, join_ids(&id.0, &writer.0), row.to_bytes());
        // Words of an ended log of our own are found where they were put aside.
        let found = self.own_lives(id)?.contains(&writer).then_some(writer);
        for record in records {
            let before = self.forget_entries(id, record, log, keep, begun.contains(&record))?;
            if let Some((before, after)) = before {
                self.note_lost_words(id, record, found, &before, &after);
            }
        }
        for place in gone {
            self.staged.delete(Table::Headers, place.key());
            self.staged.delete(Table::Payloads, place.key());
        }
        self.notices.insert(Notice::Entries(id, writer));
        Ok(())
    }

    /// A record without the entries of a log from `keep` on; what was held of it and what is, where its
    /// genesis stays.
    fn forget_entries(
        &mut self,
        space: SpaceId,
        record: RecordId,
        log: u32,
        keep: u64,
        genesis: bool,
    ) -> Result<Option<BeforeAndAfter>, Fault> {
        let key = join_ids(&space.0, &record.0);
        let Some(value) = self.reader().get(Table::Records, &key)? else { return Ok(None) };
        let mut row = RecordRow::read(&value)?;
        let before = read_held(&self.reader(), &row)?;
        row.entries.retain(|(place, _)| place.log != log || place.seq < keep);
        let mut lost = None;
        if genesis {
            (row.owner, row.open) = (None, false);
        } else {
            lost = Some((before, read_held(&self.reader(), &row)?));
        }
        if row.entries.is_empty() {
            self.staged.delete(Table::Records, key);
        } else {
            self.staged.put(Table::Records, key, row.to_bytes());
        }
        self.stage_row(space, record, &row)?;
        Ok(lost)
    }

    pub(super) fn aside_key(entry: &Verified) -> Vec<u8> {
        let header = entry.header();
        [&header.space.0[..], &header.writer.0, &header.seq.to_be_bytes(), &entry.id().0].concat()
    }
    /// Puts an entry aside; `said` if its words were set again.
    pub(super) fn stage_aside(&mut self, entry: &Verified, said: bool) {
        let key = Self::aside_key(entry);
        let erased =
            self.spaces.get(&entry.header().space).is_some_and(|space| space.is_erased(&entry.header().record));
        let payload = entry.payload().filter(|_| !erased);
        let payload = payload.map(|payload| self.packer.pack(payload.as_bytes())).unwrap_or_default();
        self.staged.put(Table::Aside, key, [&[u8::from(said)], entry.signed_bytes(), &payload].concat());
    }

    /// Puts an entry aside that came from elsewhere, unless it lies there with all it has: its words may
    /// have been said again. Whether it is new.
    pub(super) fn keep_aside(&mut self, entry: &Verified) -> Result<bool, Fault> {
        let row = self.reader().get(Table::Aside, &Self::aside_key(entry))?;
        let is_new = match row {
            None => true,
            // The header alone was put aside with the evidence.
            Some(row) => row.len() <= 1 + crate::log::SIGNED_HEADER && entry.payload().is_some(),
        };
        if is_new {
            self.stage_aside(entry, false);
        }
        Ok(is_new)
    }

    /// What was put aside of a log, in order; each with whether its words were set again.
    pub(crate) fn aside(&self, space: SpaceId, writer: &WriterId) -> Result<Vec<(Verified, bool)>, Fault> {
        let prefix = join_ids(&space.0, &writer.0);
        let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        self.store.scan(Table::Aside, &prefix, &[], &mut |key, value| {
            rows.insert(key.to_vec(), value.to_vec());
            Ok(true)
        })?;
        for (_, key, value) in self.staged.writes().filter(|(t, key, _)| *t == Table::Aside && key.starts_with(&prefix))
        {
            match value {
                Some(value) => rows.insert(key.to_vec(), value.to_vec()),
                None => rows.remove(key),
            };
        }
        let held = self.space(&space)?;
        let read = |value: &Vec<u8>| -> Result<(Verified, bool), Fault> {
            let malformed = || Fault::Malformed { what: "entry put aside" };
            let (said, entry) = value.split_first().ok_or_else(malformed)?;
            let (signed, packed) = entry.split_at_checked(crate::log::SIGNED_HEADER).ok_or_else(malformed)?;
            let payload = if packed.is_empty() { None } else { Some(unpack(packed)?) };
            let entry = Verified::from_own_store(signed, payload)?;
            let erased = held.is_erased(&entry.header().record);
            Ok((if erased { entry.without_payload() } else { entry }, *said == 1))
        };
        rows.values().map(read).collect()
    }

    /// Takes back what was put aside of a log and stands again.
    pub(super) fn take_back(&mut self, id: SpaceId, writer: WriterId) -> Result<(), Fault> {
        let space = self.space(&id)?;
        let next = space.staged_frontier().next(&writer);
        let end = space.end(&writer);
        if matches!(end, End::NotEnrolled) || matches!(end, End::Cut(cut) if cut.next <= next) {
            return Ok(());
        }
        let aside: Vec<Verified> = self.aside(id, &writer)?.into_iter().map(|(entry, _)| entry).collect();
        // Of a log that ends, only what leads to its end.
        let mut stands: BTreeSet<EntryId> = aside.iter().map(|entry| entry.id()).collect();
        if let End::Cut(cut) = end {
            stands.clear();
            let mut wanted = cut.head;
            for entry in aside.iter().rev().filter(|entry| entry.header().seq < cut.next) {
                if entry.id() == wanted {
                    stands.insert(wanted);
                    wanted = entry.header().prev;
                }
            }
        }
        for entry in aside.iter().filter(|entry| stands.contains(&entry.id())) {
            let header = entry.header();
            let frontier = self.space(&id)?.staged_frontier();
            if header.seq != frontier.next(&writer) || header.prev != frontier.head(&writer) {
                continue;
            }
            if matches!(end, End::Fork(seq) if header.seq >= seq) {
                break;
            }
            // Of some only the header is here, as evidence, or because the payload could not be read: a partner
            // sends them whole.
            let is_whole = entry.payload().is_some() || (header.kind == EntryKind::Erase && header.length == 0);
            if !is_whole && !self.space(&id)?.may_be_bare(&header.record) {
                break;
            }
            self.staged.delete(Table::Aside, Self::aside_key(entry));
            self.stage_entry(entry)?;
        }
        Ok(())
    }

    /// Takes in the evidence of a fork, if it is one that was not known. What stands from there on is
    /// put aside.
    pub fn admit_fork(&mut self, fork: &Fork) -> Result<bool, Fault> {
        self.check()?;
        let (id, writer, seq) = fork.place();
        let space = self.space(&id)?;
        match space.end(&writer) {
            End::NotEnrolled => return Err(Fault::NotEnrolled(writer)),
            // Whoever ended the log said which history stands.
            End::Cut(_) => return Ok(false),
            End::Fork(known) if known <= seq => return Ok(false),
            End::Fork(_) | End::Open => {}
        }
        self.space_mut(id)?.set_fork(writer, fork.clone());
        self.staged.put(Table::Forks, join_ids(&id.0, &writer.0), crate::bytes::encode(fork));
        self.apply_cuts(id)?;
        self.notices.insert(Notice::Charter(id));
        // A device that may not write goes on in no log: no fault of who brought the evidence.
        match self.renew_writer(id) {
            Err(fault) if fault.blame() == Blame::Node => Err(fault),
            _ => Ok(true),
        }
    }

    /// An entry that contradicts what is held at its place: the two are a fork.
    pub(super) fn contradict(&mut self, held: &Entry, entry: &Verified) -> Result<Fault, Fault> {
        let header = entry.header();
        if let Some(fork) = Fork::of(held, entry) {
            self.admit_fork(&fork)?;
            self.keep_aside(entry)?;
        }
        Ok(Fault::Fork { writer: header.writer, seq: header.seq })
    }

    /// Where this store's own log has ended, its words go on in a new one.
    pub(super) fn renew_writer(&mut self, id: SpaceId) -> Result<(), Fault> {
        if self.space(&id)?.has_ended() {
            self.next_writer(id)?;
        }
        self.enrol_own(id)?;
        self.restate(id)
    }
    fn next_writer(&mut self, id: SpaceId) -> Result<(), Fault> {
        let space = self.spaces.get_mut(&id).ok_or(Fault::NoSuchSpace)?;
        space.next_generation(&self.me);
        self.staged.put(Table::Writers, id.0, space.generation().to_be_bytes());
        Ok(())
    }

    /// Ends every log where the charter and what is known of forks end it: what a store holds that was put
    /// together out of what could be read may go on above that.
    pub fn end_logs(&mut self) -> Result<(), Fault> {
        self.check()?;
        let ids: Vec<SpaceId> = self.spaces().map(|(id, _)| *id).collect();
        ids.into_iter().try_for_each(|id| self.apply_cuts(id))
    }

    /// Writes no more in the logs that this store has begun, but in new ones: it may have been put back
    /// or copied (§1.4). What is in them stays. A school has a bounded number of live logs in a space:
    /// half of them are kept for what partners prove.
    pub fn begin_new_logs(&mut self) -> Result<(), Fault> {
        self.check()?;
        let school = self.school();
        let live = |space: &Space| {
            let writers = space.charter().resolved().writers.values();
            writers.filter(|writer| writer.school == school && writer.cut.is_none()).count()
        };
        let begun = |(_, space): &(&SpaceId, &Space)| {
            space.end(&space.own_writer()) == End::Open && live(space) < limits::LIVE_WRITERS / 2
        };
        let ids: Vec<SpaceId> = self.spaces().filter(begun).map(|(id, _)| *id).collect();
        for id in ids {
            self.give_up_log(id)?;
        }
        Ok(())
    }

    /// Leaves this store's log to another life of it, from `seq` on: what we wrote there since is put
    /// aside and said again under our next writer.
    pub(super) fn yield_log(&mut self, id: SpaceId, seq: u64) -> Result<(), Fault> {
        let writer = self.space(&id)?.own_writer();
        if seq < self.space(&id)?.staged_frontier().next(&writer) {
            self.put_aside(id, writer, seq)?;
        }
        self.give_up_log(id)
    }
    fn give_up_log(&mut self, id: SpaceId) -> Result<(), Fault> {
        self.next_writer(id)?;
        match self.renew_writer(id) {
            Err(fault) if fault.blame() == Blame::Node => Err(fault),
            // A device that may not write goes on in no log.
            _ => Ok(()),
        }
    }
}
