//! What requests about devices and the sheet carry and are answered with.

use serde::{Deserialize, Serialize};
use staffroom_protocol::id::{DeviceId, SchoolId};
use staffroom_protocol::identity::IdentityChain;

use super::Named;

/// What must not be logged or shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A device of this school.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its id.
    pub device: DeviceId,
    /// What it may do: write, admit-device, govern.
    pub rights: Vec<String>,
    /// Whether it is the one that answers.
    pub ours: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What a sheet says besides the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sheet {
    /// The school.
    pub school: Named<SchoolId>,
    /// This node's device.
    pub device: DeviceId,
    /// The school's identity chain: whether a code counts can be told by it.
    pub identity: IdentityChain,
    /// Full addresses of other nodes that know the school.
    pub reach: Vec<String>,
}
