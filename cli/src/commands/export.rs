//! `share export`: all that may be read here, as files that need no program.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use staffroom_node::api::{Answer, Code, Failure, Request, Summary};
use staffroom_node::exchange::export::page::Exported;
use staffroom_node::exchange::export::{About, Exporter, Failed, Format, Open};
use staffroom_protocol::id::RecordId;
use staffroom_protocol::record::field::BlobRef;

use super::list::Filters;
use crate::batch::shown;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Done, Ended, failed, unexpected};
use crate::output::{count, one_line, some};
use crate::record::title;
use crate::when;

/// How many records are asked for at once.
const PAGE: usize = 64;
/// How many warnings are listed for people.
const LISTED: u64 = 20;

/// Export records as files that can be read without this program
#[derive(Args)]
#[command(after_help = "Examples:\n  share export\n  share export --to brook.zip --cluster \"The Brook Cluster\"\n  \
    share export --format jsonl --kind resource --subject Maths\n\n\
    An export can be imported again: share import staffroom-export-2026-11-22")]
pub(crate) struct Export {
    /// A folder that is empty or not there yet, or a file whose name ends in .zip; without it
    /// staffroom-export-DATE in this folder
    #[arg(long, value_name = "DIR|FILE.zip")]
    to: Option<PathBuf>,
    /// What the records are written as
    #[arg(long, value_enum, default_value_t = As::Markdown)]
    format: As,
    #[command(flatten)]
    filters: Filters,
}

/// What the records are written as.
#[derive(Clone, Copy, ValueEnum)]
enum As {
    /// A page of Markdown for each
    Markdown,
    /// One file, a line of JSON for each
    Jsonl,
}

/// What was said so far.
#[derive(Default)]
struct Told {
    warnings: u64,
}

impl Export {
    pub(super) fn run(&self, context: &Context) -> Done {
        let filter = self.filters.filter(context)?;
        let today = when::now().with_time_zone(context.zone()?).date();
        let to = self.to.clone().unwrap_or_else(|| PathBuf::from(format!("staffroom-export-{today}")));
        let mut client = context.client()?;
        let Answer::Ids(ids) = client.ask(Request::Ids(filter))? else { return Err(unexpected().into()) };
        if ids.is_empty() {
            self.filters.check_words(&mut client)?;
            return context.out.remark("No records.");
        }
        let Answer::Status(status) = client.ask(Request::Status)? else { return Err(unexpected().into()) };
        let format = match self.format {
            As::Markdown => Format::Markdown,
            As::Jsonl => Format::JsonLines,
        };
        let about = About { school: status.school.name.clone(), made: today.to_string() };
        let blobs = context.home.blobs();
        let mut open = |file: &BlobRef| -> Result<Box<dyn Read>, String> {
            let blob = blobs.open(&file.id).map_err(|why| why.to_string())?;
            Ok(Box::new(blob.reader()))
        };
        let open: &mut Open<'_> = &mut open;
        let wrong = |error: Failed| failure(&to, error);
        let exporter = Exporter::new(&to, format, about, open).map_err(wrong)?;
        let (records, told) = write(context, &mut client, exporter, &ids).map_err(|ended| match ended {
            Wrong::Export(error) => failure(&to, error).into(),
            Wrong::Other(ended) => ended,
        })?;
        context.out.json(&json!({ "exported": records, "warnings": told.warnings, "to": to }))?;
        if told.warnings > LISTED {
            context.out.note(&format!("warning: and {} more", count(told.warnings - LISTED)));
        }
        let records = some(records, "record", "records");
        context.out.remark(&format!("Exported {records} to {}.", one_line(&shown(&to))))?;
        if told.warnings > 0 { Err(Ended::With(8)) } else { Ok(()) }
    }
}

/// Why writing ended early.
enum Wrong {
    Export(Failed),
    Other(Ended),
}

impl From<Failed> for Wrong {
    fn from(error: Failed) -> Self {
        Self::Export(error)
    }
}

impl From<Ended> for Wrong {
    fn from(ended: Ended) -> Self {
        Self::Other(ended)
    }
}

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self::Other(failure.into())
    }
}

/// Writes these records, some at a time.
fn write(
    context: &Context,
    client: &mut Client,
    mut exporter: Exporter<'_>,
    ids: &[RecordId],
) -> Result<(u64, Told), Wrong> {
    let bar = context.out.bar(u64::try_from(ids.len()).unwrap_or(0), "{bar:30} {pos} of {len} records");
    let (mut left, mut told) = (ids, Told::default());
    while !left.is_empty() {
        let asked = left[..left.len().min(PAGE)].to_vec();
        let Answer::Records(records) = client.ask(Request::Records { ids: asked })? else {
            return Err(unexpected().into());
        };
        if records.is_empty() {
            return Err(unexpected().into());
        }
        left = left.get(records.len()..).unwrap_or_default();
        bar.inc(u64::try_from(records.len()).unwrap_or(0));
        // What is not here any more was erased meanwhile.
        for record in records.into_iter().flatten() {
            let written = exporter.record(&exported(&record))?;
            context.out.json(&json!({
                "id": record.id, "kind": record.kind, "title": title(&record), "outcome": "exported",
                "file": written.file, "warnings": written.warnings
            }))?;
            for warning in &written.warnings {
                told.warnings += 1;
                if told.warnings <= LISTED {
                    context.out.note(&format!("warning: {}", one_line(&format!("{}: {warning}", title(&record)))));
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok((exporter.finish()?, told))
}

fn exported(record: &Summary) -> Exported {
    Exported {
        id: record.id,
        kind: record.kind.clone(),
        fields: record.fields.clone(),
        school: (record.school.name.clone(), record.school.id.to_string()),
        space: (record.space.name.clone(), record.space.id.to_string()),
        created: record.created,
        updated: record.updated,
        open: record.open,
    }
}

fn failure(to: &std::path::Path, error: Failed) -> Failure {
    let to = shown(to);
    match error {
        Failed::NotEmpty => {
            let message = format!("{to}: there is something there already, and nothing is written over");
            Failure::new(Code::Refused, message).hint("name an empty folder, or a new file: share export --to FILE.zip")
        }
        Failed::Disk(error) => failed(format!("{to} cannot be written: {error}"))
            .hint("what is there of it is no complete export: remove it"),
    }
}
