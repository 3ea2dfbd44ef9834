//! Turns a new value of a field into operations, as few as bring it about.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{
    AutomergeError, ObjId, ObjType, ROOT, ReadDoc,
    transaction::{Transactable, Transaction},
};

use super::words;
use crate::limits;
use crate::record::{
    document::{Stands, blobs, objects, standing, union},
    field::{BlobRef, Value},
    layout::{BLOB_BYTES, BLOB_ID, BLOB_MEDIA_TYPE, BLOB_NAME, Entry},
};

type Done = Result<(), AutomergeError>;

/// A text longer than this, characters, which several made so long together, is replaced as a whole: one
/// change has not the operations to delete it.
const LONGEST: u64 = limits::CHANGE_OPERATIONS / 2;

/// Sets a field where it does not hold that value already.
pub(super) fn set(tx: &mut Transaction<'_>, field: &str, value: &Value) -> Done {
    let stands = standing(tx, field)?;
    let shows = stands.first();
    match value {
        Value::Line(line) if matches!(shows, Some(Stands::Line(shown)) if shown == line) => Ok(()),
        Value::Number(number) if matches!(shows, Some(Stands::Number(shown)) if shown == number) => Ok(()),
        Value::Text(text) => match objects(&stands, ObjType::Text).first() {
            Some(object) if tx.length(object) as u64 <= LONGEST => set_text(tx, object, text),
            _ => put_single(tx, field, value, &stands),
        },
        Value::Line(_) | Value::Number(_) => put_single(tx, field, value, &stands),
        Value::Set(members) => {
            let maps = objects(&stands, ObjType::Map);
            match maps.first() {
                Some(_) => set_members(tx, &maps, members),
                None => put_members(tx, field, members, &stands),
            }
        }
        Value::Extra(extra) => {
            let maps = objects(&stands, ObjType::Map);
            match maps.first() {
                Some(_) => set_extra(tx, &maps, extra),
                None if extra.is_empty() => remove(tx, field, &stands),
                None => {
                    let map = tx.put_object(ROOT, field, ObjType::Map)?;
                    extra.iter().try_for_each(|(key, json)| tx.put(&map, key.as_str(), json.as_str()))
                }
            }
        }
        Value::Blobs(blobs) => {
            let lists = objects(&stands, ObjType::List);
            match lists.first() {
                Some(_) => set_blobs(tx, &lists, blobs),
                None if blobs.is_empty() => remove(tx, field, &stands),
                None => {
                    let list = tx.put_object(ROOT, field, ObjType::List)?;
                    (0..).zip(blobs).try_for_each(|(index, blob)| insert_blob(tx, &list, index, blob))
                }
            }
        }
    }
}

/// Makes a value stand alone.
pub(super) fn settle(tx: &mut Transaction<'_>, field: &str, value: &Value) -> Done {
    let stands = standing(tx, field)?;
    match value {
        Value::Line(_) | Value::Number(_) | Value::Text(_) if stands.len() > 1 => put_single(tx, field, value, &stands),
        _ => set(tx, field, value),
    }
}

fn remove(tx: &mut Transaction<'_>, field: &str, stands: &[Stands]) -> Done {
    if stands.is_empty() { Ok(()) } else { tx.delete(ROOT, field) }
}

/// Puts a line, number or new text over all that stands there.
fn put_single(tx: &mut Transaction<'_>, field: &str, value: &Value, stands: &[Stands]) -> Done {
    match value {
        _ if value.is_empty() => remove(tx, field, stands),
        Value::Line(line) => tx.put(ROOT, field, line.as_str()),
        Value::Number(number) => tx.put(ROOT, field, *number),
        Value::Text(text) => {
            let object = tx.put_object(ROOT, field, ObjType::Text)?;
            tx.splice_text(&object, 0, 0, text)
        }
        Value::Set(_) | Value::Blobs(_) | Value::Extra(_) => Ok(()),
    }
}

fn set_text(tx: &mut Transaction<'_>, object: &ObjId, text: &str) -> Done {
    let old = tx.text(object)?;
    for splice in words::difference(&old, text).into_iter().rev() {
        let deleted = isize::try_from(splice.delete).map_err(|_| AutomergeError::InvalidIndex(splice.at))?;
        tx.splice_text(object, splice.at, deleted, splice.insert)?;
    }
    Ok(())
}

