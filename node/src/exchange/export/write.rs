//! Writes an export, record by record. One record is held at a time, and a line for the page that lists it
//! waits in a file that has no name.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Read, Seek as _, Write as _},
    path::Path,
};

use serde_json::json;
use staffroom_protocol::record::{
    field::{BlobRef, Value},
    kind::{self, Kind},
};

use super::{
    FILES, INDEX, LINES, MARK, VERSION,
    page::{Exported, Places},
    sink::{self, Sink},
};

/// How many characters of a title stand in a file's name.
const SLUG: usize = 60;
/// How many letters of an id stand in a file's name.
const SHORT: usize = 6;

/// What the records are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page of Markdown a record.
    Markdown,
    /// A line of JSON a record.
    JsonLines,
}

/// What an export says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// The school whose node made it.
    pub school: String,
    /// When, as people write a date.
    pub made: String,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its file, from the top of the export.
    pub file: String,
    /// What is missing of it, a sentence each.
    pub warnings: Vec<String>,
}

/// Why an export cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Something is there already.
    #[error("there is something there already")]
    NotEmpty,
    /// The disk.
    #[error("it cannot be written: {0}")]
    Disk(#[from] io::Error),
}

/// Opens an attachment to be read; or says why it cannot be.
pub type Open<'a> = dyn FnMut(&BlobRef) -> Result<Box<dyn Read>, String> + 'a;

/// An export that is being written.
pub struct Exporter<'a> {
    sink: Box<dyn Sink>,
    format: Format,
    about: About,
    open: &'a mut Open<'a>,
    /// Of each kind, how many records there are, and the lines that list them.
    kinds: BTreeMap<String, (u64, BufWriter<File>)>,
    /// The lines of an export in JSON lines: an archive takes one file after the other, and attachments come between.
    lines: Option<BufWriter<File>>,
    records: u64,
}

impl<'a> Exporter<'a> {
    /// Begins one in an empty or missing folder, or in a file whose name ends in `.zip`.
    pub fn new(to: &Path, format: Format, about: About, open: &'a mut Open<'a>) -> Result<Self, Failed> {
        let sink = sink::open(to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failed::NotEmpty,
            _ => Failed::Disk(error),
        })?;
        let lines = match format {
            Format::JsonLines => Some(BufWriter::new(tempfile::tempfile()?)),
            Format::Markdown => None,
        };
        Ok(Self { sink, format, about, open, kinds: BTreeMap::new(), lines, records: 0 })
    }

    /// Writes one record with its attachments.
    pub fn record(&mut self, record: &Exported) -> Result<Written, Failed> {
        let (files, warnings) = self.files(record)?;
        self.records += 1;
        if let Some(lines) = &mut self.lines {
            writeln!(lines, "{}", record.to_json_line(&files))?;
            return Ok(Written { file: LINES.to_owned(), warnings });
        }
        let folder = slug(&record.kind, "other");
        let title = kind::title(&record.kind, &record.fields);
        let relative = files.into_iter().map(|(blob, file)| (blob, file.map(|file| format!("../{file}")))).collect();
        let name = self.named(&folder, &title, &record.id.to_string())?;
        self.sink.write(record.to_markdown(&relative).as_bytes())?;
        self.list(&folder, &name, &title, record)?;
        Ok(Written { file: format!("{folder}/{name}"), warnings })
    }

    /// Makes the file of a record: its title, and as much of its id as tells it from others.
    fn named(&mut self, folder: &str, title: &str, id: &str) -> Result<String, Failed> {
        for letters in [SHORT, SHORT * 2, id.len()] {
            let name = format!("{}-{}.md", slug(title, "untitled"), &id[..letters.min(id.len())]);
            match self.sink.file(&format!("{folder}/{name}"), false) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return Ok(made.map(|()| name)?),
            }
        }
        Err(Failed::NotEmpty)
    }

    /// A line in the list of its kind.
    fn list(&mut self, folder: &str, name: &str, title: &str, record: &Exported) -> Result<(), Failed> {
        if !self.kinds.contains_key(folder) {
            self.kinds.insert(folder.to_owned(), (0, BufWriter::new(tempfile::tempfile()?)));
        }
        let Some((count, lines)) = self.kinds.get_mut(folder) else { return Ok(()) };
        *count += 1;
        let line = |name: &str| record.fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let (title, school) = (plain(title), plain(&record.school.0));
        let when = plain(line("start").split('[').next().unwrap_or_default());
        writeln!(lines, "| [{title}]({}) | {school} | {} | {when} |", link(name), plain(line("state")))?;
        Ok(())
    }

    /// Writes what is attached to a record.
    fn files(&mut self, record: &Exported) -> Result<(Places, Vec<String>), Failed> {
        let (mut places, mut warnings) = (Places::new(), Vec::new());
        let Some(Value::Blobs(blobs)) = record.fields.get("attachments") else { return Ok((places, warnings)) };
        let id = record.id.to_string();
        for blob in blobs {
            let mut from = match (self.open)(blob) {
                Ok(from) => from,
                Err(why) => {
                    warnings.push(format!("{} is not exported: {why}", blob.name));
                    places.push((blob.clone(), None));
                    continue;
                }
            };
            let path = self.place_for(&id, blob)?;
            let why = match sink::copy(&mut *self.sink, &mut *from)? {
                Ok(length) if length == blob.bytes => None,
                Ok(length) => Some(format!("it has {length} bytes, and {} were to be there", blob.bytes)),
                Err(why) => Some(why),
            };
            if let Some(why) = &why {
                self.sink.take_back()?;
                warnings.push(format!("{} is not exported: {why}", blob.name));
            }
            places.push((blob.clone(), why.is_none().then_some(path)));
        }
        Ok((places, warnings))
    }

    /// Makes the file of an attachment under a name that any disk can hold.
    fn place_for(&mut self, id: &str, blob: &BlobRef) -> Result<String, Failed> {
        let name = file_name(&blob.name);
        for number in 0..1_000_u32 {
            let before = if number == 0 { String::new() } else { format!("{number}-") };
            let path = format!("{FILES}/{id}/{before}{name}");
            match self.sink.file(&path, blob.bytes >= u64::from(u32::MAX)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return Ok(made.map(|()| path)?),
            }
        }
        Err(Failed::NotEmpty)
    }

    /// Writes the lists and, last, the mark that says that it is complete; gives back how many records it has.
    pub fn finish(mut self) -> Result<u64, Failed> {
        if let Some(lines) = self.lines.take() {
            self.sink.file(LINES, true)?;
            self.pour(lines)?;
        }
        let mut top = format!(
            "# What {} exported\n\n{} records, {}. Each page has its fields at the top and its text below; what is \
             attached lies in `{FILES}`.\n",
            plain(&self.about.school),
            self.records,
            self.about.made
        );
        if self.format == Format::JsonLines {
            top.push_str(&format!("\nThe records stand in [{LINES}]({LINES}), one a line.\n"));
        } else {
            top.push_str("\n| what | how many |\n|---|---|\n");
        }
        for (folder, (count, lines)) in std::mem::take(&mut self.kinds) {
            let label = Kind::named(&folder).map_or(folder.clone(), |kind| kind.label.to_owned());
            top.push_str(&format!("| [{}]({folder}/{INDEX}) | {count} |\n", plain(&label)));
            self.sink.file(&format!("{folder}/{INDEX}"), false)?;
            let head = format!("# {}\n\n| title | school | state | when |\n|---|---|---|---|\n", plain(&label));
            self.sink.write(head.as_bytes())?;
            self.pour(lines)?;
        }
        self.sink.file(INDEX, false)?;
        self.sink.write(top.as_bytes())?;
        self.sink.file(MARK, false)?;
        let format = if self.format == Format::Markdown { "markdown" } else { "jsonl" };
        let mark = json!({
            "program": "staffroom", "version": VERSION, "format": format, "records": self.records,
            "school": self.about.school, "made": self.about.made
        });
        self.sink.write(format!("{mark:#}\n").as_bytes())?;
        self.sink.finish()?;
        Ok(self.records)
    }

    /// What waited in a file without a name, into the file that was made last.
    fn pour(&mut self, lines: BufWriter<File>) -> Result<(), Failed> {
        let mut file = lines.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        sink::copy(&mut *self.sink, &mut file)?.map_err(io::Error::other)?;
        Ok(())
    }
}

