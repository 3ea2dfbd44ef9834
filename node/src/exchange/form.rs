//! A record as a form for a text editor, and back.
//!
//! ```text
//! ---
//! title: Practice beats praise
//! # What it is about, in a line or two
//! # summary:
//! tags:
//!   - practice
//! ---
//!
//! The text, in Markdown.
//! ```
//!
//! The form names every field but attachments and `extra`, which an edit leaves alone. A field that is
//! empty, or still behind its `#`, is one that the record does not have. Reading back what was written
//! gives the same fields; only one line break at the end of the text belongs to the form.

use std::{borrow::Cow, fmt::Write as _};

use jiff::tz::TimeZone;
use staffroom_protocol::record::{
    field::{Field, FieldType, Fields, Value},
    kind::{self, Kind},
    references,
};

use super::{
    draft::Options,
    front_matter,
    json::{shown, value_from_json},
    refusal::{Reason, Refusal},
};

/// What a refusal calls the form.
const FORM: &str = "the form";

/// The fields that a kind's form speaks for; of these, one that [`from_form`] does not return was removed.
pub fn fields(kind: &'static Kind) -> impl Iterator<Item = &'static Field> {
    kind.fields().filter(|field| match field.field_type {
        FieldType::Blobs | FieldType::Extra => false,
        _ => field.name != "state" || !kind.states.is_empty(),
    })
}

/// The form of a record, or of a new one where there are no fields.
pub fn to_form(kind: &'static Kind, values: &Fields) -> String {
    let mut form = "---\n".to_owned();
    for field in fields(kind).filter(|field| Some(field.name) != kind.body) {
        match values.get(field.name).filter(|value| !value.is_empty()) {
            Some(value) => write_value(&mut form, field, value),
            None => write_prompt(&mut form, kind, field),
        }
    }
    let body = kind.body.and_then(|body| values.get(body)?.as_str()).unwrap_or_default();
    form.push_str("---\n\n");
    form.push_str(body);
    form.push('\n');
    form
}

fn write_prompt(form: &mut String, kind: &Kind, field: &Field) {
    let choices = match field.field_type {
        FieldType::Choice { of, .. } => of,
        _ if field.name == "state" => kind.states,
        _ => &[],
    };
    let choices = if choices.is_empty() { String::new() } else { format!(": {}", choices.join(", ")) };
    // Writing to a string cannot fail.
    let _ = writeln!(form, "# {}{choices}\n# {}:", field.help, field.name);
}

fn write_value(form: &mut String, field: &Field, value: &Value) {
    let name = field.name;
    let _ = match value {
        Value::Extra(map) if field.field_type == FieldType::References => {
            let all = references::read(map);
            let list: Vec<String> = all.iter().map(|one| scalar(format!("{} {}", one.id, one.line).trim())).collect();
            writeln!(form, "{name}:\n  - {}", list.join("\n  - "))
        }
        Value::Set(members) => {
            let list: Vec<String> = members.iter().map(|member| scalar(member)).collect();
            writeln!(form, "{name}:\n  - {}", list.join("\n  - "))
        }
        Value::Number(number) => writeln!(form, "{name}: {number}"),
        other => writeln!(form, "{name}: {}", scalar(other.as_str().unwrap_or_default())),
    };
}

/// A text as a YAML scalar: bare where that is surely the same, else between quotation marks.
pub(super) fn scalar(text: &str) -> String {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '.' | '/' | '-' | '_' | '(' | ')' | '+' | '’');
    let words = ["true", "false", "null", "yes", "no", "on", "off"];
    let bare = text.starts_with(char::is_alphabetic)
        && !text.ends_with(' ')
        && text.chars().all(inside)
        && !words.contains(&text.to_lowercase().as_str());
    if bare {
        return text.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202f}'..='\u{d7ff}' | '\u{e000}'..='\u{fdff}' | '\u{10000}'.. => {
                quoted.push(c);
            }
            other => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Reads a form back. Dates without a zone are in London's; see [`from_form_in`].
pub fn from_form(kind: &'static Kind, text: &str) -> Result<Fields, Refusal> {
    from_form_in(kind, text, &Options::default().time_zone()?)
}

/// The same, with the zone that dates without one are in.
pub fn from_form_in(kind: &'static Kind, text: &str, school: &TimeZone) -> Result<Fields, Refusal> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // An editor that ends lines in another way has done so everywhere.
    let windows = text.lines().next().is_some_and(|line| text[line.len()..].starts_with("\r\n"));
    let text = &if windows { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) };
    let starts = text.lines().next().is_some_and(|line| line.trim_end() == "---");
    let front = front_matter::read(FORM, text)?;
    if !starts || front.body.len() == text.len() {
        return Err(Refusal::new(FORM, Reason::FormBroken));
    }
    let mut read = Fields::new();
    for (key, json) in &front.keys {
        let field = fields(kind).find(|field| field.name == key && Some(field.name) != kind.body);
        let field = field.ok_or_else(|| {
            let mut refusal = Refusal::new(FORM, Reason::UnknownField(key.clone()));
            let names: Vec<&str> =
                fields(kind).map(|field| field.name).filter(|name| Some(*name) != kind.body).collect();
            refusal.hints.push(format!("It has: {}", names.join(", ")));
            refusal
        })?;
        let value = value_from_json(field, json, school).map_err(|expected| {
            Refusal::new(FORM, Reason::WrongValue { field: key.as_str().into(), value: shown(json).into(), expected })
        })?;
        read.insert(key.clone(), value);
    }
    let body = front.body.strip_suffix('\n').unwrap_or(front.body);
    match kind.body {
        Some(name) => drop(read.insert(name.to_owned(), Value::Text(body.to_owned()))),
        None if body.trim().is_empty() => {}
        None => return Err(Refusal::new(FORM, Reason::NoText(kind.name))),
    }
    read.retain(|_, value| !value.is_empty());
    kind::check(kind, &read).map_err(|invalid| Refusal::new(FORM, invalid.into()))?;
    Ok(read)
}
