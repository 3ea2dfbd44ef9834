//! Decisions that wait for votes (§3.2).
//!
//! Held is one proposal of each steward, at the place after the head; it is forgotten once that place
//! is taken. What is held here is no part of what nodes must agree on.

use super::decision::{Body, Decision, Place, Vote, Voted};
use super::held::{Actor, Charter, Grown};
use super::missing::Missing;
use super::role::Role;
use crate::fault::Fault;
use crate::id::{DecisionId, DeviceId, OperationId, SchoolId};
use crate::identity::Rights;
use crate::limits;

/// What a proposal led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The proposal.
    pub id: DecisionId,
    /// What grew of the charter: something where the vote completed the decision.
    pub grown: Grown,
}

fn cannot(why: &'static str) -> Fault {
    Fault::Decision(why)
}

impl Charter {
    /// What waits for votes.
    pub fn proposals(&self) -> impl Iterator<Item = &Voted> {
        self.proposals.values()
    }
    /// One of them.
    pub fn proposal(&self, id: &DecisionId) -> Option<&Voted> {
        self.proposals().find(|voted| voted.decision.id() == *id)
    }
    /// Whether a proposal can still be complete, given the noes to it.
    pub fn may_pass(&self, voted: &Voted) -> bool {
        let voters: Vec<SchoolId> = voted.decision.signers().iter().map(|(school, _)| *school).collect();
        let no = voters.iter().filter(|school| voted.votes.iter().any(|vote| !vote.yes && vote.school == **school));
        2 * (voters.len() - no.count()) > voters.len()
    }

    /// Proposes a decision on top of the head, with the acting school's yes. With one steward it is
    /// complete at once.
    pub fn propose(&mut self, actor: Actor<'_>, body: Body) -> Result<Decided, Fault> {
        let school = actor.school.school();
        if self.resolved.role(&school) != Some(Role::Steward) {
            return Err(Fault::NoRight { school, act: "propose a decision" });
        }
        if self.resolved.beyond.is_some() {
            return Err(cannot("this program is too old for what this cluster decided; upgrade it first"));
        }
        self.check(&body)?;
        let seen = self.operations.iter().filter_map(|(d, ops)| ops.last().map(|op| (*d, op.number(), op.id())));
        let signers = self.voters(&body);
        let heads = signers.into_iter().filter_map(|s| self.identities.get(&s).map(|chain| (s, chain.head())));
        let place = Place {
            space: self.space,
            number: self.resolved.head.0 + 1,
            prev: self.resolved.head.1,
            seen: seen.collect(),
            signers: heads.collect(),
        };
        let decision = Decision::new(&place, &body)?;
        self.answer(actor, Voted { decision, votes: Vec::new() }, true)
    }
    /// Answers a proposal, for good.
    pub fn vote(&mut self, actor: Actor<'_>, id: &DecisionId, yes: bool) -> Result<Decided, Fault> {
        let voted = self.proposal(id).cloned().ok_or_else(|| cannot("it waits for no vote"))?;
        self.answer(actor, voted, yes)
    }
    fn answer(&mut self, actor: Actor<'_>, mut voted: Voted, yes: bool) -> Result<Decided, Fault> {
        let school = actor.school.school();
        let id = voted.decision.id();
        if voted.votes.iter().any(|vote| vote.school == school) {
            return Err(cannot("your school has voted on it, and a vote is final"));
        }
        let governs = actor.school.rights(&actor.device.public()).is_some_and(|r| r.include(Rights::GOVERN));
        if !governs || !voted.decision.signers().iter().any(|(signer, _)| *signer == school) {
            return Err(Fault::NoRight { school, act: "vote on this with this device" });
        }
        let said_yes = |other: &&Voted| other.votes.iter().any(|vote| vote.yes && vote.school == school);
        if yes && self.proposals().filter(said_yes).any(|other| other.decision.id() != id && self.may_pass(other)) {
            return Err(cannot("your school said yes to another proposal for the same place, which may still pass"));
        }
        if !self.may_judge(&voted.decision, yes) {
            return Err(Fault::Behind);
        }
        voted.votes.push(Vote::sign(id, school, yes, actor.device));
        let grown = self.take_proposal(voted)?;
        Ok(Decided { id, grown: grown.unwrap_or_default() })
    }

    /// Whether everything that a decision lists is held. What stands above a fork of a device's operations
    /// nobody holds: a no may be said to what lists that, or it would stand in the way for ever.
    fn may_judge(&self, decision: &Decision, yes: bool) -> bool {
        let held = |(device, number, id): &(DeviceId, u32, OperationId)| {
            let chain = self.operations.get(device);
            let forked = chain.is_some_and(|chain| chain.is_forked() && chain.reach().0 <= *number);
            let held = chain.is_some_and(|chain| chain.held().any(|operation| operation.id() == *id));
            held || (forked && !yes)
        };
        let heads = decision.signers().iter();
        decision.seen().iter().all(held) && heads.into_iter().all(|(school, head)| self.identities.has(school, head))
    }

