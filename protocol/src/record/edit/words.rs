//! The difference of two texts by words, bounded by work rather than by a clock.
//!
//! First by lines, then by words within the lines that differ: a change of a few words in a long
//! text costs little. Where a stretch has changed so much that the best difference would be dear,
//! it is replaced as a whole, which reads no worse.

use core::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// The largest product of lengths that a difference is computed for: some ten milliseconds.
const WORK: usize = 1 << 21;

/// A stretch of the old text, in characters, and what replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct Splice<'a> {
    pub(in crate::record) at: usize,
    pub(in crate::record) delete: usize,
    pub(in crate::record) insert: &'a str,
}

/// What turns `old` into `new`, in order; all places are those of `old`.
pub(in crate::record) fn difference<'a>(old: &str, new: &'a str) -> Vec<Splice<'a>> {
    let (old_lines, new_lines) = (Tokens::lines(old), Tokens::lines(new));
    let mut splices = Vec::new();
    let mut at = Place::default();
    for (lines, replacement) in changed(&old_lines, &new_lines) {
        let (old_part, new_part) = (old_lines.text(&lines), new_lines.text(&replacement));
        let start = old_lines.start(lines.start);
        let (old_words, new_words) = (Tokens::words(old_part), Tokens::words(new_part));
        for (words, replacement) in changed(&old_words, &new_words) {
            let deleted = old_words.text(&words);
            splices.push(Splice {
                at: at.advance(old, start + old_words.start(words.start)),
                delete: deleted.chars().count(),
                insert: new_words.text(&replacement),
            });
        }
    }
    splices
}

/// The stretches in which two texts differ, by their tokens.
fn changed(old: &Tokens<'_>, new: &Tokens<'_>) -> Vec<(Range<usize>, Range<usize>)> {
    let (old, new) = (&old.pieces[..], &new.pieces[..]);
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let same_end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - same_end, new.len() - same_end);
    let (old_part, new_part) = (&old[start..old_end], &new[start..new_end]);
    if old_part.is_empty() && new_part.is_empty() {
        return Vec::new();
    }
    if old_part.len().saturating_mul(new_part.len()) > WORK {
        return vec![(start..old_end, start..new_end)];
    }
    let mut stretches: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for difference in capture_diff_slices(Algorithm::Myers, old_part, new_part) {
        let (tag, old, new) = difference.as_tag_tuple();
        let (old, new) = (old.start + start..old.end + start, new.start + start..new.end + start);
        match stretches.last_mut() {
            _ if tag == DiffTag::Equal => {}
            // A deletion and an insertion side by side are one replacement.
            Some((last_old, last_new)) if last_old.end == old.start && last_new.end == new.start => {
                last_old.end = old.end;
                last_new.end = new.end;
            }
            _ => stretches.push((old, new)),
        }
    }
    stretches
}

/// A text cut into pieces that together are the whole.
struct Tokens<'a> {
    text: &'a str,
    pieces: Vec<&'a str>,
    /// Where each starts, in bytes, and the end.
    starts: Vec<usize>,
}

impl<'a> Tokens<'a> {
    fn lines(text: &'a str) -> Self {
        Self::of(text, text.split_inclusive('\n').collect())
    }
    /// Words, and what is between them character by character.
    fn words(text: &'a str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = if first.is_alphanumeric() {
                // Combining marks and apostrophes stay with their word.
                let inside = |c: char| c.is_alphanumeric() || c == '\'' || c == '’' || is_mark(c);
                rest.find(|c| !inside(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (piece, after) = rest.split_at(end);
            pieces.push(piece);
            rest = after;
        }
        Self::of(text, pieces)
    }
    fn of(text: &'a str, pieces: Vec<&'a str>) -> Self {
        let mut end = 0;
        let mut starts = Vec::with_capacity(pieces.len() + 1);
        starts.push(0);
        for piece in &pieces {
            end += piece.len();
            starts.push(end);
        }
        Self { text, pieces, starts }
    }
    fn start(&self, token: usize) -> usize {
        self.starts[token]
    }
    fn text(&self, tokens: &Range<usize>) -> &'a str {
        &self.text[self.starts[tokens.start]..self.starts[tokens.end]]
    }
}

/// The combining marks that letters of European languages are written with.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c)
}

/// Counts characters up to places that only grow.
#[derive(Default)]
struct Place {
    bytes: usize,
    characters: usize,
}

impl Place {
    fn advance(&mut self, text: &str, bytes: usize) -> usize {
        self.characters += text[self.bytes..bytes].chars().count();
        self.bytes = bytes;
        self.characters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(old: &str, splices: &[Splice<'_>]) -> String {
        let mut text: Vec<char> = old.chars().collect();
        for splice in splices.iter().rev() {
            text.splice(splice.at..splice.at + splice.delete, splice.insert.chars());
        }
        text.into_iter().collect()
    }

    #[test]
    fn one_word_is_one_splice() {
        let splices = difference("first line\nthe quick fox\nlast", "first line\nthe slow fox\nlast");
        assert_eq!(splices, [Splice { at: 15, delete: 5, insert: "slow" }]);
    }

    #[test]
    fn a_rewritten_long_text_is_replaced_as_a_whole() {
        let (old, new) = ("a b ".repeat(8_000), "c.d.".repeat(8_000));
        let splices = difference(&old, &new);
        assert_eq!(splices.len(), 1);
        assert_eq!(apply(&old, &splices), new);
    }

    proptest! {
        #[test]
        fn any_difference_turns_old_into_new(
            old in "([ab]{1,2}|[ .\n]|é|👩‍🏫){0,60}",
            new in "([ab]{1,2}|[ .\n]|é|👩‍🏫){0,60}",
        ) {
            let splices = difference(&old, &new);
            prop_assert_eq!(apply(&old, &splices), new.clone());
            prop_assert_eq!(splices.is_empty(), old == new);
        }
    }
}
