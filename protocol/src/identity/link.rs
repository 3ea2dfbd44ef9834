//! One signed step of an identity chain (§1.2).
//!
//! | field of a link | bytes | |
//! |---|---|---|
//! | layout | 4 | 0 |
//! | school | 32 | |
//! | number | 4 | from 1; the inception is 0 |
//! | prev | 32 | the link before; the school id at 1 |
//! | kind | 1 | 1 certify, 2 revoke, 3 rotate, 4 recover |
//! | … | | by kind, below |
//! | signatures | 64 each | over the hash of all the above |
//!
//! | kind | fields | signed by |
//! |---|---|---|
//! | certify | signer 33, device 32, rights 1 (bit 0 write, 1 admit-device, 2 govern) | the signer |
//! | revoke | signer 33, device 32, what of it stands (`revocation`) | the signer |
//! | rotate | keys (`inception`); the root among them is the one that was committed to | that root |
//! | recover | count 1, revealed recovery keys 32 each, ascending; keys | each of the revealed |
//!
//! A signer is 0 and 32 zeroes for the root, or 1 and a device.

use serde::{Deserialize, Serialize};

use super::inception::Keys;
use super::keys::{self, Domain, SecretKey, Signature};
use super::revocation::Revocation;
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{DeviceId, LinkId, SchoolId};
use crate::{hash, limits};

pub(super) const WHAT: &str = "link of an identity chain";
/// The longest link: a `revoke` with full lists.
const LINK_BYTES: usize = 210 + 68 * limits::REVOKED_SPACES + 72 * limits::REVOKED_LOGS;

/// What a device may do for its school (§1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rights(u8);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Write entries, enrol and retire its own writers.
    pub const WRITE: Self = Self(1);
    /// Certify and revoke devices that only write.
    pub const ADMIT_DEVICE: Self = Self(2);
    /// Sign votes and charter operations for the school: one device at a time.
    pub const GOVERN: Self = Self(4);
    /// Everything: the first device of a school.
    pub const ALL: Self = Self(7);

    /// Whether all of `others` are among these.
    pub fn include(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
    /// These without `others`.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
    /// These and `others`.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
    pub(super) fn read(byte: u8) -> Option<Self> {
        (1..=Self::ALL.0).contains(&byte).then_some(Self(byte))
    }
}

/// Who signs a certificate or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signer {
    /// The root key of the time.
    Root,
    /// A device that may admit devices.
    Device(DeviceId),
}

/// What a link does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Gives a device these rights, in place of those it had.
    Certify {
        /// Who says so.
        by: Signer,
        /// The device.
        device: DeviceId,
        /// Its rights.
        rights: Rights,
    },
    /// Ends a device for good.
    Revoke {
        /// Who says so.
        by: Signer,
        /// The device.
        device: DeviceId,
        /// What of it stands.
        stands: Revocation,
    },
    /// Replaces the root by the key that was committed to.
    Rotate(Keys),
    /// Replaces all keys.
    Recover {
        /// The recovery keys that sign, ascending.
        signers: Vec<[u8; 32]>,
        /// The keys from now on.
        keys: Keys,
    },
}

impl Step {
    /// How much its signature proves; see `branch`.
    pub(super) fn weight(&self) -> u8 {
        match self {
            Self::Certify { by: Signer::Device(_), .. } | Self::Revoke { by: Signer::Device(_), .. } => 0,
            Self::Certify { by: Signer::Root, .. } | Self::Revoke { by: Signer::Root, .. } => 1,
            Self::Rotate(_) => 2,
            Self::Recover { .. } => 3,
        }
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        Ok(match reader.u8()? {
            1 => {
                let (by, device, rights) = (read_signer(reader)?, reader.id()?, reader.u8()?);
                Self::Certify { by, device, rights: Rights::read(rights).ok_or_else(|| reader.malformed())? }
            }
            2 => Self::Revoke { by: read_signer(reader)?, device: reader.id()?, stands: Revocation::read(reader)? },
            3 => Self::Rotate(Keys::read(reader)?),
            4 => {
                let count = reader.u8()?;
                if count == 0 || usize::from(count) > limits::RECOVERY_KEYS {
                    return Err(reader.malformed());
                }
                let signers = (0..count).map(|_| reader.array()).collect::<Result<Vec<[u8; 32]>, Fault>>()?;
                if !signers.is_sorted_by(|a, b| a < b) {
                    return Err(reader.malformed());
                }
                Self::Recover { signers, keys: Keys::read(reader)? }
            }
            _ => return Err(reader.malformed()),
        })
    }
    fn write(&self, writer: Writer) -> Writer {
        match self {
            Self::Certify { by, device, rights } => write_signer(writer.u8(1), *by).bytes(&device.0).u8(rights.0),
            Self::Revoke { by, device, stands } => stands.write(write_signer(writer.u8(2), *by).bytes(&device.0)),
            Self::Rotate(keys) => keys.write(writer.u8(3)),
            Self::Recover { signers, keys } => {
                let head = writer.u8(4).u8(u8::try_from(signers.len()).unwrap_or(u8::MAX));
                keys.write(signers.iter().fold(head, |writer, key| writer.bytes(key)))
            }
        }
    }
    fn signatures(&self) -> usize {
        match self {
            Self::Recover { signers, .. } => signers.len(),
            _ => 1,
        }
    }
}