    /// Who may vote on it: the stewards; on a settlement those that did not say yes to both.
    fn voters(&self, body: &Body) -> Vec<SchoolId> {
        let Body::Settle(of) = body else { return self.resolved.stewards().collect() };
        let yes =
            |voted: &Voted| voted.votes.iter().filter(|vote| vote.yes).map(|vote| vote.school).collect::<Vec<_>>();
        let stands = self.decisions.get(of.number as usize).map(yes).unwrap_or_default();
        let falls = self.splits.get(&of.number).map(yes).unwrap_or_default();
        let voters = self.decisions.get(of.number as usize).map(|voted| voted.decision.signers()).unwrap_or_default();
        voters.iter().map(|(school, _)| *school).filter(|s| !(stands.contains(s) && falls.contains(s))).collect()
    }
    /// What would do nothing is not proposed.
    fn check(&self, body: &Body) -> Result<(), Fault> {
        let role = |school: &SchoolId| self.resolved.role(school);
        let last = |school: &SchoolId| self.resolved.stewards().all(|steward| steward == *school);
        match body {
            Body::Founding(_) => Err(cannot("a space is founded once")),
            Body::Promote(school) if role(school).is_none() => Err(cannot("only a member can be a steward")),
            Body::Promote(school) if role(school) == Some(Role::Steward) => Err(cannot("it is a steward already")),
            Body::Demote(school, to, _) if role(school) <= Some(*to) => Err(cannot("its role is no higher than that")),
            Body::Remove(school, _) if role(school).is_none() => Err(cannot("it is no member")),
            Body::Demote(school, ..) | Body::Remove(school, _) if last(school) => {
                Err(cannot("a cluster needs a steward: promote another school first"))
            }
            Body::EndFork(cut) if !self.resolved.writers.contains_key(&cut.writer) => {
                Err(cannot("there is no such log"))
            }
            Body::Settle(of) if !self.unsettled().any(|split| split.decision.id() == of.falls) => {
                Err(cannot("no two decisions stand at that place"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a decision is about the place after the head, or would settle that another branch than
    /// the one held here stands: those who hold this one vote on that too.
    pub(super) fn may_be_next(&self, decision: &Decision) -> bool {
        let next = (self.resolved.head.0 + 1, self.resolved.head.1);
        let settles = |of: &super::Settlement| {
            let other = self.unsettled().find(|split| split.decision.id() == of.stands);
            other.is_some_and(|split| split.decision.number() == of.number)
        };
        (decision.number(), decision.prev()) == next || matches!(decision.body(), Body::Settle(of) if settles(of))
    }

    /// Takes in a proposal with votes; something grew where that completed it. Nothing where it is not
    /// about the next place, or was known with all its votes.
    pub fn take_proposal(&mut self, voted: Voted) -> Result<Option<Grown>, Fault> {
        let decision = &voted.decision;
        if decision.space() != self.space || !self.may_be_next(decision) {
            return Ok(None);
        }
        let Some(by) = voted.votes.first().filter(|vote| vote.yes).map(|vote| vote.school) else {
            return Err(cannot("a proposal starts with the yes of its proposer"));
        };
        if voted.votes.len() > limits::LIVE_ADMISSIONS {
            return Err(Fault::TooLarge { what: "proposal", most: limits::LIVE_ADMISSIONS as u64 });
        }
        let id = decision.id();
        // Two schools may propose the same: it is one decision, and the votes for it count together.
        let same = self.proposals.iter().find(|(_, held)| held.decision.id() == id).map(|(by, _)| *by);
        let by = same.unwrap_or(by);
        let held = self.proposals.get(&by);
        let mut merged = match held {
            Some(held) if held.decision.id() == id => held.clone(),
            // Another one of the same steward: only where the first can never be complete.
            Some(held) if self.may_pass(held) => return Ok(None),
            _ => Voted { decision: decision.clone(), votes: Vec::new() },
        };
        let known = merged.votes.len();
        for vote in &voted.votes {
            let head = decision.signers().iter().find(|(school, _)| *school == vote.school).map(|(_, head)| head);
            let chain = self.identities.get(&vote.school);
            let rights = head.and_then(|head| chain?.rights_at(head, &vote.device));
            if !rights.is_some_and(|rights| rights.include(Rights::GOVERN)) {
                return Err(Fault::NoRight { school: vote.school, act: "vote on this" });
            }
            if !merged.votes.iter().any(|held| held.school == vote.school) {
                vote.verify(id)?;
                merged.votes.push(vote.clone());
            }
        }
        if merged.votes.len() == known {
            return Ok(None);
        }
        self.proposals.insert(by, merged.clone());
        let mut next = self.clone();
        let branch = self.unsettled().filter(|split| split.decision.id() == merged.decision.prev()).cloned();
        let decisions = branch.chain([merged.clone()]).collect();
        match next.admit(Missing { decisions, ..Missing::default() }) {
            Ok(grown) if !grown.is_empty() => {
                *self = next;
                Ok(Some(grown))
            }
            // Not complete, or what it has seen is not here yet.
            _ => Ok(Some(Grown::default())),
        }
    }
}
