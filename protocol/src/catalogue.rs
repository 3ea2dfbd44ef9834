//! Reading what is durable: lists, records, histories. Needs only a [`Read`], so that a snapshot can
//! be read beside the replica that writes.

mod blobs;
mod history;

pub use history::{Changed, History, NotInForce};

use crate::bytes;
use crate::fault::Fault;
use crate::id::{ChangeHash, EntryId, IdPrefix, RecordId, SchoolId, SpaceId};
use crate::limits;
use crate::record::{Card, Held, View, in_force};
use crate::replica::{RecordRow, card_of, read_held, source_key};
use crate::store::{Read, Table};
use crate::time::Timestamp;

/// A record in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What lists show.
    pub card: Card,
    /// What is in it.
    pub view: View,
    /// Each change in force, each after what it depends on.
    pub history: Vec<Version>,
}

/// One change of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The entry that carries it.
    pub entry: EntryId,
    /// The change.
    pub change: ChangeHash,
    /// The school whose writer signed it.
    pub school: SchoolId,
    /// The person, as their school's node named them.
    pub author: String,
    /// When, by the clock of who made it.
    pub clock: Timestamp,
    /// Whether it began the record.
    pub genesis: bool,
}

/// What a prefix of an id leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// No record.
    Nothing,
    /// This one.
    One(RecordId),
    /// More than one: these, and perhaps others.
    Many(Vec<RecordId>),
}

/// Reads records.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue<'a, R>(pub &'a R);

impl<R: Read> Catalogue<'_, R> {
    /// The card of a record.
    pub fn card(&self, record: &RecordId) -> Result<Option<Card>, Fault> {
        self.0.get(Table::Cards, &record.0)?.map(|value| bytes::decode(&value, "card")).transpose()
    }
    /// How many records there are, of all spaces.
    pub fn count(&self) -> Result<u64, Fault> {
        let mut count = 0;
        self.0.scan(Table::Cards, &[], &[], &mut |_, _| {
            count += 1;
            Ok(true)
        })?;
        Ok(count)
    }
    /// Visits the cards of a space, the last changed first, until `visit` says false.
    pub fn newest(&self, space: &SpaceId, visit: &mut dyn FnMut(Card) -> bool) -> Result<(), Fault> {
        self.0.scan(Table::Recent, &space.0, &[], &mut |key, _| {
            let id = key.last_chunk::<32>().copied().ok_or(Fault::Malformed { what: "key" })?;
            Ok(self.card(&RecordId(id))?.is_none_or(&mut *visit))
        })
    }
    /// The record that a shortened id names.
    pub fn find(&self, prefix: &IdPrefix) -> Result<Found, Fault> {
        let mut found = Vec::new();
        self.0.scan(Table::Cards, &[], &prefix.lower_bound(), &mut |key, _| {
            let id = RecordId(key.try_into().map_err(|_| Fault::Malformed { what: "key" })?);
            if prefix.matches(&id.0) {
                found.push(id);
            }
            Ok(prefix.matches(&id.0) && found.len() < 10)
        })?;
        Ok(match found[..] {
            [] => Found::Nothing,
            [one] => Found::One(one),
            _ => Found::Many(found),
        })
    }
    /// The record that a school shared in a space from a source.
    pub fn by_source(&self, space: SpaceId, school: SchoolId, source: &str) -> Result<Option<RecordId>, Fault> {
        let value = self.0.get(Table::Sources, &source_key(space, school, source))?;
        value.map(|id| id.try_into().map(RecordId).map_err(|_| Fault::Malformed { what: "source" })).transpose()
    }
    /// The profile of a school in a space.
    pub fn profile(&self, space: &SpaceId, school: &SchoolId) -> Result<Option<Card>, Fault> {
        let key = [space.0, school.0].concat();
        let Some(id) = self.0.get(Table::Profiles, &key)? else { return Ok(None) };
        self.card(&RecordId(id.try_into().map_err(|_| Fault::Malformed { what: "profile" })?))
    }
    /// What is about a record: the cards of comments and the like in its space, the first made first; of
    /// more than [`limits::ABOUT`], some.
    pub fn about(&self, card: &Card) -> Result<Vec<Card>, Fault> {
        let mut about = Vec::new();
        self.0.scan(Table::About, &card.id.0, &[], &mut |key, _| {
            let id = key.last_chunk::<32>().copied().ok_or(Fault::Malformed { what: "key" })?;
            about.extend(self.card(&RecordId(id))?.filter(|other| other.space == card.space));
            Ok(about.len() < limits::ABOUT)
        })?;
        about.sort_by_key(|card| (card.created, card.id));
        Ok(about)
    }
    /// A record in full; nothing where it is not here, or its genesis is not.
    pub fn record(&self, record: &RecordId) -> Result<Option<Record>, Fault> {
        match self.card(record)? {
            Some(card) => self.record_in(&card.space, record),
            None => Ok(None),
        }
    }
    /// A record in full, out of its entries.
    pub(crate) fn record_in(&self, space: &SpaceId, record: &RecordId) -> Result<Option<Record>, Fault> {
        let Some((row, held)) = self.held(space, record)? else { return Ok(None) };
        let force = in_force(&held);
        let view = View::of_record(&force, &held);
        let Some((card, view)) = card_of(*record, &row, &held, &force, view) else { return Ok(None) };
        let version = |(place, change, _): (usize, ChangeHash, &[ChangeHash])| history::version(&held[place], change);
        let history = force.changes().map(version).collect();
        Ok(Some(Record { card, view, history }))
    }
    /// The entries held about a record.
    fn held(&self, space: &SpaceId, record: &RecordId) -> Result<Option<(RecordRow, Vec<Held>)>, Fault> {
        let Some(value) = self.0.get(Table::Records, &[space.0, record.0].concat())? else { return Ok(None) };
        let row = RecordRow::read(&value)?;
        let held = read_held(self.0, &row)?;
        Ok(Some((row, held)))
    }
}
