//! The decisions in their order, and what they make of the operations beside them (§3.1, §3.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{RESOLVER, Resolved};
use crate::charter::cut::{Cut, LogCut};
use crate::charter::decision::{Body, Decision, Settlement, Versions, Vote, Voted};
use crate::charter::identities::Identities;
use crate::charter::operation::{Act, Admission, Operation};
use crate::charter::role::Role;
use crate::id::{DecisionId, LinkId, OperationId, RecordId, SchoolId, SpaceId, WriterId};
use crate::identity::{IdentityChain, Rights};

use crate::limits;
use crate::planted::{self, Planted};

/// An operation on the way through the decisions.
pub(super) struct Step<'a> {
    pub(super) operation: &'a Operation,
    /// Whether some decision has it among what it has seen.
    pub(super) covered: bool,
    /// Whether it stands, as far as the decisions so far say.
    pub(super) stands: bool,
}

impl Step<'_> {
    pub(super) fn anchor(&self) -> u32 {
        self.operation.header().anchor.0
    }
    pub(super) fn admits(&self) -> Option<&Admission> {
        match self.operation.act() {
            Act::Admit(admission) => Some(admission),
            _ => None,
        }
    }
}

/// A decision that ends logs.
pub(super) enum Ending {
    /// All logs of a school that were enrolled below it; those listed stand so far.
    School(SchoolId, BTreeMap<WriterId, Cut>),
    /// One log.
    Log(LogCut),
}

/// The walk.
pub(super) struct Course<'a> {
    identities: &'a Identities,
    splits: &'a BTreeMap<u32, Voted>,
    /// In the order that counts: anchor, device, number. Those before `reached` are anchored at the
    /// decisions so far.
    pub(super) steps: Vec<Step<'a>>,
    reached: usize,
    pub(super) space: SpaceId,
    pub(super) founder: Option<SchoolId>,
    pub(super) head: (u32, DecisionId),
    stewards: BTreeSet<SchoolId>,
    /// The decisions so far, each with the stewards after it and who said yes to it.
    past: Vec<(DecisionId, BTreeSet<SchoolId>, BTreeSet<SchoolId>)>,
    /// What decisions made of schools: the role given, or none where one was removed.
    grants: BTreeMap<SchoolId, Vec<(u32, Option<Role>)>>,
    pub(super) endings: Vec<(u32, Ending)>,
    signers: BTreeMap<SchoolId, LinkId>,
    pub(super) name: String,
    pub(super) versions: Versions,
    pub(super) erased: BTreeMap<RecordId, (WriterId, u64)>,
    pub(super) beyond: Option<Versions>,
}

impl<'a> Course<'a> {
    pub(super) fn new(
        operations: impl IntoIterator<Item = &'a Operation>,
        identities: &'a Identities,
        splits: &'a BTreeMap<u32, Voted>,
    ) -> Self {
        let step = |operation| Step { operation, covered: false, stands: false };
        let mut steps: Vec<Step<'a>> = operations.into_iter().map(step).collect();
        steps.sort_by_key(|step| (step.anchor(), step.operation.device(), step.operation.number()));
        Self {
            identities,
            splits,
            steps,
            reached: 0,
            space: SpaceId::default(),
            founder: None,
            head: Default::default(),
            stewards: BTreeSet::new(),
            past: Vec::new(),
            grants: BTreeMap::new(),
            endings: Vec::new(),
            signers: BTreeMap::new(),
            name: String::new(),
            versions: Versions::default(),
            erased: BTreeMap::new(),
            beyond: None,
        }
    }

    /// Takes the next decision, where it continues the chain and is complete.
    pub(super) fn decide(&mut self, voted: &Voted) -> bool {
        let decision = &voted.decision;
        let number = decision.number();
        let continues = number as usize == self.past.len() && (number == 0 || decision.prev() == self.head.1);
        if !continues || self.beyond.is_some() {
            return false;
        }
        if let (0, Some((founder, _))) = (number, decision.signers().first()) {
            self.founder = Some(*founder);
            self.space = decision.space();
            self.stewards.insert(*founder);
            self.grants.insert(*founder, vec![(0, Some(Role::Steward))]);
        }
        let yes = self.yes(voted);
        if !self.goes_on_from_signers(decision) || !self.completes(decision, &yes) || !self.leaves_a_steward(decision) {
            if number == 0 {
                *self = Self::new([], self.identities, self.splits);
            }
            return false;
        }
        self.signers.extend(decision.signers().iter().copied());
        self.cover(decision);
        self.apply(number, decision.body());
        self.head = (number, decision.id());
        self.past.push((decision.id(), self.stewards.clone(), yes));
        self.reach();
        true
    }

