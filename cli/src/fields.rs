//! Flags for the fields of records, out of the kinds' declarations; and what they hold.
//!
//! A field `key_stages` is the flag `--key-stages`, also `--key-stage`. The main text of every kind is
//! `--body`. An empty value removes a field.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches};
use jiff::tz::TimeZone;
use staffroom_node::api::{Code, Failure};
use staffroom_node::exchange::json::reference_from_text;
use staffroom_node::exchange::{date, markdown};
use staffroom_protocol::record::field::{Field, FieldType, Value};
use staffroom_protocol::record::kind::{Kind, check_field};
use staffroom_protocol::record::{Fields, references};

use crate::failure::{Done, invalid, usage};

/// What was given: field → values, `body` for the main text.
pub(crate) type Given = BTreeMap<&'static str, Vec<String>>;

/// The flag that takes the main text.
const BODY: &str = "body";

fn has_flag(kind: &Kind, field: &Field) -> bool {
    !matches!(field.field_type, FieldType::Blobs | FieldType::Extra)
        && Some(field.name) != kind.body
        && (field.name != "state" || !kind.states.is_empty())
}

/// The fields of these kinds that have a flag, each name once.
fn flagged(kinds: &[&'static Kind]) -> Vec<(&'static Kind, &'static Field)> {
    let mut all: Vec<(&'static Kind, &'static Field)> = Vec::new();
    for kind in kinds.iter().copied() {
        for field in kind.fields().filter(|field| has_flag(kind, field)) {
            if !all.iter().any(|(_, known)| known.name == field.name) {
                all.push((kind, field));
            }
        }
    }
    all
}

/// A flag for each field of these kinds.
pub(crate) fn flags(kinds: &[&'static Kind]) -> Vec<Arg> {
    let mut bodies: Vec<&str> = kinds.iter().filter_map(|kind| kind.body).collect();
    bodies.sort_unstable();
    bodies.dedup();
    let mut flags = Vec::new();
    if !bodies.is_empty() {
        // The main text answers to its own name too: --programme, --what-happened.
        let own_names = bodies.into_iter().filter(|name| *name != BODY).map(|name| name.replace('_', "-"));
        flags.push(
            Arg::new(BODY)
                .long(BODY)
                .aliases(own_names)
                .value_name("FILE")
                .action(ArgAction::Append)
                .help("The main text in Markdown: a file, - for standard input, or the words themselves"),
        );
    }
    for (kind, field) in flagged(kinds) {
        let long = field.name.replace('_', "-");
        let mut help = field.help.to_owned();
        let offered = match field.field_type {
            FieldType::Choice { of, .. } => of,
            _ if field.name == "state" && kinds.len() == 1 => kind.states,
            _ => &[],
        };
        if !offered.is_empty() {
            help = format!("{help}: {}", offered.join(", "));
        }
        let mut flag = Arg::new(field.name)
            .value_name(value_name(field))
            .action(ArgAction::Append)
            .allow_hyphen_values(field.field_type == FieldType::Number);
        if field.name.contains('_') {
            flag = flag.alias(field.name);
        }
        if matches!(field.field_type, FieldType::Set | FieldType::References) {
            help.push_str("; may be repeated");
            flag = flag.alias(singular(&long));
        }
        flags.push(flag.long(long).help(help));
    }
    flags
}

fn singular(long: &str) -> String {
    match long.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None if long.ends_with("sses") => long[..long.len() - 2].to_owned(),
        None => long.trim_end_matches('s').to_owned(),
    }
}

fn value_name(field: &Field) -> &'static str {
    match field.field_type {
        FieldType::Date => "DATE",
        FieldType::Number => "NUMBER",
        FieldType::Link => "LINK",
        FieldType::Reference => "ID",
        FieldType::Set => "WORD",
        FieldType::References => "ID LINE",
        _ => "TEXT",
    }
}

