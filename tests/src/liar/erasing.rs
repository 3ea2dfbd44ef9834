//! Lies about what is erased (§6).

use staffroom_protocol::erasure::{Erasure, Mark, Part, Receipt};
use staffroom_protocol::id::{EntryId, RecordId, WriterId};
use staffroom_protocol::identity::SecretKey;
use staffroom_protocol::limits;
use staffroom_protocol::log::{Entry, EntryKind, Header};
use staffroom_protocol::record::write_genesis;
use staffroom_protocol::store::Store;
use staffroom_protocol::sync::Message;

use super::Step;
use super::entries::{another, fields};
use super::frames::{View, batch, say, sign_with};

fn tell(erasures: Vec<Erasure>, receipts: Vec<Receipt>) -> Step {
    say(&Message::Erasures(Box::new(Part { erasures, receipts }), false))
}
/// An erase header for the record that began at this place, with whatever key.
fn erase(key: &SecretKey, header: Header, genesis: (WriterId, u64)) -> Entry {
    let record = Header::record_at(header.space, genesis.0, genesis.1);
    sign_with(key, Header { kind: EntryKind::Erase, record, change_seq: 0, ..header }, &[])
}
fn proof(entry: &Entry, genesis: (WriterId, u64)) -> Erasure {
    Erasure::of(entry, genesis).expect("an erase entry of that record")
}

pub(super) fn erases_anothers<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let genesis = (another(view), 0);
    vec![tell(vec![proof(&erase(&view.writer(), view.next(), genesis), genesis)], Vec::new())]
}

pub(super) fn forges<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let genesis = (another(view), 0);
    vec![tell(vec![proof(&erase(&view.writer(), view.next_of(genesis.0), genesis), genesis)], Vec::new())]
}

pub(super) fn false_receipts<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let (school, device) = (view.replica.school(), SecretKey::from_seed(&view.keys.device_seed));
    let record = |n: usize| RecordId(blake3::hash(&n.to_le_bytes()).into());
    let receipt = |n: usize| Receipt::sign(view.space, record(n), school, &device, view.now());
    let part = |from: usize| tell(Vec::new(), (from..from + limits::ERASURES).map(receipt).collect());
    vec![part(0), part(limits::ERASURES)]
}

pub(super) fn endless_marks() -> Vec<Step> {
    let marks = vec![Mark { record: RecordId([3; 32]), state: [0; 16] }; limits::ERASURE_MARKS];
    vec![say(&Message::ErasureMarks(marks, false)); limits::ERASURE_MARK_PARTS + 1]
}

pub(super) fn erased_again<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let header = view.next();
    let genesis = (header.writer, header.seq);
    let change = write_genesis(header.actor(), &fields("note", "Erased before it came"));
    let entry = view.sign(header.clone(), &change);
    let after = Header { seq: header.seq + 1, prev: entry.id(), ..header };
    let erased = proof(&erase(&view.writer(), after, genesis), genesis);
    vec![tell(vec![erased], Vec::new()), batch(vec![entry])]
}

pub(super) fn empty_erasures<S: Store>(view: &View<'_, S>, count: usize) -> Vec<Step> {
    let (key, header) = (view.writer(), view.next());
    let one = |n: usize| {
        let genesis = (header.writer, 1_000_000 + n as u64);
        let place = Header { seq: 2_000_000 + n as u64, prev: EntryId([9; 32]), ..header.clone() };
        proof(&erase(&key, place, genesis), genesis)
    };
    let all: Vec<Erasure> = (0..count).map(one).collect();
    let mut steps: Vec<Step> = all.chunks(limits::ERASURES).map(|some| tell(some.to_vec(), Vec::new())).collect();
    // A record of its own tells that all before it was heard.
    let change = write_genesis(header.actor(), &fields("note", "After many erasures"));
    steps.push(batch(vec![view.sign(header, &change)]));
    steps
}