fn put_members(tx: &mut Transaction<'_>, field: &str, members: &[String], stands: &[Stands]) -> Done {
    let mut seen = BTreeSet::new();
    let members = members.iter().filter(|member| !member.is_empty() && seen.insert(member.as_str()));
    let members: Vec<&String> = members.collect();
    if members.is_empty() {
        return remove(tx, field, stands);
    }
    let map = tx.put_object(ROOT, field, ObjType::Map)?;
    (0u64..).zip(members).try_for_each(|(place, member)| tx.put(&map, member.as_str(), place))
}

/// Adds the members that are missing, after the others, and removes those that are to go.
fn set_members(tx: &mut Transaction<'_>, maps: &[&ObjId], members: &[String]) -> Done {
    let wanted: BTreeSet<&str> = members.iter().map(String::as_str).filter(|member| !member.is_empty()).collect();
    let there = union(tx, maps)?;
    let places = there.iter().filter_map(|(member, entry)| match entry {
        Entry::Uint(place) => Some((member.as_ref(), *place)),
        Entry::Text(_) => None,
    });
    let places: BTreeMap<&str, u64> = places.collect();
    for member in places.keys().filter(|member| !wanted.contains(*member)) {
        delete_key(tx, maps, member)?;
    }
    let mut next = places.values().max().map_or(0, |place| place.saturating_add(1));
    let mut added = BTreeSet::new();
    for member in members {
        let missing = wanted.contains(member.as_str()) && !places.contains_key(member.as_str());
        if let (true, Some(map)) = (missing && added.insert(member), maps.first()) {
            tx.put(*map, member.as_str(), next)?;
            next = next.saturating_add(1);
        }
    }
    Ok(())
}

fn set_extra(tx: &mut Transaction<'_>, maps: &[&ObjId], extra: &BTreeMap<String, String>) -> Done {
    let there = union(tx, maps)?;
    for (key, entry) in &there {
        if matches!(entry, Entry::Text(_)) && !extra.contains_key(key.as_ref()) {
            delete_key(tx, maps, key)?;
        }
    }
    for (key, json) in extra {
        let same = matches!(there.get(key.as_str()), Some(Entry::Text(text)) if text == json);
        if let (false, Some(map)) = (same, maps.first()) {
            tx.put(*map, key.as_str(), json.as_str())?;
        }
    }
    Ok(())
}

/// Deletes a key in each of the maps that has it.
fn delete_key(tx: &mut Transaction<'_>, maps: &[&ObjId], key: &str) -> Done {
    for map in maps {
        if tx.get(*map, key)?.is_some() {
            tx.delete(*map, key)?;
        }
    }
    Ok(())
}

/// Deletes and inserts the elements in which the old and the new list differ.
fn set_blobs(tx: &mut Transaction<'_>, lists: &[&ObjId], wanted: &[BlobRef]) -> Done {
    let mut there = Vec::new();
    for list in lists {
        there.extend(blobs(tx, list)?.into_iter().map(|(index, blob)| (*list, index, blob)));
    }
    let numbers: BTreeSet<&BlobRef> = there.iter().map(|(_, _, blob)| blob).chain(wanted).collect();
    let numbers: BTreeMap<&BlobRef, usize> = numbers.into_iter().zip(0..).collect();
    let old: Vec<usize> = there.iter().map(|(_, _, blob)| numbers[blob]).collect();
    let new: Vec<usize> = wanted.iter().map(|blob| numbers[blob]).collect();
    // From the end, so that the indices before stay true.
    for (old, new) in words::changed(&old, &new).into_iter().rev() {
        for (list, index, _) in there[old.clone()].iter().rev() {
            tx.delete(*list, *index)?;
        }
        let before = old.start.checked_sub(1).and_then(|before| there.get(before));
        let after_element = before.map(|(list, index, _)| (*list, index + 1));
        if let Some((list, start)) = after_element.or(lists.first().map(|list| (*list, 0))) {
            for (index, blob) in (start..).zip(&wanted[new]) {
                insert_blob(tx, list, index, blob)?;
            }
        }
    }
    Ok(())
}

fn insert_blob(tx: &mut Transaction<'_>, list: &ObjId, index: usize, blob: &BlobRef) -> Done {
    let map = tx.insert_object(list, index, ObjType::Map)?;
    tx.put(&map, BLOB_ID, blob.id.to_string())?;
    tx.put(&map, BLOB_NAME, blob.name.as_str())?;
    tx.put(&map, BLOB_BYTES, blob.bytes)?;
    tx.put(&map, BLOB_MEDIA_TYPE, blob.media_type.as_str())
}
