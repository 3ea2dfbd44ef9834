//! A school's identity chain: which devices act for it (§1.2, §1.3).
//!
//! Links are in `link`, which of two branches counts in `branch`. A chain whose held branches weigh
//! the same is *frozen*: what was certified before they part goes on, nothing that either says after
//! it gives rights, every `revoke` of either counts, until a heavier branch ends that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::branch::{self, Branch};
use super::inception::{Inception, Keys, RecoveryCode};
use super::keys::SecretKey;
use super::link::{Link, Rights, Signer, Step, WHAT};
use super::revocation::Revocation;
use super::standing::Standing;
use crate::fault::Fault;
use crate::id::{DeviceId, LinkId, SchoolId};
use crate::{hash, limits};

/// A school's inception and its links since, each verified.
///
/// Every chain that was read is verified: one that does not hold is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unverified", into = "Unverified")]
pub struct IdentityChain {
    inception: Inception,
    /// The branch that counts; of two that weigh the same, the first.
    links: Vec<Link>,
    /// What the second one has from their parting on; empty unless frozen.
    rival: Vec<Link>,
    /// After the last link that counts.
    standing: Standing,
    /// Devices revoked on any branch held.
    revoked: BTreeMap<DeviceId, Revocation>,
    /// Where each link is: whether the rival alone has it, and its number.
    places: BTreeMap<LinkId, (bool, u32)>,
}

impl IdentityChain {
    /// A school without devices yet.
    pub fn new(inception: Inception) -> Self {
        Self::of(inception, Vec::new(), Vec::new())
    }
    /// Puts together what is verified already.
    fn of(inception: Inception, links: Vec<Link>, rival: Vec<Link>) -> Self {
        let parting = rival.first().map_or(links.len(), |link| link.number() as usize - 1);
        let mut standing = Standing::new(inception.keys().clone(), LinkId(inception.school().0));
        let mut places = BTreeMap::from([(standing.head, (false, 0))]);
        links[..parting].iter().for_each(|link| standing.apply(link));
        places.extend(rival.iter().map(|link| (link.id(), (true, link.number()))));
        places.extend(links.iter().map(|link| (link.id(), (false, link.number()))));
        let mut revoked = standing.revoked.clone();
        for link in links[parting..].iter().chain(&rival) {
            if let Step::Revoke { device, stands, .. } = link.step() {
                let both = revoked.get(device).map_or_else(|| stands.clone(), |held| held.and(stands));
                revoked.insert(*device, both);
            }
        }
        Self { inception, links, rival, standing, revoked, places }
    }
    /// Verifies a branch whose first `known` links were verified before.
    fn verify(inception: &Inception, branch: &[&Link], known: usize) -> Result<Standing, Fault> {
        let bytes: usize = branch.iter().map(|link| link.as_bytes().len()).sum();
        if branch.len() > limits::IDENTITY_LINKS || bytes > limits::IDENTITY_BYTES {
            return Err(Fault::TooLarge { what: "identity chain", most: limits::IDENTITY_LINKS as u64 });
        }
        let mut standing = Standing::new(inception.keys().clone(), LinkId(inception.school().0));
        for (place, link) in branch.iter().enumerate() {
            if link.school != inception.school() {
                return Err(Fault::Chain { what: WHAT });
            }
            if place >= known {
                standing.verify(link)?;
            }
            standing.apply(link);
        }
        Ok(standing)
    }
    /// The branches held, from the first link on.
    fn branches(&self) -> Vec<Branch<'_>> {
        let mut branches = vec![self.links.iter().collect::<Branch<'_>>()];
        if self.is_frozen() {
            branches.push(self.links[..self.standing.number as usize].iter().chain(&self.rival).collect());
        }
        branches
    }

