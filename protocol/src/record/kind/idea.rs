//! An idea: a proposal, a question, a challenge to the cluster.

use super::{ATTACHMENTS, Field, FieldType, Kind, field};

/// Ideas are open to edits by every school of the space: they are worked out together.
pub(super) const IDEA: Kind = Kind {
    name: "idea",
    label: "Idea",
    help: "A proposal, a question, a challenge to the cluster",
    own_fields: &FIELDS,
    body: Some("body"),
    needs: &["title"],
    titled_by: "title",
    states: &["open", "taken up", "closed"],
    shared_state: Some("open"),
    open: true,
};

const FIELDS: [Field; 2] = [field("body", "Text", FieldType::Text, "The idea itself, in Markdown"), ATTACHMENTS];
