//! What each change of a record did.
//!
//! A version is a change. What it did is the difference between the record just before it, with all
//! that it builds on merged, and just after: so two changes made at the same time are told apart,
//! whatever came of them together. Pure: from the entries held, in whatever order they came.

use std::collections::BTreeMap;

use automerge::PatchLog;
use serde::{Deserialize, Serialize};

use super::{
    change::{Actor, Change},
    document::{Document, LocalFault, guarded, read_fields},
    edit::difference,
    field::{FieldType, Fields, Value},
    kind::Kind,
    references,
};
use crate::id::ChangeHash;

/// How many places of a text are told of one change.
pub const PIECES: usize = 20;
/// How much of each is told, characters.
pub const PIECE: usize = 200;

/// What a change did to a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Difference {
    /// Words of a text, in order.
    Words {
        /// The first places that changed.
        words: Vec<Piece>,
        /// How many more there are.
        more: usize,
    },
    /// Members of a set, attachments, references, keys of `extra`.
    Members {
        /// What was not there before.
        added: Vec<String>,
        /// What is no longer there.
        removed: Vec<String>,
        /// References that stand elsewhere in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        moved: Vec<String>,
    },
    /// A line or number, or a field that became something of another type.
    Whole {
        /// What it held; nothing where it was not set.
        before: Option<Value>,
        /// What it holds; nothing where it was removed.
        after: Option<Value>,
    },
}

/// A place of a text that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// What stood there, its beginning where it is long.
    pub removed: String,
    /// What stands there instead.
    pub added: String,
}

/// What became of a record, change by change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Course {
    /// What each change did, by field, in the order in which the changes were given.
    pub steps: Vec<BTreeMap<String, Difference>>,
    /// For each field in conflict its values, the one that shows first, and which change wrote it.
    pub conflicts: BTreeMap<String, Vec<(Value, Option<usize>)>>,
}

/// What these changes did, each given after those that it builds on.
pub fn course(changes: &[&[u8]]) -> Result<Course, LocalFault> {
    let mut reader = Reader::new(changes)?;
    let mut course = Course::default();
    for (field, values) in reader.0.conflicts() {
        course.conflicts.insert(field.clone(), values.iter().map(|value| (value.clone(), None)).collect());
    }
    // Most changes follow upon the one before: its record is read once.
    let mut last: (Vec<ChangeHash>, Fields) = Default::default();
    for (place, bytes) in changes.iter().enumerate() {
        let change = Change::read(bytes)?;
        let header = change.header();
        let before = if last.0 == header.deps { last.1 } else { reader.at(&header.deps)? };
        let after = reader.at(&[header.hash])?;
        let step = differences(&before, &after);
        for (field, values) in course.conflicts.iter_mut().filter(|(field, _)| step.contains_key(*field)) {
            let stands = after.get(field);
            values.iter_mut().filter(|(value, _)| Some(value) == stands).for_each(|(_, wrote)| *wrote = Some(place));
        }
        course.steps.push(step);
        last = (vec![header.hash], after);
    }
    Ok(course)
}

/// The fields as they were after these changes, with all that they build on.
pub fn fields_at(changes: &[&[u8]], heads: &[ChangeHash]) -> Result<Fields, LocalFault> {
    Reader::new(changes)?.at(heads)
}

/// What has to be set so that a record which holds `now` holds `then`. What no field takes stays.
pub fn back_to(now: &Fields, then: &Fields) -> Fields {
    let mut edits = Fields::new();
    for (name, value) in then.iter().filter(|(name, value)| now.get(*name) != Some(value)) {
        edits.insert(name.clone(), value.clone());
    }
    for (name, value) in now.iter().filter(|(name, _)| !then.contains_key(*name)) {
        edits.insert(name.clone(), value.emptied());
    }
    edits.remove("kind");
    // What had no state yet stays in the one that it is in.
    if edits.get("state").is_some_and(Value::is_empty) {
        edits.remove("state");
    }
    edits
}

/// A document to be read as it was.
struct Reader(Document);

/// No writer's: what is read as it was is written by nobody.
const NOBODY: Actor = [0xff; 16];

