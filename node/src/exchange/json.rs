//! Fields as JSON and back, by the types that the kind declares: the one place for it.
//!
//! Text, lines, dates and references are strings, numbers numbers, sets arrays of strings, blobs arrays
//! of objects, the records of a collection arrays of `{id, line}`, and `extra` is an object whose values
//! are JSON. Reading copes with what other programs
//! write (a string where an array belongs, a number where a line belongs); what it cannot use it keeps
//! under `extra` and says so. Reading what was written here gives the same fields.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use staffroom_protocol::{
    limits,
    record::{
        field::{BlobRef, Field, FieldType, Fields, Value},
        kind::{self, Kind},
        references::{self, Reference},
    },
};

use super::{
    date,
    draft::Options,
    refusal::{DATE, Refusal},
};

/// The fields of a record as JSON, under their own names; of what kind it is, its `kind` says.
pub fn fields_to_json(fields: &Fields) -> Map<String, Json> {
    let kind = fields.get("kind").and_then(Value::as_str).and_then(Kind::named);
    fields.iter().map(|(name, value)| (name.clone(), value_to_json(kind, name, value))).collect()
}

/// One field of a record of this kind as JSON.
pub fn value_to_json(kind: Option<&'static Kind>, name: &str, value: &Value) -> Json {
    let field_type = kind.and_then(|kind| kind.field(name)).map(|field| field.field_type);
    match value {
        Value::Extra(map) if field_type == Some(FieldType::References) => references::read(map)
            .into_iter()
            .map(|reference| serde_json::json!({ "id": reference.id, "line": reference.line }))
            .collect(),
        Value::Text(text) | Value::Line(text) => Json::from(text.as_str()),
        Value::Number(number) => Json::from(*number),
        Value::Set(members) => Json::from(members.as_slice()),
        Value::Blobs(blobs) => blobs.iter().map(blob_to_json).collect(),
        Value::Extra(extra) => Json::Object(
            extra
                .iter()
                .map(|(key, text)| {
                    let value = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text.as_str()));
                    (key.clone(), value)
                })
                .collect(),
        ),
    }
}

fn blob_to_json(blob: &BlobRef) -> Json {
    serde_json::json!({
        "id": blob.id.to_string(), "name": blob.name, "bytes": blob.bytes, "media_type": blob.media_type
    })
}

/// What a record has in JSON besides its fields.
const ENVELOPE: &[&str] = &[
    "id",
    "space",
    "school",
    "created",
    "updated",
    "heads",
    "conflicts",
    "history",
    "versions",
    "blobs",
    "about_this",
];

/// Fields out of JSON by a kind's declarations, and what to say about the reading.
///
/// Dates without a zone are in London's; see [`fields_from_json_in`]. `kind` is passed over, and of a
/// record as `share show --json` prints it, all that is not a field: `id`, `space`, `heads` and so on. A title is not asked for: [`Draft::check`](super::Draft::check) does that.
pub fn fields_from_json(kind: &'static Kind, map: &Map<String, Json>) -> Result<(Fields, Vec<String>), Refusal> {
    fields_from_json_in(kind, map, &Options::default().time_zone()?)
}

/// The same, with the zone that dates without one are in.
pub fn fields_from_json_in(
    kind: &'static Kind,
    map: &Map<String, Json>,
    school: &TimeZone,
) -> Result<(Fields, Vec<String>), Refusal> {
    let mut reading = Reading::new(kind, school);
    let ours = ["id", "space", "heads"].iter().all(|key| map.contains_key(*key));
    let passed_over = |key: &str| key == "kind" || (ours && ENVELOPE.contains(&key));
    for (key, json) in map.iter().filter(|(key, _)| !passed_over(key)) {
        // Every kind's main text may be called its body.
        let body = kind.body.filter(|body| key == "body" && !map.contains_key(*body));
        match kind.field(body.unwrap_or(key)) {
            Some(field) => {
                reading.set(field, key, json);
            }
            None => reading.keep(key, json),
        }
    }
    let Reading { fields, warnings, .. } = reading.finish();
    fields.iter().try_for_each(|(name, value)| {
        let invalid = kind::check_field(kind, name, value);
        invalid.map_err(|invalid| Refusal::new("the record", invalid.into()))
    })?;
    Ok((fields, warnings))
}

