//! What a school id is the hash of (§1.1), and the recovery code its root keys come from (§1.3).
//!
//! | field | bytes | |
//! |---|---|---|
//! | layout | 4 | 0 |
//! | root | 32 | public key |
//! | next | 32 | hash of the public key that will replace it |
//! | threshold | 1 | how many recovery keys it takes |
//! | count | 1 | how many there are |
//! | keys | 32 each | their hashes |

use serde::{Deserialize, Serialize};

use super::keys::SecretKey;
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{self, SchoolId};
use crate::{hash, limits};

const WHAT: &str = "school's inception";

/// The beginning of a school: fixed for ever, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Inception {
    bytes: Vec<u8>,
    root: [u8; 32],
}

impl Inception {
    /// The inception of a school whose keys come from `code`; without recovery keys of others.
    pub fn new(code: &RecoveryCode) -> Self {
        let root = code.root(0).public::<[u8; 32]>();
        let next = hash::KEY.hash(&[&code.root(1).public::<[u8; 32]>()]);
        let bytes = Writer::with_capacity(70).u32(0).bytes(&root).bytes(&next).u8(0).u8(0).done();
        Self { bytes, root }
    }
    /// Reads an inception.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, WHAT);
        let layout = reader.u32()?;
        let root = reader.array()?;
        let _next: [u8; 32] = reader.array()?;
        let threshold = reader.u8()?;
        let count = reader.u8()?;
        if layout != 0 || threshold > count || usize::from(count) > limits::RECOVERY_KEYS {
            return Err(reader.malformed());
        }
        reader.take(32 * usize::from(count))?;
        reader.end()?;
        Ok(Self { bytes: bytes.to_vec(), root })
    }
    /// The id of the school.
    pub fn school(&self) -> SchoolId {
        SchoolId(hash::INCEPTION.hash(&[&self.bytes]))
    }
    /// The public root key.
    pub fn root(&self) -> &[u8; 32] {
        &self.root
    }
    /// As it is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl TryFrom<Vec<u8>> for Inception {
    type Error = Fault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Fault> {
        Self::parse(&bytes)
    }
}
impl From<Inception> for Vec<u8> {
    fn from(inception: Inception) -> Self {
        inception.bytes
    }
}

/// 160 random bits that set-up prints for a school, and that exist nowhere else.
///
/// Root key *n* is derived from it, so that the root rests nowhere in the clear.
pub struct RecoveryCode([u8; 20]);

impl RecoveryCode {
    /// The code of these random bytes.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
    /// Root key number `n`; 0 is the first.
    pub fn root(&self, n: u32) -> SecretKey {
        SecretKey::from_seed(&hash::ROOT.hash(&[&self.0, &n.to_le_bytes()]))
    }
    /// The text on the sheet: eight groups of four.
    pub fn to_text(&self) -> String {
        let text = id::to_text(&self.0).to_uppercase();
        let groups: Vec<&str> = (0..8).map(|i| &text[4 * i..4 * i + 4]).collect();
        groups.join("-")
    }
    /// Reads what [`Self::to_text`] wrote; spaces, dashes and case do not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        id::from_text(&plain).and_then(|bytes| bytes.try_into().ok()).map(Self)
    }
}

impl core::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_code_survives_its_text(bytes: [u8; 20]) {
            let code = RecoveryCode::from_random(bytes);
            let again = RecoveryCode::parse(&code.to_text().to_lowercase()).unwrap();
            prop_assert_eq!(Inception::new(&again), Inception::new(&code));
        }
        #[test]
        fn any_inception_is_read_as_written_and_no_other_way(bytes: [u8; 20], cut in 0usize..70) {
            let inception = Inception::new(&RecoveryCode::from_random(bytes));
            prop_assert_eq!(&Inception::parse(inception.as_bytes()).unwrap(), &inception);
            prop_assert!(Inception::parse(&inception.as_bytes()[..cut]).is_err());
        }
    }
}
