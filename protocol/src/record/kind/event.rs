//! An event: a TeachMeet, a training day, a hub meeting.

use super::{ATTACHMENTS, Field, FieldType, Kind, field};

/// Outside, events are iCalendar VEVENTs (RFC 5545).
pub(super) const EVENT: Kind = Kind {
    name: "event",
    label: "Event",
    help: "A TeachMeet, training day, hub meeting or conference",
    own_fields: &FIELDS,
    body: Some("programme"),
    needs: &["title"],
    titled_by: "title",
    states: &["tentative", "confirmed", "cancelled", "held"],
    shared_state: Some("confirmed"),
    open: false,
};

const FIELDS: [Field; 9] = [
    field("programme", "Programme", FieldType::Text, "What happens, in Markdown"),
    ATTACHMENTS,
    field(
        "form",
        "Form",
        FieldType::Choice { of: &["TeachMeet", "training day", "hub meeting", "conference"], open: true },
        "What sort of event it is",
    ),
    field("start", "Start", FieldType::Date, "When it starts, with the zone of the place"),
    field("end", "End", FieldType::Date, "When it ends"),
    field("place", "Place", FieldType::Line, "Where it is"),
    field("link", "Link", FieldType::Link, "Where to join or read more"),
    field("host", "Host", FieldType::Line, "Who hosts it"),
    field("capacity", "Capacity", FieldType::Number, "How many can come"),
];
