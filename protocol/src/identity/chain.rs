//! A school's identity chain: which devices act for it (§1.2, §1.3).
//!
//! | field of a link | bytes | |
//! |---|---|---|
//! | layout | 4 | 0 |
//! | school | 32 | |
//! | number | 4 | from 1; the inception is 0 |
//! | prev | 32 | the link before; the school id at 1 |
//! | kind | 1 | 1 certify |
//! | device | 32 | certify: its public key |
//! | rights | 1 | certify: bit 0 write, 1 admit-device, 2 govern |
//! | signature | 64 | by the root, over the hash of all the above |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::inception::Inception;
use super::keys::{self, Domain, SecretKey, Signature};
use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{DeviceId, LinkId, SchoolId};
use crate::{hash, limits};

const WHAT: &str = "link of an identity chain";
const CERTIFY: u8 = 1;

/// What a device may do for its school (§1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights(u8);

impl Rights {
    /// Write entries, enrol and retire its own writers.
    pub const WRITE: Self = Self(1);
    /// Certify further devices.
    pub const ADMIT_DEVICE: Self = Self(2);
    /// Sign votes and charter operations for the school.
    pub const GOVERN: Self = Self(4);
    /// Everything: the first device of a school.
    pub const ALL: Self = Self(7);

    /// Whether all of `others` are among these.
    pub fn include(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

/// One signed link, with the bytes it came as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Link {
    bytes: Vec<u8>,
    school: SchoolId,
    number: u32,
    prev: LinkId,
    device: DeviceId,
    rights: Rights,
}

impl Link {
    fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, WHAT);
        let layout = reader.u32()?;
        let (school, number, prev) = (reader.id()?, reader.u32()?, reader.id()?);
        let kind = reader.u8()?;
        let (device, rights) = (reader.id()?, reader.u8()?);
        if layout != 0 || kind != CERTIFY || rights == 0 || rights > Rights::ALL.0 {
            return Err(reader.malformed());
        }
        let _signature: Signature = reader.array()?;
        reader.end()?;
        Ok(Self { bytes: bytes.to_vec(), school, number, prev, device, rights: Rights(rights) })
    }
    /// Its id: the hash of what is signed.
    pub fn id(&self) -> LinkId {
        LinkId(hash::LINK.hash(&[self.signed()]))
    }
    fn signed(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - 64]
    }
    fn verify(&self, root: &[u8; 32]) -> Result<(), Fault> {
        let signature: Signature = self.bytes[self.bytes.len() - 64..].try_into().expect("parsed with a signature");
        keys::verify(root, Domain::Link, &self.id().0, &signature)
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

/// A school's inception and all links since, each verified.
///
/// Every chain that was read is verified: one that does not hold is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unverified")]
pub struct IdentityChain {
    inception: Inception,
    links: Vec<Link>,
}

impl IdentityChain {
    /// A school without devices yet.
    pub fn new(inception: Inception) -> Self {
        Self { inception, links: Vec::new() }
    }
    /// The school.
    pub fn school(&self) -> SchoolId {
        self.inception.school()
    }
    /// The inception.
    pub fn inception(&self) -> &Inception {
        &self.inception
    }
    /// The links, in order.
    pub fn links(&self) -> &[Link] {
        &self.links
    }
    /// The id of the last link; the school id before the first.
    pub fn head(&self) -> LinkId {
        self.links.last().map_or(LinkId(self.school().0), Link::id)
    }
    /// Certifies a device with the root key.
    pub fn certify(&mut self, root: &SecretKey, device: DeviceId, rights: Rights) -> Result<(), Fault> {
        let number = u32::try_from(self.links.len() + 1).map_err(|_| Fault::Chain { what: WHAT })?;
        let unsigned = Writer::with_capacity(170)
            .u32(0)
            .bytes(&self.school().0)
            .u32(number)
            .bytes(&self.head().0)
            .u8(CERTIFY)
            .bytes(&device.0)
            .u8(rights.0)
            .done();
        let signature = root.sign(Domain::Link, &hash::LINK.hash(&[&unsigned]));
        self.push(Link::parse(&[&unsigned[..], &signature].concat())?)
    }
    /// Adds the next link, verified.
    pub fn push(&mut self, link: Link) -> Result<(), Fault> {
        let next = self.links.len() + 1;
        if next > limits::IDENTITY_LINKS {
            return Err(Fault::TooLarge { what: "identity chain", most: limits::IDENTITY_LINKS as u64 });
        }
        if link.school != self.school() || link.number as usize != next || link.prev != self.head() {
            return Err(Fault::Chain { what: WHAT });
        }
        link.verify(self.inception.root())?;
        self.links.push(link);
        Ok(())
    }
    /// The devices that act for the school now, with their rights; the last certificate counts.
    pub fn devices(&self) -> BTreeMap<DeviceId, Rights> {
        self.links.iter().map(|link| (link.device, link.rights)).collect()
    }
    /// What a device might do when `head` was the last link; nothing where that is no link of this chain.
    pub fn rights_at(&self, head: &LinkId, device: &DeviceId) -> Option<Rights> {
        let links = match self.links.iter().position(|link| link.id() == *head) {
            Some(place) => &self.links[..=place],
            None => return None,
        };
        links.iter().rev().find(|link| link.device == *device).map(|link| link.rights)
    }
    /// Whether a device was ever certified with these rights.
    pub fn ever(&self, device: &DeviceId, rights: Rights) -> bool {
        self.links.iter().any(|link| link.device == *device && link.rights.include(rights))
    }
    /// Whether `later` is `earlier` or comes after it.
    pub fn follows(&self, earlier: &LinkId, later: &LinkId) -> bool {
        let place = |id: &LinkId| self.links.iter().position(|link| link.id() == *id);
        matches!((place(earlier), place(later)), (Some(earlier), Some(later)) if earlier <= later)
    }
    /// The last operation of a revoked device that stands in a space.
    pub fn last_operation(&self, _space: &crate::id::SpaceId, _device: &DeviceId) -> Option<u32> {
        None
    }
    /// Where a log of a revoked device ends.
    pub fn revoked_log(&self, _device: &DeviceId, _writer: &crate::id::WriterId) -> Option<crate::charter::Cut> {
        None
    }
    /// What a device may do now.
    pub fn rights(&self, device: &DeviceId) -> Option<Rights> {
        self.links.iter().rev().find(|link| link.device == *device).map(|link| link.rights)
    }
}

/// A chain as it was read.
#[derive(Deserialize)]
struct Unverified {
    inception: Inception,
    links: Vec<Link>,
}

impl TryFrom<Unverified> for IdentityChain {
    type Error = Fault;
    fn try_from(read: Unverified) -> Result<Self, Fault> {
        let mut chain = Self::new(read.inception);
        read.links.into_iter().try_for_each(|link| chain.push(link))?;
        Ok(chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{decode, encode};
    use crate::identity::RecoveryCode;
    use proptest::prelude::*;

    fn chain(seed: [u8; 20], devices: &[[u8; 32]]) -> IdentityChain {
        let code = RecoveryCode::from_random(seed);
        let mut chain = IdentityChain::new(Inception::new(&code));
        for device in devices {
            chain.certify(&code.root(0), DeviceId(*device), Rights::WRITE).unwrap();
        }
        chain
    }

    proptest! {
        #[test]
        fn any_chain_survives_its_bytes_and_any_flipped_bit_is_refused(seed: [u8; 20], devices in proptest::collection::vec(any::<[u8; 32]>(), 1..4), flip: usize) {
            let chain = chain(seed, &devices);
            let mut bytes = encode(&chain);
            prop_assert_eq!(&decode::<IdentityChain>(&bytes, WHAT).unwrap(), &chain);
            let bit = flip % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode::<IdentityChain>(&bytes, WHAT).is_err());
        }
    }

    #[test]
    fn another_root_certifies_nothing() {
        let mut chain = chain([1; 20], &[[2; 32]]);
        let other = RecoveryCode::from_random([9; 20]);
        let refused = chain.certify(&other.root(0), DeviceId([3; 32]), Rights::ALL);
        assert_eq!(refused, Err(Fault::Signature { what: WHAT }));
        assert_eq!(chain.rights(&DeviceId([3; 32])), None);
    }
}
