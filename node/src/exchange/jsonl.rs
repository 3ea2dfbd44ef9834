//! JSON lines: one record a line, also compressed with gzip.
//!
//! Read as a stream: one line is held at a time, whatever the file's length and however far it expands.
//! A line that cannot be read is a refusal of that line. A file that is something else altogether (a
//! zip, a PDF, zeros, a table) is one refusal, not ten thousand.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;
use serde_json::Value as Json;
use staffroom_protocol::record::kind::Kind;

use super::{
    draft::{Draft, Options},
    export::page,
    import::Found,
    json,
    json::Reading,
    keys,
    lines::{self, Lines},
    refusal::{Reason, Refusal},
};

/// How long a line may be, in bytes: a record with all of its fields at their longest, and escapes in them.
pub const LINE: usize = 4 << 20;
/// The records of a file, in order.
pub struct JsonLines {
    what: String,
    options: Options,
    school: TimeZone,
    lines: Lines,
    /// Where the files of an exported record lie.
    folder: Option<PathBuf>,
}

/// Opens a file of JSON lines.
pub fn open(path: &Path, options: &Options) -> Result<JsonLines, Refusal> {
    let (what, file) = lines::file(path)?;
    let folder = path.parent().map(Path::to_owned);
    Ok(JsonLines { folder, ..JsonLines::new(&what, file, options)? })
}

impl JsonLines {
    /// Reads from anything; `what` names it in refusals.
    pub fn new(what: &str, input: impl Read + Send + 'static, options: &Options) -> Result<Self, Refusal> {
        let school = options.time_zone()?;
        options.asked_kind()?;
        let mut lines = Lines::new(what, input, Reason::NotJsonLines("it holds what is not text"), false)?;
        if let Some(other) = something_else(lines.head()?) {
            return Err(Refusal::new(what, Reason::NotJsonLines(other)));
        }
        Ok(Self { what: what.to_owned(), options: options.clone(), school, lines, folder: None })
    }

    /// How many bytes of the file were read so far, compressed ones where it is compressed.
    pub fn progress(&self) -> u64 {
        self.lines.progress()
    }

    /// The line, counted from 1, that was read last.
    pub fn line(&self) -> u64 {
        self.lines.line()
    }

    fn refuse(&self, why: Reason) -> Refusal {
        self.lines.refuse(why)
    }

    /// The next record, with what it was where it comes out of an export.
    pub fn found(&mut self) -> Option<Result<Found, Refusal>> {
        let mut bytes = Vec::new();
        while !self.lines.ended() {
            bytes.clear();
            match self.lines.next(LINE, &mut bytes) {
                Err(refusal) => return Some(Err(refusal)),
                Ok(false) => return None,
                Ok(true) if bytes.trim_ascii().is_empty() => {}
                Ok(true) => return Some(self.read(&bytes)),
            }
        }
        None
    }

    fn read(&self, line: &[u8]) -> Result<Found, Refusal> {
        let text = std::str::from_utf8(line).map_err(|_| self.refuse(Reason::NotText))?;
        let json: Json = serde_json::from_str(text).map_err(|error| self.refuse(Reason::NotJson(plainly(&error))))?;
        let map = match json {
            Json::Object(map) => map,
            Json::Array(_) => return Err(self.refuse(Reason::NotAnObject("a list"))),
            Json::String(_) => return Err(self.refuse(Reason::NotAnObject("a text"))),
            _ => return Err(self.refuse(Reason::NotAnObject("a single value"))),
        };
        let located = |refusal: Refusal| Refusal { what: self.what.clone(), ..refusal }.at_line(self.line());
        if page::is_exported(&map) {
            return page::of_map(map, None, self.folder.as_deref()).map_err(located);
        }
        let kind = match (self.options.asked_kind()?, map.get("kind")) {
            (Some(kind), _) => kind,
            (None, None | Some(Json::Null)) => Kind::named("resource").ok_or_else(|| self.unknown("resource"))?,
            (None, Some(Json::String(name))) => Kind::named(name).ok_or_else(|| self.unknown(name))?,
            (None, Some(other)) => return Err(self.unknown(&json::shown(other))),
        };
        let (fields, warnings) = json::fields_from_json_in(kind, &map, &self.school).map_err(located)?;
        let mut reading = Reading::of(kind, &self.school, fields, warnings);
        keys::settle_state(&mut reading);
        let Reading { mut fields, warnings, .. } = reading;
        self.options.apply(&mut fields);
        let draft = Draft { kind: kind.name.to_owned(), fields, attachments: Vec::new(), warnings };
        draft.check(&self.what).map_err(located)?;
        Ok(Found::from(draft))
    }

    fn unknown(&self, kind: &str) -> Refusal {
        self.refuse(Reason::UnknownKind(kind.chars().take(60).collect()))
    }
}

impl Iterator for JsonLines {
    type Item = Result<Draft, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        self.found().map(|found| found.map(|found| found.draft))
    }
}

/// What serde says, without the place in the line of one line.
fn plainly(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    format!("{message}, at character {}", error.column())
}

/// What a file is instead of JSON lines, by its first block.
fn something_else(head: &[u8]) -> Option<&'static str> {
    const SIGNS: &[(&[u8], &str)] = &[
        (b"PK\x03\x04", "it is a zip archive, or a Word, PowerPoint or OpenDocument file"),
        (b"%PDF", "it is a PDF"),
        (b"\x89PNG", "it is a picture"),
        (b"\xff\xd8\xff", "it is a picture"),
        (b"GIF8", "it is a picture"),
        (b"\x1f\x8b", "it is compressed twice"),
        (b"\xd0\xcf\x11\xe0", "it is an old Word, Excel or PowerPoint file"),
        (b"SQLite format 3", "it is a database"),
        (b"\xff\xfe", "it is text in UTF-16, not in UTF-8"),
        (b"\xfe\xff", "it is text in UTF-16, not in UTF-8"),
        (b"BEGIN:VCALENDAR", "it is a calendar"),
    ];
    let sign = SIGNS.iter().find(|(sign, _)| head.starts_with(sign));
    if let Some((_, what)) = sign {
        return Some(what);
    }
    if head.contains(&0) {
        return Some("it holds what is not text");
    }
    // A character may be cut at the end of the block.
    if std::str::from_utf8(head).is_err_and(|error| error.error_len().is_some() && error.valid_up_to() < 512) {
        return Some("it is not text in UTF-8");
    }
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let first = lines.next()?;
    if first == b"{" || first.starts_with(b"[") {
        return Some("it is one piece of JSON over many lines; put each record on a line of its own");
    }
    let any = first.starts_with(b"{") || lines.take(20).any(|line| line.starts_with(b"{"));
    if any { None } else { Some("its lines do not start with a brace") }
}
