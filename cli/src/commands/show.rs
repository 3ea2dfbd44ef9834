//! `share show`: one record.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use staffroom_node::api::{Answer, FileInfo, History, Record, Request, Summary};
use staffroom_node::exchange::json::value_to_json;
use staffroom_protocol::id::RecordId;
use staffroom_protocol::record::field::{FieldType, Value};
use staffroom_protocol::record::kind::{self, Kind};
use staffroom_protocol::record::references;

use crate::context::Context;
use crate::failure::{Done, unexpected};
use crate::history::{self, label, shown};
use crate::output::{Output, and, is_read_by_a_person, one_line, size, verbatim};
use crate::record::{self, RecordJson, line, short, title};
use crate::when;

/// Show a record
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share show k3v9xq\n  share show k3v9xq --history\n  share show k3v9xq --raw > page.md"
)]
pub(crate) struct Show {
    /// Its id; the first letters will do while no other begins with them
    id: String,
    /// Also each change: when, which school, who, and what it changed, word for word
    #[arg(long)]
    history: bool,
    /// Only a line for each version, to bring one back
    #[arg(long, conflicts_with_all = ["history", "raw", "at"])]
    versions: bool,
    /// Only the text, as it was written
    #[arg(long, conflicts_with = "history")]
    raw: bool,
    /// As it was in this version
    #[arg(long, value_name = "VERSION")]
    at: Option<String>,
}

/// A record in full as scripts read it.
#[derive(Serialize)]
struct FullJson<'a> {
    #[serde(flatten)]
    record: RecordJson<'a>,
    conflicts: Map<String, Json>,
    blobs: Vec<Json>,
    about_this: Vec<RecordJson<'a>>,
    hidden: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<Json>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<Json>>,
}

impl Show {
    pub(super) fn run(&self, context: &Context) -> Done {
        let mut client = context.client()?;
        let request = Request::Show { id: self.id.clone(), at: self.at.clone() };
        let Answer::Record(record) = client.ask(request)? else { return Err(unexpected().into()) };
        let mut history = None;
        if self.history || self.versions {
            match client.ask(Request::History { id: record.summary.id.to_string() })? {
                Answer::History(told) => history = Some(told),
                _ => return Err(unexpected().into()),
            }
        }
        let out = &context.out;
        if out.json {
            return out.json(&self.json(&record, history.as_deref()));
        }
        if self.raw {
            let text = body(&record).unwrap_or_default();
            return if is_read_by_a_person() { out.say(text) } else { verbatim(text) };
        }
        if let (true, Some(history)) = (self.versions, &history) {
            return history::versions(out, history);
        }
        heading(out, &record)?;
        if let Some(version) = &self.at {
            let id = short(&record.summary.id);
            out.say(&format!("What follows is how it was after change {version}; share show {id} shows it as it is."))?;
        }
        fields(out, &record)?;
        if let Some(body) = body(&record).filter(|body| !body.is_empty()) {
            out.say(&format!("\n{}", body.trim_end()))?;
        }
        files(out, &record)?;
        about_this(out, &record)?;
        if !record.conflicts.is_empty() {
            out.say("")?;
            conflicts(out, &record)?;
        }
        history.map_or(Ok(()), |history| history::tell(out, &history))
    }

    fn json<'a>(&self, record: &'a Record, history: Option<&History>) -> FullJson<'a> {
        let kind = Kind::named(&record.summary.kind);
        let values = |(field, all): (&String, &Vec<Value>)| {
            (field.clone(), all.iter().map(|value| value_to_json(kind, field, value)).collect::<Json>())
        };
        let conflicts = record.conflicts.iter().map(values);
        let about_this = stands(&record.about_this).map(record::json).collect();
        let changes = |asked: bool| history.filter(|_| asked).map(|all| history::json(all, self.history));
        let (versions, history) = (changes(self.versions), changes(self.history));
        FullJson {
            record: record::json(&record.summary),
            conflicts: conflicts.collect(),
            blobs: record.files.iter().map(file_json).collect(),
            about_this,
            hidden: record.hidden,
            history,
            versions,
        }
    }
}

/// The main text of a record.
fn body(record: &Record) -> Option<&str> {
    let name = Kind::named(&record.summary.kind).map_or(Some("body"), |kind| kind.body)?;
    record.summary.fields.get(name).and_then(Value::as_str)
}

fn heading(out: &Output, record: &Record) -> Done {
    let summary = &record.summary;
    let now = when::now();
    let school = one_line(&summary.school.name);
    let space = one_line(&summary.space.name);
    let place = if space == "school" { "in the school's own space".to_owned() } else { format!("in {space}") };
    let editable = if summary.open { ", editable by every school of it" } else { "" };
    let mut who = String::new();
    if let Some(first) = record.history.first().filter(|first| !first.author.is_empty()) {
        who = format!("{}, ", one_line(&first.author));
    }
    out.say(&one_line(&title(summary)))?;
    let kind = Kind::named(&summary.kind).map_or_else(|| one_line(&summary.kind), |kind| kind.label.to_owned());
    out.say(&format!("{kind} {}, {who}{school}, {place}{editable}", short(&summary.id)))?;
    let mut times = format!("shared {}", when::moment(summary.created, &now));
    if let Some(last) = record.history.last().filter(|_| record.history.len() > 1) {
        let person = if last.author.is_empty() { String::new() } else { format!("{}, ", one_line(&last.author)) };
        let when = when::moment(last.at, &now);
        times = format!("{times}; changed {when} by {person}{}", one_line(&last.school.name));
    }
    out.say(&times)?;
    if record.hidden {
        out.say(&format!("Left out of lists at our school; share hide {} --undo shows it again", short(&summary.id)))?;
    }
    if let Some(fault) = &record.local_fault {
        out.say(&format!("Shown may be less than is held: {fault}"))?;
    }
    if record.not_in_force > 0 {
        let (number, id) = (record.not_in_force, short(&summary.id));
        out.say(&format!("{number} of its changes are held and do not count; share why {id} says why"))?;
    }
    Ok(())
}

