//! Tables in CSV, as Excel and other programs save them: a record a row.
//!
//! The first row names the columns, by the same keys as front matter ([`keys`]). Cells may stand between
//! commas, semicolons or tabs; in UTF-8, UTF-16 or Windows-1252; and hold line breaks between quotation
//! marks. A row that cannot be read is a refusal of that row, by the line that it begins at.
//!
//! Where a row comes from: its `source`; else the file's name and its `id`; else the file's name and its
//! title, so that a row may move and a cell may change without making it another record.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    path::Path,
};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use staffroom_protocol::record::field::Value;

use super::{
    draft::{Draft, Options},
    encoding,
    json::{Reading, one_line},
    keys::{self, Said},
    lines::{self, Lines},
    refusal::{Reason, Refusal},
};

/// How long a row may be, in bytes: the longest text with each of its characters a doubled quotation mark, and more.
const ROW: usize = 1 << 20;
/// How many lines a row may have: a long text's.
const ROW_LINES: usize = 4_000;
/// How many columns a table may have.
const COLUMNS: usize = 256;
/// How many quotation marks without an end are forgiven before the file is given up.
const FORGIVEN: usize = 100;

/// The records of a table, in order.
pub struct Table {
    what: String,
    options: Options,
    school: TimeZone,
    rows: Rows,
    columns: Vec<String>,
    /// How often each title stood there so far: of two rows with one title, the second is another record.
    titles: BTreeMap<String, u32>,
}

/// Opens a table.
pub fn open(path: &Path, options: &Options) -> Result<Table, Refusal> {
    let (what, file) = lines::file(path)?;
    Table::new(&what, file, options)
}

impl Table {
    /// Reads from anything; `what` names it in refusals and in sources.
    pub fn new(what: &str, input: impl Read + Send + 'static, options: &Options) -> Result<Self, Refusal> {
        let school = options.time_zone()?;
        options.asked_kind()?;
        let lines = Lines::new(what, input, Reason::NotCsv("it holds what is not text"), true)?;
        let mut rows = Rows { lines, parser: Parser::new(b','), back: VecDeque::new(), open_quotes: 0 };
        let columns = rows.first()?;
        let (titles, what) = (BTreeMap::new(), what.to_owned());
        Ok(Self { what, options: options.clone(), school, rows, columns, titles })
    }

    /// How many bytes of the file were read so far, compressed ones where it is compressed.
    pub fn progress(&self) -> u64 {
        self.rows.lines.progress()
    }

    fn draft(&mut self, line: u64, cells: Vec<String>) -> Result<Draft, Refusal> {
        let refuse = |why| Refusal::new(&self.what, why).at_line(line);
        let filled = cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
        if filled > self.columns.len() {
            return Err(refuse(Reason::TooManyCells { is: filled, named: self.columns.len() }));
        }
        let mut said = Map::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            if cell.trim().is_empty() {
                continue;
            }
            // Two columns of one name: the second is kept under a name of its own.
            let free = !said.contains_key(column);
            let name = if free { column.clone() } else { format!("{column} ({})", said.len()) };
            said.insert(name, Json::from(cell));
        }
        let mut take = |names: &[&str]| {
            let name = said.keys().find(|key| names.contains(&keys::normal(key).as_str())).cloned()?;
            said.remove(&name).and_then(|json| json.as_str().map(str::to_owned))
        };
        let (body, id) = (take(&["body", "text", "programme", "what_happened"]), take(&["id"]));
        let said = Said::new(said);
        let kind = self.options.asked_kind()?.unwrap_or_else(|| said.kind());
        let mut reading = Reading::new(kind, &self.school);
        said.fill(&mut reading);
        keys::settle_state(&mut reading);
        match (kind.body, body) {
            (Some(name), Some(body)) => {
                let body = body.replace("\r\n", "\n");
                reading.fields.insert(name.to_owned(), Value::Text(body));
            }
            (None, Some(_)) => reading.warnings.push(format!("a {} has no text, so it is left out", kind.name)),
            (_, None) => {}
        }
        let Reading { mut fields, warnings, .. } = reading.finish();
        let line_of = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if line_of("source").is_empty() {
            let source = self.source(id.as_deref().unwrap_or_default(), &line_of("title"));
            fields.insert("source".to_owned(), Value::Line(source));
        }
        self.options.apply(&mut fields);
        let draft = Draft { kind: kind.name.to_owned(), fields, attachments: Vec::new(), warnings };
        draft.check(&self.what).map_err(|refusal| refusal.at_line(line))?;
        Ok(draft)
    }

    /// Where a row came from; empty where neither an id nor a title tells it from others.
    fn source(&mut self, id: &str, title: &str) -> String {
        let (file, id) = (one_line(&self.what), one_line(id.trim()));
        if !id.is_empty() {
            return format!("{file}#id {id}");
        }
        if title.is_empty() {
            return String::new();
        }
        let times = self.titles.entry(title.to_owned()).or_insert(0);
        *times += 1;
        if *times == 1 { format!("{file}#{title}") } else { format!("{file}#{title} #{times}") }
    }
}

impl Iterator for Table {
    type Item = Result<Draft, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (line, cells) = match self.rows.next()? {
                Ok(row) => row,
                Err(refusal) => return Some(Err(refusal)),
            };
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                return Some(self.draft(line, cells));
            }
        }
    }
}

/// The rows of a file, parted into cells.
struct Rows {
    lines: Lines,
    parser: Parser,
    /// Lines that were read and are to be read again.
    back: VecDeque<(u64, Vec<u8>)>,
    open_quotes: usize,
}

