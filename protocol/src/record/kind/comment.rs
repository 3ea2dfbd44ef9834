//! A comment: what somebody has to say about a record.

use super::{ABOUT, Field, FieldType, Kind, field};

/// One comment is one record, so that nobody can change what another school said.
pub(super) const COMMENT: Kind = Kind {
    name: "comment",
    label: "Comment",
    help: "What you have to say about a record",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["about", "body"],
    titled_by: "body",
    states: &["posted", "withdrawn"],
    shared_state: Some("posted"),
    open: false,
};

const FIELDS: [Field; 2] = [ABOUT, field("body", "Text", FieldType::Text, "The comment itself, in Markdown")];
