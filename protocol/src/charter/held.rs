//! What is held of one space's charter (§3).

use std::collections::BTreeMap;

use super::decision::{Complete, Decision, Founding, Vote};
use super::missing::{Missing, Positions, in_order};
use super::operation::{Act, Admission, Enrolment, Header, Operation, Retirement};
use super::resolve::{Resolved, resolve};
use super::role::Role;
use crate::fault::Fault;
use crate::hash;
use crate::id::{DecisionId, DeviceId, LinkId, OperationId, SchoolId, SpaceId, TicketId, WriterId};
use crate::identity::{Domain, IdentityChain, Rights, SecretKey};
use crate::limits;

/// A charter as held, with what it resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    space: SpaceId,
    decisions: Vec<Complete>,
    operations: BTreeMap<DeviceId, Vec<Operation>>,
    identities: BTreeMap<SchoolId, IdentityChain>,
    resolved: Resolved,
}

/// The device that acts, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The school's identity chain.
    pub school: &'a IdentityChain,
    /// The device's key.
    pub device: &'a SecretKey,
}

impl Charter {
    /// Nothing yet of a space that others founded.
    pub fn empty(space: SpaceId) -> Self {
        Self {
            space,
            decisions: Vec::new(),
            operations: BTreeMap::new(),
            identities: BTreeMap::new(),
            resolved: Resolved::default(),
        }
    }
    /// Founds a space.
    pub fn found(founding: &Founding, actor: Actor<'_>) -> Result<(Self, Missing), Fault> {
        let school = actor.school.school();
        let decision = Decision::found(founding, (school, actor.school.head()));
        let votes = vec![Vote::sign(decision.id(), school, true, actor.device)];
        let mut charter = Self::empty(decision.space());
        let complete = Complete { decision, votes };
        let new = charter.admit(Missing {
            identities: vec![actor.school.clone()],
            decisions: vec![complete],
            operations: Vec::new(),
        })?;
        Ok((charter, new))
    }
    /// The space.
    pub fn space(&self) -> SpaceId {
        self.space
    }
    /// What it resolves to.
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }
    /// The identity chains it came with.
    pub fn identities(&self) -> &BTreeMap<SchoolId, IdentityChain> {
        &self.identities
    }
    /// The member school that a device acts for.
    pub fn school_of(&self, device: &DeviceId) -> Option<SchoolId> {
        let acts = |school: &&SchoolId| self.identities.get(*school).is_some_and(|c| c.rights(device).is_some());
        self.resolved.members.keys().find(acts).copied()
    }
    /// Equal exactly when the same complete decisions, operations and identity heads are held (§4.1).
    pub fn hash(&self) -> [u8; 32] {
        let mut ids = Vec::new();
        for complete in &self.decisions {
            ids.extend_from_slice(&complete.decision.id().0);
        }
        for operation in self.operations.values().flatten() {
            ids.extend_from_slice(&operation.id().0);
        }
        for chain in self.identities.values() {
            ids.extend_from_slice(&chain.state_hash());
        }
        hash::CHARTER_STATE.hash(&[&self.space.0, &ids])
    }
    /// How far it is held.
    pub fn positions(&self) -> Positions {
        let count = |n: usize| u32::try_from(n).expect("bounded by the limits of a charter");
        Positions {
            decisions: count(self.decisions.len()),
            operations: self.operations.iter().map(|(device, ops)| (*device, count(ops.len()))).collect(),
            identities: self.identities.iter().map(|(s, chain)| (*s, chain.state_hash())).collect(),
        }
    }
    /// What a node at `positions` lacks.
    pub fn missing(&self, positions: &Positions) -> Missing {
        let operations = |(device, ops): (&DeviceId, &Vec<Operation>)| {
            let has = positions.operations.get(device).map_or(0, |n| *n as usize);
            ops.iter().skip(has).cloned().collect::<Vec<_>>()
        };
        let lacks = |(school, chain): &(&SchoolId, &IdentityChain)| {
            positions.identities.get(school) != Some(&chain.state_hash())
        };
        Missing {
            identities: self.identities.iter().filter(lacks).map(|(_, chain)| chain.clone()).collect(),
            decisions: self.decisions.iter().skip(positions.decisions as usize).cloned().collect(),
            operations: self.operations.iter().flat_map(operations).collect(),
        }
    }
    /// Everything.
    pub fn whole(&self) -> Missing {
        self.missing(&Positions::default())
    }

    /// Takes in what is rightly signed and continues what is held; gives back what was new.
    ///
    /// What is held already is passed over. The first thing that cannot be held is a fault of whoever
    /// sent it; then nothing of `offered` is taken.
    pub fn admit(&mut self, offered: Missing) -> Result<Missing, Fault> {
        let mut next = self.clone();
        let mut new = Missing::default();
        for chain in offered.identities {
            if next.take_identity(&chain)? {
                new.identities.push(next.identities[&chain.school()].clone());
            }
        }
        // A decision is judged by who belonged before it: first comes what was anchored below it.
        let mut operations = in_order(offered.operations).into_iter().peekable();
        let mut take_operations = |next: &mut Self, new: &mut Missing, below: u64| -> Result<(), Fault> {
            while let Some((_, operation)) = operations.next_if(|(anchor, _)| u64::from(*anchor) < below) {
                if next.take_operation(&operation)? {
                    new.operations.push(operation);
                }
            }
            Ok(())
        };
        for complete in offered.decisions {
            take_operations(&mut next, &mut new, complete.decision.number().into())?;
            if next.take_decision(&complete)? {
                new.decisions.push(complete);
            }
        }
        take_operations(&mut next, &mut new, u64::MAX)?;
        next.resolve();
        // Chains of schools that nothing here speaks of are not kept.
        let named = |school: &SchoolId| {
            next.resolved.members.contains_key(school)
                || next.operations.values().flatten().any(|op| op.school() == *school)
                || next.operations.values().flatten().any(|op| matches!(op.act(), Act::Admit(a) if a.school == *school))
        };
        new.identities.retain(|chain| named(&chain.school()));
        let kept: Vec<SchoolId> = next.identities.keys().filter(|school| named(school)).copied().collect();
        next.identities.retain(|school, _| kept.contains(school));
        *self = next;
        Ok(new)
    }

    fn take_identity(&mut self, chain: &IdentityChain) -> Result<bool, Fault> {
        if let Some(held) = self.identities.get_mut(&chain.school()) {
            return held.merge(chain);
        }
        if self.identities.len() > 2 * limits::LIVE_ADMISSIONS {
            return Err(Fault::TooLarge { what: "charter", most: limits::LIVE_ADMISSIONS as u64 });
        }
        self.identities.insert(chain.school(), chain.clone());
        Ok(true)
    }

    fn take_decision(&mut self, complete: &Complete) -> Result<bool, Fault> {
        let decision = &complete.decision;
        let number = decision.number() as usize;
        if self.decisions.get(number).is_some_and(|held| held.decision.id() == decision.id()) {
            return Ok(false);
        }
        if decision.space() != self.space || number != self.decisions.len() {
            return Err(Fault::Chain { what: "decision" });
        }
        self.decisions.push(complete.clone());
        self.resolve();
        if self.resolved.head == (decision.number(), decision.id()) {
            Ok(true)
        } else {
            Err(Fault::Chain { what: "decision" })
        }
    }

    fn take_operation(&mut self, operation: &Operation) -> Result<bool, Fault> {
        let header = operation.header();
        let certified = |chain: &IdentityChain| chain.ever(&header.device, Rights::NONE);
        let known = self.identities.get(&header.school).is_some_and(certified);
        let chain = self.operations.entry(header.device).or_default();
        let place = header.number as usize - 1;
        if chain.get(place).is_some_and(|held| held.id() == operation.id()) {
            return Ok(false);
        }
        let prev = chain.last().map_or_else(OperationId::default, Operation::id);
        let continues = place == chain.len() && header.prev == prev && header.space == self.space;
        if !known || !continues || u64::from(header.number) > limits::DEVICE_OPERATIONS {
            return Err(Fault::Chain { what: "operation" });
        }
        operation.verify()?;
        chain.push(operation.clone());
        Ok(true)
    }

    fn resolve(&mut self) {
        self.resolved = resolve(&self.decisions, self.operations.values().flatten(), &self.identities);
    }

    /// Signs the next operation of a device and takes it in.
    fn operate(&mut self, actor: Actor<'_>, identities: Vec<IdentityChain>, act: &Act) -> Result<Missing, Fault> {
        let device = actor.device.public();
        let chain = self.operations.get(&device).map_or(&[][..], Vec::as_slice);
        let header = Header {
            space: self.space,
            school: actor.school.school(),
            identity: actor.school.head(),
            device,
            number: u32::try_from(chain.len() + 1).map_err(|_| Fault::Chain { what: "operation" })?,
            prev: chain.last().map_or_else(OperationId::default, Operation::id),
            anchor: self.resolved.head,
        };
        let operation = Operation::sign(&header, act, actor.device);
        self.admit(Missing { identities, decisions: Vec::new(), operations: vec![operation] })
    }

    /// Admits a school that accepted. Refused where the acting school is no steward.
    pub fn admit_school(
        &mut self,
        actor: Actor<'_>,
        joiner: IdentityChain,
        admission: &Admission,
    ) -> Result<Missing, Fault> {
        let school = actor.school.school();
        if self.resolved.role(&school) != Some(Role::Steward) {
            return Err(Fault::NoRight { school, act: "admit a school" });
        }
        if self.resolved.members.len() >= limits::LIVE_ADMISSIONS {
            return Err(Fault::TooLarge { what: "cluster", most: limits::LIVE_ADMISSIONS as u64 });
        }
        let mut next = self.clone();
        let new = next.operate(actor, vec![joiner], &Act::Admit(admission.clone()))?;
        if !next.resolved.members.contains_key(&admission.school) {
            return Err(Fault::NoRight { school: admission.school, act: "join" });
        }
        *self = next;
        Ok(new)
    }
    /// Enrols a writer of the acting device.
    pub fn enrol(&mut self, actor: Actor<'_>, writer: &SecretKey) -> Result<Missing, Fault> {
        let school = actor.school.school();
        let member = *self.resolved.members.get(&school).ok_or(Fault::NoSuchSpace)?;
        let consent = Enrolment::consent_hash(self.space, school, actor.device.public());
        let act = Act::Enrol(Enrolment {
            admission: member.admission,
            writer: writer.public(),
            consent: writer.sign(Domain::Consent, &consent),
        });
        let mut next = self.clone();
        let new = next.operate(actor, vec![actor.school.clone()], &act)?;
        if !next.resolved.writers.contains_key(&writer.public::<WriterId>()) {
            return Err(Fault::NoRight { school, act: "write" });
        }
        *self = next;
        Ok(new)
    }
    /// Ends the log of a writer of the acting device at what stands.
    pub fn retire(&mut self, actor: Actor<'_>, retirement: Retirement) -> Result<Missing, Fault> {
        self.operate(actor, Vec::new(), &Act::Retire(retirement))
    }
    /// What the next decision would be: its number, the one before, what it has seen, who signs.
    #[allow(clippy::type_complexity, reason = "the four parts of a decision's head, taken apart at once")]
    fn proposal(&self) -> (u32, DecisionId, Vec<(DeviceId, u32, OperationId)>, Vec<(SchoolId, LinkId)>) {
        let (number, prev) = self.resolved.head;
        let seen =
            self.operations.iter().filter_map(|(device, ops)| ops.last().map(|op| (*device, op.number(), op.id())));
        let signers = self.resolved.stewards().filter_map(|s| self.identities.get(&s).map(|chain| (s, chain.head())));
        (number + 1, prev, seen.collect(), signers.collect())
    }
    /// Makes a member a steward, where the acting school's yes is enough: it is the only steward.
    pub fn promote(&mut self, actor: Actor<'_>, school: SchoolId) -> Result<Missing, Fault> {
        let by = actor.school.school();
        if !self.resolved.members.contains_key(&school) {
            return Err(Fault::NoRight { school, act: "be a steward before it belongs" });
        }
        let (number, prev, seen, signers) = self.proposal();
        let decision = Decision::promote(self.space, number, prev, &seen, &signers, school);
        let votes = vec![Vote::sign(decision.id(), by, true, actor.device)];
        let complete = Complete { decision, votes };
        let offered = Missing { decisions: vec![complete], ..Missing::default() };
        self.admit(offered).map_err(|_| Fault::NoRight { school: by, act: "decide alone" })
    }
    /// Who was admitted with a ticket.
    pub fn redeemed(&self, ticket: &TicketId) -> Option<SchoolId> {
        self.resolved.tickets.get(ticket).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Inception, RecoveryCode};

    /// A cluster of `n` schools where the first one admits all, each with a writer, the second a steward.
    fn cluster(n: u8) -> Charter {
        let key = |n: u8| SecretKey::from_seed(&[n; 32]);
        let chain = |n: u8| {
            let code = RecoveryCode::from_random([n; 20]);
            let mut chain = IdentityChain::new(Inception::new(&code));
            chain.certify(&code.root(0), key(n).public(), Rights::ALL).unwrap();
            chain
        };
        let founding = Founding { name: "Brook".into(), rules: 0, continues: SpaceId::default(), nonce: [0; 16] };
        let (first, device) = (chain(1), key(1));
        let actor = Actor { school: &first, device: &device };
        let (mut charter, _) = Charter::found(&founding, actor).unwrap();
        for n in 2..=n {
            let (joiner, ticket) = (chain(n), TicketId([n; 32]));
            let (school, role) = (joiner.school(), Role::Contributor);
            let hash = Admission::acceptance_hash(charter.space(), ticket, school, role);
            let acceptance = key(n).sign(Domain::Acceptance, &hash);
            let (instead_of, device) = (OperationId::default(), key(n).public());
            let admission = Admission { school, role, instead_of, ticket, device, acceptance };
            charter.admit_school(actor, joiner.clone(), &admission).unwrap();
            charter.enrol(Actor { school: &joiner, device: &key(n) }, &key(n + 100)).unwrap();
            if n == 2 {
                charter.promote(actor, school).unwrap();
            }
        }
        charter
    }

    #[test]
    fn a_charter_in_the_smallest_parts_is_the_same_charter() {
        let charter = cluster(6);
        for room in [1, 1_000, 2_000, usize::MAX] {
            let mut taken = Charter::empty(charter.space());
            let parts = charter.whole().split(room);
            assert!(room > 1 || parts.len() == 2 + 5 + 5, "{} parts", parts.len());
            for part in parts {
                taken.admit(part).unwrap();
            }
            assert_eq!(taken.resolved(), charter.resolved());
            assert_eq!(taken.hash(), charter.hash());
        }
    }
}
