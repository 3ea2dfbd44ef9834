//! Tickets: issuing, redeeming, joining (§3.9). A person's confirmation is in [`confirm`].

mod confirm;

use super::{Local, Notice, Replica, Space};
use crate::bytes;
use crate::catalogue::Catalogue;
use crate::charter::{
    Admission, Charter, Holder, Invitation, Join, Missing, Nonce, Redeemed, Redemption, Role, Standing, Ticket,
    commitment,
};
use crate::fault::{Blame, Fault};
use crate::id::{DeviceId, OperationId, SpaceId, TicketId};
use crate::identity::{self, Domain, IdentityChain, Rights};
use crate::limits;
use crate::store::{Read, Store, Table};
use crate::time::Millis;

impl<S: Store> Replica<S> {
    /// Issues a ticket that admits at once the one school that holds it. It admits nobody before it
    /// is durable.
    pub fn invite(
        &mut self,
        space: SpaceId,
        role: Role,
        expires: Millis,
        addresses: Vec<String>,
    ) -> Result<Ticket, Fault> {
        self.issue(space, role, expires, addresses, Standing::Open)
    }

    /// Issues a ticket whose holder waits until a person here confirms ([`Self::confirm`]).
    pub fn invite_and_ask(
        &mut self,
        space: SpaceId,
        role: Role,
        expires: Millis,
        addresses: Vec<String>,
    ) -> Result<Ticket, Fault> {
        self.issue(space, role, expires, addresses, Standing::Asks)
    }