fn read_signer(reader: &mut Reader<'_>) -> Result<Signer, Fault> {
    match (reader.u8()?, reader.id::<DeviceId>()?) {
        (0, none) if none == DeviceId::default() => Ok(Signer::Root),
        (1, device) => Ok(Signer::Device(device)),
        _ => Err(reader.malformed()),
    }
}

fn write_signer(writer: Writer, signer: Signer) -> Writer {
    match signer {
        Signer::Root => writer.u8(0).bytes(&[0; 32]),
        Signer::Device(device) => writer.u8(1).bytes(&device.0),
    }
}

/// One signed link, with the bytes it came as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Link {
    bytes: Vec<u8>,
    id: LinkId,
    pub(super) school: SchoolId,
    number: u32,
    prev: LinkId,
    step: Step,
}

impl Link {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.len() > LINK_BYTES {
            return Err(Fault::TooLarge { what: WHAT, most: LINK_BYTES as u64 });
        }
        let mut reader = Reader::new(bytes, WHAT);
        let layout = reader.u32()?;
        let (school, number, prev) = (reader.id()?, reader.u32()?, reader.id()?);
        let step = Step::read(&mut reader)?;
        if layout != 0 || number == 0 {
            return Err(reader.malformed());
        }
        let signatures = 64 * step.signatures();
        reader.take(signatures)?;
        reader.end()?;
        let id = LinkId(hash::LINK.hash(&[&bytes[..bytes.len() - signatures]]));
        Ok(Self { bytes: bytes.to_vec(), id, school, number, prev, step })
    }
    /// Signs a step after `prev`, with one key, or each of the recovery keys in the order of the step.
    pub(super) fn sign(
        school: SchoolId,
        number: u32,
        prev: LinkId,
        step: &Step,
        signers: &[&SecretKey],
    ) -> Result<Self, Fault> {
        let head = Writer::with_capacity(256).u32(0).bytes(&school.0).u32(number).bytes(&prev.0);
        let mut bytes = step.write(head).done();
        let hash = hash::LINK.hash(&[&bytes]);
        for signer in signers {
            bytes.extend_from_slice(&signer.sign(Domain::Link, &hash));
        }
        Self::parse(&bytes)
    }
    /// Its id: the hash of what is signed.
    pub fn id(&self) -> LinkId {
        self.id
    }
    /// Its place: the inception is 0.
    pub fn number(&self) -> u32 {
        self.number
    }
    /// The link that it continues; the school id for the first.
    pub fn prev(&self) -> LinkId {
        self.prev
    }
    /// What it does.
    pub fn step(&self) -> &Step {
        &self.step
    }
    /// As it was signed and travels.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Verifies its signatures with these keys, one each.
    pub(super) fn verify(&self, signers: &[[u8; 32]]) -> Result<(), Fault> {
        let signatures = &self.bytes[self.bytes.len() - 64 * self.step.signatures()..];
        if signers.len() * 64 != signatures.len() {
            return Err(Fault::Signature { what: WHAT });
        }
        for (signer, signature) in signers.iter().zip(signatures.chunks_exact(64)) {
            let signature: Signature = signature.try_into().expect("chunks of 64 bytes");
            keys::verify(signer, Domain::Link, &self.id.0, &signature)?;
        }
        Ok(())
    }
}

impl TryFrom<Vec<u8>> for Link {
    type Error = Fault;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Fault> {
        Self::parse(&bytes)
    }
}
impl From<Link> for Vec<u8> {
    fn from(link: Link) -> Self {
        link.bytes
    }
}
