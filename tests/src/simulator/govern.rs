//! What people at schools decide: proposals, votes, leaving, and the keys that act for a school.

use staffroom_protocol::charter::{Body, Cut, Decided, LogCut, Role};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DecisionId, DeviceId, SchoolId, SpaceId, WriterId};
use staffroom_protocol::identity::Rights;
use staffroom_protocol::replica::{End, Space};

use super::invariants::{self, Violation};
use super::model::STEWARD;
use super::node::Promise;
use super::plan::Planted;
use super::planted;
use super::world::World;

impl World {
    /// Someone at a school decides something, or answers what others propose.
    pub(super) fn govern(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        match self.random.below(100) {
            0..45 => self.vote(number, space),
            45..60 => self.promote(number, space),
            60..76 => self.propose_less(number, space),
            76..80 => {
                let name = self.value("Cluster");
                self.propose(number, space, |replica| replica.propose(space, Body::Rename(name))).map(drop)
            }
            80..88 => self.end_fork(number, space),
            88..93 => self.leave(number, space),
            _ => self.change_keys(number),
        }
    }

    fn space_of(&self, number: usize, space: SpaceId) -> Option<&Space> {
        self.nodes[number].replica.as_ref()?.space(&space).ok()
    }

    /// A person answers one of the proposals that wait for their school.
    fn vote(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let school = self.nodes[number].school;
        let Some(held) = self.space_of(number, space) else { return Ok(()) };
        let open = held.charter().proposals().filter(|voted| voted.votes.iter().all(|vote| vote.school != school));
        let open: Vec<DecisionId> = open.map(|voted| voted.decision.id()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let (id, yes) = (*self.random.pick(&open), self.random.per_mille(750));
        self.counts.one(if yes { "votes yes" } else { "votes no" });
        let holds = self.space_of(number, space).is_some_and(|held| invariants::holds_listed(held.charter(), &id));
        let answered = self.answer_proposal(number, space, yes, |replica| replica.vote(space, &id, yes))?;
        let found = || format!("n{number} says yes to {id:?} and does not hold all that it lists");
        Violation::unless(answered.is_none() || !yes || holds, "a_yes_is_to_what_is_held", found)
    }

    /// Makes a member a steward.
    pub(super) fn promote(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let Some(chosen) = self.some_member(number, space) else { return Ok(()) };
        // Two machines with one key would vote twice: that is a fork of decisions, which people avoid.
        if self.nodes.iter().any(|node| node.school == chosen && self.model.tainted.contains(&node.device)) {
            return Ok(());
        }
        self.propose(number, space, |replica| replica.promote(space, chosen)).map(drop)
    }

    fn some_member(&mut self, number: usize, space: SpaceId) -> Option<SchoolId> {
        let school = self.nodes[number].school;
        let members = self.space_of(number, space)?.charter().resolved().members.keys().copied();
        let members: Vec<SchoolId> = members.filter(|member| *member != school).collect();
        if members.is_empty() { None } else { Some(*self.random.pick(&members)) }
    }

    /// Takes rights from a school, now and then from one's own.
    fn propose_less(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let own = self.nodes[number].school;
        let chosen = if self.random.per_mille(150) { Some(own) } else { self.some_member(number, space) };
        let Some(chosen) = chosen else { return Ok(()) };
        let to = *self.random.pick(&[None, Some(Role::Reader), Some(Role::Contributor)]);
        let Some(held) = self.space_of(number, space) else { return Ok(()) };
        let writers = held.charter().resolved().writers.iter().filter(|(_, writer)| writer.school == chosen);
        let log = |writer: &WriterId| LogCut {
            writer: *writer,
            cut: Cut { next: held.staged_frontier().next(writer), head: held.staged_frontier().head(writer) },
        };
        let logs: Vec<LogCut> = writers.map(|(id, _)| log(id)).filter(|log| log.cut.next > 0).collect();
        let low = self.plan.planted == Some(Planted::CutTooLow);
        let id = self.propose(number, space, |replica| match to {
            None if low => {
                let body = Body::Remove(chosen, logs.clone());
                let body = planted::too_low(replica, space, body);
                replica.propose(space, body)
            }
            _ => replica.demote(space, chosen, to),
        })?;
        // A cut that is listed is what the proposer holds: nothing less was said yes to.
        match id.and_then(|id| self.body(number, space, &id)) {
            Some(Body::Remove(_, cuts) | Body::Demote(_, Role::Reader, cuts)) => {
                invariants::cuts_list_what_is_held(&cuts, &logs)
            }
            _ => Ok(()),
        }
    }

    /// What a proposal or a decision is about.
    fn body(&self, number: usize, space: SpaceId, id: &DecisionId) -> Option<Body> {
        let charter = self.space_of(number, space)?.charter();
        let mut known = charter.proposals().chain(charter.decisions());
        known.find(|voted| voted.decision.id() == *id).map(|voted| voted.decision.body().clone())
    }

    /// Says where a log ends of which two histories are known: at what both share, or where one goes on.
    fn end_fork(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let Some(held) = self.space_of(number, space) else { return Ok(()) };
        let forks: Vec<WriterId> = held.forks().map(|fork| fork.place().1).collect();
        if forks.is_empty() {
            return Ok(());
        }
        let log = |writer: &WriterId| LogCut {
            writer: *writer,
            cut: Cut { next: held.staged_frontier().next(writer), head: held.staged_frontier().head(writer) },
        };
        let ends: Vec<LogCut> = forks.iter().map(log).collect();
        let end = *self.random.pick(&ends);
        self.propose(number, space, |replica| replica.propose(space, Body::EndFork(end))).map(drop)
    }

    pub(super) fn propose(
        &mut self,
        number: usize,
        space: SpaceId,
        propose: impl FnOnce(&mut super::node::School) -> Result<Decided, Fault>,
    ) -> Result<Option<DecisionId>, Violation> {
        self.answer_proposal(number, space, true, propose)
    }

    fn answer_proposal(
        &mut self,
        number: usize,
        space: SpaceId,
        yes: bool,
        answer: impl FnOnce(&mut super::node::School) -> Result<Decided, Fault>,
    ) -> Result<Option<DecisionId>, Violation> {
        let school = self.nodes[number].school;
        let Some(held) = self.space_of(number, space) else { return Ok(None) };
        let steward = held.charter().resolved().role(&school) == Some(Role::Steward);
        let Some(replica) = self.nodes[number].replica.as_mut() else { return Ok(None) };
        let result = answer(replica);
        let found = || format!("n{number}, a steward: {steward}: {result:?}");
        Violation::unless(result.is_err() || steward, "only_stewards_propose", found)?;
        match result {
            Ok(Decided { id, grown }) => {
                if yes {
                    self.model.said_yes.entry(id).or_default().insert(school);
                }
                self.counts.one(if grown.is_empty() { "answers to proposals" } else { "decisions completed" });
                let body = self.body(number, space, &id);
                if let Some(what) = body.as_ref().filter(|_| !grown.is_empty()).and_then(completed) {
                    self.counts.one(what);
                }
                self.say(format_args!("n{number} says {yes} to {id:?}, decided: {}, {body:?}", !grown.is_empty()));
                self.flush_soon(number);
                Ok(Some(id))
            }
            // It waits for what has not arrived, and votes another time.
            Err(Fault::Behind) => {
                self.counts.one("votes that wait");
                Ok(None)
            }
            Err(Fault::NoRight { .. } | Fault::Decision(_)) => Ok(None),
            Err(fault) => Err(Violation::new("people_can_decide", format!("n{number}: {fault}"))),
        }
    }

    fn leave(&mut self, number: usize, space: SpaceId) -> Result<(), Violation> {
        let school = self.nodes[number].school;
        if Some(space) == self.nodes[number].own_space {
            return Ok(());
        }
        let Some(replica) = self.nodes[number].replica.as_mut() else { return Ok(()) };
        let Ok(held) = replica.space(&space) else { return Ok(()) };
        let role = held.charter().resolved().role(&school);
        let tainted = self.model.tainted.contains(&self.nodes[number].device);
        let may = role.is_some_and(|role| role < Role::Steward);
        let Some(replica) = self.nodes[number].replica.as_mut() else { return Ok(()) };
        let result = replica.leave(space);
        let found = || format!("n{number} as {role:?}: {:?}", result.as_ref().err());
        Violation::unless(result.is_ok() == may || tainted, "who_is_no_steward_can_leave", found)?;
        if result.is_ok() {
            self.counts.one("leaves");
            self.say(format_args!("n{number} leaves"));
            self.flush_soon(number);
        }
        Ok(())
    }

    /// A school prints another sheet, or certifies a device and revokes it again.
    fn change_keys(&mut self, number: usize) -> Result<(), Violation> {
        let (fresh, seed) = (self.random.bytes(), self.random.bytes());
        let node = &mut self.nodes[number];
        if self.model.tainted.contains(&node.device) || node.key_changes > 20 {
            return Ok(());
        }
        node.key_changes += 1;
        let Some(replica) = node.replica.as_mut() else { return Ok(()) };
        let what = match node.spare {
            None if self.random.per_mille(500) => {
                let (old, new) = (super::node::code(&node.code), super::node::code(&fresh));
                let renewed = replica.change_identity(|chain, _| chain.renew(&old, &new));
                renewed.map_err(|fault| Violation::new("keys_can_be_changed", fault))?;
                node.promises.push(Promise::Sheet(fresh));
                "sheets renewed"
            }
            None => {
                let spare = DeviceId(seed);
                let certified = replica.change_identity(|chain, ours| chain.certify(ours, spare, Rights::WRITE));
                certified.map_err(|fault| Violation::new("keys_can_be_changed", fault))?;
                node.promises.push(Promise::Spare(Some(spare)));
                "devices certified"
            }
            Some(spare) => {
                let stands = replica.held_of(&spare);
                let revoked = replica.change_identity(|chain, ours| chain.revoke(ours, spare, stands));
                revoked.map_err(|fault| Violation::new("keys_can_be_changed", fault))?;
                node.promises.push(Promise::Spare(None));
                "devices revoked"
            }
        };
        self.counts.one(what);
        self.say(format_args!("n{number}: {what}"));
        self.flush_soon(number);
        Ok(())
    }

    /// Whether a school belongs to a space, as far as anybody can know.
    pub(super) fn belongs(&self, number: usize, space: SpaceId) -> bool {
        let school = self.nodes[number].school;
        if !self.model.unclear.contains(&space) {
            return self.model.rank(&space, &school) > 0;
        }
        // Two things were signed at one place: what honest nodes come to is taken for it.
        let honest = self.nodes.iter().filter(|node| !self.model.tainted.contains(&node.device));
        let charters = honest.filter_map(|node| Some(node.replica.as_ref()?.space(&space).ok()?.durable_charter()));
        let newest = charters.max_by_key(|charter| charter.resolved().head.0);
        newest.is_some_and(|charter| charter.resolved().role(&school).is_some())
    }
    /// Whether a school decides in some cluster.
    pub(super) fn decides(&self, number: usize) -> bool {
        let school = self.nodes[number].school;
        self.clusters.iter().any(|space| self.model.rank(space, &school) == STEWARD)
    }
    /// Whether a node's own log in a space can go on, as far as it knows.
    pub(super) fn can_write(&self, number: usize, space: SpaceId) -> bool {
        self.space_of(number, space).is_some_and(|held| held.end(&held.own_writer()) == End::Open)
    }
}

/// What a decision that was completed is counted as, beside the decisions.
fn completed(body: &Body) -> Option<&'static str> {
    match body {
        Body::Remove(..) => Some("decided: removals"),
        Body::Demote(..) => Some("decided: demotions"),
        Body::Promote(_) => Some("decided: promotions"),
        Body::EndFork(_) => Some("decided: ends of forks"),
        Body::Erase(..) => Some("decided: erasures"),
        _ => None,
    }
}
