//! What must hold after every step, each with its name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use staffroom_protocol::charter::{Act, Body, Charter, LogCut, Voted};
use staffroom_protocol::id::{
    DecisionId, DeviceId, EntryId, LinkId, OperationId, SchoolId, SpaceId, TicketId, WriterId,
};
use staffroom_protocol::log::Entry;
use staffroom_protocol::replica::{End, Replica, Space};
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::{Message, Session};

use super::stored;
use super::witness::{SpaceWitness, Witness};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation {
    /// Its name.
    pub(super) invariant: &'static str,
    /// What was found.
    pub(super) found: String,
}

impl Violation {
    pub(super) fn new(invariant: &'static str, found: impl Display) -> Self {
        Self { invariant, found: found.to_string() }
    }
    pub(super) fn unless(holds: bool, invariant: &'static str, found: impl FnOnce() -> String) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self { invariant, found: found() }) }
    }
}

type Holds = Result<(), Violation>;

/// A space that something was acknowledged of is there.
pub(super) fn space_is_held(replica: &Replica<MemoryStore>, space: SpaceId) -> Result<&Space, Violation> {
    replica.space(&space).map_err(|fault| Violation::new("acknowledged_is_never_lost", format!("{space:?}: {fault}")))
}

/// Every entry, decision and operation whose flush returned is still there after a crash.
pub(super) fn acknowledged_is_never_lost(witness: &Witness, replica: &Replica<MemoryStore>) -> Holds {
    const NAME: &str = "acknowledged_is_never_lost";
    for (id, acknowledged) in &witness.spaces {
        let charter = space_is_held(replica, *id)?.charter().whole();
        let operations: BTreeSet<OperationId> =
            charter.operations.iter().map(staffroom_protocol::charter::Operation::id).collect();
        let lost = acknowledged.operations.keys().find(|id| !operations.contains(*id));
        Violation::unless(lost.is_none(), NAME, || format!("operation {lost:?} of {id:?}"))?;
        let decisions = charter.decisions.len() >= acknowledged.decisions.len();
        Violation::unless(decisions, NAME, || format!("decisions of {id:?}"))?;
        for (writer, entries) in &acknowledged.logs {
            let row = stored::log(replica.store(), *id, *writer).map_err(|why| Violation::new(NAME, why))?;
            let as_many = row.entries >= entries.len() as u64;
            Violation::unless(as_many, NAME, || format!("log {writer:?}: {} of {}", row.entries, entries.len()))?;
            for (seq, id) in (0..).zip(entries) {
                let entry = stored::entry(replica.store(), row.number, seq).map_err(|why| Violation::new(NAME, why))?;
                Violation::unless(entry.id() == *id, NAME, || format!("entry {seq} of {writer:?} is another"))?;
            }
        }
    }
    for (space, writer) in stored::logs(replica.store()).map_err(|why| Violation::new(NAME, why))? {
        let known = witness.spaces.get(&space).is_some_and(|space| space.logs.contains_key(&writer));
        Violation::unless(known, "a_restart_changes_nothing", || format!("log {writer:?} was never acknowledged"))?;
    }
    Ok(())
}

/// A log gets shorter only to where it ends now.
///
/// An own log also `gives_way` to what partners know of it, where its machine went on from an earlier
/// state or ran twice: this one goes on in another then (§1.4).
pub(super) fn only_a_cut_shortens(
    space: &Space,
    writer: WriterId,
    was: &[EntryId],
    same: usize,
    gives_way: bool,
) -> Holds {
    let leads_there = |next: u64, head: EntryId| match usize::try_from(next) {
        Ok(0) => true,
        Ok(next) => was.get(next - 1) == Some(&head),
        Err(_) => false,
    };
    let ends = match space.end(&writer) {
        _ if same == was.len() => true,
        End::NotEnrolled => same == 0,
        End::Open => gives_way,
        End::Fork(_) if gives_way => true,
        End::Fork(seq) => same as u64 == seq,
        // Another history than the one that stands may share its beginning.
        End::Cut(cut) => same as u64 == cut.next || !leads_there(cut.next, cut.head),
    };
    Violation::unless(ends, "only_a_cut_shortens", || {
        format!("log {writer:?} from {} to {same}: {:?}", was.len(), space.end(&writer))
    })
}

