//! The school's own identity: one chain in all its spaces, devices that come and go, starting again
//! from the sheet (§1.2, §3.9, §3.10).

use super::{Replica, Space};
use crate::bytes;
use crate::charter::{Charter, Claim, DeviceInvitation, DeviceRedemption, DeviceTicket, Grown, Missing, Presented};
use crate::fault::Fault;
use crate::id::{DeviceId, SpaceId};
use crate::identity::{IdentityChain, Revocation, Rights, SecretKey};
use crate::store::{Read, Store, Table};
use crate::time::Millis;

impl<S: Store> Replica<S> {
    /// Takes over what the charters of our spaces know of our own school.
    pub(super) fn read_own_identity(&mut self) -> Result<(), Fault> {
        let school = self.school();
        for space in self.spaces.values() {
            if let Some(chain) = space.charter().identities().get(&school) {
                self.me.school.merge(chain)?;
            }
        }
        Ok(())
    }
    /// Where a space brought news of our own school, all spaces get them.
    pub(super) fn adopt_from(&mut self, new: &Missing) -> Result<(), Fault> {
        let school = self.school();
        match new.identities.iter().find(|chain| chain.school() == school) {
            Some(chain) => self.adopt(chain),
            None => Ok(()),
        }
    }
    /// Merges a chain of our school into the one that all spaces have.
    fn adopt(&mut self, chain: &IdentityChain) -> Result<(), Fault> {
        self.me.school.merge(chain)?;
        let ids: Vec<SpaceId> = self.spaces.keys().copied().collect();
        for id in ids {
            let offered = Missing { identities: vec![self.me.school.clone()], ..Missing::default() };
            let new = self.space_mut(id)?.charter_mut().admit(offered)?;
            self.stage_charter(id, &new)?;
        }
        Ok(())
    }
    /// Signs something in the school's chain, and tells it in every space.
    pub fn change_identity(
        &mut self,
        change: impl FnOnce(&mut IdentityChain, &SecretKey) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.check()?;
        let mut chain = self.me.school.clone();
        change(&mut chain, &self.me.device)?;
        self.adopt(&chain)
    }
    /// What a device may do for this school now.
    pub fn rights(&self, device: &DeviceId) -> Rights {
        self.me.school.rights(device).unwrap_or(Rights::NONE)
    }

    /// What of a device of our school is held here: what stands if it is revoked now.
    pub fn held_of(&self, device: &DeviceId) -> Revocation {
        let mut stands = Revocation::default();
        for (id, space) in &self.spaces {
            let operations = space.charter().whole().operations;
            if let Some(last) = operations.iter().rfind(|operation| operation.device() == *device) {
                stands.keep_operations(id, device, (last.number(), last.id()));
            }
            for (writer, _) in space.charter().resolved().writers.iter().filter(|(_, w)| w.device == *device) {
                let reach = (space.staged_frontier().next(writer), space.staged_frontier().head(writer));
                if reach.0 > 0 {
                    stands.logs.insert(*writer, reach);
                }
            }
        }
        stands
    }

    /// Issues a ticket for a further device of this school.
    pub fn invite_device(&mut self, expires: Millis, addresses: Vec<String>) -> Result<DeviceTicket, Fault> {
        self.check()?;
        let school = self.school();
        if !self.rights(&self.device()).include(Rights::ADMIT_DEVICE) {
            return Err(Fault::NoRight { school, act: "let this device admit others" });
        }
        let secret = self.entropy.array();
        let invitation = DeviceInvitation { secret, expires, used_by: None };
        self.staged.put(Table::DeviceInvitations, DeviceTicket::id_of(&secret).0, bytes::encode(&invitation));
        Ok(DeviceTicket { school, device: self.device(), addresses, secret, expires })
    }
    /// Certifies the device that holds a ticket, to write, and uses the ticket up with it. Any refusal is
    /// [`Fault::Ticket`]. Returns the charters of all our spaces.
    pub fn redeem_device(
        &mut self,
        redemption: &DeviceRedemption,
        joiner: DeviceId,
        now: Millis,
    ) -> Result<Vec<(SpaceId, Missing)>, Fault> {
        self.check()?;
        let held = self.reader().get(Table::DeviceInvitations, &redemption.ticket.0)?.ok_or(Fault::Ticket)?;
        let invitation: DeviceInvitation = bytes::decode(&held, "invitation").map_err(|_| Fault::Ticket)?;
        if !invitation.admits(redemption, self.device(), joiner, self.school(), now) {
            return Err(Fault::Ticket);
        }
        if self.rights(&joiner) == Rights::NONE {
            let certified = self.change_identity(|chain, ours| chain.certify(ours, joiner, Rights::WRITE));
            certified.map_err(|_| Fault::Ticket)?;
        }
        let used = DeviceInvitation { used_by: Some(joiner), ..invitation };
        self.staged.put(Table::DeviceInvitations, redemption.ticket.0, bytes::encode(&used));
        Ok(self.spaces.iter().map(|(id, space)| (*id, space.charter().whole())).collect())
    }

