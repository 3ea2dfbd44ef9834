//! Kinds of records, one file each; everything else follows from these declarations.

mod collection;
mod comment;
mod event;
mod idea;
mod note;
mod resource;
mod school;
mod sign_up;
mod tip;
mod tried;

use super::field::{Field, FieldType, Fields, Value};
use crate::limits;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name in documents, JSON and commands.
    pub name: &'static str,
    /// What people see.
    pub label: &'static str,
    /// What it is for, in one line.
    pub help: &'static str,
    /// The fields of its own; [`COMMON`] come before them.
    pub own_fields: &'static [Field],
    /// The text field that a Markdown file's body goes to; none where all it says fits in lines.
    pub body: Option<&'static str>,
    /// The fields that it cannot be without.
    pub needs: &'static [&'static str],
    /// The field whose beginning stands for the title of one that has none.
    pub titled_by: &'static str,
    /// The states it may be in; empty where it has none.
    pub states: &'static [&'static str],
    /// The state of one that is shared without saying so.
    pub shared_state: Option<&'static str>,
    /// Whether every school of the space may edit it unless said otherwise (§2.1 flags).
    pub open: bool,
}

/// The kinds that this program knows.
pub const KINDS: &[&Kind] = &[
    &resource::RESOURCE,
    &note::NOTE,
    &event::EVENT,
    &idea::IDEA,
    &tip::TIP,
    &collection::COLLECTION,
    &comment::COMMENT,
    &tried::TRIED,
    &sign_up::SIGN_UP,
    &school::SCHOOL,
];

/// The states that exist in the school's own space only.
pub const OWN_STATES: &[&str] = &["draft", "scheduled"];

/// Licences that forms offer; any SPDX expression is allowed.
pub const LICENCES: &[&str] = &["CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-SA-4.0", "CC0-1.0", "OGL-UK-3.0"];

const fn field(name: &'static str, label: &'static str, field_type: FieldType, help: &'static str) -> Field {
    Field { name, label, field_type, help }
}

/// What a record is about, where it is about another one. It is nothing without that.
const ABOUT: Field = field("about", "About", FieldType::Reference, "The record that it is about");

/// The files that belong to a record.
const ATTACHMENTS: Field = field("attachments", "Attachments", FieldType::Blobs, "Files that belong to it");

/// The fields that every kind has. `kind` itself and the times come from the record.
pub const COMMON: &[Field] = &[
    field("title", "Title", FieldType::Line, "What it is called"),
    field("summary", "Summary", FieldType::Line, "What it is about, in a line or two"),
    field("authors", "Authors", FieldType::Set, "Who made it"),
    field("language", "Language", FieldType::Line, "A language tag such as en or cy"),
    field(
        "licence",
        "Licence",
        FieldType::Choice { of: LICENCES, open: true },
        "An SPDX expression; left out means not stated",
    ),
    field("tags", "Tags", FieldType::Set, "Free words to find it by"),
    field("subjects", "Subjects", FieldType::Set, "Subjects it belongs to"),
    field("key_stages", "Key stages", FieldType::Set, "EYFS, KS1 to KS5"),
    field("year_groups", "Year groups", FieldType::Set, "N, R, 1 to 13"),
    field("state", "State", FieldType::Line, "Where it stands"),
    field(
        "source",
        "Source",
        FieldType::Line,
        "Where it came from: a web address, or a path under the published folder",
    ),
    field("based_on", "Based on", FieldType::Reference, "The record it was adapted from"),
    field(
        "attribution",
        "Attribution",
        FieldType::Text,
        "What it was adapted from: title, author, source, licence, a line for each",
    ),
    field("link_to_learning", "Link to learning", FieldType::Line, "What this has to do with what pupils learn"),
    field("extra", "Extra", FieldType::Extra, "What its front matter said besides"),
];

