//! `share import`: records that another program wrote, or another school exported.
//!
//! One thread reads and parses, another speaks to the node; a short queue lies between them, so that
//! neither waits for the other for long and memory stays flat, whatever the file's length. Of an export,
//! records that name others which are not here yet are read again in another pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use clap::Args;
use indicatif::ProgressBar;
use staffroom_node::api::{Code, Failure};
use staffroom_node::exchange::import::{self, Found, Import as File, Next, Records, References};
use staffroom_node::exchange::{Options, Refusal, export};
use staffroom_protocol::id::RecordId;
use staffroom_protocol::record::field::Value;

use super::Author;
use crate::attaching::Attacher;
use crate::batch::{Destination, Item, Saver, shown};
use crate::context::Context;
use crate::failure::{Done, failed};
use crate::output::some;
use crate::when;

/// How many records one request carries: the more, the fewer times the disk is waited for.
const BATCH: usize = 500;
/// How much text one request carries, about, in bytes: far below what the node takes at once.
const TEXT: usize = 4 << 20;
/// How many batches wait to be sent at most.
const WAITING: usize = 4;

/// Import records from a file: JSON lines, CSV, a calendar, a zip of pages, or an export
#[derive(Args)]
#[command(
    after_help = "Examples:\n  share import lessons.jsonl.gz\n  share import calendar.ics --to \"The Brook Cluster\"\n  \
    share import resources.csv --json\n  share import lessons.zip\n  share import staffroom-export-2026-11-22\n\n\
    The same file twice adds nothing. What names no `source` is known by what it says."
)]
pub(crate) struct Import {
    /// A file that ends in .jsonl, .jsonl.gz, .csv, .ics or .zip; or the folder of an export
    file: PathBuf,
    /// The cluster to share it in, or `school`: our own space
    #[arg(long, value_name = "CLUSTER|school")]
    to: Option<String>,
    #[command(flatten)]
    author: Author,
}

/// Some records, and how far the file was read for them.
struct Batch {
    found: Vec<Result<Found, Refusal>>,
    read: u64,
}

/// What is being imported.
struct Running<'a> {
    saver: Saver<'a>,
    author: String,
    references: References,
    attacher: Attacher,
    /// How many records were read, taken or not.
    seen: u64,
    /// How many profiles of schools were passed over.
    profiles: u64,
}

impl Import {
    pub(super) fn run(&self, context: &Context) -> Done {
        let author = context.author(self.author.name.as_deref())?;
        let options = Options { zone: context.config()?.zone, ..Options::default() };
        check(&self.file)?;
        let mut client = context.client()?;
        let to = Destination::resolve(&mut client, self.to.as_deref())?;
        let bar = context.out.bar(0, "{bar:30} {pos} of {len} files unpacked");
        let unpacked = |done: usize, of: usize| {
            bar.set_length(u64::try_from(of).unwrap_or(0));
            bar.set_position(u64::try_from(done).unwrap_or(0));
        };
        let today = when::now().with_time_zone(context.zone()?).date();
        let file = File::open(&self.file, &options, today, &context.home.temporary(), unpacked)?;
        bar.finish_and_clear();
        let saver = Saver::new(client, to, &context.out);
        let attacher = Attacher::new(context, ProgressBar::hidden());
        let references = References::default();
        let mut running = Running { saver, author, references, attacher, seen: 0, profiles: 0 };
        for left_out in file.left_out() {
            running.saver.save(vec![Item::unreadable(&left_out, "")])?;
        }
        running.all(&file, context)?;
        running.end(&self.file, context)
    }
}

