//! Lies about logs (§2).

use staffroom_protocol::id::{EntryId, RecordId, SpaceId, WriterId};
use staffroom_protocol::identity::SecretKey;
use staffroom_protocol::log::{Entry, EntryKind, Header, SIGNED_HEADER};
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::write_genesis;
use staffroom_protocol::store::Store;
use staffroom_protocol::time::{Millis, Timestamp};

use super::Step;
use super::frames::{View, batch, batches, sign_with};

/// A hundred years.
pub(super) const CENTURY_MS: u64 = 100 * 365 * 24 * 3_600 * 1_000;
/// A name that acts rather than being read.
pub(super) const HOSTILE_NAME: &str = "<script>alert(1)</script>\u{202e}loohcS\u{7}\u{1b}[2J\0Northgate";

pub(super) fn fields(kind: &str, title: &str) -> Fields {
    let line = |text: &str| Value::Line(text.to_owned());
    Fields::from([("kind".to_owned(), line(kind)), ("title".to_owned(), line(title))])
}

/// A record of its own at the next place.
fn note<S: Store>(view: &View<'_, S>, header: Header, title: &str) -> Entry {
    let change = write_genesis(header.actor(), &fields("note", title));
    view.sign(header, &change)
}

/// The header of a record that begins where `entry` was.
pub(super) fn after(entry: &Entry) -> Header {
    let before = entry.header();
    let seq = before.seq + 1;
    let record = Header::record_at(before.space, before.writer, seq);
    Header { seq, prev: entry.id(), record, ..before.clone() }
}

pub(super) fn unknown_writer<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let key = SecretKey::from_seed(&[201; 32]);
    vec![batch(vec![sign_with(&key, view.next_of(key.public()), b"of nobody")])]
}

pub(super) fn flipped_signature<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let entry = note(view, view.next(), "Nearly signed");
    let mut signed = entry.signed_bytes().to_vec();
    signed[SIGNED_HEADER - 40] ^= 4;
    let flipped = Entry::parse(&signed, entry.payload().cloned()).expect("only its signature changed");
    vec![batch(vec![flipped])]
}

pub(super) fn anothers_log<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    vec![batch(vec![note(view, view.next_of(another(view)), "In another's name")])]
}

pub(super) fn anothers_actor<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let header = view.next();
    let theirs = Header { writer: another(view), ..header.clone() }.actor();
    let change = write_genesis(theirs, &fields("note", "By another's actor"));
    vec![batch(vec![view.sign(header, &change)])]
}

/// A writer of another school that has written something; one of nobody where there is none.
pub(super) fn another<S: Store>(view: &View<'_, S>) -> WriterId {
    let space = view.held();
    let ours = view.replica.school();
    let others = space.frontier().0.keys().copied();
    let of_another = others.into_iter().find(|writer| space.school_of(writer) != Some(ours));
    of_another.unwrap_or_else(|| SecretKey::from_seed(&[202; 32]).public())
}

pub(super) fn other_space<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let here = view.next();
    let space = SpaceId([77; 32]);
    let there = Header { space, record: Header::record_at(space, here.writer, here.seq), ..here };
    vec![batch(vec![note(view, there, "For others")])]
}

/// A record of its own, dated.
pub(super) fn dated<S: Store>(view: &View<'_, S>, at_ms: u64) -> Vec<Step> {
    let header = Header { clock: Timestamp::from_millis(Millis(at_ms)), ..view.next() };
    vec![batch(vec![note(view, header, "At another time")])]
}

pub(super) fn missing_parents<S: Store>(view: &View<'_, S>, count: usize) -> Vec<Step> {
    let mut entries = Vec::with_capacity(count);
    let mut header = Header { prev: EntryId([9; 32]), ..view.next() };
    header.seq += 1_000_000;
    for _ in 0..count {
        header.record = Header::record_at(header.space, header.writer, header.seq);
        let entry = view.sign(header, &[]);
        header = after(&entry);
        entries.push(entry);
    }
    batches(entries)
}

pub(super) fn too_late<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    let late = view.next();
    let back_dated = Header { clock: Timestamp(0), ..late.clone() };
    [late, back_dated].into_iter().map(|header| batch(vec![note(view, header, "Too late")])).collect()
}

pub(super) fn two_of_one_seq<S: Store>(view: &View<'_, S>) -> Vec<Step> {
    ["One history", "Another history"].into_iter().map(|title| batch(vec![note(view, view.next(), title)])).collect()
}

pub(super) fn tiny_records<S: Store>(view: &View<'_, S>, count: usize) -> Vec<Step> {
    tiny(view, count, |header| header)
}

pub(super) fn tiny_changes<S: Store>(view: &View<'_, S>, count: usize) -> Vec<Step> {
    tiny(view, count, |header| Header { kind: EntryKind::Change, record: RecordId([5; 32]), ..header })
}

fn tiny<S: Store>(view: &View<'_, S>, count: usize, of: impl Fn(Header) -> Header) -> Vec<Step> {
    let key = view.writer();
    let mut entries = Vec::with_capacity(count);
    let mut header = view.next();
    for _ in 0..count {
        let kind = header.kind;
        let entry = sign_with(&key, of(header), &[]);
        header = Header { kind, ..after(&entry) };
        entries.push(entry);
    }
    batches(entries)
}

/// A profile of its school, with any name.
pub(super) fn profile<S: Store>(view: &View<'_, S>, name: &str) -> Vec<Step> {
    let header = view.next();
    let change = write_genesis(header.actor(), &fields("school", name));
    vec![batch(vec![view.sign(Header { flags: 0, ..header }, &change)])]
}
