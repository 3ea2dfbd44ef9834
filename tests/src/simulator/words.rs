//! Words: whoever's entry is cut away, what others said on top of it is not lost, nor said twice.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::catalogue::Record;
use staffroom_protocol::id::{EntryId, RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::field::Value;

use super::invariants::Violation;
use super::model::{CONTRIBUTOR, Write};
use super::world::World;

/// The fields that people here fill with words that nobody else ever uses.
const UNIQUE: [&str; 2] = ["title", "summary"];

/// Where each word shows: as the value of a field, or beside it where values conflict.
fn shown(records: &[Record]) -> BTreeMap<(&str, &str), BTreeSet<RecordId>> {
    let mut shown: BTreeMap<(&str, &str), BTreeSet<RecordId>> = BTreeMap::new();
    for record in records {
        for field in UNIQUE {
            let conflicts = record.view.conflicts.get(field).into_iter().flatten();
            let values = record.view.fields.get(field).into_iter().chain(conflicts);
            for word in values.filter_map(Value::as_str) {
                shown.entry((field, word)).or_default().insert(record.card.id);
            }
        }
    }
    shown
}

impl World {
    /// Whether two machines have a school's keys: each says again what it holds.
    fn runs_twice(&self, school: SchoolId) -> bool {
        self.nodes.iter().filter(|node| node.school == school).count() > 1
    }
    /// Whether a school's machine never was copied, nor put back.
    fn is_honest(&self, school: SchoolId) -> bool {
        let mut nodes = self.nodes.iter().filter(|node| node.school == school);
        nodes.all(|node| !self.model.tainted.contains(&node.device))
    }

    /// Every acknowledged word of an honest school shows, unless a person cut it away or wrote over
    /// it; and no word shows twice.
    pub(super) fn judge_words(
        &self,
        space: SpaceId,
        stands: &BTreeSet<EntryId>,
        records: &[Record],
    ) -> Result<(), Violation> {
        let shown = shown(records);
        let twice = |record: &RecordId| {
            let school = records.iter().find(|shown| shown.card.id == *record).map(|shown| shown.card.school);
            school.is_some_and(|school| self.runs_twice(school))
        };
        for ((field, word), at) in &shown {
            let once = at.len() == 1 || at.iter().any(twice);
            Violation::unless(once, "words_are_said_once", || format!("{field} {word:?} in {at:?}"))?;
        }
        // Two things were signed at one place: whose words were cut by whom is not said here.
        if self.model.unclear.contains(&space) {
            return Ok(());
        }
        let standing = self.model.standing(&space);
        let here: BTreeSet<RecordId> = records.iter().map(|record| record.card.id).collect();
        for (number, write) in self.model.acknowledged() {
            let Some((school, _)) = standing.writers.get(&write.place.0) else { continue };
            // A school that may not write says nothing again.
            let writes = standing.members.get(school).is_some_and(|rank| *rank >= CONTRIBUTOR);
            // An entry of an honest school was cut by a decision alone.
            if !writes || !stands.contains(&write.place.2) || !self.is_honest(*school) || !here.contains(&write.record)
            {
                continue;
            }
            for field in UNIQUE {
                let Some(word) = write.fields.get(field) else { continue };
                let shows = |word: &str| shown.contains_key(&(field, word));
                let over = |(other, word): (&Write, &str)| stands.contains(&other.place.2) || shows(word);
                let counts = shows(word) || self.model.wrote_over(number, field, word).any(over);
                let found = || format!("{field} {word:?} of {:?} by {school:?}", write.record);
                Violation::unless(counts, "no_acknowledged_word_is_lost", found)?;
            }
        }
        Ok(())
    }
}
