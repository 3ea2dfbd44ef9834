//! Proposals, votes and leaving (§3), as the API asks for them.

use staffroom_protocol::charter::{Body, Charter, Cut, LogCut, Role, Settlement, Voted};
use staffroom_protocol::id::{DecisionId, IdPrefix, SchoolId, SpaceId, WriterId};
use staffroom_protocol::replica::Space;

use super::desk::Desk;
use super::erasing;
use super::names::{failed, member, school_name, space, space_name};
use crate::api::{Answer, Code, Decided, DecisionInfo, DecisionState, Failure, Proposal, VoteInfo};
use crate::store::Snapshot;

/// Proposes a decision with our yes.
pub(super) fn propose(desk: &mut Desk, cluster: Option<&str>, proposal: &Proposal) -> Result<Answer, Failure> {
    let id = match proposal {
        // A record says by itself which cluster it is in.
        Proposal::Erase { record } => erasing::proposed(desk, record)?.0,
        _ => space(&desk.replica, cluster, false)?,
    };
    let held = desk.replica.space(&id).map_err(failed)?;
    let resolved = held.charter().resolved();
    let school = |asked: &str| member(&desk.snapshot()?, id, resolved, asked).map(|school| school.id);
    let decided = match proposal {
        Proposal::Promote { school: asked } => {
            let school = school(asked)?;
            desk.replica.promote(id, school)
        }
        Proposal::Demote { school: asked, to } => {
            let school = school(asked)?;
            desk.replica.demote(id, school, Some(*to))
        }
        Proposal::Remove { school: asked } => {
            let school = school(asked)?;
            desk.replica.demote(id, school, None)
        }
        Proposal::EndForks { school: asked } => {
            let (school, log) = forked(desk, id, held, asked)?;
            if school == desk.replica.school() && desk.replica.retire(id, log).is_ok() {
                return Ok(Answer::Retired);
            }
            desk.replica.propose(id, Body::EndFork(log))
        }
        Proposal::Erase { record } => {
            let (_, body) = erasing::proposed(desk, record)?;
            desk.replica.propose(id, body)
        }
        Proposal::Rename { name } => {
            let name = name.trim();
            if name.is_empty() || name.len() > staffroom_protocol::limits::NAME || name.chars().any(char::is_control) {
                return Err(Failure::new(Code::Usage, "a cluster's name has 1 to 200 letters, on one line"));
            }
            desk.replica.propose(id, Body::Rename(name.to_owned()))
        }
    };
    answer(desk, id, &decided.map_err(failed)?.id)
}

/// The first forked log of a school, as far as it is held here. Who was removed has a name too.
fn forked(desk: &Desk, id: SpaceId, held: &Space, asked: &str) -> Result<(SchoolId, LogCut), Failure> {
    let snapshot = desk.snapshot()?;
    let whose = |writer: &WriterId| held.school_of(writer).map(|school| school_name(&snapshot, &id, &school));
    let prefix = IdPrefix::parse(asked).ok().filter(|_| asked.len() >= 4);
    let mut forked = held.forks().map(|fork| fork.place().1).filter_map(|writer| Some((writer, whose(&writer)?)));
    let named = forked.find(|(_, school)| {
        school.name.to_lowercase() == asked.to_lowercase() || prefix.as_ref().is_some_and(|p| p.matches(&school.id.0))
    });
    let (writer, school) = named.ok_or_else(|| {
        Failure::new(Code::NotFound, format!("no log of a school called {asked:?} forks"))
            .hint("share status names the logs that fork")
    })?;
    let frontier = held.staged_frontier();
    let cut = Cut { next: frontier.next(&writer), head: frontier.head(&writer) };
    Ok((school.id, LogCut { writer, cut }))
}

/// Answers a proposal; of two decisions at one place, proposes that ours stands.
pub(super) fn vote(desk: &mut Desk, asked: &str, yes: bool) -> Result<Answer, Failure> {
    let (id, decision) = find(desk, asked)?;
    let charter = desk.replica.space(&id).map_err(failed)?.charter();
    let decided = if charter.proposal(&decision).is_some() {
        desk.replica.vote(id, &decision, yes)
    } else if let Some(settlement) = settlement(charter, &decision).filter(|_| yes) {
        desk.replica.propose(id, Body::Settle(settlement))
    } else {
        return Err(Failure::new(Code::Refused, "nobody votes on that any more")
            .hint("share decision list shows what waits for votes"));
    };
    answer(desk, id, &decided.map_err(failed)?.id)
}

/// That this decision of our chain stands, where another one was made at its place.
fn settlement(charter: &Charter, decision: &DecisionId) -> Option<Settlement> {
    let of = |split: &Voted| {
        let number = split.decision.number();
        let stands = charter.decisions().get(number as usize)?.decision.id();
        (stands == *decision).then_some(Settlement { number, stands, falls: split.decision.id() })
    };
    charter.unsettled().find_map(of)
}

/// Ends our membership.
pub(super) fn leave(desk: &mut Desk, cluster: &str) -> Result<Answer, Failure> {
    let id = space(&desk.replica, Some(cluster), false)?;
    let charter = desk.replica.space(&id).map_err(failed)?.charter();
    if charter.resolved().role(&desk.replica.school()) == Some(Role::Steward) {
        let failure = Failure::new(Code::Refused, "a steward does not leave: it is demoted first");
        let others = charter.resolved().stewards().count() > 1;
        return Err(if others {
            failure.hint("share school demote SCHOOL, with your own school's name; the other stewards say yes")
        } else {
            failure.hint("make another school a steward first: share school promote SCHOOL")
        });
    }
    desk.replica.leave(id).map_err(failed)?;
    Ok(Answer::Left(space_name(&desk.replica, id)))
}