/// A record as it is being read from keys and JSON values.
pub(super) struct Reading<'a> {
    pub(super) kind: &'static Kind,
    pub(super) school: &'a TimeZone,
    pub(super) fields: Fields,
    pub(super) warnings: Vec<String>,
    extra: BTreeMap<String, String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(kind: &'static Kind, school: &'a TimeZone) -> Self {
        Self::of(kind, school, Fields::new(), Vec::new())
    }

    /// One that is half read.
    pub(super) fn of(kind: &'static Kind, school: &'a TimeZone, fields: Fields, warnings: Vec<String>) -> Self {
        Self { kind, school, fields, warnings, extra: BTreeMap::new() }
    }

    /// Sets a field; what it cannot take is kept under `key` with a warning. Says whether it was taken.
    pub(super) fn set(&mut self, field: &Field, key: &str, json: &Json) -> bool {
        if let (FieldType::Extra, Json::Object(more)) = (field.field_type, json) {
            more.iter().for_each(|(key, json)| self.keep(key, json));
            return true;
        }
        let value = match value_from_json(field, json, self.school) {
            Ok(Value::Line(state)) if field.name == "state" => known_state(self.kind, &state).map(Value::Line),
            other => other,
        };
        match value {
            Ok(value) => {
                if !value.is_empty() {
                    self.fields.insert(field.name.to_owned(), value);
                }
                true
            }
            Err(expected) => {
                let label = field.label.to_lowercase();
                let shown = shown(json);
                self.warnings.push(format!("{key}: {shown} is not {expected}, so {label} is left open"));
                self.keep(key, json);
                false
            }
        }
    }

    /// Keeps under `extra` what no field takes.
    pub(super) fn keep(&mut self, key: &str, json: &Json) {
        let text = json.to_string();
        let longest = key.len().max(text.len());
        if longest > limits::LINE {
            let most = limits::LINE;
            self.warnings.push(format!("{:?} is left out: {longest} bytes, at most {most} are kept", short(key)));
        } else if self.extra.len() >= limits::EXTRA && !self.extra.contains_key(key) {
            self.warnings.push(format!("{key:?} is left out: at most {} such keys are kept", limits::EXTRA));
        } else {
            self.extra.insert(key.to_owned(), text);
        }
    }

    /// The reading with all that was kept in its place.
    pub(super) fn finish(mut self) -> Self {
        if !self.extra.is_empty() {
            let extra = std::mem::take(&mut self.extra);
            self.fields.insert("extra".to_owned(), Value::Extra(extra));
        }
        self
    }
}

