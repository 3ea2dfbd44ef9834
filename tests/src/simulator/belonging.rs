//! Who must belong, and where logs must end: an account of its own, from what was decided and done.
//!
//! It reads decisions and operations as they were acknowledged, and says by the text of §3 what they
//! come to, without the protocol's `resolve`. It says nothing where a device signed two operations
//! at one place, or where two decisions stand at one.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::charter::{Act, Body, LogCut, Operation, Role, Voted};
use staffroom_protocol::id::{DecisionId, DeviceId, EntryId, OperationId, SchoolId, WriterId};

use super::model::{CONTRIBUTOR, READER, STEWARD};

/// Where logs end: how many entries stand, and the last of them.
pub(super) type Ends = BTreeMap<WriterId, (u64, EntryId)>;

fn ends(cuts: &[LogCut]) -> Ends {
    cuts.iter().map(|log| (log.writer, (log.cut.next, log.cut.head))).collect()
}
/// The rank of a role.
pub(super) fn rank(role: Role) -> u8 {
    match role {
        Role::Reader => READER,
        Role::Contributor => CONTRIBUTOR,
        Role::Steward => STEWARD,
    }
}

/// What a decision did.
#[derive(Debug, Clone)]
enum Decided {
    /// A school has this rank from now on, or belongs no more; some of its logs end.
    Rank(SchoolId, u8, Option<Ends>),
    /// One log ends.
    Log(WriterId, (u64, EntryId)),
    /// Nothing that counts here.
    Other,
}

#[derive(Debug, Clone)]
struct Decision {
    id: DecisionId,
    seen: BTreeMap<DeviceId, u32>,
    did: Decided,
}

#[derive(Debug, Clone)]
struct Done {
    school: SchoolId,
    device: DeviceId,
    number: u32,
    anchor: usize,
    act: Act,
}

/// One admission that stands.
#[derive(Debug, Clone, Copy)]
struct Admitted {
    id: OperationId,
    instead_of: OperationId,
    school: SchoolId,
    /// The decision that it comes after; nothing for the founder.
    after: Option<usize>,
    rank: u8,
}

/// The account of one space.
#[derive(Debug, Clone, Default)]
pub(super) struct Belonging {
    decisions: Vec<Decision>,
    operations: BTreeMap<OperationId, Done>,
}

/// What it comes to.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing {
    /// The members with their ranks.
    pub(super) members: BTreeMap<SchoolId, u8>,
    /// The writers that stand, with their schools and where their logs end.
    pub(super) writers: BTreeMap<WriterId, (SchoolId, Option<(u64, EntryId)>)>,
}

impl Belonging {
    /// A decision that some node acknowledged; false where another one stands at its place.
    pub(super) fn decided(&mut self, voted: &Voted) -> bool {
        let decision = &voted.decision;
        let place = decision.number() as usize;
        if let Some(held) = self.decisions.get(place) {
            return held.id == decision.id();
        }
        let did = match decision.body() {
            Body::Founding(_) => Decided::Rank(decision.signers()[0].0, STEWARD, None),
            Body::Promote(school) => Decided::Rank(*school, STEWARD, None),
            Body::Demote(school, role, cuts) => {
                Decided::Rank(*school, rank(*role), (*role == Role::Reader).then(|| ends(cuts)))
            }
            Body::Remove(school, cuts) => Decided::Rank(*school, 0, Some(ends(cuts))),
            Body::EndFork(log) => Decided::Log(log.writer, (log.cut.next, log.cut.head)),
            Body::Rename(_) | Body::Erase(..) | Body::Upgrade(_) | Body::Settle(_) => Decided::Other,
        };
        let seen = decision.seen().iter().map(|(device, number, _)| (*device, *number)).collect();
        self.decisions.push(Decision { id: decision.id(), seen, did });
        place + 1 == self.decisions.len()
    }
    /// An operation that some node acknowledged; false where its device signed another at its place.
    pub(super) fn done(&mut self, operation: &Operation) -> bool {
        if self.operations.contains_key(&operation.id()) {
            return true;
        }
        // The number of the decision that it is anchored at, by the documented layout.
        let bytes = Vec::from(operation.clone());
        let anchor = bytes.get(168..172).and_then(|anchor| <[u8; 4]>::try_from(anchor).ok()).unwrap_or_default();
        let (school, device, number) = (operation.school(), operation.device(), operation.number());
        let alone = !self.operations.values().any(|done| done.device == device && done.number == number);
        let anchor = u32::from_le_bytes(anchor) as usize;
        let done = Done { school, device, number, anchor, act: operation.act().clone() };
        self.operations.insert(operation.id(), done);
        alone
    }
    /// Operations that nobody has any more.
    pub(super) fn lost(&mut self, operations: &[OperationId]) {
        self.operations.retain(|id, _| !operations.contains(id));
    }
    /// How much it knows.
    pub(super) fn length(&self) -> usize {
        self.decisions.len() + self.operations.len()
    }
    /// The stewards after the first `count` decisions.
    pub(super) fn stewards(&self, count: usize) -> BTreeSet<SchoolId> {
        let mut stewards = BTreeSet::new();
        for decision in self.decisions.iter().take(count) {
            match decision.did {
                Decided::Rank(school, STEWARD, _) => _ = stewards.insert(school),
                Decided::Rank(school, ..) => _ = stewards.remove(&school),
                Decided::Log(..) | Decided::Other => {}
            }
        }
        stewards
    }
    /// Whether every later decision that `takes` away what an operation rests on had seen it by then.
    fn was_seen(&self, done: &Done, takes: impl Fn(u8) -> bool) -> bool {
        let seen_by = |n: usize| {
            self.decisions[..=n].iter().any(|d| d.seen.get(&done.device).is_some_and(|last| done.number <= *last))
        };
        (done.anchor + 1..self.decisions.len()).all(|n| match self.decisions[n].did {
            Decided::Rank(school, rank, _) if school == done.school && takes(rank) => seen_by(n),
            _ => true,
        })
    }