impl Kind {
    /// The kinds that people make; a school's profile is made at set-up.
    pub fn made_by_people() -> impl Iterator<Item = &'static Kind> {
        KINDS.iter().copied().filter(|kind| kind.name != "school")
    }
    /// The kind of this name.
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().copied().find(|kind| kind.name == name)
    }
    /// All its fields, the common ones first.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> + use<> {
        COMMON.iter().chain(self.own_fields)
    }
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }
}

/// Why fields are not those of a valid record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A field that the kind does not have.
    #[error("a {kind} has no field {field:?}")]
    UnknownField {
        /// The kind.
        kind: &'static str,
        /// The field's name.
        field: String,
    },
    /// A value of another type than the field's.
    #[error("{field} must be {expected}")]
    WrongType {
        /// The field's name.
        field: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// More than the field may hold.
    #[error("{field} is too long: {is} {unit}, at most {most}")]
    TooLong {
        /// The field's name.
        field: String,
        /// How long it is.
        is: usize,
        /// The bound, from [`limits`].
        most: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// A word that the field does not offer.
    #[error("{field} cannot be {value:?}; it is one of: {offered}")]
    NotOffered {
        /// The field's name.
        field: String,
        /// What was given.
        value: String,
        /// What is offered, separated by commas.
        offered: String,
    },
    /// A line with a line break or another control character in it.
    #[error("{field} must be a single line")]
    NotALine {
        /// The field's name.
        field: String,
    },
    /// A date that is not one.
    #[error("{field} must be a date and time with its zone, such as 2025-06-24T16:00:00+01:00[Europe/London]")]
    NotADate {
        /// The field's name.
        field: String,
    },
    /// A record without a field that it cannot be without.
    #[error("{} {kind} needs {}", article(kind), wanted(field))]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The field.
        field: &'static str,
    },
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// A field in a sentence.
fn wanted(field: &str) -> String {
    match field {
        "about" => "a record that it is about".to_owned(),
        "body" => "a text".to_owned(),
        "what_happened" => "what happened".to_owned(),
        other => format!("a {other}"),
    }
}

/// What a record is called: its title, or the beginning of the field that stands for it.
pub fn title(kind: &str, fields: &Fields) -> String {
    let line = |name: &str| fields.get(name).and_then(Value::as_str).map(str::trim).filter(|line| !line.is_empty());
    if let Some(title) = line("title") {
        return title.to_owned();
    }
    let first = Kind::named(kind).and_then(|kind| line(kind.titled_by)?.lines().next());
    let first = first.unwrap_or_default().trim_start_matches(['#', ' ']);
    let mut start: String = first.chars().take(limits::SHORT_TITLE).collect();
    if start.len() < first.len() {
        start.push('…');
    }
    start
}

/// Whether a record in this state was taken back by its school: out of sight, though not out of existence.
pub fn is_taken_back(state: &str) -> bool {
    matches!(state, "withdrawn" | "retracted")
}

/// Checks the fields of a record that a person makes or edits here, before anything is signed.
///
/// Empty values are allowed and mean that the field is not set.
pub fn check(kind: &'static Kind, fields: &Fields) -> Result<(), Invalid> {
    kind.needs.iter().try_for_each(|name| check_needed(kind, name, fields.get(*name)))?;
    fields.iter().filter(|(name, _)| *name != "kind").try_for_each(|(name, value)| check_field(kind, name, value))
}

/// Checks what is set of a record that is there, as [`check`] does.
pub fn check_edit(kind: &'static Kind, fields: &Fields) -> Result<(), Invalid> {
    fields.iter().try_for_each(|(name, value)| {
        let needed = kind.needs.iter().find(|needed| *needed == name);
        needed.map_or(Ok(()), |name| check_needed(kind, name, Some(value)))?;
        // Where a kind has states, a record stays in one of them.
        if name == "state" && value.is_empty() && !kind.states.is_empty() {
            let (value, offered) = (String::new(), kind.states.join(", "));
            return Err(Invalid::NotOffered { field: name.clone(), value, offered });
        }
        check_field(kind, name, value)
    })
}

fn check_needed(kind: &'static Kind, field: &'static str, value: Option<&Value>) -> Result<(), Invalid> {
    let missing = value.is_none_or(Value::is_empty);
    if missing { Err(Invalid::Missing { kind: kind.name, field }) } else { Ok(()) }
}

/// Checks one field, as [`check`] does.
pub fn check_field(kind: &'static Kind, name: &str, value: &Value) -> Result<(), Invalid> {
    let owned = || name.to_owned();
    let field = kind.field(name).ok_or_else(|| Invalid::UnknownField { kind: kind.name, field: owned() })?;
    let at_most = |is: usize, most: usize, unit| {
        if is > most { Err(Invalid::TooLong { field: owned(), is, most, unit }) } else { Ok(()) }
    };
    match (field.field_type, value) {
        (FieldType::Number, Value::Line(line)) if line.is_empty() => Ok(()),
        (FieldType::Text, Value::Text(text)) => at_most(text.len(), limits::TEXT, "bytes"),
        (FieldType::Number, Value::Number(_)) => Ok(()),
        (FieldType::Set, Value::Set(members)) => {
            at_most(members.len(), limits::SET, "members")?;
            members
                .iter()
                .try_for_each(|m| at_most(m.len(), limits::SET_MEMBER, "bytes").and_then(|()| one_line(name, m)))
        }
        (FieldType::Blobs, Value::Blobs(blobs)) => at_most(blobs.len(), limits::BLOBS, "files"),
        (FieldType::Extra, Value::Extra(extra)) => {
            at_most(extra.len(), limits::EXTRA, "keys")?;
            extra.iter().try_for_each(|(key, json)| at_most(key.len().max(json.len()), limits::LINE, "bytes"))
        }
        (FieldType::References, Value::Extra(records)) => {
            at_most(records.len(), limits::REFERENCES, "records")?;
            records.iter().try_for_each(|(id, line)| {
                at_most(id.len().max(line.len()), limits::LINE, "bytes").and_then(|()| one_line(name, line))
            })
        }
        (
            FieldType::Line | FieldType::Link | FieldType::Reference | FieldType::Date | FieldType::Choice { .. },
            Value::Line(line),
        ) => {
            one_line(name, line)?;
            if name == "title" {
                at_most(line.chars().count(), limits::TITLE, "characters")?;
            } else {
                at_most(line.len(), limits::LINE, "bytes")?;
            }
            offered(kind, field, line)
        }
        (expected, _) => Err(Invalid::WrongType { field: owned(), expected: describe(expected) }),
    }
}

fn one_line(name: &str, line: &str) -> Result<(), Invalid> {
    if line.chars().any(char::is_control) { Err(Invalid::NotALine { field: name.to_owned() }) } else { Ok(()) }
}

fn offered(kind: &Kind, field: &Field, line: &str) -> Result<(), Invalid> {
    let words = match field.field_type {
        FieldType::Choice { of, open: false } => of,
        _ if field.name == "state" => kind.states,
        FieldType::Date if !line.is_empty() && !is_zoned_date(line) => {
            return Err(Invalid::NotADate { field: field.name.to_owned() });
        }
        _ => return Ok(()),
    };
    if line.is_empty() || words.contains(&line) {
        return Ok(());
    }
    Err(Invalid::NotOffered { field: field.name.to_owned(), value: line.to_owned(), offered: words.join(", ") })
}

/// The shape of RFC 9557 with a zone: whether such a day exists is for who reads the calendar.
fn is_zoned_date(line: &str) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let bytes = line.as_bytes();
    bytes.len() > shape.len()
        && bytes.iter().zip(shape).all(|(b, s)| if *s == b'd' { b.is_ascii_digit() } else { b == s })
        && line.ends_with(']')
        && line.contains('[')
}

fn describe(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text => "text",
        FieldType::Number => "a whole number",
        FieldType::Set => "a list of short texts",
        FieldType::Blobs => "a list of attachments",
        FieldType::Extra => "keys with JSON values",
        FieldType::References => "a list of records, each an id and a line",
        _ => "one line of text",
    }
}
