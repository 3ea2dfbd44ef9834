//! Our own words that a cut took away go on under the writer that we have now (§1.4, §2.4, §3.6).
//!
//! Words are lost to a cut in two ways: they stand above the cut of an earlier log of this store, or
//! they build on a change of another school that was cut. What they set is set again: in the record
//! where that is still there, in a new one where the record itself was ours and went with its log.

use std::collections::{BTreeMap, BTreeSet};

use super::cut::End;
use super::record::read_held;
use super::rows::{RecordRow, join_ids, read_entry, read_header};
use super::{Draft, Edit, EditFault, Notice, Replica, Space};
use crate::catalogue::Catalogue;
use crate::fault::{Blame, Fault};
use crate::hash;
use crate::id::{ChangeHash, EntryId, RecordId, SpaceId, WriterId};
use crate::identity::Rights;
use crate::log::{EntryKind, SIGNED_HEADER, Verified};
use crate::record::field::Value;
use crate::record::{Fields, Held, InForce, View, changes, in_force};
use crate::store::{Read, Store, Table};
use crate::time::Millis;

/// Words of ours to be set again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Words {
    record: RecordId,
    /// What they set.
    fields: Fields,
    /// The changes that whoever said them had seen. They are set again on top of what stands of that,
    /// so that what others said at the same time is not written over.
    seen: BTreeSet<ChangeHash>,
    author: String,
}

/// The author that an entry names.
fn author(entry: &Verified) -> String {
    entry.payload().and_then(|payload| payload.read().ok()).map(|(author, _)| author.to_owned()).unwrap_or_default()
}

/// The fields of `with` that `without` has not, or has otherwise, also where another value shows.
fn difference(with: &View, without: &View) -> Fields {
    let other = |(name, shown): (&String, &Value)| {
        let known = without.conflicts.get(name).map_or(&[][..], Vec::as_slice);
        let beside = with.conflicts.get(name).map_or(&[][..], Vec::as_slice);
        let is_new = |value: &&Value| without.fields.get(name) != Some(*value) && !known.contains(*value);
        let changed = without.fields.get(name) != Some(shown);
        let value = if changed { Some(shown) } else { beside.iter().find(is_new) };
        Some((name.clone(), value?.clone()))
    };
    with.fields.iter().filter_map(other).collect()
}

/// These changes and all that they build on.
fn with_past(force: &InForce, of: impl IntoIterator<Item = ChangeHash>) -> BTreeSet<ChangeHash> {
    let mut past: BTreeSet<ChangeHash> = of.into_iter().collect();
    for (_, hash, deps) in force.changes().rev() {
        if past.contains(&hash) {
            past.extend(deps);
        }
    }
    past
}

/// What the entries at these places of `held` change in a record, on top of what they had seen.
fn changed_by(record: RecordId, held: &[Held], lost: impl Fn(usize, &ChangeHash) -> bool) -> Option<Words> {
    let force = in_force(held);
    let changed = || force.changes().map(|(place, hash, _)| (place, hash));
    let ours: BTreeSet<ChangeHash> = changed().filter(|(at, hash)| lost(*at, hash)).map(|(_, hash)| hash).collect();
    let last = changed().rfind(|(_, hash)| ours.contains(hash))?.0;
    let seen = with_past(&force, ours.iter().copied());
    // What builds on ours goes with it.
    let mut gone = ours;
    for (_, hash, deps) in force.changes() {
        if deps.iter().any(|dep| gone.contains(dep)) {
            gone.insert(hash);
        }
    }
    let with: Vec<usize> = changed().filter(|(_, hash)| seen.contains(hash)).map(|(at, _)| at).collect();
    let rest = changed().filter(|(_, hash)| seen.contains(hash) && !gone.contains(hash));
    let without: Vec<usize> = rest.map(|(at, _)| at).collect();
    let (with, without) = (View::of(&changes(held, &with)).ok()?, View::of(&changes(held, &without)).ok()?);
    Some(Words { record, fields: difference(&with, &without), seen, author: author(&held[last].entry) })
}

