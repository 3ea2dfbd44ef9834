//! Local edits: from fields to a signed entry.

use std::collections::BTreeMap;

use super::rows::{RecordRow, join_ids};
use super::{Replica, record};
use crate::catalogue::Catalogue;
use crate::charter::{Charter, Founding};
use crate::fault::Fault;
use crate::id::{ChangeHash, RecordId, SchoolId, SpaceId};
use crate::limits;
use crate::log::{Entry, EntryKind, Header, Payload};
use crate::record::change::{Actor, Change};
use crate::record::edit;
use crate::record::field::{Fields, Value};
use crate::record::kind::{self, Invalid, Kind};
use crate::record::past::Past;
use crate::record::{Document, Held, in_force, write_genesis};
use crate::store::{Read, Store, Table};
use crate::time::Millis;

/// The weight from which a record's document takes longer to build than anybody wants to wait for: some
/// ten milliseconds.
const LONG: u64 = 8_192;

/// A record to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The space to share it in.
    pub space: SpaceId,
    /// The name of its kind.
    pub kind: String,
    /// Its fields; empty ones are left out.
    pub fields: Fields,
    /// The person who makes it.
    pub author: String,
    /// Whether every contributor may edit it; by its kind where nothing is said.
    pub open: Option<bool>,
}

/// A change to make to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The record.
    pub record: RecordId,
    /// The fields to set, and to what; an empty value removes one.
    pub fields: BTreeMap<String, Value>,
    /// The heads at which the fields were read; the present ones where nothing is said.
    pub heads: Option<Vec<ChangeHash>>,
    /// The person who makes it.
    pub author: String,
}

/// A choice between values that were written at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// The record.
    pub record: RecordId,
    /// The field in conflict.
    pub field: String,
    /// What is to stand: one of the values, or another.
    pub value: Value,
    /// The person who chooses.
    pub author: String,
}

/// Why a record was not made or changed. Nothing was staged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditFault {
    /// A kind that this program does not know.
    #[error("there is no kind {0:?}")]
    UnknownKind(String),
    /// Fields that a record of this kind cannot have.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such record, or not all of it is here yet.
    #[error("there is no such record here")]
    NoSuchRecord,
    /// The school does not own it, and it is not open.
    #[error("only the school that made it may edit it; adapt a copy instead")]
    NotOwner(SchoolId),
    /// More than a record may hold.
    #[error("the record is too large: {is} bytes, at most {most}; attach long texts as files")]
    TooLarge {
        /// How large it would be.
        is: usize,
        /// The bound.
        most: usize,
    },
    /// Every lane of this writer goes on after the heads that the edit is made at.
    #[error("too many have saved what they began at the same time; open the record again and save once more")]
    NoLane,
    /// The heads are not heads of this record, or the library failed on it.
    #[error("this record cannot be edited here: {0}")]
    Document(String),
    /// The replica refused.
    #[error(transparent)]
    Refused(#[from] Fault),
}

impl<S: Store> Replica<S> {
    /// Founds a space of this school's and enrols this store's writer in it.
    pub fn found(&mut self, name: &str) -> Result<SpaceId, Fault> {
        self.check()?;
        let founding = Founding {
            name: name.to_owned(),
            rules: limits::RULES,
            continues: SpaceId::default(),
            nonce: self.entropy.array(),
        };
        let (mut charter, new) = Charter::found(&founding, self.me.actor())?;
        let id = charter.space();
        let enrolled = charter.enrol(self.me.actor(), &self.me.writer(id, 0))?;
        self.spaces.insert(id, super::Space::staged(charter, &self.me));
        self.stage_charter(id, &new)?;
        self.stage_charter(id, &enrolled)?;
        Ok(id)
    }

