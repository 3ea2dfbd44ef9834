//! Content lines of a calendar (RFC 5545 §3.1): unfolded, bounded, parted into name, parameters, value.
//!
//! Folding is undone on bytes, so that a fold inside a character of several bytes does no harm. Text is
//! UTF-8, or Windows-1252 where it is not, as older programs write it.

use super::super::{
    encoding,
    lines::Lines,
    refusal::{Reason, Refusal},
};

/// How long one content line may be, unfolded, in bytes: a description of twice the longest text, escaped.
pub(super) const LINE: usize = 256 << 10;
/// How many parameters a property may have.
const PARAMETERS: usize = 64;

/// A property: `DTSTART;TZID=Europe/London:20250624T160000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Property {
    /// Its name in capitals.
    pub(super) name: String,
    /// Its parameters, names in capitals.
    parameters: Vec<(String, String)>,
    /// What stands behind the colon, as it is written.
    pub(super) value: String,
}

impl Property {
    /// The value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How much room it takes, in bytes.
    pub(super) fn weight(&self) -> usize {
        let parameters: usize = self.parameters.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.name.len() + self.value.len() + parameters + 64
    }

    /// The value as text, escapes resolved.
    pub(super) fn text(&self) -> String {
        unescaped(&self.value)
    }

    /// The values between commas that are not escaped, escapes resolved.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut parts = vec![String::new()];
        let mut escaped = false;
        for c in self.value.chars() {
            match c {
                ',' if !escaped => parts.push(String::new()),
                _ => parts.last_mut().expect("there is one from the start").push(c),
            }
            escaped = c == '\\' && !escaped;
        }
        parts.iter().map(|part| unescaped(part)).collect()
    }
}

/// `\n`, `\,`, `\;` and `\\` as what they stand for; any other backslash stays.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'N') => out.push('\n'),
            Some(c @ (',' | ';' | '\\' | ':' | '"')) => out.push(c),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// The content lines of a file.
pub(super) struct Content {
    pub(super) lines: Lines,
    /// A line that was read and begins the next content line.
    pending: Option<(u64, Vec<u8>)>,
    /// How many lines had no colon and were passed over.
    pub(super) odd: u64,
}

impl Content {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, pending: None, odd: 0 }
    }

    /// The next property and the line it begins at; `None` at the end. One that is too long is said, and
    /// passed over.
    pub(super) fn next(&mut self) -> Option<Result<(u64, Property), Refusal>> {
        loop {
            let (line, bytes) = match self.unfolded()? {
                Ok(read) => read,
                Err(refusal) => return Some(Err(refusal)),
            };
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            match property(&encoding::text(&bytes)) {
                Some(property) => return Some(Ok((line, property))),
                None => self.odd += 1,
            }
        }
    }

    /// A content line with its folds undone.
    fn unfolded(&mut self) -> Option<Result<(u64, Vec<u8>), Refusal>> {
        let (line, mut bytes) = match self.pending.take() {
            Some(begun) => begun,
            None => match self.physical() {
                Ok(Some(begun)) => begun,
                Ok(None) => return None,
                Err(refusal) => return Some(Err(refusal)),
            },
        };
        let mut long = false;
        loop {
            match self.physical() {
                Ok(Some((_, next))) if matches!(next.first(), Some(b' ' | b'\t')) => {
                    long |= bytes.len() + next.len() > LINE;
                    if !long {
                        bytes.extend_from_slice(&next[1..]);
                    }
                }
                Ok(next) => {
                    self.pending = next;
                    break;
                }
                // What folds on beyond the bound is a part of this line still.
                Err(refusal) if matches!(refusal.why, Reason::LineTooLong(_)) => return Some(Err(refusal)),
                Err(refusal) => return Some(Err(refusal)),
            }
        }
        let too_long = || Refusal { line: Some(line), ..self.lines.refuse(Reason::LineTooLong(LINE)) };
        Some(if long { Err(too_long()) } else { Ok((line, bytes)) })
    }

    fn physical(&mut self) -> Result<Option<(u64, Vec<u8>)>, Refusal> {
        let mut bytes = Vec::new();
        if !self.lines.next(LINE, &mut bytes)? {
            return Ok(None);
        }
        while bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Ok(Some((self.lines.line(), bytes)))
    }
}

/// Parts a content line; nothing where it is none.
fn property(line: &str) -> Option<Property> {
    let end = line.find([':', ';'])?;
    let name = line[..end].trim().to_ascii_uppercase();
    if name.is_empty() || name.len() > 60 {
        return None;
    }
    let mut parameters = Vec::new();
    let mut rest = &line[end..];
    while let Some(after) = rest.strip_prefix(';') {
        let (parameter, behind) = part(after, |c| c == ';' || c == ':')?;
        if let Some((name, value)) = parameter.split_once('=').filter(|_| parameters.len() < PARAMETERS) {
            parameters.push((name.trim().to_ascii_uppercase(), plain(value)));
        }
        rest = behind;
    }
    Some(Property { name, parameters, value: rest.strip_prefix(':')?.to_owned() })
}

/// The text before the first of these characters that does not stand between quotation marks.
fn part(text: &str, ends: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        !quoted && ends(*c)
    });
    end.map(|(at, _)| text.split_at(at))
}

/// A parameter's value without quotation marks, its own escapes (RFC 6868) resolved.
fn plain(value: &str) -> String {
    let value = value.trim().trim_matches('"');
    if !value.contains('^') {
        return value.to_owned();
    }
    value.replace("^n", "\n").replace("^'", "\"").replace("^^", "^")
}
