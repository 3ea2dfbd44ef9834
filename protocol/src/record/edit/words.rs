//! The difference of two texts by words.
//!
//! By a library whose work is bounded whatever the texts are. Words that changed with nothing but a space
//! or a mark between them are one stretch: a rewritten sentence is replaced as one, and does not mingle
//! word by word with what somebody else makes of it at the same time.

use core::{hash::Hash, ops::Range};

use imara_diff::{Algorithm, Diff, InternedInput};

/// How many pieces that are no words may lie between two changes of one stretch.
const GAP: usize = 3;

/// A stretch of the old text, in characters, and what replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::record) struct Splice<'a> {
    pub(in crate::record) at: usize,
    pub(in crate::record) delete: usize,
    pub(in crate::record) insert: &'a str,
}

/// What turns `old` into `new`, in order; all places are those of `old`.
pub(in crate::record) fn difference<'a>(old: &str, new: &'a str) -> Vec<Splice<'a>> {
    let (old_words, new_words) = (Tokens::words(old), Tokens::words(new));
    let mut stretches: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for (words, replacement) in changed(&old_words.pieces, &new_words.pieces) {
        match stretches.last_mut() {
            Some((last, last_new)) if old_words.are_marks(last.end..words.start) => {
                (last.end, last_new.end) = (words.end, replacement.end);
            }
            _ => stretches.push((words, replacement)),
        }
    }
    let mut at = Place::default();
    let splice = |(words, replacement): (Range<usize>, Range<usize>)| Splice {
        at: at.advance(old, old_words.start(words.start)),
        delete: old_words.text(&words).chars().count(),
        insert: new_words.text(&replacement),
    };
    stretches.into_iter().map(splice).collect()
}

/// The stretches in which two sequences differ.
pub(super) fn changed<T: Copy + Default + Eq + Hash>(old: &[T], new: &[T]) -> Vec<(Range<usize>, Range<usize>)> {
    let mut input = InternedInput::default();
    input.update_before(old.iter().copied());
    input.update_after(new.iter().copied());
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_no_heuristic(&input);
    let range = |range: Range<u32>| range.start as usize..range.end as usize;
    diff.hunks().map(|hunk| (range(hunk.before), range(hunk.after))).collect()
}

/// A text cut into pieces that together are the whole.
struct Tokens<'a> {
    text: &'a str,
    pieces: Vec<&'a str>,
    /// Where each starts, in bytes, and the end.
    starts: Vec<usize>,
}

impl<'a> Tokens<'a> {
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
    /// Whether these are few, and none of them is a word.
    fn are_marks(&self, tokens: Range<usize>) -> bool {
        let is_mark = |piece: &&str| !piece.contains(char::is_alphanumeric);
        tokens.len() <= GAP && self.pieces[tokens].iter().all(is_mark)
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
    fn neighbours_are_one_splice_and_words_further_off_are_not() {
        let splices =
            difference("We meet on Monday, at 4pm in the hall.", "We meet on Friday, in my 5pm lesson in the gym.");
        let [meet, hall] = &splices[..] else { panic!("{splices:?}") };
        assert_eq!((meet.at, meet.insert), (11, "Friday, in my 5pm lesson"));
        assert_eq!(hall.insert, "gym");
    }

    #[test]
    fn a_rewritten_long_text_is_replaced_as_a_whole() {
        let (old, new) = ("a b ".repeat(8_000), "c.d.".repeat(8_000));
        let splices = difference(&old, &new);
        assert_eq!(splices.len(), 1);
        assert_eq!(apply(&old, &splices), new);
    }

    #[test]
    fn many_changes_in_a_long_text_are_many_splices() {
        // Whoever changes other words of it at the same time must not find theirs doubled.
        let word = |n: usize, of: usize| if n % 20 == of { format!("CHANGED{n}") } else { format!("word{}", n % 800) };
        let text =
            |of: usize| (0..9_000).map(|n| word(n, of) + if n % 50 == 49 { "\n" } else { " " }).collect::<String>();
        let (old, new) = (text(99), text(7));
        let splices = difference(&old, &new);
        assert_eq!(splices.len(), 450);
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
