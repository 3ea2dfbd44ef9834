//! What became of a record, in words and as JSON: `show --history`, `show --versions`, `why`, `settle`.

use serde_json::{Map, Value as Json, json};
use staffroom_node::api::{Changed, History, NotInForce, Version};
use staffroom_node::exchange::json::value_to_json;
use staffroom_protocol::record::field::{FieldType, Value};
use staffroom_protocol::record::history::Difference;
use staffroom_protocol::record::kind::Kind;

use crate::failure::Done;
use crate::output::{Output, one_line};
use crate::when;

/// How many letters of a version people type.
const SHORT: usize = 6;
/// How many letters a whole id has.
const ID: usize = 52;

/// The first letters of a version.
pub(crate) fn short_version(version: &Version) -> String {
    version.change.to_string()[..SHORT].to_owned()
}

/// The person and the school, as far as they are known.
pub(crate) fn who(version: &Version) -> String {
    person_and_school(&version.author, &version.school.name)
}

fn person_and_school(author: &str, school: &str) -> String {
    let person = if author.is_empty() { String::new() } else { format!("{}, ", one_line(author)) };
    format!("{person}{}", one_line(school))
}

/// What people call a field of a kind.
pub(crate) fn label(kind: Option<&'static Kind>, field: &str) -> String {
    kind.and_then(|kind| kind.field(field)).map_or_else(|| one_line(field), |field| field.label.to_owned())
}

/// A value on one line; dates in the reader's words.
pub(crate) fn shown(kind: Option<&'static Kind>, field: &str, value: &Value) -> String {
    let is_date = kind.and_then(|kind| kind.field(field)).is_some_and(|field| field.field_type == FieldType::Date);
    match value {
        Value::Line(line) if is_date => when::date(line, when::now().time_zone()),
        Value::Text(text) | Value::Line(text) => one_line(text),
        Value::Number(number) => number.to_string(),
        Value::Set(members) => one_line(&members.join(", ")),
        Value::Blobs(blobs) => one_line(&blobs.iter().map(|blob| blob.name.as_str()).collect::<Vec<_>>().join(", ")),
        Value::Extra(extra) => one_line(&extra.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}

/// Each change with what it did, the first one first.
pub(crate) fn tell(out: &Output, history: &History) -> Done {
    let (kind, now) = (Kind::named(&history.summary.kind), when::now());
    out.say("\nHistory")?;
    for changed in &history.changes {
        let version = &changed.version;
        let did = if version.genesis { "shared it" } else { "changed it" };
        let id = short_version(version);
        out.say(&format!("  {id}  {}  {}, {did}", when::moment(version.at, &now), who(version)))?;
        // What it began with is the record itself.
        for (field, difference) in changed.fields.iter().filter(|_| !version.genesis) {
            for line in lines(kind, field, difference) {
                out.say(&format!("          {line}"))?;
            }
        }
    }
    fault(out, history)
}

/// A line for each version, the last one first.
pub(crate) fn versions(out: &Output, history: &History) -> Done {
    let (kind, now) = (Kind::named(&history.summary.kind), when::now());
    for changed in history.changes.iter().rev() {
        let version = &changed.version;
        let (id, at, did) = (short_version(version), when::moment(version.at, &now), did(kind, changed));
        out.say(&format!("{id}  {at}  {}: {did}", who(version)))?;
    }
    let id = crate::record::short(&history.summary.id);
    out.remark(&format!(
        "\nTo read one: share show {id} --at VERSION; to bring it back: share edit {id} --back-to VERSION"
    ))
}

/// Where each change comes from, and which do not count.
pub(crate) fn why(out: &Output, history: &History) -> Done {
    let (kind, now) = (Kind::named(&history.summary.kind), when::now());
    for changed in &history.changes {
        let version = &changed.version;
        let (id, at, did) = (short_version(version), when::moment(version.at, &now), did(kind, changed));
        let device = changed.device.map_or_else(String::new, |device| format!(", device {}", device.short()));
        out.say(&format!("{id}  {at}  {}{device}: {did}", who(version)))?;
    }
    if !history.not_in_force.is_empty() {
        out.say("\nHeld here, and not counted")?;
    }
    for not in &history.not_in_force {
        let device = not.device.map_or_else(String::new, |device| format!(", device {}", device.short()));
        let who = person_and_school(&not.author, &not.school.name);
        out.say(&format!("  {}  {who}{device}: {}", when::moment(not.at, &now), one_line(&not.reason)))?;
    }
    fault(out, history)
}

fn fault(out: &Output, history: &History) -> Done {
    match &history.local_fault {
        Some(fault) => out.say(&format!("What the changes did cannot be told here: {fault}")),
        None => Ok(()),
    }
}

/// Which fields a change touched, in a few words.
fn did(kind: Option<&'static Kind>, changed: &Changed) -> String {
    if changed.version.genesis {
        return "shared it".to_owned();
    }
    let labels: Vec<String> = changed.fields.keys().map(|field| label(kind, field).to_lowercase()).collect();
    if labels.is_empty() { "nothing that shows".to_owned() } else { labels.join(", ") }
}

/// What a change did to a field.
fn lines(kind: Option<&'static Kind>, field: &str, difference: &Difference) -> Vec<String> {
    let name = label(kind, field);
    let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), |v| shown(kind, field, v));
    match difference {
        Difference::Whole { before, after } => vec![format!("{name}: {} → {}", value(before), value(after))],
        Difference::Members { added, removed, moved } => {
            let references =
                kind.and_then(|kind| kind.field(field)).is_some_and(|field| field.field_type == FieldType::References);
            let member = |text: &str| match text.split_at_checked(ID) {
                Some((id, line)) if references => one_line(&format!("{}{line}", &id[..SHORT])),
                _ => one_line(text),
            };
            let all = |sign: &str, members: &[String]| {
                members.iter().map(|text| format!("{sign} {}", member(text))).collect::<Vec<_>>()
            };
            vec![format!("{name}: {}", [all("+", added), all("−", removed), all("moved", moved)].concat().join(", "))]
        }
        Difference::Words { words, more } => {
            let quoted = |text: &str| format!("\"{}\"", one_line(text));
            let piece = |piece: &staffroom_protocol::record::history::Piece| match (&*piece.removed, &*piece.added) {
                ("", added) => format!("{name}: + {}", quoted(added)),
                (removed, "") => format!("{name}: − {}", quoted(removed)),
                (removed, added) => format!("{name}: {} → {}", quoted(removed), quoted(added)),
            };
            let mut lines: Vec<String> = words.iter().map(piece).collect();
            lines.extend((*more > 0).then(|| format!("{name}: and {more} places more")));
            lines
        }
    }
}