    /// Makes a record.
    pub fn create(&mut self, draft: &Draft, now: Millis) -> Result<RecordId, EditFault> {
        self.check()?;
        let kind = Kind::named(&draft.kind).ok_or_else(|| EditFault::UnknownKind(draft.kind.clone()))?;
        kind::check(kind, &draft.fields)?;
        let (writer, seq) = self.next_place(draft.space)?;
        let record = Header::record_at(draft.space, writer, seq);
        let header = self.header(draft.space, EntryKind::Genesis, record, 0, 1, now)?;
        let header = Header { flags: u8::from(draft.open.unwrap_or(kind.open)), ..header };
        let mut fields = draft.fields.clone();
        fields.retain(|_, value| !value.is_empty());
        fields.insert("kind".to_owned(), Value::Line(kind.name.to_owned()));
        let change = write_genesis(header.actor(), &fields);
        // What is made here passes the guard before it is signed, like what is sent (§2.3).
        let fits = Change::read(&change).and_then(|change| Past::default().admit(&change));
        fits.map_err(|void| EditFault::Document(void.to_string()))?;
        self.sign(header, &draft.author, &change)?;
        Ok(record)
    }

    /// Changes a record; nothing where it would stay as it is.
    pub fn edit(&mut self, edit: &Edit, now: Millis) -> Result<bool, EditFault> {
        self.change(edit, now, |document, actor| document.edit(actor, edit.heads.as_deref(), &edit.fields))
    }

    /// Ends conflicts of a record: each field holds its value alone, whatever else was written there at
    /// the same time. Nothing where that is so already.
    pub fn settle(&mut self, settled: &Settle, now: Millis) -> Result<bool, EditFault> {
        let Settle { record, field, value, author } = settled;
        let fields = BTreeMap::from([(field.clone(), value.clone())]);
        let edit = Edit { record: *record, fields, heads: None, author: author.clone() };
        self.change(&edit, now, |document, actor| document.settle(actor, field, value))
    }

    /// Gets ready for a change of a record that somebody has opened: builds its document, which takes a
    /// while where the text is long, so that saving need not.
    pub fn expect_change(&mut self, record: &RecordId) -> Result<(), Fault> {
        self.freshen()?;
        let Some(card) = Catalogue(&self.reader()).card(record)? else { return Ok(()) };
        let Some(row) = self.reader().get(Table::Records, &join_ids(&card.space.0, &record.0))? else { return Ok(()) };
        let row = RecordRow::read(&row)?;
        if row.open || row.owner == Some(self.school()) {
            let held = record::read_held(&self.reader(), &row)?;
            let force = in_force(&held);
            // A short one is built when it is saved: to look at a record costs no document. Where it fails,
            // the edit will say so.
            let is_long = force.past.weight() > LONG;
            if is_long && let Ok(document) = self.document(row.space, *record, &force, &held) {
                self.documents.keep(row.space, *record, document);
            }
        }
        Ok(())
    }

