//! All that is printed, for people and as JSON, in one place.
//!
//! What records hold was written by others. Nothing of it reaches a terminal that could move the
//! cursor, recolour, retitle or reorder: every line for people passes [`harmless`], and JSON carries
//! such characters as escapes. No colours at all, so none where they are not wanted.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use staffroom_node::api::Failure;

use crate::failure::Done;

/// How a command speaks.
#[derive(Debug)]
pub(crate) struct Output {
    /// One JSON document instead of words.
    pub(crate) json: bool,
    /// Only what was asked for and what went wrong.
    pub(crate) quiet: bool,
}

impl Output {
    /// A line, or several, for people, on standard output.
    pub(crate) fn say(&self, text: &str) -> Done {
        if self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(harmless(text).as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
    /// The same, left out with `--quiet`.
    pub(crate) fn remark(&self, text: &str) -> Done {
        if self.quiet { Ok(()) } else { self.say(text) }
    }
    /// A JSON document on a line of its own, on standard output; nothing without `--json`.
    pub(crate) fn json(&self, value: &impl Serialize) -> Done {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string(value).map_err(io::Error::from)?;
        let mut out = io::stdout().lock();
        out.write_all(escaped(&text).as_bytes())?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    }
    /// A line beside the output, on standard error: warnings, progress.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            // Where standard error is gone, nobody is there to be told.
            let _ = writeln!(io::stderr(), "{}", harmless(text));
        }
    }
    /// What a person must read now, on standard error, also with `--quiet`.
    pub(crate) fn urge(&self, text: &str) {
        if !self.json {
            let _ = writeln!(io::stderr(), "{}", harmless(text));
        }
    }
    /// A JSON line beside the output, on standard error; nothing without `--json`.
    pub(crate) fn aside(&self, value: &serde_json::Value) {
        if self.json {
            let _ = writeln!(io::stderr(), "{}", escaped(&value.to_string()));
        }
    }
    /// What went wrong and what to try, on standard error.
    pub(crate) fn report(&self, failure: &Failure) {
        let text = if self.json {
            escaped(&serde_json::json!({ "error": failure }).to_string()).into_owned()
        } else {
            let lines = failure.hints.iter().map(|hint| format!("hint: {}", one_line(hint)));
            let all: Vec<String> =
                [format!("error: {}", one_line(&failure.message))].into_iter().chain(lines).collect();
            all.join("\n")
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
    /// A bar of so many steps on standard error, where that is a terminal.
    pub(crate) fn bar(&self, steps: u64, style: &str) -> ProgressBar {
        let target = if self.quiet || self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(steps), target).with_style(style.progress_chars("=> "))
    }
    /// A sign of life on standard error, where that is a terminal.
    pub(crate) fn spinner(&self, what: &'static str) -> ProgressBar {
        let bar = self.bar(0, "{spinner} {msg}").with_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
    /// Whether a person reads standard output in a terminal.
    pub(crate) fn to_terminal(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }
}

/// Text as it is, on standard output, whatever the flags say: completions, help.
pub(crate) fn verbatim(text: &str) -> Done {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Whether what is printed goes to a screen, where it may act, rather than to a file or a program.
pub(crate) fn is_read_by_a_person() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person can be asked something.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// How many letters fit in a line: the terminal's width, or 100.
pub(crate) fn width() -> usize {
    let columns = terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0));
    columns.filter(|columns| *columns >= 40).unwrap_or(100)
}

/// Characters that act on a terminal or on how a line reads, rather than being read.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text without characters that act on a terminal: escape sequences, bidirectional overrides, bells.
/// Line breaks and tabs stay.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let acts = |c: char| is_harmful(c) && !matches!(c, '\n' | '\t');
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let text = text.replace("\r\n", "\n");
    Cow::Owned(text.chars().map(|c| if acts(c) { '\u{fffd}' } else { c }).collect())
}

/// The same on one line: a title cannot pretend to be two lines of a list.
pub(crate) fn one_line(text: &str) -> String {
    harmless(text).chars().map(|c| if matches!(c, '\n' | '\t') { ' ' } else { c }).collect()
}

/// JSON with such characters as escapes; the same document. They stand in strings only.
fn escaped(json: &str) -> Cow<'_, str> {
    use std::fmt::Write as _;
    if !json.contains(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_harmful(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A number with commas between thousands: 12,517.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>();
    groups.join(",")
}

/// So many of something: "1 record", "2 records".
pub(crate) fn some(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// Names in a sentence: "A", "A and B", "A, B and C".
pub(crate) fn and(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Bytes as people say them.
pub(crate) fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", tenths(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_on_a_terminal_passes() {
        let hostile = "a\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J\rb\u{202e}txt.exe\u{2066}\u{200f}\0\u{feff}";
        let shown = harmless(hostile);
        assert!(!shown.contains(is_harmful), "{shown:?}");
        assert!(shown.contains("red") && shown.contains("txt.exe"));
        assert_eq!(
            harmless("Ysgol y Bont, \u{1f469}\u{200d}\u{1f3eb}\tété\nthen\r\nmore"),
            "Ysgol y Bont, \u{1f469}\u{200d}\u{1f3eb}\tété\nthen\r\nmore".replace("\r\n", "\n")
        );
        assert_eq!(one_line("one\ntwo\tthree"), "one two three");
    }

    #[test]
    fn escaped_json_is_the_same_document() {
        let value = serde_json::json!({ "title": "a\u{1b}[31m\u{9b}2J\u{202e}b\u{e0041}", "n": 1 });
        let text = value.to_string();
        let safe = escaped(&text);
        assert!(!safe.contains(is_harmful), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), Some(value));
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!((count(7), count(1_200), count(12_517)), ("7".into(), "1,200".into(), "12,517".into()));
        assert_eq!(size(1_536_000), "1.5 MB");
        assert_eq!(and(&["A".into(), "B".into(), "C".into()]), "A, B and C");
    }
}