/// What stood above a cut is not thrown away.
pub(super) fn what_is_cut_is_kept_aside(
    replica: &Replica<MemoryStore>,
    space: SpaceId,
    writer: WriterId,
    from: usize,
    cut: &[EntryId],
) -> Holds {
    for (seq, id) in (from as u64..).zip(cut) {
        let kept = stored::aside(replica.store(), space, writer, seq, *id);
        Violation::unless(kept == Ok(true), "what_is_cut_is_kept_aside", || format!("{seq} of {writer:?}: {kept:?}"))?;
    }
    Ok(())
}

/// A charter never loses anything but operations above the fork of a device's chain.
pub(super) fn charter_never_goes_back(
    was: &SpaceWitness,
    charter: &Charter,
    decisions: &[DecisionId],
    operations: &BTreeMap<OperationId, DeviceId>,
    tainted: &BTreeSet<DeviceId>,
) -> Holds {
    let settles = charter.decisions().iter().any(|voted| matches!(voted.decision.body(), Body::Settle(_)));
    let lost = was.operations.iter().find(|(id, _)| !operations.contains_key(*id));
    let grew = decisions.starts_with(&was.decisions) || settles;
    let kept = lost.is_none_or(|(_, device)| tainted.contains(device));
    Violation::unless(grew && kept, "charter_never_goes_back", || {
        format!("{} decisions, lost {lost:?}", decisions.len())
    })
}

/// What a school answered to a proposal stays answered, as long as the proposal may be decided.
pub(super) fn votes_are_never_lost(was: &SpaceWitness, charter: &Charter, school: SchoolId) -> Holds {
    let head = charter.resolved().head.1;
    for (id, voted) in &was.answered {
        let answer = voted.votes.iter().find(|vote| vote.school == school);
        let answer_now = charter.proposal(id).and_then(|now| now.votes.iter().find(|vote| vote.school == school));
        // A steward proposes another only once its first can never pass: it may have heard that since.
        let proposer = |voted: &Voted| voted.votes.first().map(|vote| vote.school);
        let another = |now: &Voted| now.decision.id() != *id && proposer(now) == proposer(voted);
        let replaced = charter.proposals().any(another);
        let open = voted.decision.prev() == head && charter.may_pass(voted) && !replaced;
        Violation::unless(!open || answer == answer_now, "votes_are_never_lost", || format!("{:?}", voted.decision))?;
    }
    Ok(())
}

/// Whether all that a proposal lists is held: looked up in what would be sent to who has nothing.
pub(super) fn holds_listed(charter: &Charter, proposal: &DecisionId) -> bool {
    let Some(voted) = charter.proposal(proposal) else { return false };
    let whole = charter.whole();
    let operation = |id: &OperationId| whole.operations.iter().any(|operation| operation.id() == *id);
    let link = |id: &LinkId| whole.identities.iter().any(|chain| chain.follows(id, id));
    let (seen, signers) = (voted.decision.seen(), voted.decision.signers());
    seen.iter().all(|(_, _, id)| operation(id)) && signers.iter().all(|(_, head)| link(head))
}

/// Each entry follows the one before it, from 0.
pub(super) fn logs_have_no_gaps(entry: &Entry, seq: u64, before: Option<&EntryId>) -> Holds {
    let header = entry.header();
    let follows = header.seq == seq && header.prev == before.copied().unwrap_or_default();
    Violation::unless(follows, "logs_have_no_gaps", || format!("{header:?} at {seq} after {before:?}"))
}

/// The row of a log names its last entry.
pub(super) fn head_is_the_last_entry(writer: WriterId, last: Option<&EntryId>, head: EntryId) -> Holds {
    Violation::unless(last.copied().unwrap_or_default() == head, "logs_have_no_gaps", || {
        format!("log {writer:?} ends in {last:?}, not {head:?}")
    })
}

