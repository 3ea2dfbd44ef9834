//! What is imported: a file of any format that is read here, record by record.
//!
//! ```text
//! .jsonl  .csv  .ics   a zip of pages   an export
//!    └──────┴─────┴──────────┴──────────────┘
//!                       ▼
//!        Found: a draft, and what makes it known when it comes again
//! ```
//!
//! Records of an export name each other by the ids that they had where they came from. [`References`]
//! turns those into the ids that they have here; a record that names one which is not here yet waits for
//! another pass over the file, so that nothing is held in memory but ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::civil::Date;
use staffroom_protocol::{
    id::RecordId,
    record::{
        field::{FieldType, Value},
        kind::Kind,
    },
};

use super::{
    csv,
    draft::{Draft, Options},
    export,
    folder::{self, Plan},
    ical, jsonl,
    refusal::{Reason, Refusal},
    zip::{self, Unpacked},
};

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it says.
    pub draft: Draft,
    /// The record that it was, where it comes out of an export.
    pub origin: Option<Origin>,
    /// Whether it is of use only to who knows it already: what a calendar takes out or cancels.
    pub only_known: bool,
}

/// Which record it was where it was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Its id there.
    pub id: RecordId,
    /// Whether every school of its cluster may edit it, where the export says so.
    pub open: Option<bool>,
}

impl From<Draft> for Found {
    fn from(draft: Draft) -> Self {
        Self { draft, origin: None, only_known: false }
    }
}

/// What a file is read as.
#[derive(Debug)]
enum Format {
    Lines,
    Table,
    Calendar(Date),
    /// Pages of Markdown in a zip archive: the plan of the folder that it was unpacked to.
    Pages(Plan),
    /// An export: its folder, and what its lines are in, where it has lines.
    Export(export::Layout),
}

/// A file to be imported, opened as often as it takes.
#[derive(Debug)]
pub struct Import {
    path: PathBuf,
    format: Format,
    options: Options,
    /// Gone with this.
    unpacked: Option<Unpacked>,
}

impl Import {
    /// Looks a file over. `today` settles how far series of a calendar go; below `place` an archive may be
    /// unpacked, and `progress` is told how far that is.
    pub fn open(
        path: &Path,
        options: &Options,
        today: Date,
        place: &Path,
        progress: impl FnMut(usize, usize),
    ) -> Result<Self, Refusal> {
        let mut import =
            Self { path: path.to_owned(), format: Format::Lines, options: options.clone(), unpacked: None };
        let ending = path.extension().and_then(OsStr::to_str).map(str::to_lowercase).unwrap_or_default();
        import.format = match ending.as_str() {
            _ if path.is_dir() => Format::Export(export::Layout::of(path)?),
            "csv" | "tsv" => Format::Table,
            "ics" | "ical" | "icalendar" => Format::Calendar(today),
            "zip" => {
                let unpacked = zip::unpack(path, place, progress)?;
                let files = unpacked.files();
                import.unpacked = Some(unpacked);
                if export::Layout::is_marked(&files) {
                    Format::Export(export::Layout::of(&files)?)
                } else {
                    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                    Format::Pages(Plan { prefix: Some(name), ..folder::scan(&files)? })
                }
            }
            _ => Format::Lines,
        };
        Ok(import)
    }

    /// What was left out before anything was read.
    pub fn left_out(&self) -> Vec<Refusal> {
        let archive = self.unpacked.iter().flat_map(|unpacked| &unpacked.left_out);
        let pages = match &self.format {
            Format::Pages(plan) => &plan.left_out[..],
            _ => &[],
        };
        archive.chain(pages).cloned().collect()
    }

    /// How much there is to read, in the unit of [`Records::progress`].
    pub fn size(&self) -> u64 {
        match &self.format {
            Format::Pages(plan) => u64::try_from(plan.files.len()).unwrap_or(u64::MAX),
            Format::Export(layout) => layout.size(),
            _ => std::fs::metadata(&self.path).map_or(0, |file| file.len()),
        }
    }

    /// Reads all of it, or of an export only these records.
    pub fn records(&self, only: Option<Arc<BTreeSet<RecordId>>>) -> Result<Records, Refusal> {
        let (path, options) = (&self.path, &self.options);
        let from = match &self.format {
            Format::Lines => Reader::Lines(Box::new(jsonl::open(path, options)?)),
            Format::Table => Reader::Table(Box::new(csv::open(path, options)?)),
            Format::Calendar(today) => Reader::Calendar(Box::new(ical::open(path, options, *today)?)),
            Format::Pages(plan) => {
                Reader::Pages(Box::new(Pages { plan: plan.clone(), next: 0, options: options.clone() }))
            }
            Format::Export(layout) => Reader::Export(layout.records(options)?),
        };
        Ok(Records { from, only })
    }
}

/// The records of a file, in order.
pub struct Records {
    from: Reader,
    only: Option<Arc<BTreeSet<RecordId>>>,
}

enum Reader {
    Lines(Box<jsonl::JsonLines>),
    Table(Box<csv::Table>),
    Calendar(Box<ical::Calendar>),
    Pages(Box<Pages>),
    Export(export::Records),
}

