//! What became of a record: each change, what it did, and what is held and does not count.

use std::collections::BTreeMap;

use super::{Catalogue, Version};
use crate::fault::Fault;
use crate::id::{ChangeHash, EntryId, RecordId, SchoolId, SpaceId, WriterId};
use crate::log::EntryKind;
use crate::record::field::{Fields, Value};
use crate::record::history::{self, Course, Difference};
use crate::record::{self, Card, Held, changes, in_force};
use crate::store::Read;
use crate::time::Timestamp;

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What lists show of it.
    pub card: Card,
    /// Each change in force, after what it depends on.
    pub changes: Vec<Changed>,
    /// What is held and not in force.
    pub not_in_force: Vec<NotInForce>,
    /// The values of each field in conflict, the one that shows first, each with the change that wrote it.
    pub conflicts: BTreeMap<String, Vec<(Value, Option<usize>)>>,
    /// Why nothing is said of what the changes did: a fault of this node's own.
    pub local_fault: Option<String>,
}

/// A change and what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Whose, when.
    pub version: Version,
    /// The writer that signed it.
    pub writer: WriterId,
    /// What it did, by field.
    pub fields: BTreeMap<String, Difference>,
}

/// An entry that is held and not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInForce {
    /// The entry.
    pub entry: EntryId,
    /// The school that signed it.
    pub school: SchoolId,
    /// The writer that signed it.
    pub writer: WriterId,
    /// The person, where that is known.
    pub author: String,
    /// When, by the clock of who made it.
    pub clock: Timestamp,
    /// Why, in plain words.
    pub why: String,
}

impl<R: Read> Catalogue<'_, R> {
    /// What became of a record; nothing where it is not here.
    pub fn history(&self, record: &RecordId) -> Result<Option<History>, Fault> {
        let Some(card) = self.card(record)? else { return Ok(None) };
        let Some((_, held)) = self.held(&card.space, record)? else { return Ok(None) };
        let force = in_force(&held);
        let (course, local_fault) = match history::course(&changes(&held, &force.order)) {
            Ok(course) => (course, None),
            Err(fault) => (Course::default(), Some(fault.to_string())),
        };
        let mut steps = course.steps.into_iter();
        let changed = |(place, change, _): (usize, ChangeHash, &[ChangeHash])| Changed {
            version: version(&held[place], change),
            writer: held[place].entry.header().writer,
            fields: steps.next().unwrap_or_default(),
        };
        let changes = force.changes().map(changed).collect();
        let not = |(place, why): &(usize, record::NotInForce)| {
            let Version { entry, school, author, clock, .. } = version(&held[*place], ChangeHash::default());
            let writer = held[*place].entry.header().writer;
            NotInForce { entry, school, writer, author, clock, why: why.to_string() }
        };
        let not_in_force = force.not.iter().map(not).collect();
        Ok(Some(History { card, changes, not_in_force, conflicts: course.conflicts, local_fault }))
    }
    /// The fields of a record as they were after some of its changes; nothing where one is not among them.
    pub fn fields_at(&self, space: &SpaceId, record: &RecordId, at: &[ChangeHash]) -> Result<Option<Fields>, Fault> {
        let Some((_, held)) = self.held(space, record)? else { return Ok(None) };
        let force = in_force(&held);
        if !at.iter().all(|change| force.past.contains(change)) {
            return Ok(None);
        }
        let fields = history::fields_at(&changes(&held, &force.order), at);
        fields.map(Some).map_err(|fault| Fault::Store(fault.to_string()))
    }
}

/// Whose a change is, and when it was made.
pub(super) fn version(held: &Held, change: ChangeHash) -> Version {
    let Held { entry, school } = held;
    let author = entry.payload().and_then(|payload| payload.read().ok()).map(|(author, _)| author.to_owned());
    Version {
        entry: entry.id(),
        change,
        school: *school,
        author: author.unwrap_or_default(),
        clock: entry.header().clock,
        genesis: entry.header().kind == EntryKind::Genesis,
    }
}
