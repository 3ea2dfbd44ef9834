//! Tickets: issuing, redeeming, joining (§3.9).

use super::{Local, Replica, Space};
use crate::bytes;
use crate::charter::{Admission, Charter, Invitation, Missing, Redemption, Role, Ticket};
use crate::fault::Fault;
use crate::id::{DeviceId, SpaceId, TicketId};
use crate::identity::{Domain, Rights};
use crate::store::{Read, Store, Table};
use crate::time::Millis;

impl<S: Store> Replica<S> {
    /// Issues a ticket for one school. It admits nobody before it is durable.
    pub fn invite(
        &mut self,
        space: SpaceId,
        role: Role,
        expires: Millis,
        addresses: Vec<String>,
    ) -> Result<Ticket, Fault> {
        self.check()?;
        let resolved = self.space(&space)?.charter().resolved();
        let school = self.school();
        if resolved.role(&school) != Some(Role::Steward) {
            return Err(Fault::NoRight { school, act: "invite: only stewards admit schools" });
        }
        if role == Role::Steward {
            return Err(Fault::NoRight { school, act: "invite a steward: a member is promoted to one" });
        }
        let head = resolved.head;
        let secret = self.entropy.array();
        let invitation = Invitation { space, role, secret, expires, used_by: None };
        self.staged.put(Table::Invitations, Ticket::id_of(&secret).0, bytes::encode(&invitation));
        Ok(Ticket {
            space,
            head,
            school: self.me.school.clone(),
            device: self.device(),
            addresses,
            role,
            secret,
            expires,
        })
    }

    /// Admits who holds a ticket, and uses it up with it. Any other answer is [`Fault::Ticket`].
    ///
    /// Returns the space and its whole charter for the joiner.
    pub fn redeem(
        &mut self,
        redemption: &Redemption,
        joiner: DeviceId,
        now: Millis,
    ) -> Result<(SpaceId, Missing), Fault> {
        self.check()?;
        let invitation = self.invitation(&redemption.ticket)?.ok_or(Fault::Ticket)?;
        let school = redemption.school.school();
        let proof = Ticket::proof(&invitation.secret, invitation.space, self.device(), joiner, school);
        let again = invitation.used_by == Some(school);
        let unused = invitation.used_by.is_none();
        let own_device = redemption.school.ever(&joiner, Rights::GOVERN);
        let good = (again || unused) && own_device && now <= invitation.expires;
        // Whether two proofs are equal is compared by their hashes, so that the time tells nothing.
        if blake3::Hash::from(proof) != blake3::Hash::from(redemption.proof) || !good {
            return Err(Fault::Ticket);
        }
        let space = invitation.space;
        if !again && !self.space(&space)?.charter().resolved().members.contains_key(&school) {
            let admission = Admission {
                school,
                role: invitation.role,
                instead_of: crate::id::OperationId::default(),
                ticket: redemption.ticket,
                device: joiner,
                acceptance: redemption.acceptance,
            };
            let held = self.spaces.get_mut(&space).ok_or(Fault::Ticket)?;
            let admitted = held.charter_mut().admit_school(self.me.actor(), redemption.school.clone(), &admission);
            let new = admitted.map_err(|_| Fault::Ticket)?;
            self.stage_charter(space, &new)?;
        }
        let used = Invitation { used_by: Some(school), ..invitation };
        self.staged.put(Table::Invitations, redemption.ticket.0, bytes::encode(&used));
        Ok((space, self.space(&space)?.charter().whole()))
    }

    fn invitation(&self, ticket: &TicketId) -> Result<Option<Invitation>, Fault> {
        let value = self.reader().get(Table::Invitations, &ticket.0)?;
        value.map(|value| bytes::decode(&value, "invitation")).transpose()
    }

    /// What this school sends to redeem a ticket.
    pub fn redemption(&self, ticket: &Ticket) -> Redemption {
        let id = Ticket::id_of(&ticket.secret);
        let school = self.school();
        let acceptance = Admission::acceptance_hash(ticket.space, id, school, ticket.role);
        Redemption {
            ticket: id,
            proof: Ticket::proof(&ticket.secret, ticket.space, ticket.device, self.device(), school),
            school: self.me.school.clone(),
            acceptance: self.me.device.sign(Domain::Acceptance, &acceptance),
        }
    }

    /// Enters a space with the charter that a redeemed ticket brought, and enrols this store's writer.
    pub fn join(&mut self, ticket: &Ticket, charter: Missing) -> Result<SpaceId, Fault> {
        self.check()?;
        let mut joined = Charter::empty(ticket.space);
        let grown = joined.admit(charter)?;
        let resolved = joined.resolved();
        let names_head = joined.decisions().iter().any(|c| (c.decision.number(), c.decision.id()) == ticket.head);
        let member = resolved.members.get(&self.school());
        if !names_head || member.is_none() {
            return Err(Fault::Ticket);
        }
        let writes = member.is_some_and(|member| member.role > Role::Reader);
        if self.spaces.contains_key(&ticket.space) {
            self.admit_charter(ticket.space, grown.new)?;
        } else {
            self.spaces.insert(ticket.space, Space::staged(joined, &self.me));
            self.stage_charter(ticket.space, &grown)?;
        }
        if writes {
            self.enrol_own(ticket.space)?;
        }
        Ok(ticket.space)
    }

    /// Enrols this store's writer where it is not yet, and this school is one that writes.
    pub(super) fn enrol_own(&mut self, space: SpaceId) -> Result<(), Fault> {
        let held = self.spaces.get_mut(&space).ok_or(Fault::NoSuchSpace)?;
        let writer = self.me.writer(space, held.generation());
        let resolved = held.charter().resolved();
        let writes = resolved.role(&self.me.school.school()) > Some(Role::Reader);
        if !writes || resolved.writers.contains_key(&writer.public()) {
            return Ok(());
        }
        let new = held.charter_mut().enrol(Local::actor(&self.me), &writer)?;
        self.stage_parts(space, &new.new);
        Ok(())
    }
}