    fn issue(
        &mut self,
        space: SpaceId,
        role: Role,
        expires: Millis,
        addresses: Vec<String>,
        standing: Standing,
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
        self.keep(Ticket::id_of(&secret), &Invitation { space, role, secret, expires, standing });
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

    /// Whether a joiner knows the secret of a ticket that is its to use, whatever its chain may show. Any
    /// other answer is [`Fault::Ticket`].
    pub fn proves(&self, join: &Join, joiner: DeviceId, now: Millis) -> Result<(), Fault> {
        self.check()?;
        self.proven(join, joiner, now).map(|_| ())
    }
    fn proven(&self, join: &Join, joiner: DeviceId, now: Millis) -> Result<Invitation, Fault> {
        let invitation = self.invitation(&join.ticket)?.ok_or(Fault::Ticket)?;
        let Invitation { space, role, secret, .. } = invitation;
        let proof = Ticket::proof(&secret, space, self.device(), joiner, join.school, &join.commitment);
        // Whether two proofs are equal is compared by their hashes, so that the time tells nothing.
        let proven = blake3::Hash::from(proof) == blake3::Hash::from(join.proof);
        let its_own = match &invitation.standing {
            Standing::Open | Standing::Asks => true,
            // Its own device asks again: who found the ticket learns not even whom it admitted.
            Standing::Admitted(by) => {
                let identities = self.space(&space)?.charter().identities();
                *by == join.school && identities.ever(by, &joiner, Rights::GOVERN)
            }
            Standing::Waiting(claim) => claim.is_of(join, joiner),
            Standing::Refused(_) => false,
        };
        if !proven || !its_own || now > invitation.expires {
            return Err(Fault::Ticket);
        }
        let accepted = Admission::acceptance_hash(space, join.ticket, join.school, role);
        let signed = identity::verify(&joiner.0, Domain::Acceptance, &accepted, &join.acceptance);
        signed.map(|()| invitation).map_err(|_| Fault::Ticket)
    }

    /// Admits who holds a ticket, or lets it wait for a person, and uses the ticket up with it: who
    /// proved it first has it. Any other answer is [`Fault::Ticket`].
    pub fn redeem(&mut self, redemption: &Redemption, joiner: DeviceId, now: Millis) -> Result<Redeemed, Fault> {
        self.check()?;
        let join = &redemption.join;
        let invitation = self.proven(join, joiner, now)?;
        let Invitation { space, role, .. } = invitation;
        let school = join.school;
        if redemption.school.school() != school || !redemption.school.ever(&joiner, Rights::GOVERN) {
            return Err(Fault::Ticket);
        }
        let belongs = self.space(&space)?.charter().resolved().members.contains_key(&school);
        let standing = match &invitation.standing {
            Standing::Admitted(_) if belongs => return self.admitted(space),
            Standing::Open | Standing::Asks if belongs => Standing::Admitted(school),
            Standing::Open => {
                let chain = redemption.school.clone();
                let admission = admission((&chain, joiner), role, join.ticket, join.acceptance);
                self.admit_holder(space, chain, &admission).map_err(not_the_nodes)?;
                Standing::Admitted(school)
            }
            Standing::Asks => {
                let redeemers = self.entropy.array();
                Standing::Waiting(Box::new(claim(redemption, joiner, redeemers, now)))
            }
            Standing::Waiting(claim) => return Ok(Redeemed::Compare(claim.redeemers)),
            _ => return Err(Fault::Ticket),
        };
        let compare = match &standing {
            Standing::Waiting(claim) => Some(Redeemed::Compare(claim.redeemers)),
            _ => None,
        };
        self.keep(join.ticket, &Invitation { standing, ..invitation });
        compare.map_or_else(|| self.admitted(space), Ok)
    }

    fn admitted(&self, space: SpaceId) -> Result<Redeemed, Fault> {
        Ok(Redeemed::Admitted(space, self.space(&space)?.charter().whole()))
    }

    fn admit_holder(&mut self, space: SpaceId, school: IdentityChain, admission: &Admission) -> Result<(), Fault> {
        let held = self.spaces.get_mut(&space).ok_or(Fault::NoSuchSpace)?;
        let new = held.charter_mut().admit_school(self.me.actor(), school, admission)?;
        self.stage_charter(space, &new)
    }

    fn invitation(&self, ticket: &TicketId) -> Result<Option<Invitation>, Fault> {
        let value = self.reader().get(Table::Invitations, &ticket.0)?;
        value.map(|value| bytes::decode(&value, "invitation")).transpose()
    }

    fn keep(&mut self, ticket: TicketId, invitation: &Invitation) {
        self.staged.put(Table::Invitations, ticket.0, bytes::encode(invitation));
    }

    /// What this school sends to redeem a ticket.
    pub fn redemption(&self, ticket: &Ticket) -> Redemption {
        let id = Ticket::id_of(&ticket.secret);
        let school = self.school();
        let acceptance = Admission::acceptance_hash(ticket.space, id, school, ticket.role);
        let commitment = commitment(&self.joiners_nonce(ticket));
        let join = Join {
            ticket: id,
            proof: Ticket::proof(&ticket.secret, ticket.space, ticket.device, self.device(), school, &commitment),
            commitment,
            name: self.own_name(),
            school,
            acceptance: self.me.device.sign(Domain::Acceptance, &acceptance),
        };
        Redemption { join, school: self.me.school.clone() }
    }

    /// What this school calls itself, in its own space.
    fn own_name(&self) -> String {
        let profile = |own| Catalogue(&self.store).profile(&own, &self.school()).ok().flatten();
        let name = self.own_space().and_then(profile).map(|card| card.line("title").to_owned());
        name.filter(|name| name.len() <= limits::NAME).unwrap_or_default()
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
        self.notices.insert(Notice::Charter(space));
        // What it wrote under an enrolment that does not stand goes on: no seq is signed twice.
        self.take_back(space, writer.public())
    }
}

/// The one refusal, unless this node is to blame.
fn not_the_nodes(fault: Fault) -> Fault {
    if fault.blame() == Blame::Node { fault } else { Fault::Ticket }
}

/// The admission of a ticket's holder.
fn admission(
    (school, device): (&IdentityChain, DeviceId),
    role: Role,
    ticket: TicketId,
    acceptance: identity::Signature,
) -> Admission {
    Admission { school: school.school(), role, instead_of: OperationId::default(), ticket, device, acceptance }
}

/// The claim of a ticket's holder.
fn claim(redemption: &Redemption, device: DeviceId, redeemers: Nonce, since: Millis) -> Holder {
    let Redemption { join: Join { commitment, name, acceptance, .. }, school } = redemption.clone();
    Holder { school, device, name, acceptance, commitment, redeemers, joiners: None, since }
}
