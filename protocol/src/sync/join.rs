//! Joining: the frames of the one protocol that is open to strangers (§3.9).
//!
//! ```text
//! joiner                      redeemer
//!   │ Join ───────────────────────▶ │   at most JOIN_FRAME bytes
//!   │ ◀────────────── More │ Refused │   More where it knows the secret of a ticket that is its to use
//!   │ the school's chain ─────────▶ │   at most PRESENTED bytes
//!   │ ◀──────────────── Compare(nonce)  │   where a person confirms; the ticket is this school's now
//!   │ Reveal(nonce) ──────────────▶ │   both screens show the words
//!   │ ◀─────────────────── Waiting  │   at once, and again when the stream has been held long enough
//!   │ ◀────────── Admitted(n) │ Refused │
//!   │ ◀────────── part 1 … part n   │   the charter, each at most FRAME bytes
//! ```
//!
//! A joiner that waits may ask again on a new stream, any time: it is told the same.
//!
//! Bodies are postcard, without the kind and packing bytes of a session's frames.

use serde::{Deserialize, Serialize};

use crate::bytes;
pub use crate::charter::Join;
use crate::charter::{Missing, Nonce};
use crate::fault::Fault;
use crate::limits;

impl Join {
    /// Writes the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::encode(self)
    }
    /// Reads the frame of a stranger.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        if frame.len() > limits::JOIN_FRAME {
            return Err(Fault::TooLarge { what: "Join", most: limits::JOIN_FRAME as u64 });
        }
        let join: Self = bytes::decode(frame, "Join")?;
        if join.name.len() > limits::NAME {
            return Err(Fault::TooLarge { what: "school's name", most: limits::NAME as u64 });
        }
        Ok(join)
    }
}

/// The joiner's number, once it was told the redeemer's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal(pub Nonce);

impl Reveal {
    /// Writes the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::encode(self)
    }
    /// Reads the frame of a stranger.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        bytes::decode(frame, "Reveal")
    }
}

/// What it is answered; every refusal is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joined {
    /// Admitted: parts of the charter follow, this many.
    Admitted(u32),
    /// Not admitted.
    Refused,
    /// A person has to confirm: our number, against the joiner's.
    Compare(Nonce),
    /// The words are on our screen; nobody has confirmed yet.
    Waiting,
    /// Go on: the next frame is awaited.
    More,
}

impl Joined {
    /// Writes the frame.
    pub fn to_bytes(self) -> Vec<u8> {
        bytes::encode(&self)
    }
    /// Reads the frame. More than [`limits::JOIN_PARTS`] parts are refused.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        Self::of_parts(frame, limits::JOIN_PARTS)
    }
    pub(super) fn of_parts(frame: &[u8], most: u32) -> Result<Self, Fault> {
        match bytes::decode(frame, "Joined")? {
            Self::Admitted(parts) if parts > most => Err(Fault::TooLarge { what: "charter", most: most.into() }),
            joined => Ok(joined),
        }
    }
}

impl Missing {
    /// Writes a part as a frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::encode(self)
    }
    /// Reads a part of at most [`limits::FRAME`] bytes.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        bytes::decode_within(frame, "part of a charter", limits::FRAME)
    }
    /// Appends a later part.
    pub fn append(&mut self, part: Self) {
        self.identities.extend(part.identities);
        self.decisions.extend(part.decisions);
        self.splits.extend(part.splits);
        self.operations.extend(part.operations);
    }
}
