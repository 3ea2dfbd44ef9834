//! Lies about who belongs (§3).

use staffroom_protocol::charter::{
    Actor, Admission, Body, Charter, Decision, Missing, Operation, Place, Role, Vote, Voted,
};
use staffroom_protocol::id::{SchoolId, TicketId};
use staffroom_protocol::identity::{Domain, SecretKey};
use staffroom_protocol::store::Store;
use staffroom_protocol::sync::Message;

use super::frames::{View, charter, say};
use super::{Keys, Step};

/// The charter as it was when the space was founded, told as if it were all there is.
pub(super) fn old<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let mut whole = view.held().durable_charter().whole();
    whole.decisions.truncate(1);
    let founder: Option<SchoolId> = whole.decisions.first().map(|first| first.decision.signers()[0].0);
    whole.identities.retain(|chain| Some(chain.school()) == founder);
    let (identities, decisions) = (whole.identities, whole.decisions);
    let founding = Missing { identities, decisions, ..Missing::default() };
    let mut old = Charter::empty(view.space);
    old.admit(founding).expect("a founding stands by itself");
    vec![view.hello_with(old.hash(), [0; 32]), charter(old.whole(), true)]
}

/// A decision at the next place that makes the liar a steward, and its yes.
fn promotion<S: Store>(view: &View<'_, S>) -> Voted {
    let held = view.held().charter();
    let (number, prev) = held.resolved().head;
    let head = |school: SchoolId| held.identities().get(&school).map(|chain| (school, chain.head()));
    let signers = held.resolved().stewards().filter_map(head).collect();
    let place = Place { space: view.space, number: number + 1, prev, seen: Vec::new(), signers };
    let school = view.replica.school();
    let decision = Decision::new(&place, &Body::Promote(school)).expect("a promotion is small");
    let vote = Vote::sign(decision.id(), school, true, &view.keys.device());
    Voted { decision, votes: vec![vote] }
}

pub(super) fn proposes_itself<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    vec![say(&Message::Proposals(vec![promotion(view)]))]
}

pub(super) fn decides_alone<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    vec![charter(Missing { decisions: vec![promotion(view)], ..Missing::default() }, true)]
}

/// An admission as only a steward may sign it, laid out by hand: the crate would not make it.
pub(super) fn admits_a_friend<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let friend = Keys::new(99);
    let held = view.held().charter();
    let (device, school) = (view.keys.device(), view.replica.school());
    let (count, prev, _) = held.positions().operations.get(&device.public()).copied().unwrap_or_default();
    let (anchor, decision) = held.resolved().head;
    let (ticket, role) = (TicketId([3; 32]), Role::Contributor);
    let accepted = Admission::acceptance_hash(view.space, ticket, friend.chain.school(), role);
    let parts: [&[u8]; 15] = [
        &[0; 4],
        &view.space.0,
        &school.0,
        &view.keys.chain.head().0,
        &device.public::<[u8; 32]>(),
        &(count + 1).to_le_bytes(),
        &prev.0,
        &anchor.to_le_bytes(),
        &decision.0,
        &[1],
        &friend.chain.school().0,
        &[CONTRIBUTOR],
        &[[0; 32], ticket.0].concat(),
        &friend.device().public::<[u8; 32]>(),
        &friend.device().sign(Domain::Acceptance, &accepted),
    ];
    let mut bytes = parts.concat();
    let id = blake3::Hasher::new_derive_key("staffroom 2026 operation v1").update(&bytes).finalize();
    bytes.extend_from_slice(&device.sign(Domain::Operation, id.as_bytes()));
    let operation = Operation::try_from(bytes).expect("laid out as read");
    let part = Missing { identities: vec![friend.chain], operations: vec![operation], ..Missing::default() };
    vec![charter(part, true)]
}

/// The byte of the role that a friend is admitted to.
const CONTRIBUTOR: u8 = 2;

/// Two enrolments at one place of the device's chain.
pub(super) fn two_operations<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let device = view.keys.device();
    let enrol = |seed: u8| {
        let mut held = view.held().charter().clone();
        let actor = Actor { school: &view.keys.chain, device: &device };
        let grown = held.enrol(actor, &SecretKey::from_seed(&[seed; 32])).expect("a member may enrol a writer");
        charter(grown.new, true)
    };
    vec![enrol(211), enrol(212)]
}

/// Two complete decisions at one place, by the only steward of a space: each is a part of a charter,
/// to be told to different nodes.
pub fn two_decisions<S: Store>(view: &View<'_, S>) -> [Vec<Step>; 2] {
    let device = view.keys.device();
    ["Brookside", "Hillside and Beck"].map(|name| {
        let mut held = view.held().charter().clone();
        let actor = Actor { school: &view.keys.chain, device: &device };
        let decided = held.propose(actor, Body::Rename(name.to_owned())).expect("its only steward decides alone");
        vec![view.hello(), charter(decided.grown.new, true)]
    })
}