impl Reader {
    fn new(changes: &[&[u8]]) -> Result<Self, LocalFault> {
        let mut document = Document::build(changes.iter().copied())?;
        document.automerge.set_actor(automerge::ActorId::from(NOBODY));
        Ok(Self(document))
    }
    fn at(&mut self, heads: &[ChangeHash]) -> Result<Fields, LocalFault> {
        if heads.is_empty() {
            return Ok(Fields::new());
        }
        if heads == self.0.heads() {
            return Ok(self.0.fields().clone());
        }
        let heads: Vec<_> = heads.iter().map(|head| automerge::ChangeHash(head.0)).collect();
        let automerge = &mut self.0.automerge;
        guarded(|| {
            // A transaction that is never committed sees the document as it was.
            let then = automerge
                .transaction_at(PatchLog::inactive(), &heads)
                .map_err(|error| LocalFault::Refused(error.to_string()))?;
            let fields = read_fields(&then);
            then.rollback();
            Ok(fields?.0)
        })
    }
}

fn differences(before: &Fields, after: &Fields) -> BTreeMap<String, Difference> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let differ = names.filter(|name| before.get(*name) != after.get(*name));
    let kind = after.get("kind").and_then(Value::as_str).and_then(Kind::named);
    let is_ordered = |name: &str| {
        kind.and_then(|kind| kind.field(name)).is_some_and(|field| field.field_type == FieldType::References)
    };
    differ.map(|name| (name.clone(), between(is_ordered(name), before.get(name), after.get(name)))).collect()
}

fn between(is_ordered: bool, before: Option<&Value>, after: Option<&Value>) -> Difference {
    match (before, after) {
        (Some(Value::Text(old)), Some(Value::Text(new))) => words(old, new),
        (None, Some(Value::Text(new))) => words("", new),
        (Some(Value::Text(old)), None) => words(old, ""),
        (Some(Value::Line(_) | Value::Number(_)), _) | (_, Some(Value::Line(_) | Value::Number(_))) => {
            whole(before, after)
        }
        (Some(old), Some(new)) if core::mem::discriminant(old) != core::mem::discriminant(new) => whole(before, after),
        _ if is_ordered => {
            let (old, new) = (listed(before), listed(after));
            // What was moved is what was written anew and says the same.
            let texts = |value: Option<&Value>| match value {
                Some(Value::Extra(map)) => map.clone(),
                _ => BTreeMap::new(),
            };
            let (was, is) = (texts(before), texts(after));
            let moved = |one: &&String| {
                let id = one.split(' ').next().unwrap_or_default();
                old.contains(one) && was.get(id) != is.get(id)
            };
            let moved = new.iter().filter(moved).cloned().collect();
            Difference::Members { added: without(&new, &old), removed: without(&old, &new), moved }
        }
        _ => {
            let (old, new) = (members(before), members(after));
            Difference::Members { added: without(&new, &old), removed: without(&old, &new), moved: Vec::new() }
        }
    }
}

fn without(all: &[String], others: &[String]) -> Vec<String> {
    all.iter().filter(|member| !others.contains(member)).cloned().collect()
}

/// The references of a collection as text: the id and the line.
fn listed(value: Option<&Value>) -> Vec<String> {
    let Some(Value::Extra(map)) = value else { return Vec::new() };
    let text = |one: references::Reference| format!("{} {}", one.id, one.line).trim_end().to_owned();
    references::read(map).into_iter().map(text).collect()
}

fn whole(before: Option<&Value>, after: Option<&Value>) -> Difference {
    Difference::Whole { before: before.cloned(), after: after.cloned() }
}

fn members(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Set(members)) => members.clone(),
        Some(Value::Blobs(blobs)) => blobs.iter().map(|blob| blob.name.clone()).collect(),
        Some(Value::Extra(extra)) => extra.iter().map(|(key, text)| format!("{key}: {text}")).collect(),
        _ => Vec::new(),
    }
}

fn words(old: &str, new: &str) -> Difference {
    let splices = difference(old, new);
    let mut from = old.char_indices();
    let mut at = 0;
    let told = splices.iter().take(PIECES).map(|splice| {
        // Places only grow, so the text is gone through once.
        let start = from.nth(splice.at - at).map_or(old.len(), |(start, _)| start);
        at = splice.at + 1;
        let removed: String = old[start..].chars().take(splice.delete).collect();
        Piece { removed: beginning(&removed), added: beginning(splice.insert) }
    });
    Difference::Words { words: told.collect(), more: splices.len().saturating_sub(PIECES) }
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(PIECE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