/// What was given of the fields of these kinds.
pub(crate) fn given(matches: &ArgMatches, kinds: &[&'static Kind]) -> Given {
    let names = flagged(kinds).into_iter().map(|(_, field)| field.name).chain([BODY]);
    // A kind without a main text has no flag for one.
    let values = |name: &str| {
        let values = matches.try_get_many::<String>(name).ok().flatten();
        values.map(|values| values.cloned().collect())
    };
    names.filter_map(|name| Some((name, values(name)?))).collect()
}

/// The fields that were given, as a kind takes them. An empty one is an empty value.
pub(crate) fn values(kind: &'static Kind, given: &Given, zone: &TimeZone) -> Done<Fields> {
    let mut fields = Fields::new();
    for (name, texts) in given {
        if *name == BODY {
            let body = kind.body.ok_or_else(|| usage(format!("a {} has no text", kind.name)))?;
            fields.insert(body.to_owned(), Value::Text(text(texts.last().map_or("", String::as_str))?));
            continue;
        }
        let field = kind.field(name).filter(|field| has_flag(kind, field)).ok_or_else(|| {
            let known = kind.fields().filter(|field| has_flag(kind, field)).map(|field| field.name.replace('_', "-"));
            usage(format!("a {} has no field {:?}", kind.name, name.replace('_', "-")))
                .hint(format!("it has {}", known.collect::<Vec<_>>().join(", ")))
        })?;
        fields.insert(field.name.to_owned(), value(field, texts, zone)?);
    }
    staffroom_node::exchange::tidy(&mut fields);
    for (name, value) in &fields {
        check_field(kind, name, value).map_err(invalid)?;
    }
    Ok(fields)
}

fn value(field: &Field, texts: &[String], zone: &TimeZone) -> Result<Value, Failure> {
    let flag = || field.name.replace('_', "-");
    if field.field_type == FieldType::Set {
        return Ok(Value::set(texts.iter().map(|text| text.trim().to_owned())));
    }
    if field.field_type == FieldType::References {
        let given = texts.iter().filter_map(|text| reference_from_text(text)).collect::<Vec<_>>();
        return Ok(Value::Extra(references::arrange(&BTreeMap::new(), &given)));
    }
    let [text] = texts else { return Err(usage(format!("--{} was given more than once", flag()))) };
    let text = text.trim();
    match field.field_type {
        _ if text.is_empty() => Ok(Value::Line(String::new())),
        FieldType::Date => date::read(text, zone).map(Value::Line).ok_or_else(|| {
            usage(format!("--{} cannot be {text:?}: it must be a date", flag()))
                .hint("write it as \"2025-06-24 16:00\", \"24 June 2025 4pm\", or with a zone: \"2025-06-24 16:00 Europe/London\"")
        }),
        FieldType::Number => text
            .parse()
            .map(Value::Number)
            .map_err(|_| usage(format!("--{} cannot be {text:?}: it must be a whole number", flag()))),
        FieldType::Text => Ok(Value::Text(text.to_owned())),
        _ => Ok(Value::Line(text.to_owned())),
    }
}

/// Whether words that name no file that is there were surely meant to: `page.md`, `../texts/page`.
fn names_a_file(asked: &str) -> bool {
    let text = [".md", ".markdown", ".txt"].iter().any(|ending| asked.to_lowercase().ends_with(ending));
    let ending = asked.rsplit_once('.').is_some_and(|(_, ending)| (1..=5).contains(&ending.len()));
    text || (!asked.contains(char::is_whitespace) && (ending || asked.contains('/')))
}

/// What `--body` means: a file, standard input, or words.
fn text(asked: &str) -> Done<String> {
    let bound = u64::try_from(markdown::LONGEST_FILE).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let path = Path::new(asked);
    let what = if asked == "-" { "standard input" } else { asked };
    let unreadable = |error: std::io::Error| Failure::new(Code::Failed, format!("{what} cannot be read: {error}"));
    if asked == "-" {
        std::io::stdin().lock().take(bound + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    } else if path.is_file() {
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(bound + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        if !names_a_file(asked) {
            return Ok(asked.to_owned());
        }
        let failure = Failure::new(Code::NotFound, format!("{asked}: there is no such file"));
        return Err(failure.hint("--body takes a file, - for standard input, or several words").into());
    }
    Ok(markdown::decode(what, &bytes)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use staffroom_protocol::record::kind::KINDS;

    #[test]
    fn every_kind_has_flags_that_differ() {
        for kind in KINDS {
            let command = clap::Command::new("t").args(flags(&[kind]));
            command.debug_assert();
        }
        clap::Command::new("t").args(flags(KINDS)).debug_assert();
    }

    #[test]
    fn a_wrong_date_is_refused_and_an_empty_value_removes() {
        let event = Kind::named("event").unwrap_or(KINDS[0]);
        let given = |name, text: &str| Given::from([(name, vec![text.to_owned()])]);
        assert!(values(event, &given("start", "someday"), &TimeZone::UTC).is_err());
        let fields = values(event, &given("start", ""), &TimeZone::UTC).unwrap_or_default();
        assert!(fields.get("start").is_some_and(Value::is_empty));
        assert!(values(event, &given("question", "why"), &TimeZone::UTC).is_err());
    }
}
