//! Schools that each hold a charter of their own and hear of the others' acts when they are told.

use staffroom_protocol::charter::{
    Actor, Admission, Body, Charter, Cut, Founding, Grown, LogCut, Missing, Operation, Role, Settlement, Voted,
};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DecisionId, EntryId, OperationId, SchoolId, SpaceId, TicketId, WriterId};
use staffroom_protocol::identity::{Domain, IdentityChain, Inception, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::replica::End;

/// One school with its device and what it holds of the charter.
#[derive(Clone)]
pub(crate) struct Party {
    pub(crate) n: u8,
    pub(crate) chain: IdentityChain,
    pub(crate) charter: Charter,
}

pub(crate) fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// The key of a school's writer number `generation`.
pub(crate) fn writer(n: u8, generation: u8) -> SecretKey {
    let mut seed = [n; 32];
    seed[1] = 200 + generation;
    SecretKey::from_seed(&seed)
}

pub(crate) fn chain(n: u8) -> IdentityChain {
    let code = RecoveryCode::from_random([n; 20]);
    let mut chain = IdentityChain::new(Inception::new(&code));
    chain.certify(&code.root(0), key(n).public(), Rights::ALL).unwrap();
    chain
}

/// A log that is held up to `next` entries, for cuts.
pub(crate) fn log(writer: WriterId, next: u64) -> LogCut {
    LogCut { writer, cut: cut(next) }
}

/// After `next` entries.
pub(crate) fn cut(next: u64) -> Cut {
    let head = if next == 0 { EntryId::default() } else { EntryId([next.to_le_bytes()[0]; 32]) };
    Cut { next, head }
}

impl Party {
    pub(crate) fn id(&self) -> SchoolId {
        self.chain.school()
    }
    pub(crate) fn role(&self, school: &Self) -> Option<Role> {
        self.charter.resolved().role(&school.id())
    }
    /// Acts with the party's own key.
    fn with<T>(&mut self, act: impl FnOnce(&mut Charter, Actor<'_>) -> T) -> T {
        let device = key(self.n);
        act(&mut self.charter, Actor { school: &self.chain, device: &device })
    }
    pub(crate) fn admit(&mut self, joiner: &Self, role: Role) -> Result<Grown, Fault> {
        let (ticket, school) = (TicketId([self.n ^ joiner.n.rotate_left(4); 32]), joiner.id());
        let hash = Admission::acceptance_hash(self.charter.space(), ticket, school, role);
        let acceptance = key(joiner.n).sign(Domain::Acceptance, &hash);
        let (instead_of, device) = (OperationId::default(), key(joiner.n).public());
        let admission = Admission { school, role, instead_of, ticket, device, acceptance };
        self.with(|charter, actor| charter.admit_school(actor, joiner.chain.clone(), &admission))
    }
    pub(crate) fn enrol(&mut self, generation: u8) -> Result<Grown, Fault> {
        let writer = writer(self.n, generation);
        self.with(|charter, actor| charter.enrol(actor, &writer))
    }
    pub(crate) fn retire(&mut self, generation: u8, next: u64) -> Result<Grown, Fault> {
        let cut = log(writer(self.n, generation).public(), next);
        self.with(|charter, actor| charter.retire(actor, cut))
    }
    /// Leaves with every log held up to `next`.
    pub(crate) fn leave(&mut self, next: u64) -> Result<Grown, Fault> {
        self.with(|charter, actor| charter.leave(actor, |writer| log(*writer, next)))
    }
    pub(crate) fn propose(&mut self, body: Body) -> Result<DecisionId, Fault> {
        self.with(|charter, actor| charter.propose(actor, body)).map(|decided| decided.id)
    }
    /// Removes a school whose logs are held up to `next`.
    pub(crate) fn remove(&mut self, school: &Self, next: u64) -> Result<DecisionId, Fault> {
        let cuts = self.charter.cuts_of(&school.id(), |writer| log(*writer, next));
        self.propose(Body::Remove(school.id(), cuts))
    }
    pub(crate) fn demote(&mut self, school: &Self, role: Role, next: u64) -> Result<DecisionId, Fault> {
        let cuts = self.charter.cuts_of(&school.id(), |writer| log(*writer, next));
        let cuts = if role == Role::Reader { cuts } else { Vec::new() };
        self.propose(Body::Demote(school.id(), role, cuts))
    }
    pub(crate) fn promote(&mut self, school: &Self) -> Result<DecisionId, Fault> {
        self.propose(Body::Promote(school.id()))
    }
    pub(crate) fn vote(&mut self, id: DecisionId, yes: bool) -> Result<(), Fault> {
        self.with(|charter, actor| charter.vote(actor, &id, yes)).map(|_| ())
    }
    pub(crate) fn settle(&mut self, number: u32) -> Result<DecisionId, Fault> {
        let stands = self.charter.decisions()[number as usize].decision.id();
        let falls = self.charter.splits()[&number].decision.id();
        self.propose(Body::Settle(Settlement { number, stands, falls }))
    }
    /// Hears all that `other` holds that is missing here, proposals too.
    pub(crate) fn hear(&mut self, other: &Self) -> Result<Grown, Fault> {
        let missing = other.charter.missing(&self.charter.positions());
        let grown = self.charter.admit(missing)?;
        let proposals: Vec<Voted> = other.charter.proposals().cloned().collect();
        for voted in proposals {
            self.charter.take_proposal(voted)?;
        }
        Ok(grown)
    }
    /// Where the log of a writer may go.
    pub(crate) fn writes(&self, n: u8, generation: u8) -> End {
        let writer: WriterId = writer(n, generation).public();
        match self.charter.resolved().writers.get(&writer).map(|writer| writer.cut) {
            None => End::NotEnrolled,
            Some(None) => End::Open,
            Some(Some(cut)) => End::Cut(cut),
        }
    }
}

/// A cluster of `n` schools of which the first `stewards` are stewards; each has a writer, and holds everything.
pub(crate) fn cluster(n: u8, stewards: u8) -> Vec<Party> {
    let founding = Founding { name: "Brook".into(), rules: 0, continues: SpaceId::default(), nonce: [0; 16] };
    let first = chain(1);
    let (charter, _) = Charter::found(&founding, Actor { school: &first, device: &key(1) }).unwrap();
    let space = charter.space();
    let mut parties = vec![Party { n: 1, chain: first, charter }];
    parties[0].enrol(0).unwrap();
    for n in 2..=n {
        let joiner = Party { n, chain: chain(n), charter: Charter::empty(space) };
        parties[0].admit(&joiner, Role::Contributor).unwrap();
        parties.push(joiner);
        level(&mut parties);
        parties.last_mut().unwrap().enrol(0).unwrap();
        level(&mut parties);
        if n <= stewards {
            let (voters, joiner) = parties.split_at_mut(usize::from(n) - 1);
            let id = voters[0].promote(&joiner[0]).unwrap();
            level(&mut parties);
            for voter in 1..usize::from(n) - 1 {
                // More than half may have said so before.
                let _done = parties[voter].vote(id, true);
                level(&mut parties);
            }
        }
    }
    level(&mut parties);
    parties
}

/// Everybody hears everybody until nothing changes.
pub(crate) fn level(parties: &mut [Party]) {
    loop {
        let before: Vec<Charter> = parties.iter().map(|party| party.charter.clone()).collect();
        for a in 0..parties.len() {
            for b in 0..parties.len() {
                let other = parties[b].clone();
                if a != b {
                    parties[a].hear(&other).unwrap();
                }
            }
        }
        if parties.iter().zip(&before).all(|(party, before)| party.charter == *before) {
            return;
        }
    }
}

/// All that any of them holds, each thing by itself with the identity chains. A decision comes with
/// the operations that it has seen, as partners send it: it cannot be taken without them.
pub(crate) fn units(parties: &[Party]) -> Vec<Missing> {
    let mut decisions: Vec<Voted> = Vec::new();
    let mut operations: Vec<Operation> = Vec::new();
    let mut identities: Vec<IdentityChain> = Vec::new();
    for party in parties {
        let whole = party.charter.whole();
        identities.extend(whole.identities);
        for voted in whole.decisions.into_iter().chain(whole.splits) {
            if !decisions.iter().any(|known| known.decision == voted.decision) {
                decisions.push(voted);
            }
        }
        for operation in whole.operations {
            if !operations.contains(&operation) {
                operations.push(operation);
            }
        }
    }
    let seen = |voted: &Voted| {
        let mut ids: Vec<OperationId> = voted.decision.seen().iter().map(|(_, _, id)| *id).collect();
        let mut seen = Vec::new();
        while let Some(id) = ids.pop() {
            if let Some(operation) = operations.iter().find(|operation| operation.id() == id) {
                ids.push(operation.prev());
                seen.push(operation.clone());
            }
        }
        seen.reverse();
        seen
    };
    let decided = decisions.iter().map(|voted| (vec![voted.clone()], seen(voted)));
    let operated = operations.iter().map(|operation| (Vec::new(), vec![operation.clone()]));
    let unit = |(decisions, operations)| Missing {
        identities: identities.clone(),
        decisions,
        operations,
        ..Missing::default()
    };
    decided.chain(operated).map(unit).collect()
}

/// Visits every order of the places from `from` on.
pub(crate) fn permute(order: &mut Vec<usize>, from: usize, visit: &mut dyn FnMut(&[usize])) {
    if from == order.len() {
        return visit(order);
    }
    for at in from..order.len() {
        order.swap(from, at);
        permute(order, from + 1, visit);
        order.swap(from, at);
    }
}
