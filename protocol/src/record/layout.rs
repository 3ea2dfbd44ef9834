//! How fields lie in a document, for all that read one: with Automerge or without.
//!
//! Reading is total: whatever changes of partners left in a document, each key of the root shows
//! one value or none, and the same one everywhere. A map that holds strings is an `extra`, one that
//! holds places a set; an element of a list that does not name a blob shows nothing.

use std::collections::BTreeMap;

use super::field::{BlobRef, Value};

/// The keys of an attachment's map.
pub(super) const BLOB_ID: &str = "id";
pub(super) const BLOB_NAME: &str = "name";
pub(super) const BLOB_BYTES: &str = "bytes";
pub(super) const BLOB_MEDIA_TYPE: &str = "media_type";

/// What stands at a key of a map inside a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// The place of a member, or an attachment's length.
    Uint(u64),
    /// JSON, or a line of an attachment.
    Text(std::borrow::Cow<'a, str>),
}

/// The entries of a map.
pub(super) type Entries<'a> = BTreeMap<std::borrow::Cow<'a, str>, Entry<'a>>;

/// The set or `extra` that a map is; `None` where nothing is in it.
pub(super) fn map_value(entries: Entries<'_>) -> Option<Value> {
    let is_extra = entries.values().any(|entry| matches!(entry, Entry::Text(_)));
    let value = if is_extra {
        let texts = entries.into_iter().filter_map(|(key, entry)| match entry {
            Entry::Text(text) => Some((key.into_owned(), text.into_owned())),
            Entry::Uint(_) => None,
        });
        Value::Extra(texts.collect())
    } else {
        let places = entries.into_iter().filter_map(|(member, entry)| match entry {
            Entry::Uint(place) if !member.is_empty() => Some((place, member.into_owned())),
            _ => None,
        });
        // By place; those that took the same place at the same time by their text.
        let mut members: Vec<(u64, String)> = places.collect();
        members.sort_unstable();
        Value::Set(members.into_iter().map(|(_, member)| member).collect())
    };
    Some(value).filter(|value| !value.is_empty())
}

/// The attachment that a map in a list is; `None` where it does not name a blob.
pub(super) fn blob(entries: &Entries<'_>) -> Option<BlobRef> {
    let line = |key: &str| match entries.get(key) {
        Some(Entry::Text(text)) => Some(text.as_ref()),
        _ => None,
    };
    let bytes = match entries.get(BLOB_BYTES) {
        Some(Entry::Uint(bytes)) => *bytes,
        _ => 0,
    };
    Some(BlobRef {
        id: line(BLOB_ID)?.parse().ok()?,
        name: line(BLOB_NAME).unwrap_or_default().to_owned(),
        bytes,
        media_type: line(BLOB_MEDIA_TYPE).unwrap_or_default().to_owned(),
    })
}
