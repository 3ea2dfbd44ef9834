//! Deciding: proposals, votes, leaving (§3).

use super::{Local, Replica};
use crate::charter::{Body, Charter, Cut, Decided, Grown, LogCut, Role, Voted};
use crate::fault::Fault;
use crate::id::{DecisionId, SchoolId, SpaceId, WriterId};
use crate::log::Frontier;
use crate::store::Store;

/// Where a log ends that is held as far as this.
fn held(frontier: &Frontier, writer: &WriterId) -> LogCut {
    LogCut { writer: *writer, cut: Cut { next: frontier.next(writer), head: frontier.head(writer) } }
}

impl<S: Store> Replica<S> {
    /// Proposes a decision with this school's yes; complete at once where that is enough.
    pub fn propose(&mut self, space: SpaceId, body: Body) -> Result<Decided, Fault> {
        self.govern(space, |charter, me| charter.propose(me.actor(), body))
    }
    /// Proposes to make a member a steward.
    pub fn promote(&mut self, space: SpaceId, school: SchoolId) -> Result<Decided, Fault> {
        self.propose(space, Body::Promote(school))
    }
    /// Proposes to take rights from a school, all of them where no role is named; its logs then stand
    /// as far as they are held here.
    pub fn demote(&mut self, space: SpaceId, school: SchoolId, to: Option<Role>) -> Result<Decided, Fault> {
        let held_here = self.space(&space)?;
        let frontier = held_here.staged_frontier();
        let cuts = || held_here.charter().cuts_of(&school, |writer| held(frontier, writer));
        let body = match to {
            None => Body::Remove(school, cuts()),
            Some(Role::Reader) => Body::Demote(school, Role::Reader, cuts()),
            Some(role) => Body::Demote(school, role, Vec::new()),
        };
        self.propose(space, body)
    }
    /// Answers a proposal, for good.
    pub fn vote(&mut self, space: SpaceId, id: &DecisionId, yes: bool) -> Result<Decided, Fault> {
        self.govern(space, |charter, me| charter.vote(me.actor(), id, yes))
    }
    /// Takes in a proposal of a partner's, with votes.
    pub fn admit_proposal(&mut self, space: SpaceId, voted: Voted) -> Result<(), Fault> {
        self.check()?;
        if let Some(grown) = self.space_mut(space)?.charter_mut().take_proposal(voted)? {
            self.stage_charter(space, &grown)?;
            self.stage_proposals(space)?;
        }
        Ok(())
    }
    /// Ends this school's membership; what it wrote stands as far as it is held here.
    pub fn leave(&mut self, space: SpaceId) -> Result<Grown, Fault> {
        self.check()?;
        let space_held = self.spaces.get_mut(&space).ok_or(Fault::NoSuchSpace)?;
        let frontier = space_held.staged_frontier().clone();
        let grown = space_held.charter_mut().leave(Local::actor(&self.me), |writer| held(&frontier, writer))?;
        self.stage_charter(space, &grown)?;
        Ok(grown)
    }

    fn govern(
        &mut self,
        space: SpaceId,
        act: impl FnOnce(&mut Charter, &Local) -> Result<Decided, Fault>,
    ) -> Result<Decided, Fault> {
        self.check()?;
        let held = self.spaces.get_mut(&space).ok_or(Fault::NoSuchSpace)?;
        let decided = act(held.charter_mut(), &self.me)?;
        self.stage_charter(space, &decided.grown)?;
        self.stage_proposals(space)?;
        Ok(decided)
    }
}
