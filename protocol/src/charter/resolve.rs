//! One pure function from what is held of a charter to members, writers and cuts (§3.7).
//!
//! [`course`] walks the decisions and keeps what each operation is worth; [`outcome`] reads members,
//! writers and cuts off it at the end.

mod course;
mod outcome;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cut::Cut;
use super::decision::{Versions, Voted};
use super::identities::Identities;
use super::operation::Operation;
use super::role::Role;
use crate::id::{DecisionId, DeviceId, OperationId, RecordId, SchoolId, TicketId, WriterId};

/// The version of [`resolve`] that this program knows.
pub const RESOLVER: u16 = 0;

/// A school that belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it may do.
    pub role: Role,
    /// The admissions that it belongs by: more than one where two stewards admitted it at once. The
    /// space's id for the school that founded it.
    pub admissions: Vec<OperationId>,
}

/// A writer that is enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its school.
    pub school: SchoolId,
    /// The device that writes.
    pub device: DeviceId,
    /// The admission that its enrolment names.
    pub admission: OperationId,
    /// Where its log ends, where it does.
    pub cut: Option<Cut>,
}

/// Who belongs, who writes, where logs end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// The name of the space.
    pub name: String,
    /// What new records, entries and decisions live under.
    pub versions: Versions,
    /// The last complete decision.
    pub head: (u32, DecisionId),
    /// The schools that belong.
    pub members: BTreeMap<SchoolId, Member>,
    /// The writers that were ever enrolled and stand.
    pub writers: BTreeMap<WriterId, Writer>,
    /// The admissions that stand, and whom they admit; the founding one has the space's id.
    pub admissions: BTreeMap<OperationId, SchoolId>,
    /// Admissions that do not stand: another one may name them (§3.3).
    pub void_admissions: BTreeMap<OperationId, SchoolId>,
    /// Tickets that admitted someone.
    pub tickets: BTreeMap<TicketId, SchoolId>,
    /// Records that a decision erased, with the place of their genesis.
    pub erased: BTreeMap<RecordId, (WriterId, u64)>,
    /// Logs that their school retired or whose device it revoked: from which entry on what they erase does
    /// not count (§6.1).
    pub erases_below: BTreeMap<WriterId, u64>,
    /// Versions that the head names and this program does not know: what follows is held back.
    pub beyond: Option<Versions>,
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
}

/// Resolves a charter.
///
/// `decisions` in order of their numbers; the chain ends at the first one that does not continue it
/// or is not complete. `operations` in any order, each verified. `splits` are complete decisions that
/// stand beside one of the chain, by number. The result does not depend on the order of arrival.
pub fn resolve<'a>(
    decisions: impl IntoIterator<Item = &'a Voted>,
    operations: impl IntoIterator<Item = &'a Operation>,
    identities: &'a Identities,
    splits: &'a BTreeMap<u32, Voted>,
) -> Resolved {
    let mut course = course::Course::new(operations, identities, splits);
    for voted in decisions {
        if !course.decide(voted) {
            break;
        }
    }
    outcome::outcome(course)
}