/// The changes as scripts read them; what they did only where that is asked for.
pub(crate) fn json(history: &History, in_full: bool) -> Vec<Json> {
    let kind = Kind::named(&history.summary.kind);
    let change = |changed: &Changed| {
        let fields = if in_full {
            let field =
                |(name, difference): (&String, &Difference)| (name.clone(), difference_json(kind, name, difference));
            Json::Object(changed.fields.iter().map(field).collect::<Map<_, _>>())
        } else {
            changed.fields.keys().cloned().collect()
        };
        let mut json = version_json(&changed.version);
        json["device"] = json!(changed.device);
        json["fields"] = fields;
        json
    };
    history.changes.iter().map(change).collect()
}

/// A change as scripts read it.
pub(crate) fn version_json(version: &Version) -> Json {
    json!({
        "change": version.change, "school": version.school, "author": version.author,
        "at": when::rfc3339(version.at), "genesis": version.genesis,
    })
}

/// What does not count, as scripts read it.
pub(crate) fn not_in_force_json(history: &History) -> Vec<Json> {
    let not = |not: &NotInForce| {
        json!({
            "entry": not.entry, "school": not.school, "device": not.device, "author": not.author,
            "at": when::rfc3339(not.at), "reason": not.reason,
        })
    };
    history.not_in_force.iter().map(not).collect()
}

fn difference_json(kind: Option<&'static Kind>, field: &str, difference: &Difference) -> Json {
    let value = |value: &Option<Value>| value.as_ref().map(|value| value_to_json(kind, field, value));
    match difference {
        Difference::Whole { before, after } => json!({ "before": value(before), "after": value(after) }),
        Difference::Members { added, removed, moved } if moved.is_empty() => {
            json!({ "added": added, "removed": removed })
        }
        Difference::Members { added, removed, moved } => {
            json!({ "added": added, "removed": removed, "moved": moved })
        }
        Difference::Words { words, more } => json!({ "words": words, "more": more }),
    }
}