    /// The schools with a yes that counts: by a device that might govern at the head that is named (§3.1).
    fn yes(&self, voted: &Voted) -> BTreeSet<SchoolId> {
        let id = voted.decision.id();
        let rights = |vote: &Vote| {
            let (_, head) = voted.decision.signers().iter().find(|(signer, _)| *signer == vote.school)?;
            self.identities.rights_at(&vote.school, head, &vote.device)
        };
        let governs = |vote: &Vote| rights(vote).is_some_and(|rights| rights.include(Rights::GOVERN));
        let counts = |vote: &&Vote| vote.yes && governs(vote) && vote.verify(id).is_ok();
        voted.votes.iter().filter(counts).map(|vote| vote.school).collect()
    }
    /// Whether each signer's identity is at or beyond the head that a decision before named.
    fn goes_on_from_signers(&self, decision: &Decision) -> bool {
        decision.signers().iter().all(|(school, head)| {
            let earlier = self.signers.get(school);
            earlier.is_none_or(|earlier| self.identities.follows(school, earlier, head))
        })
    }
    /// Whether those who said yes are more than half of the stewards; of those who may settle, for that.
    fn completes(&self, decision: &Decision, yes: &BTreeSet<SchoolId>) -> bool {
        let voters = match decision.body() {
            Body::Settle(of) => self.settlers(of),
            _ => self.stewards.clone(),
        };
        planted::is(Planted::MinorityDecides) || 2 * voters.intersection(yes).count() > voters.len()
    }
    /// Who may settle: the stewards before the two decisions that did not say yes to both (§3.4).
    fn settlers(&self, of: &Settlement) -> BTreeSet<SchoolId> {
        let place = of.number as usize;
        let held = self.past.get(place).filter(|(id, ..)| *id == of.stands && place > 0);
        let fallen = self.splits.get(&of.number).filter(|split| split.decision.id() == of.falls);
        let (Some((_, _, yes)), Some(fallen)) = (held, fallen) else { return BTreeSet::new() };
        let both = self.yes(fallen);
        self.past[place - 1]
            .1
            .iter()
            .filter(|school| !(yes.contains(school) && both.contains(school)))
            .copied()
            .collect()
    }
    fn leaves_a_steward(&self, decision: &Decision) -> bool {
        let (Body::Remove(school, _) | Body::Demote(school, ..)) = decision.body() else { return true };
        self.stewards.iter().any(|steward| steward != school)
    }

    /// Marks what the decision has seen.
    fn cover(&mut self, decision: &Decision) {
        for step in &mut self.steps[..self.reached] {
            let seen = decision.seen().binary_search_by_key(&step.operation.device(), |(device, ..)| *device);
            step.covered |= seen.is_ok_and(|at| step.operation.number() <= decision.seen()[at].1);
        }
    }

