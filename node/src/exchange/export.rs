//! Records as files that can be read without this program, and back.
//!
//! ```text
//! staffroom-export-2026-11-22/
//! ├── staffroom-export.json        written last: the export is complete
//! ├── index.md                     the kinds, how many of each
//! ├── resource/
//! │   ├── index.md                 what there is
//! │   └── fractions-k3v9xq.md      front matter with every field, and the text
//! └── files/
//!     └── k3v9xq/worksheet.png     what is attached to it
//! ```
//!
//! As JSON lines it is `records.jsonl` with a record a line, and `files/` beside it. Either may lie in one
//! zip archive. What is written is read back before it counts as written: where a field would not come back
//! as it is, the page has all of them once more in a form that does ([`page`]).

pub mod page;
mod sink;
mod write;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;
use staffroom_protocol::record::kind::KINDS;

use super::{
    draft::Options,
    folder::{MOST, unreadable},
    import::Found,
    jsonl::{self, JsonLines},
    refusal::{Reason, Refusal},
};
pub use write::{About, Exporter, Failed, Format, Open, Written};

/// What says that a folder is a complete export.
pub const MARK: &str = "staffroom-export.json";
/// The file of an export in JSON lines.
pub const LINES: &str = "records.jsonl";
/// The folder of what is attached.
pub const FILES: &str = "files";
/// The pages that list others.
const INDEX: &str = "index.md";
/// The version of this layout.
const VERSION: u64 = 1;
/// How long the mark may be, in bytes.
const LONGEST_MARK: u64 = 64 << 10;

/// Where the records of an export lie.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    /// Its pages; nothing where it has lines.
    pages: Option<Vec<PathBuf>>,
}

impl Layout {
    /// Whether a folder says that it is an export.
    pub fn is_marked(folder: &Path) -> bool {
        folder.join(MARK).is_file()
    }

    /// Looks an export over.
    pub fn of(folder: &Path) -> Result<Self, Refusal> {
        let what = folder.display().to_string();
        let not_one = || Refusal::new(&what, Reason::NotAnExport);
        let mark = folder.join(MARK);
        let short = fs::metadata(&mark).is_ok_and(|about| about.is_file() && about.len() <= LONGEST_MARK);
        let text = short.then(|| fs::read_to_string(&mark).ok()).flatten().ok_or_else(not_one)?;
        let mark: Json = serde_json::from_str(&text).map_err(|_| not_one())?;
        if mark["version"].as_u64().is_none_or(|version| version > VERSION) {
            return Err(Refusal::new(what, Reason::NewerExport));
        }
        let pages = match mark["format"].as_str() {
            Some("jsonl") => None,
            Some("markdown") => Some(pages(folder)?),
            _ => return Err(not_one()),
        };
        Ok(Self { folder: folder.to_owned(), pages })
    }

    /// How much there is to read: pages, or bytes of lines.
    pub fn size(&self) -> u64 {
        match &self.pages {
            Some(pages) => u64::try_from(pages.len()).unwrap_or(u64::MAX),
            None => fs::metadata(self.folder.join(LINES)).map_or(0, |file| file.len()),
        }
    }

    /// Its records.
    pub fn records(&self, options: &Options) -> Result<Records, Refusal> {
        Ok(match &self.pages {
            Some(pages) => Records::Pages { folder: self.folder.clone(), pages: pages.clone(), next: 0 },
            None => Records::Lines(Box::new(jsonl::open(&self.folder.join(LINES), options)?)),
        })
    }
}

/// The pages of an export, those first that others may be about.
fn pages(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let mut folders: Vec<PathBuf> = listed(folder)?.into_iter().filter(|path| is_real_folder(path)).collect();
    let named = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    folders.retain(|path| named(path) != FILES);
    let place = |path: &PathBuf| KINDS.iter().position(|kind| kind.name == named(path)).unwrap_or(KINDS.len());
    folders.sort_by_key(|path| (place(path), path.clone()));
    let mut pages = Vec::new();
    for folder in folders {
        let page = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md") && named(path) != INDEX;
        pages.extend(listed(&folder)?.into_iter().filter(page));
        if pages.len() > MOST {
            return Err(Refusal::new(folder.display().to_string(), Reason::TooManyFiles(MOST)));
        }
    }
    Ok(pages)
}

fn is_real_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_dir())
}

/// What lies in a folder, by name.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Refusal> {
    let failed = |error: std::io::Error| unreadable(&folder.display().to_string(), &error);
    let entries = fs::read_dir(folder).map_err(failed)?.take(MOST + 1);
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// The records of an export, read one by one.
pub enum Records {
    /// Pages of Markdown.
    Pages {
        /// The export.
        folder: PathBuf,
        /// Its pages.
        pages: Vec<PathBuf>,
        /// The next of them.
        next: usize,
    },
    /// JSON lines.
    Lines(Box<JsonLines>),
}

impl Records {
    /// How much was read, in the unit of [`Layout::size`].
    pub fn progress(&self) -> u64 {
        match self {
            Self::Pages { next, .. } => u64::try_from(*next).unwrap_or(u64::MAX),
            Self::Lines(lines) => lines.progress(),
        }
    }
}

impl Iterator for Records {
    type Item = Result<Found, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Lines(lines) => lines.found(),
            Self::Pages { folder, pages, next } => {
                let path = pages.get(*next)?;
                *next += 1;
                Some(page::of_file(path, folder))
            }
        }
    }
}
