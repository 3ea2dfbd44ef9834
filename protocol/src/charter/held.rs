//! What is held of one space's charter (§3).

use std::collections::{BTreeMap, BTreeSet};

use super::chains::{DeviceChain, Taken};
use super::decision::{Body, Decision, Founding, Vote, Voted};
use super::identities::{Identities, Named};
use super::missing::{Missing, Positions, in_order};
use super::operation::{Act, Operation};
use super::resolve::{Resolved, resolve};
use crate::fault::Fault;
use crate::hash;
use crate::id::{DecisionId, DeviceId, OperationId, SchoolId, SpaceId};
use crate::identity::{IdentityChain, SecretKey};
use crate::limits;

/// A charter as held, with what it resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    pub(super) space: SpaceId,
    pub(super) decisions: Vec<Voted>,
    /// Complete decisions that stand beside one of the chain, by number.
    pub(super) splits: BTreeMap<u32, Voted>,
    pub(super) operations: BTreeMap<DeviceId, DeviceChain>,
    pub(super) identities: Identities,
    /// What waits for votes, by the school that proposed it.
    pub(super) proposals: BTreeMap<SchoolId, Voted>,
    pub(super) resolved: Resolved,
}

/// The device that acts, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The school's identity chain.
    pub school: &'a IdentityChain,
    /// The device's key.
    pub device: &'a SecretKey,
}

/// What was new of what a charter was offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grown {
    /// What is held now and was not.
    pub new: Missing,
    /// Whether something that was held is not any more: a fork or a settlement took it away.
    pub rewritten: bool,
}

impl Grown {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && !self.rewritten
    }
}

