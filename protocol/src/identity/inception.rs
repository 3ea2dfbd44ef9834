//! What a school id is the hash of (§1.1), and the recovery code its keys come from (§1.3).
//!
//! | field | bytes | |
//! |---|---|---|
//! | layout | 4 | 0 |
//! | root | 32 | public key |
//! | next | 32 | hash of the public key that may replace it |
//! | threshold | 1 | how many recovery keys it takes; 0: there is no recovery |
//! | count | 1 | how many there are |
//! | keys | 32 each | their hashes, ascending |
//!
//! Everything but the layout is [`Keys`], which `rotate` and `recover` set anew.

use serde::{Deserialize, Serialize};

use super::keys::SecretKey;
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{self, SchoolId};
use crate::{hash, limits};

const WHAT: &str = "school's inception";

/// The keys that say who acts for a school, and those that may replace them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Signs certificates.
    pub root: [u8; 32],
    /// Hash of the key that may replace the root.
    pub next: [u8; 32],
    /// How many recovery keys it takes to replace everything; 0 where nobody can.
    pub threshold: u8,
    /// Hashes of the recovery keys, ascending.
    pub recovery: Vec<[u8; 32]>,
}

impl Keys {
    /// All from one code, which alone is enough to recover.
    pub fn of(code: &RecoveryCode) -> Self {
        Self {
            root: code.root(0).public(),
            next: Self::commit(&code.root(1).public()),
            threshold: 1,
            recovery: vec![Self::commit(&code.recovery(0).public())],
        }
    }
    /// The commitment to a public key that is not shown yet.
    pub fn commit(public: &[u8; 32]) -> [u8; 32] {
        hash::KEY.hash(&[public])
    }
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let (root, next) = (reader.array()?, reader.array()?);
        let (threshold, count) = (reader.u8()?, reader.u8()?);
        if threshold > count || usize::from(count) > limits::RECOVERY_KEYS {
            return Err(reader.malformed());
        }
        let recovery = (0..count).map(|_| reader.array()).collect::<Result<Vec<[u8; 32]>, Fault>>()?;
        if !recovery.is_sorted_by(|a, b| a < b) {
            return Err(reader.malformed());
        }
        Ok(Self { root, next, threshold, recovery })
    }
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let count = u8::try_from(self.recovery.len()).unwrap_or(u8::MAX);
        let head = writer.bytes(&self.root).bytes(&self.next).u8(self.threshold).u8(count);
        self.recovery.iter().fold(head, |writer, key| writer.bytes(key))
    }
}

/// The beginning of a school: fixed for ever, without its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Inception {
    bytes: Vec<u8>,
    keys: Keys,
}

impl Inception {
    /// The inception of a school whose keys come from `code`.
    pub fn new(code: &RecoveryCode) -> Self {
        let keys = Keys::of(code);
        let bytes = keys.write(Writer::with_capacity(102).u32(0)).done();
        Self { bytes, keys }
    }
    /// Reads an inception.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, WHAT);
        let layout = reader.u32()?;
        let keys = Keys::read(&mut reader)?;
        if layout != 0 {
            return Err(reader.malformed());
        }
        reader.end()?;
        Ok(Self { bytes: bytes.to_vec(), keys })
    }
    /// The id of the school.
    pub fn school(&self) -> SchoolId {
        SchoolId(hash::INCEPTION.hash(&[&self.bytes]))
    }
    /// The keys that it begins with.
    pub fn keys(&self) -> &Keys {
        &self.keys
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
/// Root and recovery keys are derived from it, so that they rest nowhere in the clear.
pub struct RecoveryCode([u8; 20]);

impl RecoveryCode {
    /// The code of these random bytes.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
    /// Root key number `n`: 0 signs, 1 may replace it.
    pub fn root(&self, n: u32) -> SecretKey {
        SecretKey::from_seed(&hash::ROOT.hash(&[&self.0, &n.to_le_bytes()]))
    }
    /// Recovery key number `n`; set-up uses 0 alone.
    pub fn recovery(&self, n: u32) -> SecretKey {
        SecretKey::from_seed(&hash::RECOVERY.hash(&[&self.0, &n.to_le_bytes()]))
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
        fn any_inception_is_read_as_written_and_no_other_way(bytes: [u8; 20], cut in 0usize..102) {
            let inception = Inception::new(&RecoveryCode::from_random(bytes));
            prop_assert_eq!(&Inception::parse(inception.as_bytes()).unwrap(), &inception);
            prop_assert!(Inception::parse(&inception.as_bytes()[..cut]).is_err());
        }
    }
}