impl Records {
    /// How far it was read: bytes of a file, files of a folder.
    pub fn progress(&self) -> u64 {
        match &self.from {
            Reader::Lines(lines) => lines.progress(),
            Reader::Table(table) => table.progress(),
            Reader::Calendar(calendar) => calendar.progress(),
            Reader::Pages(pages) => u64::try_from(pages.next).unwrap_or(u64::MAX),
            Reader::Export(records) => records.progress(),
        }
    }

    fn any(&mut self) -> Option<Result<Found, Refusal>> {
        match &mut self.from {
            Reader::Lines(lines) => lines.found(),
            Reader::Table(table) => table.next().map(|draft| draft.map(Found::from)),
            Reader::Calendar(calendar) => calendar.next(),
            Reader::Pages(pages) => pages.next(),
            Reader::Export(records) => records.next(),
        }
    }
}

impl Iterator for Records {
    type Item = Result<Found, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let found = self.any()?;
            let Some(only) = &self.only else { return Some(found) };
            // What is refused was told in the first pass.
            let wanted = |found: &Found| found.origin.is_some_and(|origin| only.contains(&origin.id));
            if found.as_ref().is_ok_and(wanted) {
                return Some(found);
            }
        }
    }
}

/// The pages of an unpacked archive.
struct Pages {
    plan: Plan,
    next: usize,
    options: Options,
}

impl Pages {
    fn next(&mut self) -> Option<Result<Found, Refusal>> {
        let file = self.plan.files.get(self.next)?;
        self.next += 1;
        Some(folder::read(&self.plan, file, &self.options).map(Found::from))
    }
}

/// What the records of an export are called here.
#[derive(Debug, Default)]
pub struct References {
    /// The id there → the id here.
    here: BTreeMap<RecordId, RecordId>,
    /// Those that were read and are not here.
    waiting: BTreeSet<RecordId>,
    /// Whether every record of the export was seen.
    complete: bool,
    /// Whether those that wait for each other are taken without the names that nobody can give yet.
    forced: bool,
    /// Those that were taken so, to be brought up to date.
    stripped: BTreeSet<RecordId>,
}

/// What is to be done with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It can be saved as it is.
    Ready,
    /// It names records that are not here yet: another pass.
    Later,
}

impl References {
    /// Puts the ids of here in the place of those of there.
    pub fn resolve(&mut self, found: &mut Found) -> Next {
        let Some(origin) = found.origin else { return Next::Ready };
        let Some(kind) = Kind::named(&found.draft.kind) else { return Next::Ready };
        let (mut waits, mut stripped) = (false, false);
        for field in kind.fields() {
            let needed = kind.needs.contains(&field.name);
            match (field.field_type, found.draft.fields.get_mut(field.name)) {
                (FieldType::Reference, Some(Value::Line(line))) => match self.of(line) {
                    Some(Ok(here)) => *line = here,
                    Some(Err(())) if self.forced && !needed => {
                        line.clear();
                        stripped = true;
                    }
                    Some(Err(())) => waits = true,
                    None => {}
                },
                (FieldType::References, Some(Value::Extra(map))) => {
                    let mut renamed = BTreeMap::new();
                    for (id, line) in std::mem::take(map) {
                        match self.of(&id) {
                            Some(Ok(here)) => drop(renamed.insert(here, line)),
                            Some(Err(())) if self.forced => stripped = true,
                            Some(Err(())) => {
                                waits = true;
                                renamed.insert(id, line);
                            }
                            None => drop(renamed.insert(id, line)),
                        }
                    }
                    *map = renamed;
                }
                _ => {}
            }
        }
        found.draft.fields.retain(|_, value| !value.is_empty());
        if waits {
            self.waiting.insert(origin.id);
            return Next::Later;
        }
        if stripped {
            self.stripped.insert(origin.id);
        }
        Next::Ready
    }

    /// What a reference means: the id here; an error where that is not known yet; nothing where it
    /// leads out of the export.
    fn of(&self, id: &str) -> Option<Result<String, ()>> {
        let there: RecordId = id.parse().ok()?;
        match self.here.get(&there) {
            Some(here) => Some(Ok(here.to_string())),
            None if !self.complete || self.waiting.contains(&there) => Some(Err(())),
            None => None,
        }
    }

    /// A record is here.
    pub fn is_here(&mut self, there: RecordId, here: RecordId) {
        self.here.insert(there, here);
        self.waiting.remove(&there);
    }

    /// A record will never be here.
    pub fn is_refused(&mut self, there: RecordId) {
        self.waiting.remove(&there);
    }

    /// After a pass in which so many were saved: which records another one is for, if any. Those that
    /// only wait for each other are then taken without those names, and once more with them.
    pub fn another_pass(&mut self, saved: u64) -> Option<BTreeSet<RecordId>> {
        if std::mem::take(&mut self.forced) {
            let stripped = std::mem::take(&mut self.stripped);
            return Some(stripped).filter(|stripped| !stripped.is_empty());
        }
        if self.waiting.is_empty() {
            return None;
        }
        let first = !std::mem::replace(&mut self.complete, true);
        self.forced = !first && saved == 0;
        Some(self.waiting.clone())
    }

    /// Those that were not saved in any pass.
    pub fn left(&self) -> impl Iterator<Item = RecordId> {
        self.waiting.iter().copied()
    }
}

/// Why a record that waited to the end was not saved.
pub fn names_nothing(id: RecordId) -> Refusal {
    Refusal::new(id.short(), Reason::NamesNothing)
}
