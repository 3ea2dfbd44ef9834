//! JSON lines: one record a line, also compressed with gzip.
//!
//! Read as a stream: one line is held at a time, whatever the file's length and however far it expands.
//! A line that cannot be read is a refusal of that line. A file that is something else altogether (a
//! zip, a PDF, zeros, a table) is one refusal, not ten thousand.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use staffroom_protocol::record::kind::Kind;

use super::{
    draft::{Draft, Options},
    folder::unreadable,
    json,
    json::Reading,
    keys,
    refusal::{Reason, Refusal},
};

/// How long a line may be, in bytes: a record with the longest text, each of its characters escaped.
pub const LINE: usize = 1 << 20;
/// How much is looked at to tell what a file is, in bytes.
const FIRST_BLOCK: usize = 64 << 10;

/// The records of a file, in order.
pub struct JsonLines {
    what: String,
    options: Options,
    school: TimeZone,
    input: Box<dyn BufRead + Send>,
    read: Arc<AtomicU64>,
    /// Lines that were begun.
    line: u64,
    ended: bool,
}

/// Opens a file of JSON lines.
pub fn open(path: &Path, options: &Options) -> Result<JsonLines, Refusal> {
    let what = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let about = fs::metadata(path).map_err(|error| unreadable(&what, &error))?;
    if !about.is_file() {
        return Err(Refusal::new(what, Reason::NotAFile));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(&what, &error))?;
    JsonLines::new(&what, file, options)
}

impl JsonLines {
    /// Reads from anything; `what` names it in refusals.
    pub fn new(what: &str, input: impl Read + Send + 'static, options: &Options) -> Result<Self, Refusal> {
        let school = options.time_zone()?;
        options.asked_kind()?;
        let read = Arc::new(AtomicU64::new(0));
        let mut input = BufReader::with_capacity(FIRST_BLOCK, Counted { input, read: Arc::clone(&read) });
        let head = input.fill_buf().map_err(|error| unreadable(what, &error))?;
        let mut input: Box<dyn BufRead + Send> = if head.starts_with(b"\x1f\x8b") {
            Box::new(BufReader::with_capacity(FIRST_BLOCK, MultiGzDecoder::new(input)))
        } else {
            Box::new(input)
        };
        let head = input.fill_buf().map_err(|error| unpackable(what, &error))?;
        if let Some(other) = something_else(head) {
            return Err(Refusal::new(what, Reason::NotJsonLines(other)));
        }
        let mark = if head.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        input.consume(mark);
        Ok(Self { what: what.to_owned(), options: options.clone(), school, input, read, line: 0, ended: false })
    }

    /// How many bytes of the file were read so far, compressed ones where it is compressed.
    pub fn progress(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The line, counted from 1, that was read last.
    pub fn line(&self) -> u64 {
        self.line
    }

    fn refuse(&self, why: Reason) -> Refusal {
        Refusal::new(&self.what, why).at_line(self.line)
    }

    /// The next line into `bytes`, without its end; `false` at the end of the file.
    fn next_line(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Refusal> {
        self.line += 1;
        let (mut long, mut begun) = (false, false);
        loop {
            let block = self.input.fill_buf();
            let block = block.map_err(|error| unpackable(&self.what, &error).at_line(self.line));
            let block = block.inspect_err(|_| self.ended = true)?;
            if block.is_empty() {
                self.ended = true;
                return if long { Err(self.refuse(Reason::LineTooLong(LINE))) } else { Ok(begun) };
            }
            begun = true;
            let end = block.iter().position(|byte| *byte == b'\n');
            let part = &block[..end.unwrap_or(block.len())];
            if part.contains(&0) {
                self.ended = true;
                return Err(self.refuse(Reason::NotJsonLines("it holds what is not text")));
            }
            long = long || bytes.len() + part.len() > LINE;
            if !long {
                bytes.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return if long { Err(self.refuse(Reason::LineTooLong(LINE))) } else { Ok(true) };
            }
        }
    }

    fn draft(&self, line: &[u8]) -> Result<Draft, Refusal> {
        let text = std::str::from_utf8(line).map_err(|_| self.refuse(Reason::NotText))?;
        let json: Json = serde_json::from_str(text).map_err(|error| self.refuse(Reason::NotJson(plainly(&error))))?;
        let map = match json {
            Json::Object(map) => map,
            Json::Array(_) => return Err(self.refuse(Reason::NotAnObject("a list"))),
            Json::String(_) => return Err(self.refuse(Reason::NotAnObject("a text"))),
            _ => return Err(self.refuse(Reason::NotAnObject("a single value"))),
        };
        let kind = match (self.options.asked_kind()?, map.get("kind")) {
            (Some(kind), _) => kind,
            (None, None | Some(Json::Null)) => Kind::named("resource").ok_or_else(|| self.unknown("resource"))?,
            (None, Some(Json::String(name))) => Kind::named(name).ok_or_else(|| self.unknown(name))?,
            (None, Some(other)) => return Err(self.unknown(&json::shown(other))),
        };
        let located = |refusal: Refusal| Refusal { what: self.what.clone(), ..refusal }.at_line(self.line);
        let (fields, warnings) = json::fields_from_json_in(kind, &map, &self.school).map_err(located)?;
        let mut reading = Reading::of(kind, &self.school, fields, warnings);
        keys::settle_state(&mut reading);
        let Reading { mut fields, warnings, .. } = reading;
        self.options.apply(&mut fields);
        let draft = Draft { kind: kind.name.to_owned(), fields, attachments: Vec::new(), warnings };
        draft.check(&self.what).map_err(located)?;
        Ok(draft)
    }

    fn unknown(&self, kind: &str) -> Refusal {
        self.refuse(Reason::UnknownKind(kind.chars().take(60).collect()))
    }
}

impl Iterator for JsonLines {
    type Item = Result<Draft, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        while !self.ended {
            bytes.clear();
            match self.next_line(&mut bytes) {
                Err(refusal) => return Some(Err(refusal)),
                Ok(false) => return None,
                Ok(true) if bytes.trim_ascii().is_empty() => {}
                Ok(true) => return Some(self.draft(&bytes)),
            }
        }
        None
    }
}

/// What serde says, without the place in the line of one line.
fn plainly(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message);
    format!("{message}, at character {}", error.column())
}

fn unpackable(what: &str, error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Refusal::new(what, Reason::BadGzip(error.to_string()))
        }
        _ => unreadable(what, error),
    }
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

/// Counts what is read through it.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.read.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
        Ok(length)
    }
}
