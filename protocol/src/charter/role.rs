//! What a school may do in a space.

use serde::{Deserialize, Serialize};

/// What a school may do in a space (§3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Holds what the others share.
    Reader,
    /// Shares as well.
    Contributor,
    /// Admits others and signs decisions as well.
    Steward,
}

impl Role {
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Reader => 1,
            Self::Contributor => 2,
            Self::Steward => 3,
        }
    }
    /// The role of an admission; nobody is admitted as a steward.
    pub(super) fn admitted(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Reader),
            2 => Some(Self::Contributor),
            _ => None,
        }
    }
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Contributor => "contributor",
            Self::Steward => "steward",
        }
    }
}
