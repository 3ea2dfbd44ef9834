//! `share import`: records that another program wrote, as JSON lines.
//!
//! One thread reads and parses, another speaks to the node; a short queue lies between them, so that
//! neither waits for the other for long and memory stays flat, whatever the file's length.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use clap::Args;
use indicatif::ProgressBar;
use staffroom_node::api::{Code, Failure};
use staffroom_node::exchange::jsonl::{self, JsonLines};
use staffroom_node::exchange::{Draft, Options, Refusal};
use staffroom_protocol::record::field::Value;

use super::Author;
use crate::batch::{Destination, Item, Saver, shown, source_of_line};
use crate::context::Context;
use crate::failure::{Done, failed, not_yet};

/// How many records one request carries: the more, the fewer times the disk is waited for.
const BATCH: usize = 500;
/// How much text one request carries, about, in bytes: far below what the node takes at once.
const TEXT: usize = 4 << 20;
/// How many batches wait to be sent at most.
const WAITING: usize = 4;

/// Import records from a file of JSON lines, also compressed with gzip
#[derive(Args)]
#[command(after_help = "Examples:\n  share import lessons.jsonl.gz\n  \
    share import lessons.jsonl --to \"The Brook Cluster\" --json\n\n\
    The same file twice adds nothing. A line that names no `source` is known by what it says.")]
pub(crate) struct Import {
    /// A file that ends in .jsonl or .jsonl.gz
    file: PathBuf,
    /// The cluster to share it in, or `school`: our own space
    #[arg(long, value_name = "CLUSTER|school")]
    to: Option<String>,
    #[command(flatten)]
    author: Author,
}

/// Some records, and how far the file was read for them.
struct Batch {
    items: Vec<Item>,
    read: u64,
}

impl Import {
    pub(super) fn run(&self, context: &Context) -> Done {
        let author = context.author(self.author.name.as_deref())?;
        let options = Options { zone: context.config()?.zone, ..Options::default() };
        let lines = open(&self.file, &options)?;
        let mut client = context.client()?;
        let to = Destination::resolve(&mut client, self.to.as_deref())?;
        let bytes = std::fs::metadata(&self.file).map_or(0, |file| file.len());
        let bar = context.out.bar(bytes, "{bar:30} {bytes} of {total_bytes}, {msg}");
        let mut saver = Saver::new(client, to, &context.out);
        let (send, batches) = mpsc::sync_channel(WAITING);
        let parser = thread::Builder::new().name("parse".to_owned());
        let parser = parser.spawn(move || parse(lines, &author, &send));
        let parser = parser.map_err(|error| failed(format!("no thread to parse with: {error}")))?;
        save(&batches, &mut saver, &bar)?;
        // The sender is dropped when the thread ends, so it has ended.
        let _ = parser.join();
        bar.finish_and_clear();
        if saver.totals.taken() + saver.totals.refused == 0 {
            return Err(failed(format!("{} holds no records", shown(&self.file)))
                .hint("JSON lines are text with one record a line: {\"title\": \"…\", \"body\": \"…\"}")
                .into());
        }
        let summary = saver.summary();
        saver.finish(Some(summary))
    }
}

fn save(batches: &mpsc::Receiver<Batch>, saver: &mut Saver<'_>, bar: &ProgressBar) -> Done {
    for batch in batches {
        saver.save(batch.items)?;
        bar.set_position(batch.read);
        bar.set_message(format!("{} records", saver.totals.taken()));
    }
    Ok(())
}

/// Reads the lines into batches until the file ends or nobody takes them any more.
fn parse(mut lines: JsonLines, author: &str, send: &mpsc::SyncSender<Batch>) {
    loop {
        let mut items = Vec::with_capacity(BATCH);
        let (mut text, mut last) = (0, false);
        while items.len() < BATCH && text < TEXT && !last {
            match lines.next() {
                Some(line) => {
                    text += line.as_ref().map_or(0, length);
                    items.push(item(line, author));
                }
                None => last = true,
            }
        }
        if !items.is_empty() && send.send(Batch { items, read: lines.progress() }).is_err() || last {
            return;
        }
    }
}

/// The length of a draft's texts, in bytes.
fn length(draft: &Draft) -> usize {
    draft.fields.values().filter_map(Value::as_str).map(str::len).sum()
}

fn item(line: Result<Draft, Refusal>, author: &str) -> Item {
    match line {
        Ok(mut draft) => {
            if draft.source().is_empty() {
                let source = source_of_line(&draft);
                draft.fields.insert("source".to_owned(), Value::Line(source));
            }
            Item::of(draft, author, None)
        }
        Err(refusal) => Item::unreadable(&refusal, ""),
    }
}

/// Opens a file of JSON lines; of other formats says plainly that they are not read yet.
fn open(path: &Path, options: &Options) -> Done<JsonLines> {
    let name = shown(path);
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(Code::NotFound, format!("{name}: there is no such file")),
        _ => failed(format!("{name} cannot be read: {error}")),
    })?;
    if about.is_dir() {
        let failure = Failure::new(Code::Usage, format!("{name} is a folder; import takes a file of JSON lines"));
        return Err(failure.hint(format!("to share the pages in it: share publish {name}")).into());
    }
    let lower = name.to_lowercase();
    for (ending, format) in [(".csv", "CSV"), (".ics", "iCalendar"), (".zip", "a zip of Markdown")] {
        if lower.ends_with(ending) {
            return Err(not_yet(&format!("import {format}")).hint(other_way(ending)).into());
        }
    }
    if [".md", ".markdown", ".txt"].iter().any(|ending| lower.ends_with(ending)) {
        let failure = Failure::new(Code::Usage, format!("{name} is a page, not JSON lines"));
        return Err(failure.hint(format!("share publish {name}")).into());
    }
    jsonl::open(path, options).map_err(|refusal| {
        let mut failure = failed(refusal.to_string());
        failure.hints = refusal.hints;
        failure.into()
    })
}

fn other_way(ending: &str) -> &'static str {
    match ending {
        ".zip" => "unpack it, then: share publish FOLDER",
        _ => "JSON lines (.jsonl, .jsonl.gz) are read: one record a line, such as {\"title\": \"…\", \"body\": \"…\"}",
    }
}