    /// The school.
    pub fn school(&self) -> SchoolId {
        self.inception.school()
    }
    /// The inception.
    pub fn inception(&self) -> &Inception {
        &self.inception
    }
    /// The links of the branch that counts, in order; of the first of two that weigh the same.
    pub fn links(&self) -> &[Link] {
        &self.links
    }
    /// The id of the last link that counts, for signed things to name; the school id before the first.
    pub fn head(&self) -> LinkId {
        self.standing.head
    }
    /// Equal exactly when the same is held: the head, or the hash of both ends.
    pub fn state_hash(&self) -> [u8; 32] {
        match (self.links.last(), self.rival.last()) {
            (Some(first), Some(rival)) => hash::IDENTITY_STATE.hash(&[&first.id().0, &rival.id().0]),
            _ => self.head().0,
        }
    }
    /// Whether two branches weigh the same: nothing from their parting on gives rights.
    pub fn is_frozen(&self) -> bool {
        !self.rival.is_empty()
    }
    /// The keys in force.
    pub fn keys(&self) -> &Keys {
        &self.standing.keys
    }
    /// Whether this code's keys are the ones in force: it is on the sheet that counts.
    pub fn is_under(&self, code: &RecoveryCode) -> bool {
        self.standing.keys == Keys::of(code)
    }
    /// The devices that act for the school now, with their rights.
    pub fn devices(&self) -> BTreeMap<DeviceId, Rights> {
        let now = self.standing.devices_at(self.standing.number);
        now.filter(|(device, _)| !self.revoked.contains_key(device)).collect()
    }
    /// What a device may do now.
    pub fn rights(&self, device: &DeviceId) -> Option<Rights> {
        self.standing.rights_at(self.standing.number, device).filter(|_| !self.revoked.contains_key(device))
    }
    /// What a device might do when `head` was the last link, whatever came later; nothing where that is
    /// no link held. After the parting of two branches that weigh the same: what it might do at it.
    pub fn rights_at(&self, head: &LinkId, device: &DeviceId) -> Option<Rights> {
        let (_, number) = self.places.get(head)?;
        self.standing.rights_at((*number).min(self.standing.number), device)
    }
    /// Whether a device was ever certified with these rights; with [`Rights::NONE`], at all.
    pub fn ever(&self, device: &DeviceId, rights: Rights) -> bool {
        self.standing.ever(device).any(|had| had.include(rights))
    }
    /// What of a device stands, where it was revoked.
    pub fn revoked(&self, device: &DeviceId) -> Option<&Revocation> {
        self.revoked.get(device)
    }
    /// Every device that was revoked.
    pub fn revocations(&self) -> &BTreeMap<DeviceId, Revocation> {
        &self.revoked
    }
    /// Whether `later` is `earlier` or a link that goes on from it; both held.
    pub fn follows(&self, earlier: &LinkId, later: &LinkId) -> bool {
        let (Some((rival, from)), Some((other, to))) = (self.places.get(earlier), self.places.get(later)) else {
            return false;
        };
        from <= to && (rival == other || *from <= self.standing.number)
    }

    /// Takes in what another holds of this school; says whether that changed anything. Whatever the
    /// order in which chains are merged, what is held in the end is the same.
    pub fn merge(&mut self, other: &Self) -> Result<bool, Fault> {
        if other.inception != self.inception {
            return Err(Fault::Chain { what: "identity chain" });
        }
        if other.state_hash() == self.state_hash() {
            return Ok(false);
        }
        let (first, second) = branch::choose([self.branches(), other.branches()].concat());
        let parting = second.as_ref().map_or(0, |second| branch::shared(&first, second));
        let rival = second.iter().flat_map(|second| &second[parting..]).map(|link| Link::clone(link)).collect();
        let merged = Self::of(self.inception.clone(), first.into_iter().cloned().collect(), rival);
        let changed = merged.state_hash() != self.state_hash();
        if changed {
            *self = merged;
        }
        Ok(changed)
    }

    /// Certifies a device, with the root, or with a device that may admit others.
    pub fn certify(&mut self, signer: &SecretKey, device: DeviceId, rights: Rights) -> Result<(), Fault> {
        let by = self.signer(signer);
        self.sign(&self.head(), &Step::Certify { by, device, rights }, &[signer])
    }
    /// Revokes a device for good, with the root, or with a device that may admit others.
    pub fn revoke(&mut self, signer: &SecretKey, device: DeviceId, stands: Revocation) -> Result<(), Fault> {
        let by = self.signer(signer);
        self.sign(&self.head(), &Step::Revoke { by, device, stands }, &[signer])
    }
    /// Makes the key that was committed to the root; `keys` has its public key as root.
    pub fn rotate(&mut self, root: &SecretKey, keys: Keys) -> Result<(), Fault> {
        self.sign(&self.head(), &Step::Rotate(keys), &[root])
    }
    /// Sets all keys anew with recovery keys, after a link: what else came after it counts no more.
    pub fn recover(&mut self, after: &LinkId, recovery: &[&SecretKey], keys: Keys) -> Result<(), Fault> {
        let mut keyed: Vec<([u8; 32], &SecretKey)> = recovery.iter().map(|key| (key.public(), *key)).collect();
        keyed.sort_by_key(|(public, _)| *public);
        let (signers, secrets): (Vec<[u8; 32]>, Vec<&SecretKey>) = keyed.into_iter().unzip();
        self.sign(after, &Step::Recover { signers, keys }, &secrets)
    }
    /// Replaces the sheet: all keys come from a new code, and no key of the old one signs any more.
    pub fn renew(&mut self, old: &RecoveryCode, new: &RecoveryCode) -> Result<(), Fault> {
        self.recover(&self.head(), &[&old.recovery(0)], Keys::of(new))
    }

