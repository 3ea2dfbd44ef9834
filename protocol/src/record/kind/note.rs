//! A research note: what someone found out, and how far it carries.

use super::{ATTACHMENTS, Field, FieldType, Kind, field};

/// Notes are open to edits by every school of the space, so that findings gather in one place.
pub(super) const NOTE: Kind = Kind {
    name: "note",
    label: "Research note",
    help: "What research or a trial found, and how far it carries",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["title"],
    titled_by: "title",
    states: &["draft", "published", "withdrawn"],
    shared_state: Some("published"),
    open: true,
};

const FIELDS: [Field; 10] = [
    field("body", "Text", FieldType::Text, "The note itself, in Markdown"),
    ATTACHMENTS,
    field("question", "Question", FieldType::Line, "What was asked"),
    field("citation", "Citation", FieldType::Link, "A DOI or a link"),
    field("method", "Method", FieldType::Line, "How it was found out"),
    field("context", "Context", FieldType::Line, "Where, with whom, how many"),
    field("finding", "Finding", FieldType::Line, "What was found"),
    field("limits", "Limits", FieldType::Line, "How far it does not carry"),
    field(
        "evidence",
        "Strength of evidence",
        FieldType::Choice { of: &["anecdote", "one trial", "several trials", "review"], open: true },
        "How strong it is",
    ),
    field("cost", "Cost", FieldType::Line, "What it takes in time or money"),
];
