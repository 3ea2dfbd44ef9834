//! What says that it is huge, is huge, or names what nobody has: refused in memory that does not grow.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::io::Write;

use crate::crafted::{ACTOR, edit, maps_in_a_list, orphan, unsigned};
use crate::support::{edits, line, text};
use staffroom_protocol::{
    limits,
    record::{
        Document,
        change::{Change, Void},
        past::Past,
        write_genesis,
    },
};

/// Reads; says why it is void and how many bytes reading took at most.
fn read(bytes: &[u8]) -> (Option<Void>, u64) {
    let mut void = None;
    let memory = allocation_counter::measure(|| void = Change::read(bytes).err()).bytes_max;
    eprintln!("{} bytes: {void:?}, {memory} bytes of memory", bytes.len());
    (void, memory)
}

#[test]
fn a_hundred_bytes_of_a_million_operations_are_refused_before_they_are_expanded() {
    // Small enough, it is a change like any other.
    let small = maps_in_a_list(90);
    assert_eq!(Change::read(&small).map(|change| change.header().operations), Ok(91));
    for count in [limits::CHANGE_OPERATIONS - 1, 1_000_000, 10_000_000, 1 << 30] {
        let bytes = maps_in_a_list(count);
        assert!(bytes.len() < 128, "{} bytes", bytes.len());
        let (void, memory) = read(&bytes);
        let refused = matches!(void, Some(Void::TooMuch(_) | Void::TooManyOperations | Void::Counter));
        assert!(refused, "{count}: {void:?}");
        assert!(memory < 4_096, "{count}: {memory} bytes");
    }
}

#[test]
fn what_is_packed_is_refused_unopened() {
    // What a packed change would say is in the bytes behind its type, which nobody opens.
    let mut packed = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2];
    let zeros = vec![0; 400_000];
    packed.write_all(&unsigned(zeros.len() as u64)).unwrap();
    packed.extend(zeros);
    let (void, memory) = read(&packed);
    assert_eq!((void, memory), (Some(Void::ChunkType(2)), 0));
}

#[test]
fn missing_parents_by_the_thousand_are_named_by_the_first() {
    let genesis = write_genesis(ACTOR, &edits([("kind", line("note")), ("body", text("some words"))]));
    let orphan = orphan(&genesis, 16_000);
    let (void, memory) = read(&orphan);
    assert_eq!(void, None);
    assert!(memory < 2 << 20, "{memory} bytes for {} of them", orphan.len());
    let mut past = Past::default();
    past.admit(&Change::read(&genesis).unwrap()).unwrap();
    let change = Change::read(&orphan).unwrap();
    assert_eq!(past.admit(&change), Err(Void::Missing(change.header().deps[0])));
}

#[test]
fn more_than_a_field_may_hold_is_refused_whoever_made_it() {
    let refused = |fields| Change::read(&write_genesis(ACTOR, &edits(fields))).map(|_| ());
    let lines = |length: usize| "x".repeat(length);
    assert_eq!(refused([("title", line(&lines(limits::TITLE))), ("body", text(&lines(limits::TEXT)))]), Ok(()));
    assert!(matches!(
        refused([("kind", line("note")), ("title", line(&lines(limits::TITLE + 1)))]),
        Err(Void::TooMuch(_))
    ));
    assert!(matches!(
        refused([("kind", line("note")), ("body", text(&lines(limits::TEXT + 1)))]),
        Err(Void::TooMuch(_))
    ));
    assert!(matches!(refused([("kind", line("note")), ("x", line(&lines(limits::LINE + 1)))]), Err(Void::TooMuch(_))));
    let set = |count: usize| staffroom_protocol::record::field::Value::set((0..count).map(|n| n.to_string()));
    assert_eq!(refused([("kind", line("note")), ("tags", set(limits::REFERENCES))]), Ok(()));
    assert!(matches!(refused([("kind", line("note")), ("tags", set(limits::REFERENCES + 1))]), Err(Void::TooMuch(_))));
}

#[test]
fn a_parent_beside_its_own_parent_is_void() {
    let genesis = write_genesis(ACTOR, &edits([("kind", line("note")), ("body", text("some words"))]));
    let first = edit(&genesis);
    let mut document = Document::build([&genesis[..], &first]).unwrap();
    let second = document.edit([9; 16], None, &edits([("title", line("Words"))])).unwrap().unwrap();
    let past = || {
        let mut past = Past::default();
        past.admit(&Change::read(&genesis).unwrap()).unwrap();
        past.admit(&Change::read(&first).unwrap()).unwrap();
        past
    };
    assert_eq!(past().admit(&Change::read(&second).unwrap()), Ok(()));
    let mut told = automerge::Change::from_bytes(second).unwrap().decode();
    told.deps.push(automerge::Change::from_bytes(genesis.clone()).unwrap().hash());
    told.deps.sort_unstable();
    let both = automerge::Change::from(told).raw_bytes().to_vec();
    assert_eq!(past().admit(&Change::read(&both).unwrap()), Err(Void::Dependencies));
}

#[test]
fn no_key_is_longer_than_a_line() {
    let long = "k".repeat(limits::LINE + 1);
    let fields = [("kind".to_owned(), line("note")), (long, line("x"))].into();
    assert!(matches!(Change::read(&write_genesis(ACTOR, &fields)), Err(Void::TooMuch(_))));
}