    fn apply(&mut self, number: u32, body: &Body) {
        match body {
            Body::Founding(founding) => {
                self.name.clone_from(&founding.name);
                self.versions.rules = founding.rules;
            }
            Body::Promote(school) if self.belongs_surely(school) => {
                self.take_back(school, |act| matches!(act, Act::Leave(_)));
                self.stewards.insert(*school);
                self.grant(number, *school, Some(Role::Steward));
            }
            Body::Demote(school, role, cuts) if self.belongs_surely(school) => {
                self.take_back(school, |act| matches!(act, Act::Admit(_)));
                self.stewards.remove(school);
                self.grant(number, *school, Some(*role));
                if *role == Role::Reader {
                    self.take_back(school, |act| matches!(act, Act::Enrol(_) | Act::Retire(_)));
                    self.end(number, *school, cuts);
                }
            }
            Body::Remove(school, cuts) => {
                self.take_back(school, |_| true);
                self.stewards.remove(school);
                self.grant(number, *school, None);
                self.end(number, *school, cuts);
            }
            Body::EndFork(cut) => self.endings.push((number, Ending::Log(*cut))),
            Body::Erase(record, writer, seq) => {
                self.erased.entry(*record).or_insert((*writer, *seq));
            }
            Body::Rename(name) => self.name.clone_from(name),
            Body::Upgrade(to) => {
                let newest = Versions { rules: limits::RULES, layout: limits::LAYOUT, resolver: RESOLVER };
                let beyond = to.rules > newest.rules || to.layout > newest.layout || to.resolver > newest.resolver;
                if beyond { self.beyond = Some(*to) } else { self.versions = *to }
            }
            // Cannot be applied: it stands and does nothing.
            Body::Promote(_) | Body::Demote(..) | Body::Settle(_) => {}
        }
    }
    fn grant(&mut self, number: u32, school: SchoolId, role: Option<Role>) {
        self.grants.entry(school).or_default().push((number, role));
    }
    fn end(&mut self, number: u32, school: SchoolId, cuts: &[LogCut]) {
        let listed = cuts.iter().map(|cut| (cut.writer, cut.cut)).collect();
        self.endings.push((number, Ending::School(school, listed)));
    }
    /// A right of a school ends: what rested on it and no decision has seen does not stand.
    fn take_back(&mut self, school: &SchoolId, which: impl Fn(&Act) -> bool) {
        if planted::is(Planted::OrderIgnored) {
            return;
        }
        for step in &mut self.steps[..self.reached] {
            let of_school = step.operation.school() == *school && which(step.operation.act());
            step.stands &= !of_school || step.covered;
        }
    }
    /// Whether a school belongs by what decisions have seen: nothing that comes later undoes that.
    fn belongs_surely(&self, school: &SchoolId) -> bool {
        let sure = || self.steps[..self.reached].iter().filter(|step| step.covered && step.stands);
        let left = |admission: OperationId| {
            sure().any(|step| matches!(step.operation.act(), Act::Leave(leave) if leave.admission == admission))
        };
        let removed = self.removed(school, u32::MAX);
        let founded = self.founder == Some(*school) && removed.is_none() && !left(OperationId(self.space.0));
        let admitted = |step: &Step<'_>| step.admits().is_some_and(|admission| admission.school == *school);
        let lives = |step: &Step<'_>| removed.is_none_or(|n| step.anchor() >= n) && !left(step.operation.id());
        founded || sure().any(|step| admitted(step) && lives(step))
    }

    /// Goes on to the operations that are anchored at the head.
    fn reach(&mut self) {
        let end = self.steps.partition_point(|step| step.anchor() <= self.head.0);
        let mut admitted: BTreeMap<SchoolId, usize> = BTreeMap::new();
        for step in &mut self.steps[self.reached..end] {
            let school = step.operation.school();
            let steward = self.stewards.contains(&school);
            let header = step.operation.header();
            let rights = self.identities.rights_at(&school, &header.identity, &header.device);
            let may = |needed| rights.is_some_and(|rights| rights.include(needed));
            step.stands = header.anchor == self.head
                && match step.operation.act() {
                    Act::Admit(admission) => {
                        let count = admitted.entry(school).or_default();
                        *count += 1;
                        let accepted = self.identities.ever(&admission.school, &admission.device, Rights::GOVERN);
                        steward && may(Rights::GOVERN) && accepted && *count <= limits::STEWARD_ADMISSIONS
                    }
                    Act::Leave(_) => !steward && may(Rights::GOVERN),
                    Act::Enrol(_) | Act::Retire(_) => may(Rights::WRITE),
                };
        }
        self.reached = end;
    }

    /// What decisions last made of a school by number `at`, and when; from the start nothing.
    pub(super) fn granted(&self, school: &SchoolId, at: u32) -> (u32, Option<Role>) {
        let grants = self.grants.get(school).map_or(&[][..], Vec::as_slice);
        grants.iter().rev().find(|(number, _)| *number <= at).copied().unwrap_or((0, None))
    }
    /// The last decision up to number `at` that removed a school.
    pub(super) fn removed(&self, school: &SchoolId, at: u32) -> Option<u32> {
        let grants = self.grants.get(school).map_or(&[][..], Vec::as_slice);
        grants.iter().rev().find(|(number, role)| *number <= at && role.is_none()).map(|(number, _)| *number)
    }
    /// The operations that were reached.
    pub(super) fn reached(&self) -> &[Step<'a>] {
        &self.steps[..self.reached]
    }
    /// A school's identity chain.
    pub(super) fn identity(&self, school: &SchoolId) -> Option<&'a IdentityChain> {
        self.identities.get(school)
    }
    pub(super) fn into_result(self) -> Resolved {
        Resolved {
            name: self.name,
            versions: self.versions,
            head: self.head,
            erased: self.erased,
            beyond: self.beyond,
            ..Resolved::default()
        }
    }
}