/// What is held is in the space and the log that it was signed for.
pub(super) fn no_entry_of_another_space(entry: &Entry, space: SpaceId, writer: WriterId) -> Holds {
    let header = entry.header();
    let here = header.space == space && header.writer == writer;
    Violation::unless(here, "no_entry_of_another_space", || format!("{header:?} in {space:?}"))
}

/// What is held is rightly signed: the signature in the store is checked again.
pub(super) fn held_entries_are_signed(entry: Entry) -> Holds {
    let id = entry.id();
    let signed = entry.verify();
    Violation::unless(signed.is_ok(), "held_entries_are_signed", || format!("{id:?}: {signed:?}"))
}

/// An entry is first acknowledged where it was written.
pub(super) fn entries_come_from_their_writer(entry: &Entry, written: &mut BTreeSet<EntryId>, own: bool) -> Holds {
    let known = if own { written.insert(entry.id()) || own } else { written.contains(&entry.id()) };
    Violation::unless(known, "entries_come_from_their_writer", || format!("{:?} was never written", entry.header()))
}

/// Every log that is held has a writer that the charter enrols, and ends at its cut.
pub(super) fn only_enrolled_writers_are_held(space: &Space) -> Holds {
    for (writer, reach) in &space.frontier().0 {
        let enrolled = space.durable_charter().resolved().writers.get(writer);
        let within = match space.end(writer) {
            End::NotEnrolled => false,
            End::Open => true,
            End::Cut(cut) => reach.next < cut.next || (reach.next, reach.head) == (cut.next, cut.head),
            End::Fork(seq) => reach.next <= seq,
        };
        Violation::unless(within, "only_enrolled_writers_are_held", || format!("{writer:?} is {enrolled:?}"))?;
    }
    Ok(())
}

/// The frontier that a node tells is what it acknowledged.
pub(super) fn frontier_is_what_is_held(node: usize, space: &Space, witness: &SpaceWitness) -> Holds {
    let told: BTreeMap<WriterId, u64> = space.frontier().0.iter().map(|(w, reach)| (*w, reach.next)).collect();
    let held = witness.logs.iter().filter(|(_, log)| !log.is_empty());
    let held: BTreeMap<WriterId, u64> = held.map(|(w, log)| (*w, log.len() as u64)).collect();
    Violation::unless(told == held, "frontier_is_what_is_held", || {
        format!("node {node} tells {told:?}, holds {held:?}")
    })
}

/// A decision that ends logs lists them as far as its proposer held them.
pub(super) fn cuts_list_what_is_held(cuts: &[LogCut], held: &[LogCut]) -> Holds {
    Violation::unless(cuts == held, "cuts_list_what_is_held", || format!("{cuts:?} where {held:?} are held"))
}

/// Nobody is named for a fork who did not sign twice.
pub(super) fn only_who_signs_twice_is_named(space: &Space, tainted: &BTreeSet<DeviceId>) -> Holds {
    for fork in space.forks() {
        let writer = fork.place().1;
        let device = space.charter().resolved().writers.get(&writer).map(|writer| writer.device);
        let rightly = device.is_none_or(|device| tainted.contains(&device));
        Violation::unless(rightly, "only_who_signs_twice_is_named", || format!("{writer:?} of {device:?}"))?;
    }
    Ok(())
}

/// No two admissions name one ticket.
pub(super) fn one_ticket_admits_one_school(space: &Space) -> Holds {
    let mut admitted: BTreeMap<TicketId, SchoolId> = BTreeMap::new();
    for operation in space.durable_charter().whole().operations {
        let Act::Admit(admission) = operation.act() else { continue };
        let school = *admitted.entry(admission.ticket).or_insert(admission.school);
        let found = || format!("ticket {:?} admits {school:?} and {:?}", admission.ticket, admission.school);
        Violation::unless(school == admission.school, "one_ticket_admits_one_school", found)?;
    }
    Ok(())
}

