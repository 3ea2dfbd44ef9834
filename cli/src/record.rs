//! A record as JSON, the same in every command, and as the words that messages use.

use serde::Serialize;
use serde_json::{Map, Value as Json};
use staffroom_node::api::{Named, Summary};
use staffroom_node::exchange::json::fields_to_json;
use staffroom_protocol::id::{ChangeHash, RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind;

use crate::when;

/// A record as scripts read it. Fields of its kind stand beside these under their own names.
#[derive(Serialize)]
pub(crate) struct RecordJson<'a> {
    id: RecordId,
    kind: &'a str,
    space: &'a Named<SpaceId>,
    school: &'a Named<SchoolId>,
    title: String,
    state: Option<&'a str>,
    created: String,
    updated: String,
    heads: &'a [ChangeHash],
    editable_by: &'static str,
    #[serde(flatten)]
    fields: Map<String, Json>,
}

/// A record as scripts read it.
pub(crate) fn json(summary: &Summary) -> RecordJson<'_> {
    let mut fields = fields_to_json(&summary.fields);
    for named in ["kind", "title", "state"] {
        fields.remove(named);
    }
    RecordJson {
        id: summary.id,
        kind: &summary.kind,
        space: &summary.space,
        school: &summary.school,
        title: title(summary),
        state: summary.fields.get("state").and_then(Value::as_str),
        created: when::rfc3339(summary.created),
        updated: when::rfc3339(summary.updated),
        heads: &summary.heads,
        editable_by: if summary.open { "cluster" } else { "school" },
        fields,
    }
}

/// What a record is called.
pub(crate) fn title(summary: &Summary) -> String {
    kind::title(&summary.kind, &summary.fields)
}

/// A line of a record; empty where it has none.
pub(crate) fn line<'a>(summary: &'a Summary, field: &str) -> &'a str {
    summary.fields.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// An id as short as people type it.
pub(crate) const SHORT: usize = 6;

/// The first letters of an id.
pub(crate) fn short(id: &RecordId) -> String {
    id.to_string()[..SHORT].to_owned()
}

/// How many letters tell these ids apart, [`SHORT`] at least; more where there are so many records
/// in all that one in ten thousand would share them.
pub(crate) fn telling_letters(ids: &mut [String], total: u64) -> usize {
    ids.sort_unstable();
    let common = |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count() + 1;
    let among_these = ids.windows(2).map(common).max().unwrap_or(0);
    let likely = (SHORT..52)
        .find(|letters| 32_u64.saturating_pow(u32::try_from(*letters).unwrap_or(0)) / 10_000 > total)
        .unwrap_or(52);
    among_these.clamp(likely, 52)
}

/// Whether a word could be the start of an id that a person types.
pub(crate) fn looks_like_an_id(word: &str) -> bool {
    (4..=52).contains(&word.len()) && staffroom_protocol::id::IdPrefix::parse(word).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_ids_differ() {
        let mut ids = vec!["abcdefgh".repeat(6), "abcdefgz".repeat(6), "zzz".repeat(16)];
        assert_eq!(telling_letters(&mut ids, 3), 8);
        assert_eq!(telling_letters(&mut [], 12_517), SHORT);
        assert_eq!(telling_letters(&mut [], 1_000_000), SHORT + 1);
    }
}
