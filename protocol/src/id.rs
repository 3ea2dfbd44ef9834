//! Names of things: 32 bytes each, a type of its own for each thing, and one text form.
//!
//! The text form is RFC 4648 base32 in lower case without padding (52 letters and digits), so that
//! it can be read aloud, typed, and shortened while it is unique. In compact serde formats an id is
//! its 32 bytes; in formats for people it is its text.

use core::{fmt, str::FromStr};
use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::sync::LazyLock;

/// The text form of ids: base32, lower case, no padding.
static TEXT: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    spec.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    spec.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
    spec.encoding().expect("the alphabet is a fixed and valid one")
});

/// Encodes bytes in the text form that ids, tickets and codes share.
pub fn to_text(bytes: &[u8]) -> String {
    TEXT.encode(bytes)
}

/// Decodes what [`to_text`] wrote; upper case is accepted.
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    TEXT.decode(text.as_bytes()).ok()
}

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id: an id is 52 letters and digits")]
pub struct NotAnId(pub String);

/// The first letters of an id's text, as people type them.
///
/// Matches every id whose text starts with it. Empty prefixes match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdPrefix(String);

impl IdPrefix {
    /// Takes up to 52 characters of the id alphabet.
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        let lower = text.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
        if lower.len() <= 52 && lower.chars().all(allowed) { Ok(Self(lower)) } else { Err(NotAnId(text.to_owned())) }
    }

    /// Whether `id`, 32 bytes, starts with this prefix.
    pub fn matches(&self, id: &[u8; 32]) -> bool {
        to_text(id).starts_with(&self.0)
    }

    /// The smallest 32 bytes that match: where a search in order may start.
    pub fn lower_bound(&self) -> [u8; 32] {
        let mut padded = self.0.clone();
        while padded.len() < 52 {
            padded.push('a');
        }
        // The last character carries one bit only; clear what would not decode.
        let mut bytes = [0; 32];
        let mut bits = 0u32;
        let mut count = 0;
        let mut at = 0;
        for c in padded.bytes() {
            let value = if c.is_ascii_lowercase() { c - b'a' } else { c - b'2' + 26 };
            bits = (bits << 5) | u32::from(value);
            count += 5;
            if count >= 8 && at < 32 {
                count -= 8;
                bytes[at] = u8::try_from((bits >> count) & 0xff).expect("masked to eight bits");
                at += 1;
            }
            bits &= 0xff;
        }
        bytes
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] { &self.0 }
            /// The first eight letters of the text, for people and logs.
            pub fn short(&self) -> String { to_text(&self.0)[..8].to_owned() }
        }
        impl From<[u8; 32]> for $name { fn from(bytes: [u8; 32]) -> Self { Self(bytes) } }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&to_text(&self.0)) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                from_text(text)
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .map(Self)
                    .ok_or_else(|| NotAnId(text.to_owned()))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.serialize_str(&self.to_string()) } else { self.0.serialize(s) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                if d.is_human_readable() {
                    String::deserialize(d)?.parse().map_err(de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(d).map(Self)
                }
            }
        }
    };
}

id!(
    /// A school: the hash of its inception (§1.1). It outlives machines and staff.
    SchoolId
);
id!(
    /// A node's lasting key: an ed25519 public key, also its libp2p identity (§1.3).
    DeviceId
);
id!(
    /// A device's key for one space and one life of its store: an ed25519 public key (§1.4).
    WriterId
);
id!(
    /// A space: the id of the decision that founded it (§3.1).
    SpaceId
);
id!(
    /// A record: the hash of the place of its genesis, (space, writer, seq) (§2.1).
    RecordId
);
id!(
    /// An entry: the hash of its signed bytes (§2.1).
    EntryId
);
id!(
    /// An attachment's bytes, by the hash of their manifest (§5).
    BlobId
);
id!(
    /// A decision of a charter (§3.1).
    DecisionId
);
id!(
    /// An operation of a charter (§3.3).
    OperationId
);
id!(
    /// One link of a school's identity chain (§1.2).
    LinkId
);
id!(
    /// A ticket: the hash of its secret (§3.9).
    TicketId
);
id!(
    /// The hash of an Automerge change: its id in the dependency graph of a record.
    ChangeHash
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_id_survives_its_text(bytes: [u8; 32]) {
            let id = RecordId(bytes);
            prop_assert_eq!(id.to_string().parse::<RecordId>().unwrap(), id);
            prop_assert_eq!(id.to_string().to_uppercase().parse::<RecordId>().unwrap(), id);
        }

        #[test]
        fn any_prefix_of_an_id_finds_it_and_starts_no_later(bytes: [u8; 32], length in 0usize..=52) {
            let id = RecordId(bytes);
            let prefix = IdPrefix::parse(&id.to_string()[..length]).unwrap();
            prop_assert!(prefix.matches(&bytes));
            prop_assert!(prefix.lower_bound() <= bytes);
        }
    }
}