impl Running<'_> {
    /// Pass after pass, until every record is here or refused.
    fn all(&mut self, file: &File, context: &Context) -> Done {
        let mut only: Option<Arc<BTreeSet<RecordId>>> = None;
        loop {
            let bar = context.out.bar(file.size(), "{bar:30} {percent}%, {msg}");
            let saved = self.pass(file.records(only)?, &bar)?;
            bar.finish_and_clear();
            only = match self.references.another_pass(saved) {
                Some(waiting) => Some(Arc::new(waiting)),
                None => return Ok(()),
            };
        }
    }

    /// Reads the file once; gives back how many records of an export are here now.
    fn pass(&mut self, records: Records, bar: &ProgressBar) -> Done<u64> {
        let (send, batches) = mpsc::sync_channel(WAITING);
        let parser = thread::Builder::new().name("parse".to_owned());
        let parser = parser.spawn(move || parse(records, &send));
        let parser = parser.map_err(|error| failed(format!("no thread to parse with: {error}")))?;
        let mut saved = 0;
        for batch in &batches {
            let items = batch.found.into_iter().filter_map(|found| self.item(found)).collect();
            self.saver.save(items)?;
            for (there, here) in std::mem::take(&mut self.saver.became) {
                match here {
                    Some(here) => self.references.is_here(there, here),
                    None => self.references.is_refused(there),
                }
                saved += u64::from(here.is_some());
            }
            bar.set_position(batch.read);
            bar.set_message(some(self.saver.totals.taken(), "record", "records"));
        }
        // The sender is dropped when the thread ends, so it has ended.
        let _ = parser.join();
        Ok(saved)
    }

    fn item(&mut self, found: Result<Found, Refusal>) -> Option<Item> {
        self.seen += 1;
        let mut found = match found {
            Ok(found) => found,
            Err(refusal) => return Some(Item::unreadable(&refusal, "")),
        };
        // Each school's node makes its own profile.
        if found.origin.is_some() && found.draft.kind == "school" {
            self.profiles += 1;
            return None;
        }
        match self.references.resolve(&mut found) {
            Next::Ready => {}
            Next::Later => return None,
        }
        let title = found.draft.title().to_owned();
        Some(match self.attacher.attach(&mut found.draft, false) {
            Ok(()) => Item::found(found, &self.author),
            Err(refusal) => Item::unreadable(&refusal, &title),
        })
    }

    fn end(mut self, path: &Path, context: &Context) -> Done {
        let left: Vec<RecordId> = self.references.left().collect();
        let items = left.into_iter().map(|id| Item::unreadable(&import::names_nothing(id), ""));
        self.saver.save(items.collect())?;
        if self.seen == 0 && self.saver.totals.refused == 0 {
            return Err(failed(format!("{} holds no records", shown(path)))
                .hint("JSON lines are text with one record a line: {\"title\": \"…\", \"body\": \"…\"}")
                .into());
        }
        if self.profiles > 0 {
            let profiles = some(self.profiles, "profile of a school", "profiles of schools");
            context.out.note(&format!("{profiles} passed over: each school writes its own"));
        }
        let summary = self.saver.summary();
        self.saver.finish(Some(summary))
    }
}

/// Reads the records into batches until the file ends or nobody takes them any more.
fn parse(mut records: Records, send: &mpsc::SyncSender<Batch>) {
    loop {
        let mut found = Vec::with_capacity(BATCH);
        let (mut text, mut last) = (0, false);
        while found.len() < BATCH && text < TEXT && !last {
            match records.next() {
                Some(next) => {
                    text += next.as_ref().map_or(0, length);
                    found.push(next);
                }
                None => last = true,
            }
        }
        if !found.is_empty() && send.send(Batch { found, read: records.progress() }).is_err() || last {
            return;
        }
    }
}

/// The length of a record's texts, in bytes.
fn length(found: &Found) -> usize {
    found.draft.fields.values().filter_map(Value::as_str).map(str::len).sum()
}

/// Says plainly what cannot be imported, and what to do with it.
fn check(path: &Path) -> Done {
    let name = shown(path);
    let about = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(Code::NotFound, format!("{name}: there is no such file")),
        _ => failed(format!("{name} cannot be read: {error}")),
    })?;
    if about.is_dir() && !export::Layout::is_marked(path) {
        let message = format!("{name} is a folder, and no finished export; import takes a file");
        let failure = Failure::new(Code::Usage, message);
        return Err(failure.hint(format!("to share the pages in it: share publish {name}")).into());
    }
    let lower = name.to_lowercase();
    if [".md", ".markdown", ".txt"].iter().any(|ending| lower.ends_with(ending)) {
        let failure = Failure::new(Code::Usage, format!("{name} is a page, not a file of records"));
        return Err(failure.hint(format!("share publish {name}")).into());
    }
    Ok(())
}
