//! Tried: what came of a resource or a finding in somebody's own classroom.

use super::{ABOUT, ATTACHMENTS, Field, FieldType, Kind, field};

/// It says what happened, also where that was not much: so findings gather around what was shared.
pub(super) const TRIED: Kind = Kind {
    name: "tried",
    label: "Tried",
    help: "What happened when you tried something that was shared",
    own_fields: &FIELDS,
    body: Some("what_happened"),
    needs: &["about", "what_happened"],
    titled_by: "what_happened",
    states: &["draft", "shared", "retracted"],
    shared_state: Some("shared"),
    open: false,
};

const FIELDS: [Field; 7] = [
    ABOUT,
    field("context", "Context", FieldType::Line, "With whom: the phase, the size of the group; no pupil's name"),
    field("what_happened", "What happened", FieldType::Text, "What you did and what came of it, in Markdown"),
    field("baseline", "Baseline", FieldType::Line, "How it was before"),
    field("result", "Result", FieldType::Line, "How it was afterwards"),
    field(
        "would_use_again",
        "Would use again",
        FieldType::Choice { of: &["yes", "with changes", "no"], open: true },
        "Whether you would use it again",
    ),
    ATTACHMENTS,
];