    /// What who holds a member school's sheet needs to start again: the charters of the spaces that
    /// the school and we are in. Any refusal is [`Fault::Ticket`].
    pub fn claimed(&self, claim: &Claim, from: DeviceId) -> Result<Vec<(SpaceId, Missing)>, Fault> {
        claim.verify(self.device(), from).map_err(|_| Fault::Ticket)?;
        let claimed = |charter: &&Charter| {
            let rooted = |chain: &IdentityChain| chain.keys().root == claim.root;
            charter.resolved().members.keys().any(|school| charter.identities().get(school).is_some_and(rooted))
        };
        let charters = self.spaces.values().map(Space::charter).filter(claimed);
        let shared: Vec<(SpaceId, Missing)> = charters.map(|charter| (charter.space(), charter.whole())).collect();
        if shared.is_empty() { Err(Fault::Ticket) } else { Ok(shared) }
    }
    /// Takes in a part of a charter that a device presents which is not known here (§3.10). Nothing of it
    /// is kept where it is refused.
    pub fn admit_presented(&mut self, space: SpaceId, part: Missing, device: &DeviceId) -> Result<Presented, Fault> {
        self.check()?;
        let presented = self.space(&space)?.charter().presented(part.clone(), device)?;
        self.admit_charter(space, part)?;
        // Its school may be a member elsewhere too.
        let charter = self.space(&space)?.charter();
        let chain = charter.school_of(device).and_then(|school| charter.identities().get(&school)).cloned();
        chain.map_or(Ok(()), |chain| self.admit_identity(&chain))?;
        Ok(presented)
    }
    /// Takes in the chain with which a school started again.
    pub fn admit_identity(&mut self, chain: &IdentityChain) -> Result<(), Fault> {
        self.check()?;
        let school = chain.school();
        let member =
            |(id, space): (&SpaceId, &Space)| space.charter().resolved().members.contains_key(&school).then_some(*id);
        let ids: Vec<SpaceId> = self.spaces.iter().filter_map(member).collect();
        for id in ids {
            self.admit_charter(id, Missing { identities: vec![chain.clone()], ..Missing::default() })?;
        }
        Ok(())
    }

    /// Makes this store, which holds nothing, one of the school whose chain certifies its device.
    pub fn enter(&mut self, school: IdentityChain, charters: Vec<(SpaceId, Missing)>) -> Result<(), Fault> {
        self.check()?;
        if !self.spaces.is_empty() || school.rights(&self.device()).is_none() {
            return Err(Fault::NoRight { school: school.school(), act: "make this store its own" });
        }
        self.me.school = school;
        for (id, whole) in charters {
            let mut charter = Charter::empty(id);
            charter.admit(whole)?;
            charter.admit(Missing { identities: vec![self.me.school.clone()], ..Missing::default() })?;
            charter.resolved().role(&self.school()).ok_or(Fault::Ticket)?;
            let grown = Grown { new: charter.whole(), rewritten: false };
            self.spaces.insert(id, Space::staged(charter, &self.me));
            self.stage_charter(id, &grown)?;
        }
        Ok(())
    }
}
