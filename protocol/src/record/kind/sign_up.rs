//! A sign-up: somebody comes to an event, to listen or to present.

use super::{ABOUT, Field, FieldType, Kind, field};

/// It names a member of staff, never a pupil.
pub(super) const SIGN_UP: Kind = Kind {
    name: "sign-up",
    label: "Sign-up",
    help: "Somebody comes to an event, to listen or to present",
    own_fields: &FIELDS,
    body: None,
    needs: &["about", "name"],
    titled_by: "name",
    states: &["asked", "confirmed", "waiting", "withdrawn"],
    shared_state: Some("asked"),
    open: false,
};

const FIELDS: [Field; 5] = [
    ABOUT,
    field("name", "Name", FieldType::Line, "Who comes"),
    field("role", "Role", FieldType::Choice { of: &["attend", "present"], open: false }, "To attend or to present"),
    field("topic", "Topic", FieldType::Line, "What they would present"),
    field("minutes", "Minutes", FieldType::Number, "How long they would present"),
];
