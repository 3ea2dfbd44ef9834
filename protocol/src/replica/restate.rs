//! Our own words that a cut took away go on under the writer that we have now (§1.4, §2.4, §3.6).
//!
//! Words are lost to a cut in two ways: they stand above the cut of an earlier log of this store, or
//! they build on a change of another school that was cut. What they set is set again: in the record
//! where that is still there, in a new one where the record itself was ours and went with its log.

use std::collections::{BTreeMap, BTreeSet};

use super::cut::End;
use super::record::{changes, read_held};
use super::rows::{RecordRow, join_ids};
use super::{Draft, Edit, EditFault, Notice, Replica};
use crate::catalogue::Catalogue;
use crate::fault::{Blame, Fault};
use crate::id::{ChangeHash, EntryId, RecordId, SpaceId, WriterId};
use crate::log::{EntryKind, Verified};
use crate::record::field::Value;
use crate::record::{Fields, Held, InForce, View, in_force};
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
    for (hash, deps) in force.hashes.iter().zip(&force.deps).rev() {
        if past.contains(hash) {
            past.extend(deps);
        }
    }
    past
}

/// What the entries at these places of `held` say of a record, on top of what they had seen.
fn words_of(record: RecordId, held: &[Held], lost: impl Fn(usize, &ChangeHash) -> bool) -> Option<Words> {
    let force = in_force(held);
    let changed = || force.order.iter().copied().zip(force.hashes.iter().copied());
    let ours: BTreeSet<ChangeHash> = changed().filter(|(at, hash)| lost(*at, hash)).map(|(_, hash)| hash).collect();
    let last = changed().filter(|(_, hash)| ours.contains(hash)).last()?.0;
    let seen = with_past(&force, ours.iter().copied());
    // What builds on ours goes with it.
    let mut gone = ours;
    for (hash, deps) in force.hashes.iter().zip(&force.deps) {
        if deps.iter().any(|dep| gone.contains(dep)) {
            gone.insert(*hash);
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
    /// are what is held of it. Words of a log that ended itself are found where they were put aside.
    pub(super) fn note_lost_words(&mut self, space: SpaceId, record: RecordId, before: &[Held], after: &[Held]) {
        let Ok(held) = self.space(&space) else { return };
        let writer = |generation| self.me.writer(space, generation).public();
        let own: BTreeSet<WriterId> = (0..=held.generation()).map(writer).collect();
        let new = in_force(after);
        let stands: BTreeSet<ChangeHash> = new.hashes.iter().copied().collect();
        let ours = after.iter().filter(|held| own.contains(&held.entry.header().writer));
        let ours: BTreeSet<EntryId> = ours.map(|held| held.entry.id()).collect();
        let lost = |at: usize, hash: &ChangeHash| ours.contains(&before[at].entry.id()) && !stands.contains(hash);
        if let Some(words) = words_of(record, before, lost) {
            self.lost_words.push((space, words));
        }
    }

    /// Sets again what was lost, as far as this store has a writer that may write.
    pub(super) fn restate(&mut self, id: SpaceId) -> Result<(), Fault> {
        let space = self.space(&id)?;
        // Two clones that both run share every key that follows from their secrets. Each would set its
        // words again in the same next log, and fork that too, without end: so after a second fork that
        // nobody has ended, words wait until somebody does.
        let forked = |generation| matches!(space.end(&self.me.writer(id, generation).public()), End::Fork(_));
        let forks = (0..space.generation()).filter(|generation| forked(*generation)).count();
        if forks > 1 || space.end(&space.own_writer()) != End::Open {
            return Ok(());
        }
        let mut words = Vec::new();
        for generation in 0..space.generation() {
            let writer: WriterId = self.me.writer(id, generation).public();
            words.extend(self.words_aside(id, writer)?);
        }
        let lost = core::mem::take(&mut self.lost_words);
        let (here, elsewhere): (Vec<_>, Vec<_>) = lost.into_iter().partition(|(space, _)| *space == id);
        self.lost_words = elsewhere;
        words.extend(here.into_iter().map(|(_, words)| (None, words)));
        for (new, words) in words {
            let said = match new {
                Some(open) => self.say_anew(id, open, &words),
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
        let stands: BTreeSet<ChangeHash> = force.hashes.iter().copied().filter(|hash| seen.contains(hash)).collect();
        let below = force.hashes.iter().zip(&force.deps).filter(|(hash, _)| stands.contains(hash));
        let below = with_past(&force, below.flat_map(|(_, deps)| deps.iter().copied()));
        let heads = Some(stands.difference(&below).copied().collect());
        let edit = Edit { record, fields, heads, author };
        Ok(self.edit(&edit, Millis::default())?.then_some(record))
    }
    fn say_anew(&mut self, space: SpaceId, open: bool, words: &Words) -> Result<Option<RecordId>, EditFault> {
        let Words { mut fields, author, .. } = words.clone();
        let kind = fields.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        self.create(&Draft { space, kind, fields, author, open: Some(open) }, Millis::default()).map(Some)
    }

    /// The words of an ended log of ours that were put aside: for a record of which the genesis is
    /// among them, all that it holds and whether it was open; for another, what they change. They are
    /// set again once, and stay aside.
    fn words_aside(&mut self, id: SpaceId, writer: WriterId) -> Result<Vec<(Option<bool>, Words)>, Fault> {
        let mut by_record: BTreeMap<RecordId, Vec<Held>> = BTreeMap::new();
        let mut order: Vec<RecordId> = Vec::new();
        let school = self.school();
        // Below a fork nothing is lost: what was put aside there with the rest is fetched again.
        let from = self.space(&id)?.fork(&writer).map_or(0, |fork| fork.place().2);
        for (entry, said) in self.aside(id, &writer)? {
            if said || entry.header().seq < from {
                continue;
            }
            self.stage_aside(&entry, true);
            let record = entry.header().record;
            if !order.contains(&record) {
                order.push(record);
            }
            by_record.entry(record).or_default().push(Held { entry, school });
        }
        let mut words = Vec::new();
        for record in order {
            let Some(aside) = by_record.remove(&record) else { continue };
            let author = aside.last().map(|held| author(&held.entry)).unwrap_or_default();
            let genesis = aside.iter().find(|held| held.entry.header().kind == EntryKind::Genesis);
            let open = genesis.map(|genesis| genesis.entry.header().flags & 1 == 1);
            let row = self.reader().get(Table::Records, &join_ids(&id.0, &record.0))?;
            let held = row.map(|row| read_held(&self.reader(), &RecordRow::read(&row)?)).transpose()?;
            let held = held.unwrap_or_default();
            let both: Vec<Held> = held.iter().cloned().chain(aside).collect();
            if let Some(open) = open {
                // With what others wrote in it: nobody else can say that again where it was.
                if let Ok(view) = View::of(&changes(&both, &in_force(&both).order)) {
                    words.push((Some(open), Words { record, fields: view.fields, seen: BTreeSet::new(), author }));
                }
                continue;
            }
            words.extend(words_of(record, &both, |at, _| at >= held.len()).map(|words| (None, words)));
        }
        Ok(words)
    }
}
