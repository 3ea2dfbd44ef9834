//! Why something could not be read, in words a person can act on.

use staffroom_protocol::{
    limits,
    record::kind::{Invalid, Kind},
};

use super::photo::Unclean;

/// One thing that was not taken, where in it the trouble is, why, and what to try.
///
/// One refusal never stops what comes after it: the next file, the next line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}{}: {why}", line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct Refusal {
    /// The file, folder or form at fault, as a person would name it.
    pub what: String,
    /// The line in it, counted from 1, where one is at fault.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub why: Reason,
    /// What to try, one line each; may be empty.
    pub hints: Vec<String>,
}

impl Refusal {
    /// A refusal with the hints that go with its reason.
    pub fn new(what: impl Into<String>, why: Reason) -> Self {
        Self { what: what.into(), line: None, hints: why.hints(), why }
    }
    /// The same, at a line.
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing has this name.
    #[error("there is no such file or folder")]
    Missing,
    /// The system would not let us read it.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A file with nothing in it.
    #[error("is empty")]
    Empty,
    /// A picture that cannot be shared without the place where it was taken.
    #[error("{0}")]
    Unclean(Unclean),
    /// A file that this node cannot keep.
    #[error("{0}")]
    NotStored(String),
    /// A socket, a device, a pipe.
    #[error("is neither a file nor a folder")]
    NotAFile,
    /// A path, or a link, that leaves the published folder.
    #[error("lies outside the published folder")]
    Outside,
    /// A folder in a folder in a folder …
    #[error("has folders more than {0} deep")]
    TooDeep(usize),
    /// A folder with more files than anyone means to publish at once.
    #[error("holds more than {0} files")]
    TooManyFiles(usize),
    /// Not text, or text in an old encoding.
    #[error("is not text in UTF-8")]
    NotText,
    /// A Markdown file that no text field could take.
    #[error("is too long for a text: {is} bytes, at most {most}")]
    TooLong {
        /// How long it is, in bytes.
        is: u64,
        /// The most it may be, in bytes.
        most: usize,
    },
    /// Front matter above its bound.
    #[error("its front matter is too long: at most {0} bytes")]
    FrontMatterTooLong(usize),
    /// Front matter that unfolds to far more than it seems.
    #[error("its front matter unfolds to too much: {0}")]
    FrontMatterTooMuch(&'static str),
    /// Front matter that is not YAML.
    #[error("its front matter is not YAML: {0}")]
    NotYaml(String),
    /// The same key twice: which one is meant?
    #[error("its front matter says {key:?} twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A kind that this program does not know, or that is not published from files.
    #[error("{0:?} is not a kind of record")]
    UnknownKind(String),
    /// A time zone that does not exist.
    #[error("{0:?} is not a time zone")]
    UnknownZone(String),
    /// The fields are not those of a valid record.
    #[error("{0}")]
    Invalid(Box<Invalid>),
    /// More attachments than a record may have.
    #[error("has too many attachments: {is}, at most {most}")]
    TooManyAttachments {
        /// How many there are.
        is: usize,
        /// How many there may be.
        most: usize,
    },
    /// A file that is something other than JSON lines.
    #[error("is not JSON lines: {0}")]
    NotJsonLines(&'static str),
    /// A line that is not JSON.
    #[error("is not JSON: {0}")]
    NotJson(String),
    /// A line with JSON that is not a record.
    #[error("is {0}, not a record: a record is an object such as {{\"title\": \"…\"}}")]
    NotAnObject(&'static str),
    /// A line above its bound.
    #[error("is too long: more than {0} bytes")]
    LineTooLong(usize),
    /// A compressed file that breaks off or is damaged.
    #[error("cannot be unpacked: {0}")]
    BadGzip(String),
    /// A value of a sort that the field cannot take.
    #[error("{field} cannot be {value}: it must be {expected}")]
    WrongValue {
        /// The field's name.
        field: Box<str>,
        /// What was given, shortened.
        value: Box<str>,
        /// What the field takes.
        expected: &'static str,
    },
    /// Something else than a calendar.
    #[error("is not a calendar: {0}")]
    NotCalendar(&'static str),
    /// A part of a calendar that is none of a school's events.
    #[error("is {0}, not an event, and is left out")]
    NotAnEvent(&'static str),
    /// An event that its calendar marks as private or confidential.
    #[error("is marked as private in the calendar and is left out")]
    Private,
    /// An event with more in it than is kept of one.
    #[error("is too long for an event: more than {0} bytes")]
    EventTooLong(usize),
    /// A calendar with more events than are read of one.
    #[error("stands behind what is read of one calendar: at most {0} events, 64 MiB")]
    CalendarTooLong(usize),
    /// An event without an end.
    #[error("is an event that breaks off, and is left out")]
    EventBreaksOff,
    /// Lines of a calendar that say nothing.
    #[error("{0} of its lines are not as calendars have them, and are passed over")]
    OddLines(u64),
    /// More of the same.
    #[error("{0} more things in it are left out")]
    AndMore(u64),
    /// Something else than a table.
    #[error("is not a table in CSV: {0}")]
    NotCsv(&'static str),
    /// A line of a table with more cells than its first line names.
    #[error("has {is} cells, and the first line names {named}")]
    TooManyCells {
        /// How many it has.
        is: usize,
        /// How many the first line names.
        named: usize,
    },
    /// A cell that begins with a quotation mark and does not end.
    #[error("has a quotation mark that is opened and not closed")]
    OpenQuote,
    /// Something else than a zip archive, or a damaged one.
    #[error("cannot be read as a zip archive: {0}")]
    BadZip(String),
    /// A file in an archive that is not unpacked.
    #[error("is left out: {0}")]
    LeftOut(&'static str),
    /// An export that was not finished.
    #[error("is no finished export: it has no staffroom-export.json that can be read")]
    NotAnExport,
    /// A record that is about another one, which cannot be here before it.
    #[error("is about a record that is about it")]
    NamesNothing,
    /// A page or a line of an export that does not say which record it was.
    #[error("does not say which record it was")]
    NoOrigin,
    /// An export in a layout that this program does not know.
    #[error("was exported by a newer version of this program")]
    NewerExport,
    /// A page of an export above its bound.
    #[error("is too long for a page of an export: more than {0} bytes")]
    PageTooLong(usize),
    /// A form without its first part.
    #[error("its first part, between the lines of three dashes, is missing or does not end")]
    FormBroken,
    /// A form with a text below its fields, of a kind that has none.
    #[error("a {0} has no text: all it says stands between the lines of three dashes")]
    NoText(&'static str),
    /// A form with a key that the kind has no field for.
    #[error("{0:?} is not a field of it")]
    UnknownField(String),
}

impl From<Invalid> for Reason {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(Box::new(invalid))
    }
}

impl Reason {
    /// What a person can do about it; nothing where the reason says all.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Unclean(unclean) => unclean.hint(),
            Self::NotText => "Save it as UTF-8, or attach it to a record as a file",
            Self::TooLong { .. } => TOO_LONG,
            Self::Invalid(invalid) => match &**invalid {
                Invalid::TooLong { unit: "bytes", most: limits::TEXT, .. } => TOO_LONG,
                Invalid::TooLong { field, .. } if field == "title" => {
                    "Give it a shorter title in its front matter, or with --title"
                }
                Invalid::TooLong { .. } => "Shorten it, or move the long part to the text",
                _ => return Vec::new(),
            },
            Self::NotYaml(_) => "Put values with a colon in them between quotation marks: title: \"Year 7: Fractions\"",
            Self::DuplicateKey { .. } => "Remove one of the two",
            Self::UnknownKind(_) => {
                let names: Vec<&str> = Kind::made_by_people().map(|kind| kind.name).collect();
                return vec![format!("Kinds are {}", names.join(", "))];
            }
            Self::UnknownZone(_) => "Zones have names such as Europe/London",
            Self::NotJsonLines(_) => "JSON lines are text with one record a line, also compressed with gzip",
            Self::CalendarTooLong(_) => "Export a part of the calendar at a time",
            Self::NotCsv(_) => "The first line names the columns, such as: title,subject,key stage",
            Self::TooManyFiles(_) | Self::TooDeep(_) => "Publish a part of it at a time",
            Self::TooManyAttachments { .. } => "Split it into several records",
            Self::WrongValue { expected: DATE, .. } => "Dates can be written as 2025-06-24 16:00 Europe/London",
            Self::FormBroken => "Keep the two lines of three dashes; fields stand between them, the text after them",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

const TOO_LONG: &str = "Shorten it, or share a short text and attach the long one as a file";
/// What a date field takes.
pub(super) const DATE: &str = "a date";