/// What waits for votes, and where asked what was decided too, of one cluster or of all.
pub(super) fn list(desk: &Desk, cluster: Option<&str>, all: bool) -> Result<Vec<DecisionInfo>, Failure> {
    let only = cluster.map(|cluster| space(&desk.replica, Some(cluster), false)).transpose()?;
    let snapshot = desk.snapshot()?;
    let mut infos = Vec::new();
    for (id, held) in desk.replica.spaces().filter(|(id, _)| only.is_none_or(|only| only == **id)) {
        if Some(*id) == desk.replica.own_space() {
            continue;
        }
        let charter = held.durable_charter();
        let tell = |voted: &Voted| info(desk, &snapshot, *id, charter, voted);
        infos.extend(charter.proposals().map(tell));
        for split in charter.unsettled() {
            infos.extend(charter.decisions().get(split.decision.number() as usize).map(tell));
            infos.push(tell(split));
        }
        if all {
            let shown: Vec<DecisionId> = infos.iter().map(|info| info.id).collect();
            infos.extend(charter.decisions().iter().rev().map(tell).filter(|info| !shown.contains(&info.id)));
        }
    }
    Ok(infos)
}

/// One decision or proposal.
pub(super) fn show(desk: &Desk, asked: &str) -> Result<DecisionInfo, Failure> {
    let (_, decision) = find(desk, asked)?;
    let all = list(desk, None, true)?;
    all.into_iter().find(|info| info.id == decision).ok_or_else(|| unknown(asked))
}

fn unknown(asked: &str) -> Failure {
    Failure::new(Code::NotFound, format!("there is no decision {asked:?} here"))
        .hint("share decision list --all shows what there is")
}

/// The decision that a shortened id means, and its cluster.
fn find(desk: &Desk, asked: &str) -> Result<(SpaceId, DecisionId), Failure> {
    let prefix = IdPrefix::parse(asked).ok().filter(|_| !asked.is_empty()).ok_or_else(|| unknown(asked))?;
    let mut found = Vec::new();
    for (id, held) in desk.replica.spaces() {
        let charter = held.charter();
        let all = charter.proposals().chain(charter.decisions()).chain(charter.splits().values());
        found.extend(all.map(|voted| voted.decision.id()).filter(|d| prefix.matches(&d.0)).map(|d| (*id, d)));
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(unknown(asked)),
        _ => {
            Err(Failure::new(Code::Usage, format!("{asked:?} begins more than one id")).hint("type a few letters more"))
        }
    }
}

/// What became of it: it is among the decided, or still waits.
fn answer(desk: &Desk, id: SpaceId, decision: &DecisionId) -> Result<Answer, Failure> {
    let charter = desk.replica.space(&id).map_err(failed)?.charter();
    let all = charter.proposals().chain(charter.decisions()).chain(charter.splits().values());
    let voted = all.into_iter().find(|voted| voted.decision.id() == *decision).ok_or_else(|| unknown("that"))?;
    let decision = info(desk, &desk.snapshot()?, id, charter, voted);
    Ok(Answer::Decided(Box::new(Decided { decision, stewards: charter.resolved().stewards().count() })))
}

fn info(desk: &Desk, snapshot: &Snapshot, id: SpaceId, charter: &Charter, voted: &Voted) -> DecisionInfo {
    let decision = &voted.decision;
    let named = |school: &SchoolId| school_name(snapshot, &id, school);
    let disputed = charter.unsettled().any(|split| split.decision.number() == decision.number());
    let stands = charter.decisions().get(decision.number() as usize).is_some_and(|d| d.decision.id() == decision.id());
    let beside = charter.splits().values().any(|split| split.decision.id() == decision.id());
    let state = match (stands || beside, disputed) {
        (true, true) => DecisionState::Disputed,
        (true, false) if stands => DecisionState::Decided,
        (false, _) if charter.may_pass(voted) => DecisionState::Open,
        // Refused by votes, or by a settlement.
        _ => DecisionState::Failed,
    };
    let body = decision.body();
    let school = match body {
        Body::EndFork(cut) => charter.resolved().writers.get(&cut.writer).map(|writer| named(&writer.school)),
        _ => body.school().map(|school| named(&school)),
    };
    let detail = match body {
        Body::Demote(_, role, _) => Some(role.word().to_owned()),
        Body::Rename(name) => Some(name.clone()),
        Body::Founding(founding) => Some(founding.name.clone()),
        Body::Erase(record, ..) => Some(record.to_string()),
        Body::Settle(of) => Some(of.stands.to_string()),
        _ => None,
    };
    DecisionInfo {
        id: decision.id(),
        number: decision.number(),
        space: space_name(&desk.replica, id),
        what: body.word().to_owned(),
        school,
        detail,
        state,
        votes: voted.votes.iter().map(|vote| VoteInfo { school: named(&vote.school), yes: vote.yes }).collect(),
        voters: decision.signers().iter().map(|(school, _)| named(school)).collect(),
    }
}
