//! What one school does by itself in a charter (§3.3).

use super::cut::LogCut;
use super::held::{Actor, Charter, Grown};
use super::missing::Missing;
use super::operation::{Act, Admission, Departure, Enrolment, Header, Operation};
use super::role::Role;
use crate::fault::Fault;
use crate::id::{OperationId, SchoolId, TicketId, WriterId};
use crate::identity::{Domain, IdentityChain, SecretKey};
use crate::limits;

impl Charter {
    /// Signs the next operation of a device and takes it in.
    fn operate(&mut self, actor: Actor<'_>, identities: Vec<IdentityChain>, act: &Act) -> Result<Grown, Fault> {
        let device = actor.device.public();
        let chain = self.operations.get(&device);
        if chain.is_some_and(super::chains::DeviceChain::is_forked) {
            return Err(Fault::Decision(
                "this device signed two operations at one place: a decision must say which stands",
            ));
        }
        let last = chain.and_then(super::chains::DeviceChain::last);
        let header = Header {
            space: self.space,
            school: actor.school.school(),
            identity: actor.school.head(),
            device,
            number: last.map_or(0, Operation::number) + 1,
            prev: last.map_or_else(OperationId::default, Operation::id),
            anchor: self.resolved.head,
        };
        let operations = vec![Operation::sign(&header, act, actor.device)];
        self.admit(Missing { identities, operations, ..Missing::default() })
    }
    /// The same, taken back where it does not lead to what it should.
    fn operate_if(
        &mut self,
        actor: Actor<'_>,
        identities: Vec<IdentityChain>,
        act: &Act,
        led: impl Fn(&Self) -> Result<(), Fault>,
    ) -> Result<Grown, Fault> {
        let mut next = self.clone();
        let grown = next.operate(actor, identities, act)?;
        led(&next)?;
        *self = next;
        Ok(grown)
    }

    /// Admits a school that accepted. Refused where the acting school is no steward.
    pub fn admit_school(
        &mut self,
        actor: Actor<'_>,
        joiner: IdentityChain,
        admission: &Admission,
    ) -> Result<Grown, Fault> {
        let school = actor.school.school();
        if self.resolved.role(&school) != Some(Role::Steward) {
            return Err(Fault::NoRight { school, act: "admit a school" });
        }
        if self.resolved.members.len() >= limits::LIVE_ADMISSIONS {
            return Err(Fault::TooLarge { what: "cluster", most: limits::LIVE_ADMISSIONS as u64 });
        }
        // Who was admitted by a school that has lost the right meanwhile keeps what it wrote.
        let void = self.resolved.void_admissions.iter().rfind(|(_, who)| **who == admission.school).map(|(id, _)| *id);
        let instead_of = if admission.instead_of == OperationId::default() { void } else { None };
        let instead_of = instead_of.unwrap_or(admission.instead_of);
        let admission = Admission { instead_of, ..admission.clone() };
        self.operate_if(actor, vec![joiner], &Act::Admit(admission.clone()), |next| {
            let member = next.resolved.members.contains_key(&admission.school);
            member.then_some(()).ok_or(Fault::NoRight { school: admission.school, act: "join" })
        })
    }
    /// Enrols a writer of the acting device.
    pub fn enrol(&mut self, actor: Actor<'_>, writer: &SecretKey) -> Result<Grown, Fault> {
        let school = actor.school.school();
        let member = self.resolved.members.get(&school).ok_or(Fault::NoSuchSpace)?;
        let consent = Enrolment::consent_hash(self.space, school, actor.device.public());
        let act = Act::Enrol(Enrolment {
            admission: member.admissions.first().copied().ok_or(Fault::NoSuchSpace)?,
            writer: writer.public(),
            consent: writer.sign(Domain::Consent, &consent),
        });
        self.operate_if(actor, vec![actor.school.clone()], &act, |next| {
            let stands = next.resolved.writers.contains_key(&writer.public::<WriterId>());
            stands.then_some(()).ok_or(Fault::NoRight { school, act: "write" })
        })
    }
    /// Ends the log of a writer of the acting device at what stands.
    pub fn retire(&mut self, actor: Actor<'_>, log: LogCut) -> Result<Grown, Fault> {
        self.operate(actor, Vec::new(), &Act::Retire(log))
    }
    /// Leaves, once for each admission that the school belongs by. `held` says how far logs are held.
    pub fn leave(&mut self, actor: Actor<'_>, held: impl Fn(&WriterId) -> LogCut) -> Result<Grown, Fault> {
        let school = actor.school.school();
        let member = self.resolved.members.get(&school).cloned().ok_or(Fault::NoSuchSpace)?;
        if member.role == Role::Steward {
            return Err(Fault::Decision("a steward is demoted before it leaves"));
        }
        let mut next = self.clone();
        let mut grown = Grown::default();
        for admission in member.admissions {
            let under = |(_, writer): &(&WriterId, &super::Writer)| writer.admission == admission;
            let cuts = self.resolved.writers.iter().filter(under).map(|(id, _)| held(id)).collect();
            let left = next.operate(actor, vec![actor.school.clone()], &Act::Leave(Departure { admission, cuts }))?;
            grown.new.append(left.new);
        }
        if next.resolved.members.contains_key(&school) {
            return Err(Fault::NoRight { school, act: "leave with this device" });
        }
        *self = next;
        Ok(grown)
    }
    /// The logs of a school with how far they are held: what a decision that ends them lists.
    pub fn cuts_of(&self, school: &SchoolId, held: impl Fn(&WriterId) -> LogCut) -> Vec<LogCut> {
        let logs = self.resolved.writers.iter().filter(|(_, writer)| writer.school == *school);
        logs.map(|(id, _)| held(id)).filter(|log| log.cut.next > 0).collect()
    }
    /// Who was admitted with a ticket.
    pub fn redeemed(&self, ticket: &TicketId) -> Option<SchoolId> {
        self.resolved.tickets.get(ticket).copied()
    }
}
