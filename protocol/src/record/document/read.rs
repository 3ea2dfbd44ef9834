//! Reads fields and conflicts out of an Automerge document.

use std::{borrow::Cow, collections::BTreeMap};

use automerge::{AutomergeError, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

use crate::record::{
    field::{BlobRef, Fields, Value},
    layout::{self, Entries, Entry},
};

/// What stands at a key of the root: one value, or several that were written at the same time.
#[derive(Debug, Clone)]
pub(in crate::record) enum Stands {
    Line(String),
    Number(i64),
    Object(ObjType, ObjId),
    /// Something that no record can have.
    Other,
}

/// What stands at a key of the root, the one that shows first.
pub(in crate::record) fn standing(doc: &impl ReadDoc, key: &str) -> Result<Vec<Stands>, AutomergeError> {
    let all = doc.get_all(ROOT, key)?;
    let stands = all.into_iter().rev().map(|(value, id)| match value {
        automerge::Value::Object(kind) => Stands::Object(kind, id),
        automerge::Value::Scalar(scalar) => match scalar.as_ref() {
            ScalarValue::Str(line) => Stands::Line(line.to_string()),
            ScalarValue::Int(number) => Stands::Number(*number),
            _ => Stands::Other,
        },
    });
    Ok(stands.collect())
}

/// The objects of one kind among what stands at a key, where the one that shows is of that kind.
pub(in crate::record) fn objects(stands: &[Stands], kind: ObjType) -> Vec<&ObjId> {
    let shows = matches!(stands.first(), Some(Stands::Object(first, _)) if *first == kind);
    let of_kind = stands.iter().filter_map(|stands| match stands {
        Stands::Object(found, id) if *found == kind && shows => Some(id),
        _ => None,
    });
    of_kind.collect()
}

/// The entries of a map.
pub(in crate::record) fn entries(doc: &impl ReadDoc, map: &ObjId) -> Result<Entries<'static>, AutomergeError> {
    let mut entries = Entries::new();
    for key in doc.keys(map) {
        let entry = match doc.get(map, key.as_str())? {
            Some((automerge::Value::Scalar(scalar), _)) => match scalar.as_ref() {
                ScalarValue::Uint(number) => Entry::Uint(*number),
                ScalarValue::Str(text) => Entry::Text(Cow::Owned(text.to_string())),
                _ => continue,
            },
            _ => continue,
        };
        entries.insert(Cow::Owned(key), entry);
    }
    Ok(entries)
}

/// The entries of several maps that were made at the same time for one field: all that is in any of them.
///
/// Of two places the lower, of two texts the one in the map that shows.
pub(in crate::record) fn union(doc: &impl ReadDoc, maps: &[&ObjId]) -> Result<Entries<'static>, AutomergeError> {
    let mut all = Entries::new();
    for map in maps {
        for (key, entry) in entries(doc, map)? {
            match (all.get_mut(&key), entry) {
                (Some(Entry::Uint(place)), Entry::Uint(other)) => *place = (*place).min(other),
                (Some(_), _) => {}
                (None, entry) => {
                    all.insert(key, entry);
                }
            }
        }
    }
    Ok(all)
}

/// The attachments in a list, each with its index; elements that name no blob are left out.
pub(in crate::record) fn blobs(doc: &impl ReadDoc, list: &ObjId) -> Result<Vec<(usize, BlobRef)>, AutomergeError> {
    let mut blobs = Vec::new();
    for index in 0..doc.length(list) {
        if let Some((automerge::Value::Object(ObjType::Map), map)) = doc.get(list, index)?
            && let Some(blob) = layout::blob(&entries(doc, &map)?)
        {
            blobs.push((index, blob));
        }
    }
    Ok(blobs)
}

/// The fields of a document, and those with several values.
pub(in crate::record) fn read(doc: &impl ReadDoc) -> Result<(Fields, BTreeMap<String, Vec<Value>>), AutomergeError> {
    let (mut fields, mut conflicts) = (Fields::new(), BTreeMap::new());
    for key in doc.keys(ROOT) {
        let stands = standing(doc, &key)?;
        let alternatives = alternatives(doc, &stands)?;
        if alternatives.len() > 1 {
            conflicts.insert(key.clone(), alternatives);
        }
        if let Some(value) = value(doc, &stands)?.filter(|value| !value.is_empty()) {
            fields.insert(key, value);
        }
    }
    Ok((fields, conflicts))
}

fn value(doc: &impl ReadDoc, stands: &[Stands]) -> Result<Option<Value>, AutomergeError> {
    Ok(match stands.first() {
        Some(Stands::Object(ObjType::Map, _)) => layout::map_value(union(doc, &objects(stands, ObjType::Map))?),
        Some(Stands::Object(ObjType::List, _)) => {
            let mut all = Vec::new();
            for list in objects(stands, ObjType::List) {
                all.extend(blobs(doc, list)?.into_iter().map(|(_, blob)| blob));
            }
            Some(Value::Blobs(all))
        }
        Some(stands) => single(doc, stands)?,
        None => None,
    })
}

/// The value of what merges as a whole: lines, numbers, and texts made at the same time.
fn single(doc: &impl ReadDoc, stands: &Stands) -> Result<Option<Value>, AutomergeError> {
    Ok(match stands {
        Stands::Line(line) => Some(Value::Line(line.clone())),
        Stands::Number(number) => Some(Value::Number(*number)),
        Stands::Object(ObjType::Text, text) => Some(Value::Text(doc.text(text)?)),
        Stands::Object(..) | Stands::Other => None,
    })
}

/// How many values of a conflict are told.
const ALTERNATIVES: usize = 20;

/// The different values at a key whose first is single; empty ones are no alternative.
fn alternatives(doc: &impl ReadDoc, stands: &[Stands]) -> Result<Vec<Value>, AutomergeError> {
    let mut different: Vec<Value> = Vec::new();
    if stands.len() < 2 {
        return Ok(different);
    }
    for (place, stands) in stands.iter().enumerate() {
        match single(doc, stands)? {
            // More than a screen of them helps nobody to choose, and costs the square of their number.
            _ if different.len() == ALTERNATIVES => break,
            Some(value) if !value.is_empty() && !different.contains(&value) => different.push(value),
            None if place == 0 => break,
            _ => {}
        }
    }
    Ok(different)
}
