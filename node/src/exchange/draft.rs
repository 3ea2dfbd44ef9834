//! What was read: a record that is not signed yet.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use staffroom_protocol::{
    limits,
    record::{
        field::{Fields, Value},
        kind::{self, Kind},
    },
};

use super::{
    refusal::{Reason, Refusal},
    vocabulary,
};

/// The kind that a file can be published as of this name, in capitals or not; a school's profile is
/// not one of them.
pub(super) fn published_kind(name: &str) -> Option<&'static Kind> {
    Kind::made_by_people().find(|kind| kind.name == name.to_lowercase())
}

/// A record as it was read, before anything is signed or stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The kind's name, of a kind that this program knows.
    pub kind: String,
    /// The fields, without `kind`; none of them empty.
    pub fields: Fields,
    /// The files that belong to it, in the order in which it names them. Nothing is read of them yet but their size.
    pub attachments: Vec<Attachment>,
    /// What a person should know about the reading, a sentence each.
    pub warnings: Vec<String>,
}

/// A file that belongs to a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name, without folders.
    pub name: String,
    /// Where it is on this machine.
    pub path: PathBuf,
    /// Its length when it was looked at.
    pub bytes: u64,
    /// Its media type, guessed from its name, e.g. `image/png`.
    pub media_type: String,
}

impl Draft {
    /// Its title, or nothing where it has none.
    pub fn title(&self) -> &str {
        self.line("title")
    }
    /// The state that it asks for; empty where its kind has none.
    ///
    /// A `draft` belongs in the school's own space only: who publishes must look at this.
    pub fn state(&self) -> &str {
        self.line("state")
    }
    /// Where it came from: what makes a second reading of it the same record.
    pub fn source(&self) -> &str {
        self.line("source")
    }
    /// Checks it by the rules of its kind; `what` names it in the refusal.
    pub fn check(&self, what: &str) -> Result<(), Refusal> {
        let kind = Kind::named(&self.kind).ok_or_else(|| Refusal::new(what, Reason::UnknownKind(self.kind.clone())))?;
        kind::check(kind, &self.fields).map_err(|invalid| Refusal::new(what, invalid.into()))?;
        let (is, most) = (self.attachments.len(), limits::BLOBS);
        if is > most { Err(Refusal::new(what, Reason::TooManyAttachments { is, most })) } else { Ok(()) }
    }

    fn line(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// What the person who publishes says besides the file: the flags of `share publish`.
///
/// Lines go before what the file says, sets are added to what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The kind; without it the file's front matter or its shape decides.
    pub kind: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The summary.
    pub summary: Option<String>,
    /// Subjects to add.
    pub subjects: Vec<String>,
    /// Key stages to add.
    pub key_stages: Vec<String>,
    /// Tags to add.
    pub tags: Vec<String>,
    /// The licence.
    pub licence: Option<String>,
    /// The IANA name of the zone that dates without one are in: the school's.
    pub zone: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kind: None,
            title: None,
            summary: None,
            subjects: Vec::new(),
            key_stages: Vec::new(),
            tags: Vec::new(),
            licence: None,
            zone: "Europe/London".to_owned(),
        }
    }
}

impl Options {
    /// The zone, if there is one of this name.
    pub fn time_zone(&self) -> Result<TimeZone, Refusal> {
        super::date::zone(&self.zone)
            .ok_or_else(|| Refusal::new("the school's time zone", Reason::UnknownZone(self.zone.clone())))
    }
    /// The kind that was asked for, if any.
    pub fn asked_kind(&self) -> Result<Option<&'static Kind>, Refusal> {
        let Some(name) = &self.kind else { return Ok(None) };
        published_kind(name)
            .map(Some)
            .ok_or_else(|| Refusal::new("the kind that was asked for", Reason::UnknownKind(name.clone())))
    }
    /// Lays what was asked for over what was read.
    pub(super) fn apply(&self, fields: &mut Fields) {
        for (name, line) in [("title", &self.title), ("summary", &self.summary), ("licence", &self.licence)] {
            if let Some(line) = line {
                fields.insert(name.to_owned(), Value::Line(line.clone()));
            }
        }
        for (name, more) in [("subjects", &self.subjects), ("key_stages", &self.key_stages), ("tags", &self.tags)] {
            if !more.is_empty() {
                let have = fields.get(name).map_or(&[][..], Value::members);
                let all = Value::set(have.iter().chain(more).cloned());
                fields.insert(name.to_owned(), all);
            }
        }
        vocabulary::tidy(fields);
        fields.retain(|_, value| !value.is_empty());
    }
}
