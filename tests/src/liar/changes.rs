//! Lies about what a record says (§2.3): changes that no honest program makes.

use std::collections::BTreeMap;

use automerge::legacy::{ElementId, Key, ObjectId, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange};
use staffroom_protocol::log::{EntryKind, Header};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::{Document, write_genesis};
use staffroom_protocol::store::Store;

use super::Step;
use super::entries::{after, fields};
use super::frames::{View, batches};

/// An operation that nobody made.
fn nowhere() -> OpId {
    OpId(7, ActorId::from([99; 16]))
}

/// What is told otherwise of an edit.
type Lie = fn(&mut ExpandedChange);

const LIES: [Lie; 8] = [
    |change| change.operations.iter_mut().for_each(|op| op.obj = ObjectId::Id(nowhere())),
    |change| change.operations.iter_mut().for_each(|op| op.key = Key::Seq(ElementId::Id(nowhere()))),
    |change| change.operations.iter_mut().for_each(|op| op.pred = vec![nowhere()].into()),
    |change| change.operations.iter_mut().for_each(|op| op.action = OpType::Increment(1)),
    |change| change.deps = (0..4_000u32).map(missing).collect(),
    |change| change.deps.push(missing(0)),
    |change| change.start_op = 0xffff_fff0.try_into().expect("above nought"),
    |change| change.seq = 9,
];

/// A change that nobody has.
fn missing(n: u32) -> ChangeHash {
    let mut hash = [9; 32];
    hash[..4].copy_from_slice(&n.to_be_bytes());
    ChangeHash(hash)
}

/// A record of its own and so many changes of it, each on a lane of its own and each another lie.
pub(super) fn mad<S: Store>(view: &View<'_, S>, count: u8) -> Vec<Step> {
    let first = view.next();
    let genesis = write_genesis(first.actor(), &fields("note", "Before the lies"));
    let record = first.record;
    let mut entries = vec![view.sign(first, &genesis)];
    for lane in 1..=count {
        let before = entries.last().expect("the genesis at least");
        let header = Header { kind: EntryKind::Change, lane, change_seq: 1, record, ..after(before) };
        let mut document = Document::build([&genesis[..]]).expect("a record");
        let words = Value::Line(format!("Lie {lane}"));
        let edit = document.edit(header.actor(), None, &BTreeMap::from([("title".to_owned(), words)]));
        let edit = edit.expect("edits").expect("changes");
        entries.push(view.sign(header, &told(&edit, lane)));
    }
    batches(entries)
}

/// An edit that says that it builds on so many changes which nobody has.
pub fn orphan(parents: u32) -> Vec<u8> {
    let genesis = write_genesis([1; 16], &fields("note", "A note"));
    let mut document = Document::build([&genesis[..]]).expect("a record");
    let edit = document.edit([2; 16], None, &fields("note", "Another title"));
    let mut change = Change::from_bytes(edit.expect("edits").expect("changes")).expect("a change").decode();
    change.deps = (0..parents).map(missing).collect();
    Change::from(change).raw_bytes().to_vec()
}

/// An edit, told otherwise; every ninth is packed.
fn told(edit: &[u8], lane: u8) -> Vec<u8> {
    let Some(lie) = LIES.get(usize::from(lane) % (LIES.len() + 1)) else {
        let mut packed = edit.to_vec();
        packed[8] = 2;
        return packed;
    };
    let mut change = Change::from_bytes(edit.to_vec()).expect("a change").decode();
    lie(&mut change);
    Change::from(change).raw_bytes().to_vec()
}
