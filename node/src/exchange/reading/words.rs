//! Text as it is gathered: bounded, without what is no text, white space as one space.

use super::{Reading, TEXT, title};

/// Gathers words.
#[derive(Debug, Default)]
pub(super) struct Words {
    text: String,
    cut: bool,
    heading: Option<String>,
}

impl Words {
    /// How long it is so far: a place to come back to with [`Self::since`].
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
    /// Whether no more goes in.
    pub(super) fn is_full(&self) -> bool {
        self.cut
    }
    /// What was said since a place.
    pub(super) fn since(&self, place: usize) -> &str {
        self.text.get(place..).unwrap_or_default().trim()
    }
    /// More of the same word or line. Any white space in it is one space.
    pub(super) fn push(&mut self, more: &str) {
        for c in more.chars() {
            if c.is_whitespace() {
                self.space();
            } else if !c.is_control() && c != '\u{feff}' && c != '\u{ad}' {
                self.put(c);
            }
        }
    }
    /// A space, unless there is one.
    pub(super) fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\t', '\n']) {
            self.put(' ');
        }
    }
    /// The next cell of a row.
    pub(super) fn tab(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() && !self.text.ends_with(['\t', '\n']) {
            self.put('\t');
        }
    }
    /// The end of a line.
    pub(super) fn line(&mut self) {
        self.text.truncate(self.text.trim_end_matches([' ', '\t']).len());
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.put('\n');
        }
    }
    /// The end of a page, a slide, a sheet: an empty line.
    pub(super) fn part(&mut self) {
        self.line();
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.put('\n');
        }
    }
    /// A heading; the first that says something may be the title.
    pub(super) fn heading(&mut self, heading: &str) {
        if self.heading.is_none() {
            self.heading = title::heading(heading);
        }
    }
    /// All of it.
    pub(super) fn done(mut self) -> Reading {
        self.text.truncate(self.text.trim_end().len());
        Reading { title: self.heading, text: self.text, cut: self.cut }
    }

    fn put(&mut self, c: char) {
        if self.text.len() + c.len_utf8() <= TEXT {
            self.text.push(c);
        } else {
            self.cut = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_one_space_and_empty_lines_are_none() {
        let mut words = Words::default();
        words.line();
        words.push("  Exit \n\t tickets\u{0}\u{ad}");
        words.line();
        words.line();
        words.push("cell");
        words.tab();
        words.tab();
        words.push("cell");
        words.part();
        words.part();
        words.push("end ");
        assert_eq!(words.done().text, "Exit tickets\ncell\tcell\n\nend");
    }

    #[test]
    fn text_ends_at_its_bound() {
        let mut words = Words::default();
        words.push(&"é".repeat(TEXT));
        assert!(words.is_full());
        assert_eq!(words.done().text.len(), TEXT);
    }
}