type Row = (u64, Vec<String>);

/// What became of the lines that one row was to have.
enum Parted {
    Row(Vec<String>),
    /// It goes on in the next line.
    GoesOn,
    TooMuch,
}

impl Rows {
    /// The names of the columns. Finds out what stands between cells by the way.
    fn first(&mut self) -> Result<Vec<String>, Refusal> {
        const NOTHING: &str = "its first line names no column that is known, such as title";
        let not_csv = |rows: &Self, why| rows.lines.refuse(Reason::NotCsv(why));
        let mut first = self.line()?.ok_or_else(|| not_csv(self, "it is empty"))?;
        // Excel itself writes this line where the separator is not the usual one.
        if let [b's', b'e', b'p', b'=', separator @ (b',' | b';' | b'\t'), ..] = first.1[..] {
            self.parser = Parser::new(separator);
            first = self.line()?.ok_or_else(|| not_csv(self, "it is empty"))?;
        } else {
            let count = |separator: &u8| first.1.split(|byte| byte == separator).count();
            let separator = [b',', b';', b'\t'].into_iter().rev().max_by_key(count).unwrap_or(b',');
            self.parser = Parser::new(separator);
        }
        self.back.push_front(first);
        let (_, cells) = self.next().ok_or_else(|| not_csv(self, "it is empty"))??;
        let mut columns: Vec<String> = cells.iter().map(|cell| one_line(cell.trim())).collect();
        columns.truncate(columns.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1));
        if columns.len() > COLUMNS {
            return Err(not_csv(self, "it has more than 256 columns"));
        }
        let known = columns.iter().any(|name| keys::is_known(name));
        if known { Ok(columns) } else { Err(not_csv(self, NOTHING)) }
    }

    fn line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Refusal> {
        if let Some(again) = self.back.pop_front() {
            return Ok(Some(again));
        }
        let mut bytes = Vec::new();
        let any = self.lines.next(ROW, &mut bytes)?;
        Ok(any.then(|| {
            bytes.push(b'\n');
            (self.lines.line(), bytes)
        }))
    }

    /// The next row and the line that it begins at.
    fn next(&mut self) -> Option<Result<Row, Refusal>> {
        self.parser.begin();
        let mut taken: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut length = 0;
        loop {
            let line = match self.line() {
                Ok(line) => line,
                Err(refusal) => return Some(Err(refusal)),
            };
            let Some((number, bytes)) = line else {
                // The file ends, and a quotation mark is open still.
                return if taken.is_empty() { None } else { Some(Err(self.give_up(taken))) };
            };
            if taken.is_empty() && bytes.trim_ascii().is_empty() {
                continue;
            }
            length += bytes.len();
            let (parted, used) = self.parser.feed(&bytes);
            let begins = taken.first().map_or(number, |(first, _)| *first);
            match parted {
                Parted::Row(cells) => {
                    let rest = bytes[used..].trim_ascii_start();
                    if !rest.is_empty() {
                        self.back.push_front((number, rest.to_vec()));
                    }
                    return Some(Ok((begins, cells)));
                }
                Parted::GoesOn if length <= ROW && taken.len() < ROW_LINES => taken.push((number, bytes)),
                Parted::GoesOn => {
                    taken.push((number, bytes));
                    return Some(Err(self.give_up(taken)));
                }
                Parted::TooMuch => {
                    let why = Reason::LineTooLong(ROW);
                    return Some(Err(Refusal { line: Some(begins), ..self.lines.refuse(why) }));
                }
            }
        }
    }

    /// Refuses the first of these lines, and reads the others again: an open quotation mark costs its own
    /// row only.
    fn give_up(&mut self, mut taken: Vec<(u64, Vec<u8>)>) -> Refusal {
        let (first, _) = taken.remove(0);
        self.open_quotes += 1;
        if self.open_quotes <= FORGIVEN {
            taken.into_iter().rev().for_each(|line| self.back.push_front(line));
        }
        Refusal { line: Some(first), ..self.lines.refuse(Reason::OpenQuote) }
    }
}

/// Parts one row into cells.
struct Parser {
    reader: Reader,
    cells: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    ended: usize,
}

impl Parser {
    fn new(separator: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(separator).build();
        Self { reader, cells: vec![0; 1_024], written: 0, ends: vec![0; COLUMNS * 2], ended: 0 }
    }

    /// Gets ready for another row.
    fn begin(&mut self) {
        self.reader.reset();
        (self.written, self.ended) = (0, 0);
    }

    /// Takes a line; how much of it belongs to the row is told too.
    fn feed(&mut self, line: &[u8]) -> (Parted, usize) {
        let mut used = 0;
        loop {
            let rest = &line[used..];
            if rest.is_empty() {
                return (Parted::GoesOn, used);
            }
            let (result, read, wrote, ended) =
                self.reader.read_record(rest, &mut self.cells[self.written..], &mut self.ends[self.ended..]);
            used += read;
            self.written += wrote;
            self.ended += ended;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::End => return (Parted::GoesOn, used),
                ReadRecordResult::OutputFull if self.cells.len() <= ROW => {
                    let double = self.cells.len() * 2;
                    self.cells.resize(double, 0);
                }
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return (Parted::TooMuch, used),
                ReadRecordResult::Record => return (Parted::Row(self.parted()), used),
            }
        }
    }

    fn parted(&self) -> Vec<String> {
        let ends = &self.ends[..self.ended];
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let cell = |(start, end): (usize, &usize)| encoding::text(&self.cells[start..*end]).into_owned();
        starts.zip(ends).map(cell).collect()
    }
}
