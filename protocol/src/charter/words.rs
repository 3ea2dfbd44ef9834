//! The four words that two screens show while a school waits to be admitted (§3.9).
//!
//! ```text
//! joiner                                   redeemer
//!   │ commitment to its nonce ──────────────▶ │   both are bound from here on:
//!   │ ◀────────────────────────── its nonce   │   neither can choose what the other has not chosen
//!   │ the nonce ────────────────────────────▶ │
//! words = hash of ticket, ends and nonces    words
//! ```
//!
//! Who stands between the two holds one session with each, and so two codes, each of them drawn when
//! it can no longer change the other: they are equal once in 2⁴⁴. Both sides keep what they were told
//! first, so that asking again with one ticket is not another draw.
//!
//! The words are the English list of BIP-39 (github.com/bitcoin/bips, `bip-0039/english.txt`, MIT
//! licence), unchanged: 2048 words of three to eight letters that differ in their first four.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use super::role::Role;
use crate::hash;
use crate::id::{DeviceId, SchoolId, SpaceId};

/// How many words.
const COUNT: usize = 4;
/// Bits of a word.
const BITS: usize = 11;
/// The list, in the order of its numbers.
static LIST: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("words.txt").lines().collect());

/// Four words out of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Words([u16; COUNT]);

/// A fresh number of one side.
pub type Nonce = [u8; 32];

/// All that the words depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transcript<'a> {
    /// The ticket's secret.
    pub secret: &'a [u8; 16],
    /// The space.
    pub space: SpaceId,
    /// The role.
    pub role: Role,
    /// The device that issued the ticket, as the transport authenticated it.
    pub redeemer: DeviceId,
    /// The device that joins, as the transport authenticated it.
    pub joiner: DeviceId,
    /// The school that it acts for.
    pub school: SchoolId,
    /// The redeemer's number.
    pub redeemers: Nonce,
    /// The joiner's number.
    pub joiners: Nonce,
}

impl Transcript<'_> {
    /// The words that both sides show.
    pub fn words(&self) -> Words {
        let hash = hash::WORDS.hash(&[
            self.secret,
            &self.space.0,
            &[self.role.byte()],
            &self.redeemer.0,
            &self.joiner.0,
            &self.school.0,
            &self.redeemers,
            &self.joiners,
        ]);
        let bits = u64::from_le_bytes(*hash.first_chunk().expect("a hash has 32 bytes"));
        let word = |at: usize| u16::try_from(bits >> (BITS * at) & ((1 << BITS) - 1)).expect("eleven bits");
        Words(std::array::from_fn(word))
    }
}

/// What the joiner says of its number before it knows the redeemer's.
pub fn commitment(joiners: &Nonce) -> [u8; 32] {
    hash::JOIN_COMMITMENT.hash(&[joiners])
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.map(|word| LIST[usize::from(word)]);
        f.write_str(&words.join(" "))
    }
}

/// A text that is not four words of the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWords {
    /// Another number of words.
    #[error("a code has four words, and this has {0}")]
    Count(usize),
    /// A word of no list.
    #[error("{0:?} is none of the words that a code is made of")]
    Unknown(String),
}

impl FromStr for Words {
    type Err = NotWords;
    /// Reads words in any case between spaces, dashes or commas. A word counts by its first four
    /// letters, so that *colour* is read where *color* was shown.
    fn from_str(text: &str) -> Result<Self, NotWords> {
        let between = |c: char| c.is_whitespace() || c == ',' || c == '-' || ('\u{2010}'..='\u{2015}').contains(&c);
        let said = || text.split(between).filter(|word| !word.is_empty());
        let mut words = [0; COUNT];
        let count = said().count();
        if count != COUNT {
            return Err(NotWords::Count(count));
        }
        for (word, said) in words.iter_mut().zip(said()) {
            *word = number(said).ok_or_else(|| NotWords::Unknown(said.to_owned()))?;
        }
        Ok(Self(words))
    }
}

/// The number of a word.
fn number(said: &str) -> Option<u16> {
    let start = |word: &str| word.chars().take(4).flat_map(char::to_lowercase).collect::<String>();
    let said = start(said);
    let at = LIST.iter().position(|word| start(word) == said)?;
    u16::try_from(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_one_it_is_said_to_be() {
        use sha2::{Digest as _, Sha256};
        let digest = Sha256::digest(include_bytes!("words.txt"));
        let known = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda";
        assert_eq!(data_encoding::HEXLOWER.encode(&digest), known);
        assert_eq!(LIST.len(), 1 << BITS);
        for (at, word) in LIST.iter().enumerate() {
            assert_eq!(number(word), u16::try_from(at).ok(), "{word} is known by its first four letters");
        }
    }

    #[test]
    fn words_are_read_as_people_write_them() {
        let words: Words = "abandon ability able zoo".parse().unwrap();
        for text in ["Abandon-Ability-ABLE-Zoo", " abandon,  ability able\tzoo\n", "aban abil able zoo"] {
            assert_eq!(text.parse(), Ok(words), "{text}");
        }
        assert_eq!("colour zoo zoo zoo".parse::<Words>(), "color zoo zoo zoo".parse());
        assert_eq!("zoo zoo zoo".parse::<Words>(), Err(NotWords::Count(3)));
        assert_eq!("".parse::<Words>(), Err(NotWords::Count(0)));
        assert_eq!("zoo zoo zoo zo".parse::<Words>(), Err(NotWords::Unknown("zo".to_owned())));
    }
}