/// What nodes showed first for what they held of a space: charter, entries, erasures.
pub(super) type Views = BTreeMap<(SpaceId, [[u8; 32]; 3]), (u64, usize)>;

/// Nodes that hold the same show the same.
pub(super) fn one_view_per_frontier(views: &mut Views, node: usize, space: SpaceId, witness: &SpaceWitness) -> Holds {
    let key = (space, [witness.charter, witness.frontier, witness.erasures]);
    let (shown, first) = *views.entry(key).or_insert((witness.shown, node));
    let found = || format!("nodes {first} and {node} hold the same of {space:?} and show something else");
    Violation::unless(shown == witness.shown, "one_view_per_frontier", found)
}

/// Where a session says that the peer has all that we hold, the peer acknowledged all of it.
pub(super) fn in_step_is_true(ours: &Space, session: &Session, theirs: &Witness) -> Holds {
    let standing = session.standing(ours);
    if !standing.compared || standing.they_lack > 0 {
        return Ok(());
    }
    for (writer, reach) in &ours.frontier().0 {
        let held = theirs.reached(ours.id(), writer);
        let found = || format!("{} of {writer:?} here, {held} there: {standing:?}", reach.next);
        Violation::unless(held >= reach.next, "in_step_is_true", found)?;
    }
    Ok(())
}

/// What a node sends, it acknowledged: nothing leaves before it is durable. Of what was put aside, only
/// what goes back to the device that wrote it.
pub(super) fn nothing_is_sent_before_it_is_durable(
    witness: Option<&SpaceWitness>,
    goes_back: impl Fn(&Entry) -> bool,
    school: SchoolId,
    message: &Message,
) -> Holds {
    const NAME: &str = "nothing_is_sent_before_it_is_durable";
    if matches!(message, Message::Bye(_)) {
        return Ok(());
    }
    let witness = witness.ok_or_else(|| Violation::new(NAME, format!("{message:?} of a space that is not durable")))?;
    let held = |writer: &WriterId| witness.logs.get(writer).map_or(0, |log| log.len() as u64);
    let durable = match message {
        Message::Entries(runs) => runs.iter().flat_map(|run| &run.0).all(|entry| {
            let header = entry.header();
            let log = witness.logs.get(&header.writer).map_or(&[][..], Vec::as_slice);
            let held = usize::try_from(header.seq).ok().and_then(|seq| log.get(seq)) == Some(&entry.id());
            held || goes_back(entry)
        }),
        Message::Held(logs, _) => logs.iter().all(|(writer, next)| *next <= held(writer)),
        Message::Frontier(marks) => marks.iter().all(|mark| mark.next == held(&mark.writer)),
        Message::Charter(part, _) => {
            part.operations.iter().all(|operation| witness.operations.contains_key(&operation.id()))
                && part.decisions.iter().all(|complete| witness.decisions.contains(&complete.decision.id()))
        }
        Message::Hello(hello) => {
            let erasures = hello.erasures == witness.erasures || witness.logs.is_empty();
            erasures
                && hello.charter == witness.charter
                && (hello.frontier == witness.frontier || witness.logs.is_empty())
        }
        Message::Positions(positions) => {
            let operations: u64 = positions.operations.values().map(|(n, ..)| u64::from(*n)).sum();
            let rivals = positions.operations.values().filter(|(.., rival)| *rival != OperationId::default()).count();
            operations + rivals as u64 == witness.operations.len() as u64
                && positions.decisions.0 as usize == witness.decisions.len()
        }
        Message::Proposals(proposals) => proposals.iter().all(|voted| {
            let own = voted.votes.iter().any(|vote| vote.school == school);
            !own || witness.answered.contains_key(&voted.decision.id())
        }),
        Message::ErasureMarks(..) | Message::Erasures(..) | Message::Forks(_) | Message::Aside(_) | Message::Bye(_) => {
            true
        }
    };
    Violation::unless(durable, NAME, || format!("{message:?}"))
}
