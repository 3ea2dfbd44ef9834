//! A tip: something short to try this week.

use super::{ATTACHMENTS, Field, FieldType, Kind, field};

/// A tip may be written ahead for a week.
pub(super) const TIP: Kind = Kind {
    name: "tip",
    label: "Tip",
    help: "Something short to try this week",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["body"],
    titled_by: "body",
    states: &["draft", "scheduled", "published"],
    shared_state: Some("published"),
    open: false,
};

const FIELDS: [Field; 3] = [
    field("body", "Text", FieldType::Text, "The tip itself, in Markdown"),
    field("week", "Week", FieldType::Line, "The week it is for, such as 2026-W37 (ISO 8601)"),
    ATTACHMENTS,
];