impl<S: Store> Replica<S> {
    /// What of ours is lost of a record, whose genesis stays, when entries go: `before` and `after`
    /// are what is held of it. The words of `found` are found where they were put aside.
    pub(super) fn note_lost_words(
        &mut self,
        space: SpaceId,
        record: RecordId,
        found: Option<WriterId>,
        before: &[Held],
        after: &[Held],
    ) {
        let Ok(held) = self.space(&space) else { return };
        let speaks_for = |writer: &WriterId| found != Some(*writer) && self.speaks_for(held, writer);
        let new = in_force(after);
        let stands: BTreeSet<ChangeHash> = new.changes().map(|(_, hash, _)| hash).collect();
        let ours = |place: usize| speaks_for(&before[place].entry.header().writer);
        if let Some(words) = changed_by(record, before, |at, hash| ours(at) && !stands.contains(hash)) {
            self.lost_words.push((space, words));
        }
    }

    /// This store's writers in a space, the present one last.
    pub(super) fn own_lives(&self, id: SpaceId) -> Result<Vec<WriterId>, Fault> {
        let generations = 0..=self.space(&id)?.generation();
        Ok(generations.map(|generation| self.me.writer(id, generation).public()).collect())
    }

    /// Whether this device says a writer's words again: of its own logs, and of those of a device of our
    /// school that is no more.
    fn speaks_for(&self, space: &Space, writer: &WriterId) -> bool {
        let Some(enrolled) = space.charter().resolved().writers.get(writer) else { return false };
        let gone =
            || self.rights(&enrolled.device) == Rights::NONE && self.rights(&self.device()).include(Rights::GOVERN);
        enrolled.school == self.school() && (enrolled.device == self.device() || gone())
    }

