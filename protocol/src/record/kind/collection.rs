//! A collection: records that belong together, in an order, with a line each on why.

use super::{ATTACHMENTS, Field, FieldType, Kind, field};

/// A toolkit: it names records and does not copy them.
pub(super) const COLLECTION: Kind = Kind {
    name: "collection",
    label: "Collection",
    help: "A toolkit: records in an order, with a line on each",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["title"],
    titled_by: "title",
    states: &["draft", "published", "withdrawn"],
    shared_state: Some("published"),
    open: false,
};

const FIELDS: [Field; 3] = [
    field("body", "Text", FieldType::Text, "What it is for, in Markdown"),
    field("records", "Records", FieldType::References, "What is in it, in order: an id, then a line on it"),
    ATTACHMENTS,
];
