//! What a device says once the bytes of an erased record are gone from its files (§6.2).
//!
//! | field | at | bytes |
//! |---|---|---|
//! | space | 0 | 32 |
//! | record | 32 | 32 |
//! | school | 64 | 32 |
//! | device | 96 | 32 |
//! | time, milliseconds since 1970 | 128 | 8 |
//! | signature | 136 | 64 |

use serde::{Deserialize, Serialize};

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::hash;
use crate::id::{DeviceId, RecordId, SchoolId, SpaceId};
use crate::identity::{self, Domain, SecretKey, Signature};
use crate::time::Millis;

const WHAT: &str = "receipt";

/// A device's word that nothing of a record is left in its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Receipt {
    /// The space of the record.
    pub space: SpaceId,
    /// The record.
    pub record: RecordId,
    /// The school that the device acts for.
    pub school: SchoolId,
    /// The device.
    pub device: DeviceId,
    /// When, by its clock.
    pub at: Millis,
    signature: Signature,
}

impl Receipt {
    /// Signs one.
    pub fn sign(space: SpaceId, record: RecordId, school: SchoolId, device: &SecretKey, at: Millis) -> Self {
        let receipt = Self { space, record, school, device: device.public(), at, signature: [0; 64] };
        let signature = device.sign(Domain::Receipt, &receipt.id());
        Self { signature, ..receipt }
    }
    /// Checks the signature.
    pub fn verify(&self) -> Result<(), Fault> {
        identity::verify(&self.device.0, Domain::Receipt, &self.id(), &self.signature)
    }
    /// The hash of what is signed.
    pub(super) fn id(&self) -> [u8; 32] {
        hash::RECEIPT.hash(&[&self.signed()])
    }
    fn signed(&self) -> Vec<u8> {
        let ids = [self.space.0, self.record.0, self.school.0, self.device.0].concat();
        Writer::with_capacity(200).bytes(&ids).u64(self.at.0).done()
    }
}

impl TryFrom<Vec<u8>> for Receipt {
    type Error = Fault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Fault> {
        let mut reader = Reader::new(&bytes, WHAT);
        let receipt = Self {
            space: reader.id()?,
            record: reader.id()?,
            school: reader.id()?,
            device: reader.id()?,
            at: Millis(reader.u64()?),
            signature: reader.array()?,
        };
        reader.end()?;
        Ok(receipt)
    }
}
impl From<Receipt> for Vec<u8> {
    fn from(receipt: Receipt) -> Self {
        [&receipt.signed()[..], &receipt.signature].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_receipt_is_read_as_signed_and_any_flipped_bit_is_refused(ids: [[u8; 32]; 3], seed: [u8; 32], at: u64, bit in 0usize..1600) {
            let [space, record, school] = ids;
            let key = SecretKey::from_seed(&seed);
            let receipt = Receipt::sign(SpaceId(space), RecordId(record), SchoolId(school), &key, Millis(at));
            let mut bytes = Vec::from(receipt.clone());
            prop_assert_eq!(bytes.len(), 200);
            prop_assert_eq!(receipt.verify(), Ok(()));
            prop_assert_eq!(Receipt::try_from(bytes.clone()).unwrap(), receipt);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Receipt::try_from(bytes).unwrap().verify().is_err());
        }
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Receipt::try_from(bytes);
        }
    }
}