    fn signer(&self, key: &SecretKey) -> Signer {
        if key.public::<[u8; 32]>() == self.standing.keys.root { Signer::Root } else { Signer::Device(key.public()) }
    }
    /// Signs a step after a link and takes it in; refused where it would not count.
    fn sign(&mut self, after: &LinkId, step: &Step, signers: &[&SecretKey]) -> Result<(), Fault> {
        let (rival, number) = *self.places.get(after).ok_or(Fault::Chain { what: WHAT })?;
        let branch = self.branches().swap_remove(usize::from(rival));
        let branch = &branch[..number as usize];
        let link = Link::sign(self.school(), number + 1, *after, step, signers)?;
        let extended = [branch, &[&link]].concat();
        Self::verify(&self.inception, &extended, branch.len())?;
        let other = Self::of(self.inception.clone(), extended.into_iter().cloned().collect(), Vec::new());
        let mut next = self.clone();
        next.merge(&other)?;
        if next.head() != link.id() {
            return Err(Fault::Chain { what: WHAT });
        }
        *self = next;
        Ok(())
    }
}

/// A chain as it travels and rests.
#[derive(Serialize, Deserialize)]
struct Unverified {
    inception: Inception,
    links: Vec<Link>,
    rival: Vec<Link>,
}

impl From<IdentityChain> for Unverified {
    fn from(chain: IdentityChain) -> Self {
        Self { inception: chain.inception, links: chain.links, rival: chain.rival }
    }
}

impl TryFrom<Unverified> for IdentityChain {
    type Error = Fault;
    /// Both branches hold, and are the two that would be kept of themselves.
    fn try_from(read: Unverified) -> Result<Self, Fault> {
        let Unverified { inception, links, rival } = read;
        let first: Branch<'_> = links.iter().collect();
        Self::verify(&inception, &first, 0)?;
        if let Some(parting) = rival.first().map(|link| link.number() as usize - 1) {
            let shared = first.get(..parting).ok_or(Fault::Chain { what: WHAT })?;
            let second = shared.iter().copied().chain(&rival).collect::<Branch<'_>>();
            Self::verify(&inception, &second, parting)?;
            let kept = branch::choose(vec![first.clone(), second.clone()]);
            if branch::shared(&first, &second) != parting || kept != (first, Some(second)) {
                return Err(Fault::Chain { what: WHAT });
            }
        }
        Ok(Self::of(inception, links, rival))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::{decode, encode};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_chain_survives_its_bytes_and_any_flipped_bit_is_refused(seed: [u8; 20], devices in proptest::collection::vec(any::<[u8; 32]>(), 1..4), frozen: bool, flip: usize) {
            let code = RecoveryCode::from_random(seed);
            let mut chain = IdentityChain::new(Inception::new(&code));
            for device in devices {
                chain.certify(&code.root(0), DeviceId(device), Rights::WRITE).unwrap();
            }
            let mut other = chain.clone();
            chain.certify(&code.root(0), DeviceId([1; 32]), Rights::ALL).unwrap();
            other.certify(&code.root(0), DeviceId([2; 32]), Rights::ALL).unwrap();
            if frozen {
                chain.merge(&other).unwrap();
            }
            prop_assert_eq!(chain.is_frozen(), frozen);
            let mut bytes = encode(&chain);
            prop_assert_eq!(&decode::<IdentityChain>(&bytes, WHAT).unwrap(), &chain);
            let bit = flip % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode::<IdentityChain>(&bytes, WHAT).is_err());
        }
    }
}
