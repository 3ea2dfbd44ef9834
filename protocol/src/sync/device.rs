//! A further device of a school joins, shows a partner that it acts for the school, or starts the
//! school again from its sheet: frames on `/staffroom/join/1` (§3.9, §3.10).
//!
//! ```text
//! new device                     who certifies it, or a partner
//!   │ Join, Claim ────────────────▶ │   at most JOIN_FRAME bytes
//!   │ ◀──────── Admitted(n) │ Refused │
//!   │ ◀──────── part 1 … part n     │   of the charters of all spaces, each at most FRAME bytes
//!   │ the chain that certifies it ─▶ │   after a claim; at most FRAME bytes
//!   │ ◀──────── Admitted(0) │ Refused │
//!
//!   │ Present ────────────────────▶ │
//!   │ ◀────────────────────── More  │   whatever is known
//!   │ part ───────────────────────▶ │   of the charter of one space, at most PRESENTED bytes
//!   │ ◀─ More │ Admitted(0) │ Refused │   More only where it brought a decision or an admission
//! ```
//!
//! A `DeviceAsk` begins with bytes of its own, so that it is told from a school's `Join`.

use serde::{Deserialize, Serialize};

use crate::bytes;
use crate::charter::{Claim, DeviceRedemption, Missing};
use crate::fault::Fault;
use crate::id::SpaceId;
use crate::identity::IdentityChain;
use crate::limits;

use super::join::Joined;

const BEGINS: &[u8] = b"staffroom device\0";

/// What a device says that nobody knows yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceAsk {
    /// It has a ticket of its school.
    Join(DeviceRedemption),
    /// It has its school's sheet.
    Claim(Claim),
    /// Parts of a charter follow that prove its school's admission, or that it acts for a member.
    Present,
}

impl DeviceAsk {
    /// Writes the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        [BEGINS, &bytes::encode(self)].concat()
    }
    /// Reads the frame of a stranger; nothing where it is another kind of frame.
    pub fn parse(frame: &[u8]) -> Option<Result<Self, Fault>> {
        let body = frame.strip_prefix(BEGINS)?;
        if frame.len() > limits::JOIN_FRAME {
            return Some(Err(Fault::TooLarge { what: "DeviceAsk", most: limits::JOIN_FRAME as u64 }));
        }
        Some(bytes::decode(body, "DeviceAsk"))
    }
}

/// Part of the charter of one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpacePart {
    /// The space.
    pub space: SpaceId,
    /// The part.
    pub part: Missing,
}

impl SpacePart {
    /// All parts of these charters; refused where they are too many.
    pub fn all(charters: Vec<(SpaceId, Missing)>) -> Result<Vec<Self>, Fault> {
        let parts =
            |(space, whole): (SpaceId, Missing)| whole.parts().into_iter().map(move |part| Self { space, part });
        let all: Vec<Self> = charters.into_iter().flat_map(parts).collect();
        if all.len() > limits::DEVICE_PARTS as usize {
            return Err(Fault::TooLarge { what: "charter", most: u64::from(limits::DEVICE_PARTS) });
        }
        Ok(all)
    }
    /// Puts parts together again.
    pub fn join(parts: Vec<Self>) -> Vec<(SpaceId, Missing)> {
        let mut charters: Vec<(SpaceId, Missing)> = Vec::new();
        for SpacePart { space, part } in parts {
            match charters.iter_mut().find(|(id, _)| *id == space) {
                Some((_, whole)) => whole.append(part),
                None => charters.push((space, part)),
            }
        }
        charters
    }
    /// Writes the frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::encode(self)
    }
    /// Reads a frame of at most [`limits::FRAME`] bytes.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        bytes::decode_within(frame, "part of a charter", limits::FRAME)
    }
    /// The space that a frame is about, without reading the rest.
    pub fn space_of(frame: &[u8]) -> Option<SpaceId> {
        frame.first_chunk().map(|id| SpaceId(*id))
    }
}

impl Joined {
    /// Reads the answer to a `DeviceAsk`: at most [`limits::DEVICE_PARTS`] parts follow.
    pub fn of_device(frame: &[u8]) -> Result<Self, Fault> {
        Self::of_parts(frame, limits::DEVICE_PARTS)
    }
}

impl IdentityChain {
    /// Writes it as a frame.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::encode(self)
    }
    /// Reads a frame of at most [`limits::FRAME`] bytes.
    pub fn parse(frame: &[u8]) -> Result<Self, Fault> {
        bytes::decode_within(frame, "identity chain", limits::FRAME)
    }
}