/// The fields with their labels. What is long, named already or unset is left out.
fn fields(out: &Output, record: &Record) -> Done {
    let summary = &record.summary;
    let kind = Kind::named(&summary.kind);
    let body = kind.map_or(Some("body"), |kind| kind.body).unwrap_or_default();
    let known = |name: &str| kind.and_then(|kind| kind.field(name));
    let declared = kind.into_iter().flat_map(|kind| kind.fields().map(|field| field.name));
    let others = summary.fields.keys().map(String::as_str).filter(|name| known(name).is_none());
    let mut rows = Vec::new();
    for name in declared.chain(others).filter(|name| !["title", "kind", "attachments", body].contains(name)) {
        let Some(value) = summary.fields.get(name).filter(|value| !value.is_empty()) else { continue };
        let label = label(kind, name);
        let is = |field_type| known(name).is_some_and(|field| field.field_type == field_type);
        let line = value.as_str().unwrap_or_default();
        let text = match line {
            _ if is(FieldType::Reference) => named(record, line),
            _ => shown(kind, name, value),
        };
        match value {
            Value::Extra(map) if is(FieldType::References) => rows.extend(listed(record, &label, map)),
            Value::Extra(extra) => {
                let extra = extra.iter().map(|(key, json)| (one_line(key), one_line(json.trim_matches('"'))));
                rows.extend(extra.map(|(key, json)| (format!("({key})"), json)));
            }
            // An attribution has a line for each record that it was adapted from.
            Value::Text(text) if name == "attribution" => {
                let labels = std::iter::once(label).chain(std::iter::repeat(String::new()));
                rows.extend(labels.zip(text.lines().map(one_line)));
            }
            _ => rows.push((label, text)),
        }
    }
    let longest = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    if !rows.is_empty() {
        out.say("")?;
    }
    for (label, text) in rows {
        let gap = " ".repeat(longest - label.chars().count());
        out.say(&format!("{label}{gap}  {text}"))?;
    }
    Ok(())
}

/// A record that another one names: its title and the start of its id.
fn named(record: &Record, id: &str) -> String {
    match (record.titles.get(id), id.parse::<RecordId>()) {
        (Some(title), Ok(id)) => one_line(&format!("{title} ({})", short(&id))),
        (None, Ok(id)) => format!("{}, which is not here", short(&id)),
        _ => one_line(id),
    }
}

/// The records of a collection, a row for each.
fn listed(record: &Record, label: &str, map: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let rows = (1..).zip(references::read(map)).map(|(number, reference)| {
        let line = if reference.line.is_empty() { String::new() } else { format!(": {}", one_line(&reference.line)) };
        let label = if number == 1 { label.to_owned() } else { String::new() };
        (label, format!("{number}. {}{line}", named(record, &reference.id)))
    });
    rows.collect()
}

/// What its school has not taken back.
fn stands(all: &[Summary]) -> impl Iterator<Item = &Summary> {
    all.iter().filter(|other| !kind::is_taken_back(line(other, "state")))
}

/// A file as scripts read it.
fn file_json(info: &FileInfo) -> Json {
    let file = &info.file;
    serde_json::json!({ "id": file.id, "name": file.name, "bytes": file.bytes, "media_type": file.media_type,
        "held": info.held, "partners": info.partners })
}

/// The files, a line each: how long, and where they are.
fn files(out: &Output, record: &Record) -> Done {
    if record.files.is_empty() {
        return Ok(());
    }
    out.say("\nFiles")?;
    for info in &record.files {
        let schools: Vec<String> = info.partners.iter().map(|school| one_line(&school.name)).collect();
        let held = match (info.held, &schools[..]) {
            (true, []) => "held here".to_owned(),
            (true, _) => format!("held here and at {}", and(&schools)),
            (false, []) => format!("not fetched yet: share get {}", short(&record.summary.id)),
            (false, _) => {
                format!("not fetched yet, held at {}: share get {}", and(&schools), short(&record.summary.id))
            }
        };
        out.say(&format!("  {}  {}  {held}", one_line(&info.file.name), size(info.file.bytes)))?;
    }
    Ok(())
}

/// What is about the record, a line each; what was taken back is left out.
fn about_this(out: &Output, record: &Record) -> Done {
    let others: Vec<&Summary> = stands(&record.about_this).collect();
    if others.is_empty() {
        return Ok(());
    }
    let now = when::now();
    out.say("\nAbout it")?;
    for other in others {
        let (id, kind, title) = (short(&other.id), one_line(&other.kind), one_line(&title(other)));
        let when = when::moment(other.created, &now);
        let role = match line(other, "role") {
            "" => String::new(),
            role => format!(" ({}, {})", one_line(role), one_line(line(other, "state"))),
        };
        out.say(&format!("  {id}  {kind}  {when}  {}: {title}{role}", one_line(&other.school.name)))?;
    }
    Ok(())
}

/// The fields with several values, and how to choose between them.
fn conflicts(out: &Output, record: &Record) -> Done {
    let (kind, id) = (Kind::named(&record.summary.kind), short(&record.summary.id));
    for (field, values) in &record.conflicts {
        out.say(&format!("{} was written differently at the same time; the first shows:", label(kind, field)))?;
        for (number, value) in (1..).zip(values) {
            out.say(&format!("  {number}. {}", shown(kind, field, value)))?;
        }
        out.say(&format!("To choose: share settle {id} {} --take NUMBER", one_line(field).replace('_', "-")))?;
    }
    Ok(())
}
