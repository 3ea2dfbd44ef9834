//! One pure function from what is held of a charter to members, writers and cuts (§3.7).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::decision::{Body, Complete};
use super::operation::{Act, Operation};
use super::role::Role;
use crate::id::{DecisionId, DeviceId, EntryId, OperationId, SchoolId, TicketId, WriterId};
use crate::identity::{IdentityChain, Rights};

/// A school that belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it may do.
    pub role: Role,
    /// The admission that it belongs by; the space's id for the school that founded it.
    pub admission: OperationId,
}

/// Where a log ends for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// How many entries stand.
    pub next: u64,
    /// The last of them; zero where none does.
    pub head: EntryId,
}

/// A writer that is enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its school.
    pub school: SchoolId,
    /// The device that writes.
    pub device: DeviceId,
    /// Where its log ends, where it does.
    pub cut: Option<Cut>,
}

/// Who belongs, who writes, where logs end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// The name of the space.
    pub name: String,
    /// The rules that new records live under.
    pub rules: u16,
    /// The last complete decision.
    pub head: (u32, DecisionId),
    /// The schools that belong.
    pub members: BTreeMap<SchoolId, Member>,
    /// The writers that were ever enrolled and stand.
    pub writers: BTreeMap<WriterId, Writer>,
    /// The admissions that stand, and whom they admit; the founding one has the space's id.
    pub admissions: BTreeMap<OperationId, SchoolId>,
    /// Tickets that admitted someone.
    pub tickets: BTreeMap<TicketId, SchoolId>,
}

impl Resolved {
    /// What a school may do; nothing where it does not belong.
    pub fn role(&self, school: &SchoolId) -> Option<Role> {
        self.members.get(school).map(|member| member.role)
    }
    /// The schools that decide.
    pub fn stewards(&self) -> impl Iterator<Item = SchoolId> + '_ {
        self.members.iter().filter(|(_, member)| member.role == Role::Steward).map(|(school, _)| *school)
    }
    /// Whether these yeses are more than half of the stewards.
    fn completes(&self, complete: &Complete, identities: &BTreeMap<SchoolId, IdentityChain>) -> bool {
        let decision = &complete.decision;
        let id = decision.id();
        let stewards: Vec<SchoolId> = self.stewards().collect();
        let said_yes = |school: &SchoolId| {
            // Rights are those at the head that the decision names (§3.1): nothing that comes later undoes it.
            let head = decision.signers().iter().find(|(signer, _)| signer == school).map(|(_, head)| head);
            let rights = |device| identities.get(school)?.rights_at(head?, device);
            head.is_some()
                && complete.votes.iter().any(|vote| {
                    vote.yes
                        && vote.school == *school
                        && rights(&vote.device).is_some_and(|rights| rights.include(Rights::GOVERN))
                        && vote.verify(id).is_ok()
                })
        };
        stewards.iter().filter(|school| said_yes(school)).count() * 2 > stewards.len()
    }
    /// The state before the first decision that `founder` is about to make.
    fn founded_by(founder: SchoolId, space: OperationId) -> Self {
        let member = Member { role: Role::Steward, admission: space };
        let admissions = BTreeMap::from([(space, founder)]);
        Self { members: BTreeMap::from([(founder, member)]), admissions, ..Self::default() }
    }
}

/// Resolves a charter.
///
/// `decisions` in order of their numbers; the chain ends at the first one that does not continue it
/// or is not complete. `operations` in any order, each verified. The result does not depend on the
/// order of arrival.
pub fn resolve<'a>(
    decisions: impl IntoIterator<Item = &'a Complete>,
    operations: impl IntoIterator<Item = &'a Operation>,
    identities: &BTreeMap<SchoolId, IdentityChain>,
) -> Resolved {
    let mut operations: Vec<&Operation> = operations.into_iter().collect();
    operations.sort_by_key(|op| (op.header().anchor.0, op.device(), op.number()));
    let mut operations = operations.into_iter().peekable();
    let mut state = Resolved::default();
    let mut standing = Vec::new();
    for (number, complete) in (0u32..).zip(decisions) {
        let decision = &complete.decision;
        if decision.number() != number || (number > 0 && decision.prev() != state.head.1) {
            break;
        }
        if number == 0 {
            let Some((founder, _)) = decision.signers().first() else { break };
            state = Resolved::founded_by(*founder, OperationId(decision.id().0));
        }
        if !state.completes(complete, identities) {
            if number == 0 {
                return Resolved::default();
            }
            break;
        }
        match decision.body() {
            Body::Founding(founding) => {
                state.name.clone_from(&founding.name);
                state.rules = founding.rules;
            }
            Body::Promote(school) => {
                if let Some(member) = state.members.get_mut(school) {
                    member.role = Role::Steward;
                }
            }
        }
        state.head = (number, decision.id());
        while let Some(operation) = operations.next_if(|op| op.header().anchor.0 <= number) {
            if operation.header().anchor == state.head {
                standing.push(operation);
                admit(&mut state, operation, identities);
            }
        }
    }
    // Whether a writer is enrolled depends on the admission alone, not on the order of devices.
    for operation in &standing {
        enrol(&mut state, operation, identities);
    }
    for operation in &standing {
        retire(&mut state, operation);
    }
    state
}

/// What the device of an operation might do for its school at the head that the operation names.
fn rights(operation: &Operation, identities: &BTreeMap<SchoolId, IdentityChain>) -> Option<Rights> {
    identities.get(&operation.school())?.rights_at(&operation.header().identity, &operation.device())
}

/// Admits a school where a steward with the right to govern says so and the school accepted.
///
/// Two stewards who are apart may admit the same school: both admissions stand, with the higher role of the two.
fn admit(state: &mut Resolved, operation: &Operation, identities: &BTreeMap<SchoolId, IdentityChain>) {
    let Act::Admit(admission) = operation.act() else { return };
    let governs = rights(operation, identities).is_some_and(|rights| rights.include(Rights::GOVERN));
    let may = governs && state.role(&operation.school()) == Some(Role::Steward);
    let joiner = identities.get(&admission.school);
    if may && joiner.is_some_and(|chain| chain.ever(&admission.device, Rights::GOVERN)) {
        let member = Member { role: admission.role, admission: operation.id() };
        let raise = |held: &mut Member| held.role = held.role.max(admission.role);
        state.members.entry(admission.school).and_modify(raise).or_insert(member);
        state.admissions.insert(operation.id(), admission.school);
        state.tickets.insert(admission.ticket, admission.school);
    }
}

/// Enrols a writer where the admission that it names stands.
fn enrol(state: &mut Resolved, operation: &Operation, identities: &BTreeMap<SchoolId, IdentityChain>) {
    let Act::Enrol(enrolment) = operation.act() else { return };
    let (school, device) = (operation.school(), operation.device());
    let admitted = state.admissions.get(&enrolment.admission) == Some(&school);
    let writes = state.role(&school).is_some_and(|role| role > Role::Reader);
    if admitted && writes && rights(operation, identities).is_some_and(|rights| rights.include(Rights::WRITE)) {
        state.writers.entry(enrolment.writer).or_insert(Writer { school, device, cut: None });
    }
}

/// Ends the log of a writer where its own device says so.
fn retire(state: &mut Resolved, operation: &Operation) {
    let Act::Retire(retirement) = operation.act() else { return };
    let writer = state.writers.get_mut(&retirement.writer);
    if let Some(writer) = writer.filter(|w| w.device == operation.device() && w.school == operation.school()) {
        writer.cut.get_or_insert(Cut { next: retirement.next, head: retirement.head });
    }
}
