//! A Markdown text as a draft: front matter, title, body. Touches no disk.
//!
//! The body is kept byte for byte, but for a byte order mark and the empty line after front matter.

use staffroom_protocol::{limits, record::field::Value};

use super::{
    draft::{Draft, Options},
    figures, front_matter,
    json::{Reading, one_line},
    keys::{self, Said},
    refusal::{Reason, Refusal},
};

/// The longest file that can hold a body and front matter within their bounds, in bytes.
pub const LONGEST_FILE: usize = limits::TEXT + front_matter::MOST + 64;

/// A text that was read, and the pictures in it, which only its folder can tell about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The draft, without attachments.
    pub draft: Draft,
    /// The addresses of its pictures, as written, each once.
    pub images: Vec<String>,
}

/// The text of a file, without a byte order mark.
pub fn decode<'a>(what: &str, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| Refusal::new(what, Reason::NotText))
}

/// Reads a Markdown text.
///
/// `name` is the file's name and gives a title where nothing else does; `source` is where it came from
/// unless its front matter says so.
pub fn read(name: &str, source: &str, bytes: &[u8], options: &Options) -> Result<Page, Refusal> {
    let what = if source.is_empty() { name } else { source };
    let too_long = |is: usize| {
        let is = u64::try_from(is).unwrap_or(u64::MAX);
        Err(Refusal::new(what, Reason::TooLong { is, most: limits::TEXT }))
    };
    if bytes.len() > LONGEST_FILE {
        return too_long(bytes.len());
    }
    let school = options.time_zone()?;
    let front = front_matter::read(what, decode(what, bytes)?)?;
    if front.body.len() > limits::TEXT {
        return too_long(front.body.len());
    }
    let said = Said::new(front.keys);
    let kind = options.asked_kind()?.unwrap_or_else(|| said.kind());
    let mut reading = Reading::new(kind, &school);
    reading.warnings.extend(front.warnings);
    said.fill(&mut reading);
    keys::settle_state(&mut reading);

    let outline = figures::outline(front.body);
    let fields = &mut reading.fields;
    match kind.body {
        Some(body) => drop(fields.insert(body.to_owned(), Value::Text(front.body.to_owned()))),
        None if front.body.trim().is_empty() => {}
        None => reading.warnings.push(format!("a {} has no text, so what stands there is left out", kind.name)),
    }
    let mut default = |field: &str, line: String| {
        fields.entry(field.to_owned()).or_insert(Value::Line(one_line(&line)));
    };
    if kind.titled_by == "title" {
        default("title", outline.heading.unwrap_or_else(|| readable(name)));
    }
    default("source", source.to_owned());

    let mut reading = reading.finish();
    options.apply(&mut reading.fields);
    let Reading { fields, warnings, .. } = reading;
    let draft = Draft { kind: kind.name.to_owned(), fields, attachments: Vec::new(), warnings };
    draft.check(what)?;
    Ok(Page { draft, images: outline.images })
}

/// A file's name as a title: `sr2017-bristol_kickstart.md` is "Sr2017 bristol kickstart".
pub fn readable(name: &str) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() && ending.len() <= 8 && !ending.contains(' ') => stem,
        _ => name,
    };
    let spaced = one_line(stem).replace(['_', '-'], " ");
    let words = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = if words.is_empty() { one_line(name) } else { words };
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
