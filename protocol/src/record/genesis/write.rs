//! Fields to a record's first change.

use std::collections::BTreeSet;

use super::runs::{DeltaWriter, FlagWriter, RunWriter};
use crate::record::{
    change::{
        ACTOR, Actor, Column, Columns, close_chunk, signed_length, unsigned_length, write_signed, write_unsigned,
    },
    field::{BlobRef, Fields, Value},
    layout::{BLOB_BYTES, BLOB_ID, BLOB_MEDIA_TYPE, BLOB_NAME},
};

const MAKE_MAP: u64 = 0;
const SET: u64 = 1;
const MAKE_LIST: u64 = 2;
const MAKE_TEXT: u64 = 4;

const UINT: u64 = 3;
const INT: u64 = 4;
const STRING: u64 = 6;

/// The first change of a record with these fields: no dependencies, seq 1, first operation 1, time 0.
///
/// The bytes are those that Automerge gives when the same operations are made through it, in the
/// order of the fields: an object, then what is in it. Empty values are left out. At least one
/// field, `kind`, must not be empty, and the fields must be within [`crate::limits`]
/// ([`crate::record::kind::check`]): otherwise the change is void.
pub fn write_genesis(actor: Actor, fields: &Fields) -> Vec<u8> {
    // Attachments name their blobs by text, which the columns borrow.
    let ids: Vec<String> = blobs(fields).map(|blob| blob.id.to_string()).collect();
    let mut ids = ids.iter().map(String::as_str);
    let mut writer = Writer::new();
    for (name, value) in fields {
        writer.field(name, value, &mut ids);
    }
    let mut contents = Vec::with_capacity(writer.values.len() + 512);
    contents.push(0); // dependencies
    contents.push(u8::try_from(ACTOR).expect("an actor has 16 bytes"));
    contents.extend_from_slice(&actor);
    contents.extend_from_slice(&[1, 1, 0, 0, 0]); // seq, first operation, time, message, other actors
    let columns = writer.finish();
    Columns::of(&columns).write(&mut contents);
    close_chunk(&contents)
}

fn blobs(fields: &Fields) -> impl Iterator<Item = &BlobRef> {
    fields.values().flat_map(|value| match value {
        Value::Blobs(blobs) => blobs.as_slice(),
        _ => &[],
    })
}

/// Where in its object an operation is.
#[derive(Clone, Copy)]
enum Place<'a> {
    Key(&'a str),
    /// After this element, or at the start.
    After(Option<u64>),
}