impl Charter {
    /// Nothing yet of a space that others founded.
    pub fn empty(space: SpaceId) -> Self {
        Self {
            space,
            decisions: Vec::new(),
            splits: BTreeMap::new(),
            operations: BTreeMap::new(),
            identities: Identities::default(),
            proposals: BTreeMap::new(),
            resolved: Resolved::default(),
        }
    }
    /// Founds a space.
    pub fn found(founding: &Founding, actor: Actor<'_>) -> Result<(Self, Grown), Fault> {
        let school = actor.school.school();
        let decision = Decision::found(founding, (school, actor.school.head()));
        let votes = vec![Vote::sign(decision.id(), school, true, actor.device)];
        let mut charter = Self::empty(decision.space());
        let new = charter.admit(Missing {
            identities: vec![actor.school.clone()],
            decisions: vec![Voted { decision, votes }],
            ..Missing::default()
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
    /// The decisions in force, in order.
    pub fn decisions(&self) -> &[Voted] {
        &self.decisions
    }
    /// Complete decisions that stand beside one of the chain (§3.4), by their place.
    pub fn splits(&self) -> &BTreeMap<u32, Voted> {
        &self.splits
    }
    /// Those of [`Self::splits`] that no decision has settled.
    pub fn unsettled(&self) -> impl Iterator<Item = &Voted> {
        let settled = |split: &Voted| {
            let names =
                |voted: &Voted| matches!(voted.decision.body(), Body::Settle(of) if of.falls == split.decision.id());
            self.decisions.iter().any(names)
        };
        self.splits.values().filter(move |split| !settled(split))
    }
    /// Devices whose operations fork, as long as no decision names a branch.
    pub fn forked_devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.operations.iter().filter(|(_, chain)| chain.is_forked()).map(|(device, _)| *device)
    }
    /// The identity chains it came with.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }
    /// The member school that a device acts for.
    pub fn school_of(&self, device: &DeviceId) -> Option<SchoolId> {
        let acts = |school: &&SchoolId| self.identities.get(school).is_some_and(|c| c.rights(device).is_some());
        self.resolved.members.keys().find(acts).copied()
    }
    /// Equal exactly when the same complete decisions, operations and identity heads are held (§4.1).
    pub fn hash(&self) -> [u8; 32] {
        let mut ids = Vec::new();
        for voted in &self.decisions {
            ids.extend_from_slice(&voted.decision.id().0);
        }
        for operation in self.operations.values().flat_map(DeviceChain::held) {
            ids.extend_from_slice(&operation.id().0);
        }
        for (_, chain) in self.identities.iter() {
            ids.extend_from_slice(&chain.state_hash());
        }
        hash::CHARTER_STATE.hash(&[&self.space.0, &ids])
    }
    /// How far it is held.
    pub fn positions(&self) -> Positions {
        let count = |n: usize| u32::try_from(n).expect("bounded by the limits of a charter");
        let head = self.decisions.last().map_or_else(DecisionId::default, |voted| voted.decision.id());
        Positions {
            decisions: (count(self.decisions.len()), head),
            splits: self.splits.values().map(|split| split.decision.id()).collect(),
            operations: self.operations.iter().map(|(device, chain)| (*device, chain.reach())).collect(),
            identities: self.identities.iter().map(|(school, chain)| (*school, chain.state_hash())).collect(),
        }
    }
    /// What a node at `positions` lacks.
    pub fn missing(&self, positions: &Positions) -> Missing {
        let lacks = |(school, chain): &(&SchoolId, &IdentityChain)| {
            positions.identities.get(school) != Some(&chain.state_hash())
        };
        let splits = self.splits.values().filter(|split| {
            let id = split.decision.id();
            !positions.splits.contains(&id) && positions.decisions.1 != id
        });
        let decisions = self.missing_decisions(positions).to_vec();
        let operations = |(device, chain): (&DeviceId, &DeviceChain)| {
            let theirs = positions.operations.get(device).copied().unwrap_or_default();
            missing_operations(chain, theirs, !decisions.is_empty())
        };
        let operations: Vec<Operation> = self.operations.iter().flat_map(operations).collect();
        // What rests on a chain as it was comes with that.
        let rests = !decisions.is_empty() || !operations.is_empty();
        let past = self.identities.past().iter().filter(|_| rests);
        let lacking = self.identities.iter().filter(lacks).map(|(_, chain)| chain);
        Missing {
            operations,
            identities: past.chain(lacking).cloned().collect(),
            decisions,
            splits: splits.cloned().collect(),
        }
    }
    fn missing_decisions(&self, positions: &Positions) -> &[Voted] {
        let (count, head) = positions.decisions;
        let Some(last) = (count as usize).checked_sub(1) else { return &self.decisions };
        if self.decisions.get(last).is_some_and(|voted| voted.decision.id() == head) {
            return &self.decisions[last + 1..];
        }
        // The other chain is another one, or longer. It is told of ours once: what stands beside its
        // own it says itself.
        let told = self.decisions.iter().any(|voted| positions.splits.contains(&voted.decision.id()));
        let settles = self.decisions.iter().any(|voted| matches!(voted.decision.body(), Body::Settle(_)));
        let other = self.splits.values().any(|split| split.decision.id() == head) || last < self.decisions.len();
        if other && (!told || settles) { &self.decisions } else { &[] }
    }
    /// Everything.
    pub fn whole(&self) -> Missing {
        self.missing(&Positions::default())
    }

    /// Takes in what is rightly signed and continues what is held; gives back what was new.
    ///
    /// What is held already is passed over. The first thing that cannot be held is a fault of whoever
    /// sent it; then nothing of `offered` is taken.
    pub fn admit(&mut self, offered: Missing) -> Result<Grown, Fault> {
        let mut next = self.clone();
        let mut grown = Grown::default();
        let mut changed = Vec::new();
        for chain in offered.identities {
            if next.identities.take(&chain)? {
                changed.push(chain.school());
            }
        }
        let pool = offered.operations.clone();
        let pool: BTreeMap<OperationId, &Operation> = pool.iter().map(|op| (op.id(), op)).collect();
        // A decision is judged by who belonged before it: first comes what was anchored below it.
        let mut operations = in_order(offered.operations).into_iter().peekable();
        // Of a branch that does not count, what goes on from there does not either.
        let mut passed_over: BTreeSet<OperationId> = BTreeSet::new();
        let mut take_operations = |next: &mut Self, grown: &mut Grown, below: u64| -> Result<(), Fault> {
            while let Some((_, operation)) = operations.next_if(|(anchor, _)| u64::from(*anchor) < below) {
                let id = operation.id();
                if passed_over.contains(&operation.prev()) || !next.take_operation(operation, grown)? {
                    passed_over.insert(id);
                }
            }
            Ok(())
        };
        let mut beside = Vec::new();
        for voted in offered.decisions {
            if next.is_beside(&voted, &beside) {
                beside.push(voted);
                continue;
            }
            take_operations(&mut next, &mut grown, voted.decision.number().into())?;
            next.take_decision(voted, &offered.splits, &pool, &mut grown)?;
        }
        take_operations(&mut next, &mut grown, u64::MAX)?;
        next.resolve();
        for split in offered.splits {
            next.take_split(split, &mut grown)?;
        }
        next.take_beside(beside, &mut grown)?;
        let mut proposals = core::mem::take(&mut next.proposals);
        proposals.retain(|_, voted| next.may_be_next(&voted.decision));
        next.proposals = proposals;
        next.keep_named(&changed, &mut grown)?;
        *self = next;
        Ok(grown)
    }

    /// Chains of schools that nothing here speaks of are not kept.
    fn keep_named(&mut self, changed: &[SchoolId], grown: &mut Grown) -> Result<(), Fault> {
        let mut schools: Vec<SchoolId> = self.resolved.members.keys().copied().collect();
        let mut named: Vec<Named> = Vec::new();
        for operation in self.operations.values().flat_map(DeviceChain::held) {
            let header = operation.header();
            schools.push(header.school);
            named.push((header.school, header.identity, header.device));
            if let Act::Admit(admission) = operation.act() {
                schools.push(admission.school);
            }
        }
        for voted in self.decisions.iter().chain(self.splits.values()) {
            let heads: BTreeMap<_, _> = voted.decision.signers().iter().copied().collect();
            schools.extend(heads.keys());
            named.extend(
                voted.votes.iter().filter_map(|v| heads.get(&v.school).map(|head| (v.school, *head, v.device))),
            );
        }
        schools.sort_unstable();
        schools.dedup();
        let past = self.identities.past().len();
        self.identities.retain(&schools, &named)?;
        let kept = |school: &SchoolId| self.identities.get(school).cloned();
        grown.new.identities = changed.iter().filter_map(kept).collect();
        grown.rewritten |= self.identities.past().len() != past;
        Ok(())
    }

    /// Whether a decision belongs to another branch than the one held.
    fn is_beside(&self, voted: &Voted, beside: &[Voted]) -> bool {
        let decision = &voted.decision;
        let held = self.decisions.get(decision.number() as usize);
        let other = held.is_some_and(|held| held.decision.id() != decision.id()) && decision.number() > 0;
        other || beside.last().is_some_and(|last| last.decision.id() == decision.prev())
    }

    fn take_decision(
        &mut self,
        voted: Voted,
        splits: &[Voted],
        pool: &BTreeMap<OperationId, &Operation>,
        grown: &mut Grown,
    ) -> Result<(), Fault> {
        let decision = &voted.decision;
        let number = decision.number() as usize;
        if self.decisions.get(number).is_some_and(|held| held.decision.id() == decision.id()) {
            return Ok(());
        }
        if decision.space() != self.space || number != self.decisions.len() {
            return Err(Fault::Chain { what: "decision" });
        }
        self.cover(decision, pool, grown)?;
        if let Body::Settle(of) = decision.body()
            && let Some(fallen) = splits.iter().find(|split| split.decision.id() == of.falls)
        {
            self.take_split(fallen.clone(), grown)?;
        }
        let at = (decision.number(), decision.id());
        self.decisions.push(voted.clone());
        self.resolve();
        if self.resolved.head != at {
            return Err(Fault::Chain { what: "decision" });
        }
        grown.new.decisions.push(voted);
        Ok(())
    }
    /// Brings the devices' chains to what a decision has seen.
    fn cover(
        &mut self,
        decision: &Decision,
        pool: &BTreeMap<OperationId, &Operation>,
        grown: &mut Grown,
    ) -> Result<(), Fault> {
        for (device, number, id) in decision.seen() {
            let chain = self.operations.get_mut(device).ok_or(Fault::Chain { what: "decision" })?;
            grown.rewritten |= chain.cover(*number, *id, pool)?;
        }
        Ok(())
    }

    /// Takes the next operation of a device; says whether it is held now.
    fn take_operation(&mut self, operation: Operation, grown: &mut Grown) -> Result<bool, Fault> {
        let header = operation.header();
        let chain = self.operations.get(&header.device);
        if chain.is_some_and(|chain| chain.held().any(|held| held.id() == operation.id())) {
            return Ok(true);
        }
        let known = self.identities.rights_at(&header.school, &header.identity, &header.device).is_some();
        if !known || header.space != self.space || u64::from(header.number) > limits::DEVICE_OPERATIONS {
            return Err(Fault::Chain { what: "operation" });
        }
        operation.verify()?;
        let taken = self.operations.entry(header.device).or_default().take(&operation)?;
        if taken == Taken::Nothing {
            return Ok(false);
        }
        grown.rewritten |= taken == Taken::Fork;
        grown.new.operations.push(operation);
        Ok(true)
    }

    /// Keeps a complete decision that stands beside one of the chain: the evidence that two were made.
    fn take_split(&mut self, split: Voted, grown: &mut Grown) -> Result<(), Fault> {
        let decision = &split.decision;
        let place = decision.number() as usize;
        let held = self.decisions.get(place).map(|held| held.decision.id());
        if held == Some(decision.id()) || self.splits.contains_key(&decision.number()) {
            return Ok(());
        }
        let what = "decision beside another";
        if place == 0 || decision.space() != self.space || place > self.decisions.len() {
            return Err(Fault::Chain { what });
        }
        let branch: Vec<&Voted> = self.decisions[..place].iter().chain([&split]).collect();
        if self.resolve_with(branch.into_iter(), &self.splits).head != (decision.number(), decision.id()) {
            return Err(Fault::Chain { what });
        }
        self.splits.insert(decision.number(), split.clone());
        grown.new.splits.push(split);
        Ok(())
    }
    /// Another branch of the chain: its first decision is kept as evidence; where a settlement in it
    /// says that it stands, it becomes the chain.
    fn take_beside(&mut self, beside: Vec<Voted>, grown: &mut Grown) -> Result<(), Fault> {
        let Some(first) = beside.first().cloned() else { return Ok(()) };
        let place = first.decision.number() as usize;
        self.take_split(first.clone(), grown)?;
        let names_us = |voted: &Voted| {
            matches!(voted.decision.body(), Body::Settle(of)
                if of.stands == first.decision.id() && Some(of.falls) == self.decisions.get(place).map(|d| d.decision.id()))
        };
        if !beside.iter().any(names_us) {
            return Ok(());
        }
        let Some(fallen) = self.decisions.get(place).cloned() else { return Ok(()) };
        let mut next = self.clone();
        next.decisions.truncate(place);
        next.decisions.extend(beside);
        next.splits.insert(first.decision.number(), fallen);
        let last = next.decisions.last().map(|voted| (voted.decision.number(), voted.decision.id()));
        next.resolve();
        if Some(next.resolved.head) == last {
            *self = next;
            grown.rewritten = true;
        }
        Ok(())
    }

    fn resolve(&mut self) {
        self.resolved = self.resolve_with(self.decisions.iter(), &self.splits);
    }
    fn resolve_with<'a>(
        &'a self,
        decisions: impl Iterator<Item = &'a Voted>,
        splits: &'a BTreeMap<u32, Voted>,
    ) -> Resolved {
        let standing = self.operations.values().flat_map(DeviceChain::undisputed);
        resolve(decisions, standing, &self.identities, splits)
    }
}

/// What a node lacks of one device's operations: the rest of the chain, or where the two differ all
/// of it, so that both find the place where they part. Where it holds more than we do, it may only be
/// ahead; yet a decision that it lacks may have seen another branch than its own.
fn missing_operations(chain: &DeviceChain, theirs: (u32, OperationId, OperationId), deciding: bool) -> Vec<Operation> {
    let (count, last, rival) = theirs;
    let ours = chain.reach();
    let forked = chain.is_forked() || rival != OperationId::default();
    let agrees = count == 0 || chain.at(count).is_some_and(|operation| operation.id() == last);
    let ahead = !forked && !agrees && count > ours.0;
    if ours == theirs || (ahead && !deciding) {
        return Vec::new();
    }
    let skip = if agrees && !forked { count as usize } else { 0 };
    chain.held().skip(skip).cloned().collect()
}