    /// Sets again what was lost, as far as this store has a writer that may write.
    pub(super) fn restate(&mut self, id: SpaceId) -> Result<(), Fault> {
        let space = self.space(&id)?;
        // Two clones that both run share every key that follows from their secrets. Each would set its
        // words again in the same next log, and fork that too, without end: so after a second fork that
        // nobody has ended, words wait until somebody does.
        let lives = self.own_lives(id)?;
        let forks = lives.iter().filter(|writer| matches!(space.end(writer), End::Fork(_))).count();
        if forks > 1 || space.end(&space.own_writer()) != End::Open {
            return Ok(());
        }
        let mut words = Vec::new();
        for writer in lives {
            let aside = self.words_aside(id, writer)?.into_iter();
            words.extend(aside.map(|(open, words)| (open.map(|open| (writer, open)), words)));
        }
        let lost = core::mem::take(&mut self.lost_words);
        let (here, elsewhere): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(space, _)| *space == id);
        self.lost_words = elsewhere;
        words.extend(here.into_iter().map(|(_, words)| (None, words)));
        let anew = words.iter().any(|(new, _)| new.is_some());
        let begun = if anew { self.begun(id)? } else { Vec::new() };
        for (new, words) in words {
            let said = match new {
                // Another life of this store said so; it was put back since to a day before that.
                Some((lost, _)) if begun.iter().any(|(writer, fields)| *writer != lost && *fields == words.fields) => {
                    Ok(None)
                }
                Some((_, open)) => self.say_anew(id, open, &words),
                None => self.say_again(&words),
            };
            match said {
                Ok(Some(record)) => {
                    self.notices.insert(Notice::Restated(id, record));
                }
                Err(EditFault::Refused(fault)) if fault.blame() == Blame::Node => return Err(fault),
                // It says so already; or the record was erased, closed, or is of an unknown kind.
                Ok(None) | Err(_) => {}
            }
        }
        Ok(())
    }
    fn say_again(&mut self, words: &Words) -> Result<Option<RecordId>, EditFault> {
        let Words { record, fields, seen, author } = words.clone();
        let card = Catalogue(&self.reader()).card(&record)?.ok_or(EditFault::NoSuchRecord)?;
        let row = self.reader().get(Table::Records, &join_ids(&card.space.0, &record.0))?;
        let row = RecordRow::read(&row.ok_or(EditFault::NoSuchRecord)?)?;
        let force = in_force(&read_held(&self.reader(), &row)?);
        let stands: BTreeSet<ChangeHash> =
            force.changes().map(|(_, hash, _)| hash).filter(|hash| seen.contains(hash)).collect();
        let below = force.changes().filter(|(_, hash, _)| stands.contains(hash));
        let below = with_past(&force, below.flat_map(|(_, _, deps)| deps.iter().copied()));
        let heads = Some(stands.difference(&below).copied().collect());
        let edit = Edit { record, fields, heads, author };
        Ok(self.edit(&edit, Millis::default())?.then_some(record))
    }
    /// What the records said that this store's lives made here, as each of them was made.
    fn begun(&self, id: SpaceId) -> Result<Vec<(WriterId, Fields)>, Fault> {
        let (mut begun, school) = (Vec::new(), self.school());
        for writer in self.own_lives(id)? {
            let space = self.space(&id)?;
            let places = (0..space.staged_frontier().next(&writer)).filter_map(|seq| space.place(&writer, seq));
            for place in places {
                let entry = read_entry(&self.reader(), place)?;
                if entry.header().kind == EntryKind::Genesis && entry.payload().is_some() {
                    let held = [Held { entry, school }];
                    begun.extend(View::of_record(&in_force(&held), &held).ok().map(|view| (writer, view.fields)));
                }
            }
        }
        Ok(begun)
    }
    fn say_anew(&mut self, space: SpaceId, open: bool, words: &Words) -> Result<Option<RecordId>, EditFault> {
        let Words { mut fields, author, .. } = words.clone();
        let kind = fields.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        self.create(&Draft { space, kind, fields, author, open: Some(open) }, Millis::default()).map(Some)
    }

    /// What this node put aside of a forked log and the device that wrote it may lack; nothing where all
    /// of it was sent back before, and the device holds what it held then.
    pub(crate) fn to_return(
        &self,
        id: SpaceId,
        writer: &WriterId,
        holds: Option<[u8; 16]>,
    ) -> Result<Vec<Verified>, Fault> {
        let from = self.space(&id)?.fork(writer).map_or(u64::MAX, |fork| fork.place().2);
        let aside = self.aside(id, writer)?.into_iter().map(|(entry, _)| entry);
        let aside: Vec<Verified> =
            aside.filter(|entry| entry.header().seq >= from && entry.payload().is_some()).collect();
        let returned = self.reader().get(Table::Returned, &join_ids(&id.0, &writer.0))?;
        let all = holds.is_some_and(|holds| returned == Some(returned_row(aside.len(), holds)));
        Ok(if all { Vec::new() } else { aside })
    }
    /// So many entries of a forked log are at the device that wrote them, which holds this now.
    pub(crate) fn note_returned(&mut self, id: SpaceId, writer: &WriterId, count: usize, holds: [u8; 16]) {
        self.staged.put(Table::Returned, join_ids(&id.0, &writer.0), returned_row(count, holds));
    }
    /// What is durable here of ended logs of our own that were put aside; nothing where nothing is.
    pub(crate) fn own_aside(&self, id: SpaceId) -> Result<Option<[u8; 16]>, Fault> {
        let mut keys = Vec::new();
        let space = self.space(&id)?;
        // The first log, as long as it stands, has lost nothing: most nodes need not look.
        let lives = if space.generation() == 0 && !space.has_ended() { Vec::new() } else { self.own_lives(id)? };
        for writer in lives {
            self.store.scan(Table::Aside, &join_ids(&id.0, &writer.0), &[], &mut |key, value| {
                if value.len() > 1 + SIGNED_HEADER {
                    keys.extend_from_slice(key);
                }
                Ok(true)
            })?;
        }
        let hash = hash::ASIDE_STATE.hash(&[&keys]);
        Ok((!keys.is_empty()).then(|| *hash.first_chunk().expect("16 of 32 bytes")))
    }
    /// An entry of an earlier log of ours that a partner had put aside: its words are said again with the
    /// next flush.
    pub(super) fn take_returned(&mut self, entry: &Verified) -> Result<(), Fault> {
        let header = entry.header();
        let said = entry.payload().is_some() && !self.space(&header.space)?.is_erased(&header.record);
        let ours = said && self.own_lives(header.space)?.contains(&header.writer);
        if ours && self.keep_aside(entry)? {
            self.came_back.insert(header.space);
        }
        Ok(())
    }

    /// The words of an ended log of ours that were put aside, each with whether to make a new record of
    /// them, and then one open to all. They are set again once, and stay aside.
    fn words_aside(&mut self, id: SpaceId, writer: WriterId) -> Result<Vec<(Option<bool>, Words)>, Fault> {
        // Below a fork nothing is lost: what was put aside there with the rest is fetched again.
        let from = self.space(&id)?.fork(&writer).map_or(0, |fork| fork.place().2);
        let aside = self.aside(id, &writer)?.into_iter();
        let unsaid = aside.filter(|(entry, said)| !said && entry.header().seq >= from).map(|(entry, _)| entry);
        let mut unsaid: Vec<Verified> = unsaid.collect();
        // What came again in the log itself, before this store had a writer to say it with, is not lost.
        let space = self.space(&id)?;
        let mut stands = BTreeSet::new();
        let next = space.staged_frontier().next(&writer);
        let seqs = unsaid.iter().map(|entry| entry.header().seq).filter(|seq| *seq < next);
        for place in seqs.filter_map(|seq| space.place(&writer, seq)) {
            stands.insert(read_header(&self.reader(), place)?.id());
        }
        for entry in unsaid.extract_if(.., |entry| stands.contains(&entry.id())) {
            self.stage_aside(&entry, true);
        }
        let (mut words, mut seen) = (Vec::new(), BTreeSet::new());
        for history in histories(&unsaid) {
            let mut by_record: BTreeMap<RecordId, Vec<&Verified>> = BTreeMap::new();
            for entry in history.iter().copied() {
                by_record.entry(entry.header().record).or_default().push(entry);
            }
            // In the order in which they were begun.
            for first in history.iter().map(|entry| entry.header().record) {
                let Some(entries) = by_record.remove(&first) else { continue };
                // What two histories share is said with the first.
                let new = entries.iter().filter(|entry| seen.insert(entry.id())).count();
                if new > 0 {
                    words.extend(self.words_of(id, first, &entries)?);
                }
            }
        }
        for entry in &unsaid {
            self.stage_aside(entry, true);
        }
        Ok(words)
    }

    /// What entries that are held no more say of a record: all that it says with them where it began
    /// with them, otherwise what they change.
    fn words_of(
        &self,
        id: SpaceId,
        record: RecordId,
        entries: &[&Verified],
    ) -> Result<Option<(Option<bool>, Words)>, Fault> {
        let school = self.school();
        let genesis = entries.iter().find(|entry| entry.header().kind == EntryKind::Genesis);
        let row = self.reader().get(Table::Records, &join_ids(&id.0, &record.0))?;
        let row = row.map(|row| RecordRow::read(&row)).transpose()?.map(|row| match genesis {
            // What others wrote on top of it is read as if it were still held.
            Some(genesis) => RecordRow { owner: Some(school), open: genesis.header().flags & 1 == 1, ..row },
            None => row,
        });
        let held = row.map(|row| read_held(&self.reader(), &row)).transpose()?.unwrap_or_default();
        let aside = entries.iter().map(|entry| Held { entry: (*entry).clone(), school });
        let both: Vec<Held> = aside.chain(held).collect();
        let Some(genesis) = genesis else {
            return Ok(changed_by(record, &both, |at, _| at < entries.len()).map(|words| (None, words)));
        };
        let Ok(with) = View::of_record(&in_force(&both), &both) else { return Ok(None) };
        let author = entries.last().map(|entry| author(entry)).unwrap_or_default();
        let words = Words { record, fields: with.fields, seen: BTreeSet::new(), author };
        Ok(Some((Some(genesis.header().flags & 1 == 1), words)))
    }
}

/// What is remembered of what went back: how many entries, and what the device held afterwards.
fn returned_row(count: usize, holds: [u8; 16]) -> Vec<u8> {
    [&(count as u64).to_be_bytes()[..], &holds].concat()
}

/// The histories that entries of one log make: each from its first entry to one that nothing follows.
fn histories(entries: &[Verified]) -> Vec<Vec<&Verified>> {
    let by_id: BTreeMap<EntryId, &Verified> = entries.iter().map(|entry| (entry.id(), entry)).collect();
    let followed: BTreeSet<EntryId> = entries.iter().map(|entry| entry.header().prev).collect();
    let ends = entries.iter().filter(|entry| !followed.contains(&entry.id()));
    let history = |end| {
        let mut history: Vec<&Verified> =
            core::iter::successors(Some(end), |entry: &&Verified| by_id.get(&entry.header().prev).copied()).collect();
        history.reverse();
        history
    };
    ends.map(history).collect()
}