struct Writer<'a> {
    /// The counter of the next operation.
    next: u64,
    object_actor: RunWriter<u64>,
    object_counter: RunWriter<u64>,
    key_actor: RunWriter<u64>,
    key_counter: DeltaWriter,
    key_text: RunWriter<&'a str>,
    insert: FlagWriter,
    action: RunWriter<u64>,
    value_meta: RunWriter<u64>,
    values: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new() -> Self {
        Self {
            next: 1,
            object_actor: RunWriter::new(),
            object_counter: RunWriter::new(),
            key_actor: RunWriter::new(),
            key_counter: DeltaWriter::new(),
            key_text: RunWriter::new(),
            insert: FlagWriter::new(),
            action: RunWriter::new(),
            value_meta: RunWriter::new(),
            values: Vec::new(),
        }
    }

    fn field(&mut self, name: &'a str, value: &'a Value, ids: &mut impl Iterator<Item = &'a str>) {
        if value.is_empty() {
            return;
        }
        match value {
            Value::Text(text) => {
                let object = self.make(None, Place::Key(name), MAKE_TEXT);
                self.text(object, text);
            }
            Value::Line(line) => self.string(None, name, line),
            Value::Number(number) => {
                write_signed(*number, &mut self.values);
                self.operation(None, Place::Key(name), SET, (signed_length(*number) << 4) | INT);
            }
            Value::Set(members) => {
                let mut seen = BTreeSet::new();
                let members = members.iter().filter(|member| !member.is_empty() && seen.insert(member.as_str()));
                let members: Vec<&str> = members.map(String::as_str).collect();
                if members.is_empty() {
                    return;
                }
                let object = self.make(None, Place::Key(name), MAKE_MAP);
                for (place, member) in (0..).zip(members) {
                    self.uint(object, member, place);
                }
            }
            Value::Blobs(blobs) => {
                let list = self.make(None, Place::Key(name), MAKE_LIST);
                let mut last = None;
                for (blob, id) in blobs.iter().zip(ids) {
                    let map = self.make(Some(list), Place::After(last), MAKE_MAP);
                    self.string(Some(map), BLOB_ID, id);
                    self.string(Some(map), BLOB_NAME, &blob.name);
                    self.uint(map, BLOB_BYTES, blob.bytes);
                    self.string(Some(map), BLOB_MEDIA_TYPE, &blob.media_type);
                    last = Some(map);
                }
            }
            Value::Extra(extra) => {
                let object = self.make(None, Place::Key(name), MAKE_MAP);
                for (key, json) in extra {
                    self.string(Some(object), key, json);
                }
            }
        }
    }

    fn make(&mut self, object: Option<u64>, place: Place<'a>, action: u64) -> u64 {
        self.operation(object, place, action, 0)
    }
    fn string(&mut self, object: Option<u64>, key: &'a str, text: &str) {
        self.values.extend_from_slice(text.as_bytes());
        self.operation(object, Place::Key(key), SET, ((text.len() as u64) << 4) | STRING);
    }
    fn uint(&mut self, object: u64, key: &'a str, value: u64) {
        write_unsigned(value, &mut self.values);
        self.operation(Some(object), Place::Key(key), SET, (unsigned_length(value) << 4) | UINT);
    }

    /// Appends a row to each column; gives its counter.
    fn operation(&mut self, object: Option<u64>, place: Place<'a>, action: u64, meta: u64) -> u64 {
        match place {
            Place::Key(key) => {
                self.key_actor.append(None, 1);
                self.key_counter.append_none(1);
                self.key_text.append(Some(key), 1);
            }
            Place::After(element) => {
                self.key_actor.append(element.map(|_| 0), 1);
                self.key_counter.append(element.unwrap_or(0), 1);
                self.key_text.append(None, 1);
            }
        }
        self.rows(object, matches!(place, Place::After(_)), action, 1);
        self.value_meta.append(Some(meta), 1);
        self.next - 1
    }

    fn rows(&mut self, object: Option<u64>, insert: bool, action: u64, rows: u64) {
        self.object_actor.append(object.map(|_| 0), rows);
        self.object_counter.append(object, rows);
        self.insert.append(insert, rows);
        self.action.append(Some(action), rows);
        self.next += rows;
    }

    /// Inserts the characters of a text, each after the one before.
    fn text(&mut self, object: u64, text: &str) {
        let mut rest = text;
        let mut characters = 0;
        while let Some(first) = rest.chars().next() {
            let length = first.len_utf8();
            let run = if length == 1 {
                rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len())
            } else {
                rest.chars().take_while(|c| c.len_utf8() == length).count() * length
            };
            let rows = (run / length) as u64;
            self.value_meta.append(Some(((length as u64) << 4) | STRING), rows);
            characters += rows;
            rest = &rest[run..];
        }
        self.values.extend_from_slice(text.as_bytes());
        let first = self.next;
        self.key_actor.append(None, 1);
        self.key_actor.append(Some(0), characters - 1);
        self.key_counter.append(0, 1);
        self.key_counter.append(first, characters - 1);
        self.key_text.append(None, characters);
        self.rows(Some(object), true, SET, characters);
    }

    fn finish(self) -> Vec<(Column, Vec<u8>)> {
        let mut predecessor_count = RunWriter::new();
        predecessor_count.append(Some(0u64), self.next - 1);
        vec![
            (Column::ObjectActor, self.object_actor.finish()),
            (Column::ObjectCounter, self.object_counter.finish()),
            (Column::KeyActor, self.key_actor.finish()),
            (Column::KeyCounter, self.key_counter.finish()),
            (Column::KeyText, self.key_text.finish()),
            (Column::Insert, self.insert.finish()),
            (Column::Action, self.action.finish()),
            (Column::ValueMeta, self.value_meta.finish()),
            (Column::Value, self.values),
            (Column::PredecessorCount, predecessor_count.finish()),
        ]
    }
}
