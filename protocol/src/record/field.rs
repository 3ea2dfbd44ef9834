//! Field types: what a field may hold, and how two changes to it merge (3-records).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::BlobId;

/// What a field holds, which settles how it merges and how its bytes look in a document.
///
/// | type | in the document | merges |
/// |---|---|---|
/// | text | text object | character by character |
/// | line, choice, date, link, reference | string | last writer wins, the loser stays visible |
/// | number | signed integer | as a line |
/// | set | map: member → its place, an unsigned integer | union; a removal removes what it saw |
/// | blobs | list of maps `id`, `name`, `bytes`, `media_type` | by element |
/// | extra | map: key → JSON text | by key |
/// | references | map: record → its place and a line on it ([`super::references`]) | by record |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Long text in Markdown.
    Text,
    /// One line of text.
    Line,
    /// A line out of a list. Free words where `open`.
    Choice {
        /// The words that are offered.
        of: &'static [&'static str],
        /// Whether other words are allowed.
        open: bool,
    },
    /// A whole number.
    Number,
    /// A date and time with its zone, as RFC 9557 writes it: `2025-06-24T16:00:00+01:00[Europe/London]`.
    Date,
    /// A web address or DOI.
    Link,
    /// An unordered set of short texts, shown in the order of their places.
    Set,
    /// Attachments.
    Blobs,
    /// The id of another record, as text.
    Reference,
    /// What front matter held that no field takes: key → JSON.
    Extra,
    /// Other records in an order, with a line on each.
    References,
}

/// A field of a kind, declared once; validation, flags, forms and JSON follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its name in documents and JSON, `snake_case`.
    pub name: &'static str,
    /// What people see.
    pub label: &'static str,
    /// What it may hold.
    pub field_type: FieldType,
    /// What belongs in it, in one line.
    pub help: &'static str,
}

/// An attachment as a record names it (§5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobRef {
    /// The hash of its manifest.
    pub id: BlobId,
    /// The file's name, without folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its media type, e.g. `image/png`.
    pub media_type: String,
}

/// What a field of a record holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// A [`FieldType::Text`].
    Text(String),
    /// A line, choice, date, link or reference.
    Line(String),
    /// A [`FieldType::Number`].
    Number(i64),
    /// A [`FieldType::Set`], in order of places, without doubles.
    Set(Vec<String>),
    /// A [`FieldType::Blobs`].
    Blobs(Vec<BlobRef>),
    /// A [`FieldType::Extra`]: key → JSON text; or [`FieldType::References`].
    Extra(BTreeMap<String, String>),
}

impl Value {
    /// A set of these members, doubles and empty ones left out.
    pub fn set<S: Into<String>>(members: impl IntoIterator<Item = S>) -> Self {
        let mut seen = BTreeSet::new();
        let members = members.into_iter().map(Into::into);
        Self::Set(members.filter(|m| !m.is_empty() && seen.insert(m.clone())).collect())
    }
    /// The text or line in it.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(s) | Self::Line(s) => Some(s),
            _ => None,
        }
    }
    /// The members of a set; nothing for other types.
    pub fn members(&self) -> &[String] {
        match self {
            Self::Set(members) => members,
            _ => &[],
        }
    }
    /// A value of the same type with nothing in it: what removes a field.
    #[must_use]
    pub fn emptied(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(String::new()),
            Self::Line(_) | Self::Number(_) => Self::Line(String::new()),
            Self::Set(_) => Self::Set(Vec::new()),
            Self::Blobs(_) => Self::Blobs(Vec::new()),
            Self::Extra(_) => Self::Extra(BTreeMap::new()),
        }
    }
    /// Whether nothing is in it. Fields that are empty are not stored.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(s) | Self::Line(s) => s.is_empty(),
            Self::Number(_) => false,
            Self::Set(v) => v.is_empty(),
            Self::Blobs(v) => v.is_empty(),
            Self::Extra(v) => v.is_empty(),
        }
    }
}

/// The fields of a record, by name. `kind` is among them, as a line.
pub type Fields = BTreeMap<String, Value>;