    fn change(
        &mut self,
        edit: &Edit,
        now: Millis,
        make: impl FnOnce(&mut Document, Actor) -> Result<Option<Vec<u8>>, edit::EditFault>,
    ) -> Result<bool, EditFault> {
        self.check()?;
        self.freshen()?;
        if self.spaces.values().any(|space| space.is_erased(&edit.record)) {
            return Err(Fault::Erased(edit.record).into());
        }
        let card = Catalogue(&self.reader()).card(&edit.record)?.ok_or(EditFault::NoSuchRecord)?;
        let key = join_ids(&card.space.0, &edit.record.0);
        let row = self.reader().get(Table::Records, &key)?.ok_or(EditFault::NoSuchRecord)?;
        let row = RecordRow::read(&row)?;
        let owner = row.owner.ok_or(EditFault::NoSuchRecord)?;
        if owner != self.school() && !row.open {
            return Err(EditFault::NotOwner(owner));
        }
        let kind = Kind::named(&card.kind).ok_or(EditFault::UnknownKind(card.kind))?;
        // Only what is set here is checked: a field that a newer program knows locks nobody out.
        kind::check_edit(kind, &edit.fields)?;
        if edit.heads.as_ref().is_some_and(Vec::is_empty) {
            return Err(EditFault::Document("it was read at no heads".to_owned()));
        }
        let held = record::read_held(&self.reader(), &row)?;
        let force = in_force(&held);
        if force.is_too_large() && owner != self.school() {
            let why = "it has grown too large, and only the school that made it may change it now";
            return Err(EditFault::Document(why.to_owned()));
        }
        let document = self.document(row.space, edit.record, &force, &held);
        let mut document = document.map_err(|fault| EditFault::Document(fault.to_string()))?;
        let (writer, _) = self.next_place(row.space)?;
        let change_seq = |lane: u8| {
            let ours = |h: &&Held| h.entry.header().writer == writer && h.entry.header().lane == lane;
            held.iter().filter(ours).map(|h| h.entry.header().change_seq).max().unwrap_or(0)
        };
        // An edit at older heads takes the lowest lane whose last change they contain (§2.3).
        let heads = edit.heads.clone().unwrap_or_else(|| document.heads());
        let contains = |lane: u8| {
            let actor = Header::actor_of(&writer, &edit.record, lane);
            change_seq(lane) == force.past.count(&actor, &heads)
        };
        let lane = (0..=u8::MAX).find(|lane| contains(*lane)).ok_or(EditFault::NoLane)?;
        let header = self.header(row.space, EntryKind::Change, edit.record, lane, change_seq(lane) + 1, now)?;
        // A record stays under the rules that it was made under.
        let rules = force.order.first().map_or(limits::RULES, |genesis| held[*genesis].entry.header().rules);
        let header = Header { rules, ..header };
        let change = make(&mut document, header.actor());
        let Some(change) = change.map_err(|fault| EditFault::Document(fault.to_string()))? else {
            self.documents.keep(row.space, edit.record, document);
            return Ok(false);
        };
        self.sign(header, &edit.author, &change)?;
        self.documents.keep(row.space, edit.record, document);
        self.freshen()?;
        Ok(true)
    }

    /// This store's writer in a space and the seq of its next entry.
    fn next_place(&self, space: SpaceId) -> Result<(crate::id::WriterId, u64), Fault> {
        let space = self.space(&space)?;
        let writer = space.own_writer();
        Ok((writer, space.staged_frontier().next(&writer)))
    }

    pub(super) fn header(
        &mut self,
        space: SpaceId,
        kind: EntryKind,
        record: RecordId,
        lane: u8,
        change_seq: u32,
        now: Millis,
    ) -> Result<Header, Fault> {
        let (writer, seq) = self.next_place(space)?;
        let prev = self.space(&space)?.staged_frontier().head(&writer);
        let rules = self.space(&space)?.charter().resolved().versions.rules;
        let clock = self.clock.tick(now);
        let (commitment, length) = ([0; 32], 0);
        Ok(Header {
            space,
            writer,
            seq,
            prev,
            clock,
            kind,
            flags: 0,
            rules,
            lane,
            change_seq,
            record,
            commitment,
            length,
        })
    }

    fn sign(&mut self, header: Header, author: &str, change: &[u8]) -> Result<(), EditFault> {
        let payload = Payload::new(self.entropy.array(), author, change);
        let is = payload.as_bytes().len();
        if is > limits::PAYLOAD {
            return Err(EditFault::TooLarge { is, most: limits::PAYLOAD });
        }
        let space = self.space(&header.space)?;
        if space.end(&header.writer) != super::End::Open {
            return Err(Fault::NoRight { school: self.school(), act: "write here" }.into());
        }
        let header = Header { commitment: payload.commitment(), length: payload.length(), ..header };
        let entry = Entry::sign(header, payload, &self.me.writer(space.id(), space.generation()));
        self.stage_entry(&entry)?;
        Ok(())
    }
}
