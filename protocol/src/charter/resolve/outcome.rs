//! What comes out of the decisions: who belongs, who writes, where logs end (§3.3, §3.6).

use std::collections::BTreeMap;

use super::course::{Course, Ending, Step};
use super::{Member, Resolved, Writer};
use crate::charter::cut::Cut;
use crate::charter::operation::{Act, Enrolment};
use crate::charter::role::Role;
use crate::id::{OperationId, SchoolId, TicketId, WriterId};
use crate::limits;

/// Reads the result off a course that has come to its end.
pub(super) fn outcome(course: Course<'_>) -> Resolved {
    let Some(founder) = course.founder else { return Resolved::default() };
    let steps: Vec<&Step<'_>> = course.reached().iter().filter(|step| stands(&course, step)).collect();
    let admissions = admissions(&course, founder, &steps);
    let left = departures(&steps, &admissions);
    let mut members = BTreeMap::new();
    for school in admissions.iter().map(|admission| admission.school) {
        let now = |a: &&Admitted| a.school == school && !left.contains_key(&a.id);
        if let Some(member) = membership(&course, admissions.iter().filter(now), u32::MAX) {
            members.insert(school, member);
        }
    }
    let writers = writers(&course, &steps, &admissions, &left);
    let erases_below = |(id, writer): (&WriterId, &Writer)| Some((*id, own_end(&course, &steps, *id, writer)?.next));
    let erases_below = writers.iter().filter_map(erases_below).collect();
    let standing: BTreeMap<OperationId, SchoolId> = admissions.iter().map(|a| (a.id, a.school)).collect();
    let named = course.reached().iter().filter_map(|step| step.admits().map(|a| (step.operation.id(), a.school)));
    let void = named.filter(|(id, _)| !standing.contains_key(id)).collect();
    let tickets = admissions.iter().filter_map(|a| a.ticket.map(|ticket| (ticket, a.school))).collect();
    let (admissions, void_admissions) = (standing, void);
    Resolved { members, writers, admissions, void_admissions, tickets, erases_below, ..course.into_result() }
}

/// An admission that stands.
struct Admitted {
    id: OperationId,
    school: SchoolId,
    /// The decision that it comes after; nothing for the founding.
    after: Option<u32>,
    role: Role,
    instead_of: OperationId,
    ticket: Option<TicketId>,
}

/// Whether an operation stands: its school had the right and has not lost it unseen, and its device
/// was not revoked below it, nor left out of its school's chain. What a decision has seen, neither undoes.
fn stands(course: &Course<'_>, step: &Step<'_>) -> bool {
    let header = step.operation.header();
    let chain = course.identity(&header.school);
    let revoked = chain.and_then(|chain| chain.revoked(&header.device));
    let last = revoked.map(|stands| stands.last_operation(&course.space, &header.device).map_or(0, |(last, _)| last));
    let certified = chain.is_some_and(|chain| chain.rights_at(&header.identity, &header.device).is_some());
    step.stands && (step.covered || (certified && last.is_none_or(|last| header.number <= last)))
}

fn admissions(course: &Course<'_>, founder: SchoolId, steps: &[&Step<'_>]) -> Vec<Admitted> {
    let founding = Admitted {
        id: OperationId(course.space.0),
        school: founder,
        after: None,
        role: Role::Steward,
        instead_of: OperationId::default(),
        ticket: None,
    };
    let admitted = |step: &&Step<'_>| {
        let admission = step.admits()?;
        Some(Admitted {
            id: step.operation.id(),
            school: admission.school,
            after: Some(step.anchor()),
            role: admission.role,
            instead_of: admission.instead_of,
            ticket: Some(admission.ticket),
        })
    };
    [founding].into_iter().chain(steps.iter().filter_map(admitted)).take(limits::LIVE_ADMISSIONS).collect()
}

/// Leaving ends the admission that it names, if that is the school's own; the first one counts.
fn departures(steps: &[&Step<'_>], admissions: &[Admitted]) -> BTreeMap<OperationId, BTreeMap<WriterId, Cut>> {
    let mut left = BTreeMap::new();
    for step in steps {
        let Act::Leave(leave) = step.operation.act() else { continue };
        let own = |a: &Admitted| a.id == leave.admission && a.school == step.operation.school();
        if admissions.iter().any(own) {
            left.entry(leave.admission).or_insert_with(|| leave.cuts.iter().map(|cut| (cut.writer, cut.cut)).collect());
        }
    }
    left
}

/// What a school is by these admissions of its own and by the decisions up to `at`: what a decision
/// gave it holds for whom was there, and an admission after that may give more.
fn membership<'a>(course: &Course<'_>, own: impl Iterator<Item = &'a Admitted>, at: u32) -> Option<Member> {
    let own: Vec<&Admitted> = own.collect();
    let school = own.first()?.school;
    let removed = course.removed(&school, at);
    let live: Vec<&Admitted> = own.into_iter().filter(|a| removed.is_none_or(|n| a.after >= Some(n))).collect();
    let (since, granted) = course.granted(&school, at);
    let granted = granted.filter(|_| live.iter().any(|a| a.after.is_none_or(|n| n < since)));
    let admitted = live.iter().filter(|a| a.after.is_none_or(|n| n >= since) && (a.after.is_some() || since == 0));
    let role = granted.max(admitted.map(|a| a.role).max())?;
    Some(Member { role, admissions: live.iter().map(|a| a.id).collect() })
}

