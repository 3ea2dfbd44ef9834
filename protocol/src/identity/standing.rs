//! What the links so far amount to, and whether the next one may be signed as it is (§1.2, §1.3).

use std::collections::BTreeMap;

use super::inception::Keys;
use super::link::{Link, Rights, Signer, Step, WHAT};
use super::revocation::Revocation;
use crate::fault::Fault;
use crate::id::{DeviceId, LinkId};

/// Keys, devices and revocations after some link of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    /// The last link; the school id before the first.
    pub(super) head: LinkId,
    /// Its number.
    pub(super) number: u32,
    /// The keys in force.
    pub(super) keys: Keys,
    /// For each device, the numbers of the links that changed its rights, and to what.
    devices: BTreeMap<DeviceId, Vec<(u32, Rights)>>,
    /// Devices that were revoked.
    pub(super) revoked: BTreeMap<DeviceId, Revocation>,
}

impl Standing {
    /// Before the first link.
    pub(super) fn new(keys: Keys, school: LinkId) -> Self {
        Self { head: school, number: 0, keys, devices: BTreeMap::new(), revoked: BTreeMap::new() }
    }
    /// The devices with the rights that each had at link `number`.
    pub(super) fn devices_at(&self, number: u32) -> impl Iterator<Item = (DeviceId, Rights)> + '_ {
        self.devices.keys().filter_map(move |device| Some((*device, self.rights_at(number, device)?)))
    }
    /// What a device might do at link `number`, where it might do anything.
    pub(super) fn rights_at(&self, number: u32, device: &DeviceId) -> Option<Rights> {
        let history = self.devices.get(device)?;
        let place = history.partition_point(|(at, _)| *at <= number).checked_sub(1)?;
        Some(history[place].1).filter(|rights| *rights != Rights::NONE)
    }
    /// Everything that a device was ever certified with.
    pub(super) fn ever(&self, device: &DeviceId) -> impl Iterator<Item = Rights> + '_ {
        self.devices.get(device).into_iter().flatten().map(|(_, rights)| *rights).filter(|r| *r != Rights::NONE)
    }
    fn rights(&self, device: &DeviceId) -> Rights {
        self.rights_at(self.number, device).unwrap_or(Rights::NONE)
    }

    /// Whether the step may come next, by its own words: signatures are for [`Self::verify`].
    fn permits(&self, step: &Step) -> bool {
        match step {
            Step::Certify { by, device, rights } => {
                let only_writes = *rights == Rights::WRITE && self.ever(device).all(|r| r == Rights::WRITE);
                !self.revoked.contains_key(device) && (self.may_sign(*by) && (*by == Signer::Root || only_writes))
            }
            Step::Revoke { by, device, .. } => {
                let certified = self.devices.contains_key(device) && !self.revoked.contains_key(device);
                certified && self.may_sign(*by) && (*by == Signer::Root || self.rights(device) == Rights::WRITE)
            }
            Step::Rotate(keys) => Keys::commit(&keys.root) == self.keys.next,
            Step::Recover { signers, .. } => {
                let known = |key: &[u8; 32]| self.keys.recovery.contains(&Keys::commit(key));
                self.keys.threshold > 0
                    && signers.len() >= usize::from(self.keys.threshold)
                    && signers.iter().all(known)
            }
        }
    }
    fn may_sign(&self, by: Signer) -> bool {
        match by {
            Signer::Root => true,
            Signer::Device(device) => self.rights(&device).include(Rights::ADMIT_DEVICE),
        }
    }
    /// Whether a link continues this, is permitted and rightly signed.
    pub(super) fn verify(&self, link: &Link) -> Result<(), Fault> {
        let continues = link.prev() == self.head && link.number() == self.number + 1;
        if !continues || !self.permits(link.step()) {
            return Err(Fault::Chain { what: WHAT });
        }
        match link.step() {
            Step::Certify { by: Signer::Root, .. } | Step::Revoke { by: Signer::Root, .. } => {
                link.verify(&[self.keys.root])
            }
            Step::Certify { by: Signer::Device(by), .. } | Step::Revoke { by: Signer::Device(by), .. } => {
                link.verify(&[by.0])
            }
            Step::Rotate(keys) => link.verify(&[keys.root]),
            Step::Recover { signers, .. } => link.verify(signers),
        }
    }
    /// Goes on by a link that was verified.
    pub(super) fn apply(&mut self, link: &Link) {
        (self.head, self.number) = (link.id(), link.number());
        match link.step() {
            Step::Certify { device, rights, .. } => {
                if rights.include(Rights::GOVERN) {
                    self.take_govern();
                }
                self.set(*device, *rights);
            }
            Step::Revoke { device, stands, .. } => {
                self.set(*device, Rights::NONE);
                self.revoked.insert(*device, stands.clone());
            }
            Step::Rotate(keys) | Step::Recover { keys, .. } => self.keys = keys.clone(),
        }
    }
    fn set(&mut self, device: DeviceId, rights: Rights) {
        let history = self.devices.entry(device).or_default();
        // One link may take `govern` and give other rights to the same device.
        history.retain(|(at, _)| *at != self.number);
        history.push((self.number, rights));
    }
    /// One device governs at a time.
    fn take_govern(&mut self) {
        let governs = |device: &&DeviceId| self.rights(device).include(Rights::GOVERN);
        let holders: Vec<DeviceId> = self.devices.keys().filter(governs).copied().collect();
        for device in holders {
            self.set(device, self.rights(&device).without(Rights::GOVERN));
        }
    }
}
