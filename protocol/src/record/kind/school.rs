//! A school's profile in a space.

use super::{Field, FieldType, Kind, field};

/// The title is the school's name; the page of the schools is made of these.
pub(super) const SCHOOL: Kind = Kind {
    name: "school",
    label: "School",
    help: "A school's profile: who it is, what it is good at, what it looks for",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["title"],
    titled_by: "title",
    states: &[],
    shared_state: None,
    open: false,
};

const FIELDS: [Field; 8] = [
    field(
        "phase",
        "Phase",
        FieldType::Choice {
            of: &["nursery", "primary", "middle", "secondary", "sixth form", "all-through", "special"],
            open: true,
        },
        "The ages it teaches",
    ),
    field("place", "Place", FieldType::Line, "Where it is"),
    field("web_address", "Web address", FieldType::Link, "Its web site"),
    field("contact", "Contact", FieldType::Line, "Whom to ask"),
    field("strengths", "Strengths", FieldType::Set, "What it is good at and offers"),
    field("needs", "Needs", FieldType::Set, "What it looks for"),
    field("addresses", "Network addresses", FieldType::Set, "Where its nodes listen; kept by the node itself"),
    field("body", "About", FieldType::Text, "What else partners should know, in Markdown"),
];
