//! A record's first change, written and read without Automerge, is what Automerge makes and reads.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{any_fields, edits, line, shown, text, through_automerge};
use proptest::prelude::*;
use staffroom_protocol::record::{
    change::Change,
    document::Document,
    field::{Fields, Value},
    genesis::{read_genesis, write_genesis},
    view::View,
};

const ACTOR: [u8; 16] = *b"an actor's bytes";

#[track_caller]
fn survives(fields: &Fields) {
    let bytes = write_genesis(ACTOR, fields);
    let (_, theirs) = through_automerge(ACTOR, fields);
    assert_eq!(bytes, theirs, "not the bytes that Automerge writes");

    let loaded = automerge::Change::from_bytes(bytes.clone()).unwrap();
    assert_eq!(loaded.raw_bytes(), bytes);
    let change = Change::read(&bytes).unwrap();
    assert_eq!(change.header().hash.0, loaded.hash().0);
    assert_eq!(change.header().operations, loaded.len() as u64);
    assert_eq!(change.operations().count(), loaded.len());

    let fields = shown(fields);
    assert_eq!(read_genesis(&change).unwrap(), fields);
    let document = Document::build([&bytes[..]]).unwrap();
    assert_eq!(document.fields(), &fields);
    assert_eq!(View::of(&[&bytes]).unwrap(), View::from(&document));

    let saved = automerge::Automerge::load(&resaved(&bytes)).unwrap();
    assert_eq!(saved.get_changes(&[]).first().unwrap().raw_bytes(), bytes, "a saved document would not load");
}

fn resaved(bytes: &[u8]) -> Vec<u8> {
    let mut doc = automerge::Automerge::new();
    doc.apply_changes([automerge::Change::from_bytes(bytes.to_vec()).unwrap()]).unwrap();
    doc.save()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn any_fields_survive(fields in any_fields()) {
        survives(&fields);
    }
}

#[test]
fn a_kind_alone_is_a_record() {
    survives(&edits([("kind", line("note"))]));
}

#[test]
fn an_empty_text_is_left_out() {
    survives(&edits([("kind", line("note")), ("body", text(""))]));
}

#[test]
fn emoji_and_combining_marks_survive() {
    survives(&edits([("kind", line("note")), ("body", text("e\u{301}👩‍🏫🏴󠁧󠁢󠁷󠁬󠁳󠁿日本 a"))]));
    survives(&edits([("body", text("a")), ("kind", line("👩‍🏫")), ("zusatz", text("👩"))]));
}

#[test]
fn the_longest_text_survives() {
    survives(&edits([("kind", line("note")), ("body", text(&"abcdefg\n".repeat(8 << 10)))]));
    survives(&edits([("kind", line("note")), ("body", text(&"é👩".repeat(10 << 10)))]));
}

#[test]
fn doubles_and_empty_members_of_a_set_are_left_out() {
    let raw = Value::Set(vec!["a".into(), String::new(), "b".into(), "a".into()]);
    let bytes = write_genesis(
        ACTOR,
        &edits([("kind", line("note")), ("tags", raw), ("none", Value::Set(vec![String::new()]))]),
    );
    let fields = read_genesis(&Change::read(&bytes).unwrap()).unwrap();
    assert_eq!(fields, edits([("kind", line("note")), ("tags", Value::set(["a", "b"]))]));
}