/// A text as a part of a file's name that every disk takes: small letters, digits and dashes.
fn slug(text: &str, nothing: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if slug.len() >= SLUG {
            break;
        }
        match c {
            _ if c.is_alphanumeric() => slug.push(c),
            '\'' | '’' => {}
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { nothing.to_owned() } else { slug.to_owned() }
}

/// The name of an attachment as every disk takes it.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')') { c } else { '_' };
    let safe: String = name.chars().map(safe).collect();
    let safe = safe.trim_matches([' ', '.']);
    let (stem, ending) = match safe.rsplit_once('.') {
        Some((stem, ending)) if ending.len() <= 16 => (stem, format!(".{ending}")),
        _ => (safe, String::new()),
    };
    let mut stem: String = stem
        .chars()
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= 120).then_some(c)
        })
        .collect();
    // Windows keeps these for devices.
    let devices = ["con", "prn", "aux", "nul", "com", "lpt"];
    let base = stem.split('.').next().unwrap_or_default().to_lowercase();
    if stem.is_empty() || devices.iter().any(|device| base.trim_end_matches(|c: char| c.is_ascii_digit()) == *device) {
        stem.insert_str(0, "file-");
    }
    format!("{}{ending}", stem.trim_end_matches([' ', '.']))
}

/// A text in a table of Markdown, with nothing in it that Markdown or HTML acts on.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '[' | ']' | '\\' | '`' | '*' | '_' | '<' | '>' | '&' | '#' | '!') {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// A file's name as the address of a link.
fn link(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_suit_every_disk() {
        assert_eq!(slug("Year 7: Fractions & decimals", "x"), "year-7-fractions-decimals");
        assert_eq!(slug("../../etc", "x"), "etc");
        assert_eq!(slug("?!", "untitled"), "untitled");
        assert_eq!(file_name("../a/b.png"), "_a_b.png");
        assert_eq!(file_name("CON"), "file-CON");
        assert_eq!(file_name("com1.txt"), "file-com1.txt");
        assert_eq!(file_name("a.png. "), "a.png");
        assert_eq!(file_name(""), "file-");
    }

    proptest! {
        #[test]
        fn any_name_stays_in_its_folder(name in "\\PC{0,200}") {
            for safe in [slug(&name, "x"), file_name(&name)] {
                prop_assert!(!safe.is_empty() && safe.len() <= 200, "{safe}");
                prop_assert!(!safe.contains(['/', '\\', ':', '\0']) && !safe.starts_with('.'), "{safe}");
            }
        }
    }
}
