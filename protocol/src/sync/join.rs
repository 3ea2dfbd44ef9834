//! Joining: the frames of the one protocol that is open to strangers (§3.9).
//!
//! ```text
//! joiner                      redeemer
//!   │ Join ───────────────────────▶ │   at most JOIN_FRAME bytes
//!   │ ◀────────── Admitted(n) │ Refused │
//!   │ ◀────────── part 1 … part n   │   the charter, each at most FRAME bytes
//! ```
//!
//! Bodies are postcard, without the kind and packing bytes of a session's frames.

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::charter::{Missing, Redemption};
use crate::fault::Fault;
use crate::limits;

/// What a joiner says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join(pub Redemption);

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
        bytes::decode(frame, "Join")
    }
}

/// What it is answered; every refusal is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joined {
    /// Admitted: parts of the charter follow, this many.
    Admitted(u32),
    /// Not admitted.
    Refused,
}

impl Joined {
    /// Writes the frame.
    pub fn to_bytes(self) -> Vec<u8> {
        bytes::encode(&self)
    }
    /// Reads the frame. More than [`limits::JOIN_PARTS`] parts are refused.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        let joined = bytes::decode(frame, "Joined")?;
        match joined {
            Self::Admitted(parts) if parts > limits::JOIN_PARTS => {
                Err(Fault::TooLarge { what: "charter", most: u64::from(limits::JOIN_PARTS) })
            }
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
        if frame.len() > limits::FRAME {
            return Err(Fault::TooLarge { what: "part of a charter", most: limits::FRAME as u64 });
        }
        bytes::decode(frame, "part of a charter")
    }
    /// Appends a later part.
    pub fn append(&mut self, part: Self) {
        self.identities.extend(part.identities);
        self.decisions.extend(part.decisions);
        self.splits.extend(part.splits);
        self.operations.extend(part.operations);
    }
}