/// The writers that stand, each with its cut.
fn writers(
    course: &Course<'_>,
    steps: &[&Step<'_>],
    admissions: &[Admitted],
    left: &BTreeMap<OperationId, BTreeMap<WriterId, Cut>>,
) -> BTreeMap<WriterId, Writer> {
    let mut writers: BTreeMap<WriterId, Writer> = BTreeMap::new();
    let mut live: BTreeMap<SchoolId, usize> = BTreeMap::new();
    for step in steps {
        let Act::Enrol(enrolment) = step.operation.act() else { continue };
        let Some(admission) = enrolled_under(course, step, enrolment, admissions) else { continue };
        let (school, device) = (step.operation.school(), step.operation.device());
        let mut writer = Writer { school, device, admission: admission.id, cut: None };
        writer.cut = cut(course, steps, step.anchor(), enrolment.writer, &writer, left);
        let count = live.entry(school).or_default();
        if !writers.contains_key(&enrolment.writer) && (writer.cut.is_some() || *count < limits::LIVE_WRITERS) {
            *count += usize::from(writer.cut.is_none());
            writers.insert(enrolment.writer, writer);
        }
    }
    writers
}

/// The standing admission that an enrolment belongs to: the one that it names, or one that was made
/// instead of that. Nothing where its school had no right to write.
fn enrolled_under<'a>(
    course: &Course<'_>,
    step: &Step<'_>,
    enrolment: &Enrolment,
    admissions: &'a [Admitted],
) -> Option<&'a Admitted> {
    let school = step.operation.school();
    let named = |a: &&Admitted| a.school == school && [a.id, a.instead_of].contains(&enrolment.admission);
    let admission = admissions.iter().find(named)?;
    let own = admissions.iter().filter(|a| a.school == school);
    let role = membership(course, own, step.anchor())?.role;
    (role > Role::Reader).then_some(admission)
}

/// Where a log ends: by the last decision that says so; else where its device was revoked; else by
/// the first operation that says so.
fn cut(
    course: &Course<'_>,
    steps: &[&Step<'_>],
    anchor: u32,
    id: WriterId,
    writer: &Writer,
    left: &BTreeMap<OperationId, BTreeMap<WriterId, Cut>>,
) -> Option<Cut> {
    let listed = |cuts: &BTreeMap<WriterId, Cut>| cuts.get(&id).copied().unwrap_or_default();
    let by_decision = course.endings.iter().rev().filter(|(number, _)| *number > anchor).find_map(|(_, e)| match e {
        Ending::School(school, cuts) => (*school == writer.school).then(|| listed(cuts)),
        Ending::Log(log) => (log.writer == id).then_some(log.cut),
    });
    let by_operation = || {
        steps.iter().find_map(|step| match step.operation.act() {
            Act::Leave(leave) if leave.admission == writer.admission => left.get(&leave.admission).map(listed),
            _ => retired(step, id, writer),
        })
    };
    by_decision.or_else(|| revoked(course, id, writer)).or_else(by_operation)
}

/// Where its school itself ended a log: what it erased above does not count (§6.1).
fn own_end(course: &Course<'_>, steps: &[&Step<'_>], id: WriterId, writer: &Writer) -> Option<Cut> {
    revoked(course, id, writer).or_else(|| steps.iter().find_map(|step| retired(step, id, writer)))
}
/// Where a log ends by the revocation of its device.
fn revoked(course: &Course<'_>, id: WriterId, writer: &Writer) -> Option<Cut> {
    let stands = course.identity(&writer.school)?.revoked(&writer.device)?;
    let (next, head) = stands.logs.get(&id).copied().unwrap_or_default();
    Some(Cut { next, head })
}
/// Where a log ends by this operation of the device that writes it.
fn retired(step: &Step<'_>, id: WriterId, writer: &Writer) -> Option<Cut> {
    let Act::Retire(log) = step.operation.act() else { return None };
    let own = step.operation.school() == writer.school && step.operation.device() == writer.device;
    (own && log.writer == id).then_some(log.cut)
}
