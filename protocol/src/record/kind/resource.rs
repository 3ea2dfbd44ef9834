//! A resource: something to teach with.

use super::{ATTACHMENTS, Field, FieldType, Kind, field};

/// Resources are where most sharing starts: a file and a title suffice.
pub(super) const RESOURCE: Kind = Kind {
    name: "resource",
    label: "Resource",
    help: "Something to teach with: a lesson, a worksheet, a display",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["title"],
    titled_by: "title",
    states: &["draft", "published", "superseded", "withdrawn"],
    shared_state: Some("published"),
    open: false,
};

const FIELDS: [Field; 5] = [
    field("body", "Text", FieldType::Text, "The text itself, in Markdown"),
    ATTACHMENTS,
    field(
        "resource_type",
        "Type",
        FieldType::Choice {
            of: &["lesson", "worksheet", "presentation", "assessment", "display", "guide", "video"],
            open: true,
        },
        "What sort of thing it is",
    ),
    field("time_required", "Time required", FieldType::Line, "How long it takes, e.g. PT50M (ISO 8601)"),
    field("focus", "Focus", FieldType::Line, "What it is about in teaching, e.g. stretch and challenge"),
];
