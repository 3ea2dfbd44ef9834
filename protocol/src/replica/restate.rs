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
use crate::fault::{Blame, Fault};
use crate::id::{RecordId, SpaceId, WriterId};
use crate::log::{EntryKind, Verified};
use crate::record::{Fields, Held, View, in_force};
use crate::store::{Read, Store, Table};
use crate::time::Millis;

/// Words of ours to be set again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Words {
    record: RecordId,
    /// What they set.
    fields: Fields,
    author: String,
}

/// The author that an entry names.
fn author(entry: &Verified) -> String {
    entry.payload().and_then(|payload| payload.read().ok()).map(|(author, _)| author.to_owned()).unwrap_or_default()
}

/// The fields of `with` that `without` has not, or has otherwise.
fn difference(with: &View, without: &View) -> Fields {
    let other = |(name, value): &(&String, &_)| without.fields.get(*name) != Some(*value);
    with.fields.iter().filter(other).map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl<S: Store> Replica<S> {
    /// What of ours is lost of a record, whose genesis stays, when entries go: `before` and `after`
    /// are what is held of it. Words of a log that ended itself are found where they were put aside.
    pub(super) fn note_lost_words(&mut self, space: SpaceId, record: RecordId, before: &[Held], after: &[Held]) {
        let Ok(own) = self.space(&space).map(super::Space::own_writer) else { return };
        let (old, new) = (in_force(before), in_force(after));
        let stands: BTreeSet<_> = new.hashes.iter().collect();
        let ours = |place: usize| before[place].entry.header().writer == own;
        let lost: BTreeSet<usize> = old
            .order
            .iter()
            .zip(&old.hashes)
            .filter(|(p, h)| ours(**p) && !stands.contains(h))
            .map(|(p, _)| *p)
            .collect();
        let Some(last) = lost.iter().next_back() else { return };
        // Without ours, and without what builds on them.
        let rest: Vec<Held> = before
            .iter()
            .enumerate()
            .filter(|(place, _)| !lost.contains(place))
            .map(|(_, held)| held.clone())
            .collect();
        let without = View::of(&changes(&rest, &in_force(&rest).order));
        if let (Ok(with), Ok(without)) = (View::of(&changes(before, &old.order)), without) {
            let (fields, author) = (difference(&with, &without), author(&before[*last].entry));
            self.lost_words.push((space, Words { record, fields, author }));
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
        if !self.restates || forks > 1 || space.end(&space.own_writer()) != End::Open {
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
        let Words { record, fields, author } = words.clone();
        let edit = Edit { record, fields, heads: None, author };
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
            if let Some(genesis) = genesis {
                let open = genesis.entry.header().flags & 1 == 1;
                if let Ok(view) = View::of(&changes(&aside, &in_force(&aside).order)) {
                    words.push((Some(open), Words { record, fields: view.fields, author }));
                }
                continue;
            }
            let Some(row) = self.reader().get(Table::Records, &join_ids(&id.0, &record.0))? else { continue };
            let held = read_held(&self.reader(), &RecordRow::read(&row)?)?;
            let both: Vec<Held> = held.iter().cloned().chain(aside).collect();
            let with = View::of(&changes(&both, &in_force(&both).order));
            let without = View::of(&changes(&held, &in_force(&held).order));
            if let (Ok(with), Ok(without)) = (with, without) {
                words.push((None, Words { record, fields: difference(&with, &without), author }));
            }
        }
        Ok(words)
    }
}