/// The state as the kind writes it.
fn known_state(kind: &'static Kind, state: &str) -> Result<String, &'static str> {
    let lower = state.to_lowercase();
    let word = if lower == "canceled" { "cancelled" } else { lower.as_str() };
    let known = state.is_empty() || kind.states.contains(&word);
    if known { Ok(word.to_owned()) } else { Err("a state that such a record can have") }
}

/// What a field takes from a JSON value, or what it would have taken.
pub(super) fn value_from_json(field: &Field, json: &Json, school: &TimeZone) -> Result<Value, &'static str> {
    match field.field_type {
        FieldType::Text => match json {
            Json::Null => Ok(Value::Text(String::new())),
            Json::String(text) => Ok(Value::Text(text.clone())),
            Json::Number(_) | Json::Bool(_) => Ok(Value::Text(json.to_string())),
            _ => Err("text"),
        },
        FieldType::Line | FieldType::Choice { .. } | FieldType::Link | FieldType::Reference => {
            line(json).map(Value::Line).ok_or("a line of text")
        }
        FieldType::Date => match line(json).ok_or(DATE)?.as_str() {
            "" => Ok(Value::Line(String::new())),
            text => date::read(text, school).map(Value::Line).ok_or(DATE),
        },
        FieldType::Number => match json {
            Json::Null => Ok(Value::Line(String::new())),
            Json::String(text) if text.trim().is_empty() => Ok(Value::Line(String::new())),
            Json::String(text) => text.trim().parse().map(Value::Number).map_err(|_| "a whole number"),
            _ => json.as_i64().map(Value::Number).ok_or("a whole number"),
        },
        FieldType::Set => match json {
            Json::String(text) => Ok(Value::set(split(text))),
            Json::Array(items) => {
                let members = items.iter().map(line).collect::<Option<Vec<_>>>();
                members.map(Value::set).ok_or("a list of short texts")
            }
            _ => line(json).map(|one| Value::set([one])).ok_or("a list of short texts"),
        },
        FieldType::Blobs => {
            if json.is_null() {
                return Ok(Value::Blobs(Vec::new()));
            }
            serde_json::from_value(json.clone()).map(Value::Blobs).map_err(|_| "a list of attachments")
        }
        FieldType::References => {
            const WANTED: &str = "a list of records, each an id and a line";
            let items = match json {
                Json::Null => &[][..],
                Json::Array(items) => items,
                one => std::slice::from_ref(one),
            };
            let all = items.iter().map(reference).collect::<Option<Vec<_>>>().ok_or(WANTED)?;
            Ok(Value::Extra(references::arrange(&BTreeMap::new(), &all)))
        }
        FieldType::Extra => match json {
            Json::Null => Ok(Value::Extra(BTreeMap::new())),
            Json::Object(map) => {
                Ok(Value::Extra(map.iter().map(|(key, json)| (key.clone(), json.to_string())).collect()))
            }
            _ => Err("keys with values"),
        },
    }
}

/// A record in a collection: an id and a line behind it, or an object with both.
fn reference(json: &Json) -> Option<Reference> {
    let (id, said) = match json {
        Json::String(text) => return reference_from_text(text),
        Json::Object(map) => (line(map.get("id")?)?, map.get("line").map_or(Some(String::new()), line)?),
        _ => return None,
    };
    reference_from_text(&format!("{id} {said}"))
}

/// A record in a collection as people write it: its id, then what is said of it.
pub fn reference_from_text(text: &str) -> Option<Reference> {
    let text = one_line(text.trim());
    let (id, line) = text.split_once(' ').unwrap_or((&text, ""));
    (!id.is_empty()).then(|| Reference { id: id.to_owned(), line: line.trim().to_owned() })
}

/// A scalar as a line; a list of scalars joined; nothing for what has more structure.
fn line(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some(String::new()),
        Json::String(text) => Some(one_line(text)),
        Json::Number(_) | Json::Bool(_) => Some(json.to_string()),
        Json::Array(items) if items.iter().all(|item| !item.is_array()) => {
            let lines = items.iter().map(line).collect::<Option<Vec<_>>>()?;
            Some(lines.iter().filter(|line| !line.is_empty()).map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// Line breaks and other control characters become spaces; a text without any stays as it is.
pub(super) fn one_line(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Members in one text: between commas, or between semicolons where there are any.
fn split(text: &str) -> Vec<String> {
    let by = if text.contains(';') { ';' } else { ',' };
    text.split([by, '\n']).map(|member| one_line(member).trim().to_owned()).collect()
}

/// A value as a message shows it.
pub(super) fn shown(json: &Json) -> String {
    match json {
        Json::String(text) => format!("{:?}", short(text)),
        Json::Object(_) => "a group of keys".to_owned(),
        other => short(&other.to_string()),
    }
}

/// The start of a text.
fn short(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}