    /// The operations in the order that counts: anchor, device, number (§3.3).
    fn ordered(&self) -> Vec<(&OperationId, &Done)> {
        let mut ordered: Vec<(&OperationId, &Done)> = self.operations.iter().collect();
        ordered.sort_by_key(|(_, done)| (done.anchor, done.device, done.number));
        ordered
    }

    /// The admissions that stand, in order.
    fn admissions(&self) -> Vec<Admitted> {
        let Some(Decided::Rank(founder, ..)) = self.decisions.first().map(|d| d.did.clone()) else { return Vec::new() };
        let (id, instead_of) = (OperationId(self.decisions[0].id.0), OperationId::default());
        let founding = Admitted { id, instead_of, school: founder, after: None, rank: STEWARD };
        let admitted = |(id, done): (&OperationId, &Done)| {
            let Act::Admit(admission) = &done.act else { return None };
            let stands =
                self.stewards(done.anchor + 1).contains(&done.school) && self.was_seen(done, |rank| rank < STEWARD);
            let (instead_of, school, rank) = (admission.instead_of, admission.school, rank(admission.role));
            stands.then_some(Admitted { id: *id, instead_of, school, after: Some(done.anchor), rank })
        };
        // Where an enrolment may belong to several, it belongs to the first of them.
        [founding].into_iter().chain(self.ordered().into_iter().filter_map(admitted)).collect()
    }
    /// What a school was after decision `at`, by these admissions of its own: nothing where it did not belong.
    fn rank_of(&self, school: &SchoolId, own: &[Admitted], at: usize) -> Option<u8> {
        let until = self.decisions.len().min(at.saturating_add(1));
        let changes = self.decisions[..until].iter().enumerate().filter_map(|(n, decision)| match decision.did {
            Decided::Rank(of, rank, _) if of == *school => Some((n, rank)),
            _ => None,
        });
        let changes: Vec<(usize, u8)> = changes.collect();
        let removed = changes.iter().rev().find(|(_, rank)| *rank == 0).map(|(n, _)| *n);
        let last = changes.last().copied();
        let lives = |a: &&Admitted| a.school == *school && removed.is_none_or(|n| a.after >= Some(n));
        let by = |a: &Admitted| match last {
            Some((n, rank)) if a.after.is_none_or(|after| after < n) => rank,
            _ => a.rank,
        };
        own.iter().filter(lives).map(by).max().filter(|rank| *rank > 0)
    }

    /// What all of it comes to.
    pub(super) fn standing(&self) -> Standing {
        let admissions = self.admissions();
        let last = self.decisions.len();
        // Who left, under which admission, with which ends.
        let mut left: BTreeMap<OperationId, Ends> = BTreeMap::new();
        let ordered = self.ordered();
        for (_, done) in &ordered {
            let Act::Leave(leave) = &done.act else { continue };
            let own = admissions.iter().any(|a| a.id == leave.admission && a.school == done.school);
            let steward = self.stewards(done.anchor + 1).contains(&done.school);
            if own && !steward && self.was_seen(done, |rank| rank == 0 || rank == STEWARD) {
                left.entry(leave.admission).or_insert_with(|| ends(&leave.cuts));
            }
        }
        let present: Vec<Admitted> = admissions.iter().filter(|a| !left.contains_key(&a.id)).copied().collect();
        let schools: BTreeSet<SchoolId> = admissions.iter().map(|a| a.school).collect();
        let members = schools.iter().filter_map(|s| Some((*s, self.rank_of(s, &present, last)?))).collect();
        let mut writers = BTreeMap::new();
        for (_, done) in &ordered {
            let Act::Enrol(enrolment) = &done.act else { continue };
            let named = |a: &&Admitted| {
                a.school == done.school && (a.id == enrolment.admission || a.instead_of == enrolment.admission)
            };
            let may = self.rank_of(&done.school, &admissions, done.anchor).is_some_and(|rank| rank > READER);
            let stands = may && self.was_seen(done, |rank| rank < CONTRIBUTOR);
            let Some(admission) = admissions.iter().find(named).filter(|_| stands) else { continue };
            let end = self.end(done, enrolment.writer, &left, admission.id, &ordered);
            writers.entry(enrolment.writer).or_insert((done.school, end));
        }
        Standing { members, writers }
    }

    fn end(
        &self,
        enrolled: &Done,
        writer: WriterId,
        left: &BTreeMap<OperationId, Ends>,
        admission: OperationId,
        ordered: &[(&OperationId, &Done)],
    ) -> Option<(u64, EntryId)> {
        let listed = |ends: &Ends| ends.get(&writer).copied().unwrap_or_default();
        let decided = self.decisions.iter().skip(enrolled.anchor + 1).rev().find_map(|d| match &d.did {
            Decided::Rank(school, _, Some(ends)) if *school == enrolled.school => Some(listed(ends)),
            Decided::Log(log, end) if *log == writer => Some(*end),
            _ => None,
        });
        // Of operations that end it, the first counts.
        let by_itself = |(_, done): &(&OperationId, &Done)| match &done.act {
            Act::Retire(log) if log.writer == writer && done.device == enrolled.device => {
                Some((log.cut.next, log.cut.head))
            }
            Act::Leave(leave) if leave.admission == admission => left.get(&admission).map(listed),
            _ => None,
        };
        decided.or_else(|| ordered.iter().find_map(by_itself))
    }
}
