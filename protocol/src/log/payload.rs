//! What an entry commits to and rests apart from it (§2.1): salt, author, change.
//!
//! | field | bytes |
//! |---|---|
//! | salt | 16 |
//! | length of the author's name | 1 |
//! | author | at most 200 |
//! | change | the rest |

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::{hash, limits};

/// Salt, author's name and change, as they lie on disk and travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// Puts a payload together; a name above its limit is cut at a character.
    pub fn new(salt: [u8; limits::SALT], author: &str, change: &[u8]) -> Self {
        let mut end = author.len().min(limits::NAME);
        while !author.is_char_boundary(end) {
            end -= 1;
        }
        let writer = Writer::with_capacity(limits::SALT + 1 + end + change.len());
        Self(writer.bytes(&salt).short_text(&author[..end]).bytes(change).done())
    }
    /// Takes bytes as they came: whether they can be read is asked when they are.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
    /// As it lies on disk and travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// What the header says of it.
    pub fn commitment(&self) -> [u8; 32] {
        hash::PAYLOAD.hash(&[&self.0])
    }
    /// Its bytes.
    pub fn length(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
    /// The author's name and the change.
    pub fn read(&self) -> Result<(&str, &[u8]), Fault> {
        let mut reader = Reader::new(&self.0, "payload");
        reader.take(limits::SALT)?;
        let author = reader.short_text()?;
        if author.len() > limits::NAME {
            return Err(reader.malformed());
        }
        Ok((author, reader.rest()))
    }
}
