//! What makes a change void, rule by rule.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{contents, edits, line, repair, text};
use automerge::{
    ActorId, Automerge, AutomergeError, ObjType, ROOT, ReadDoc, ScalarValue,
    marks::{ExpandMark, Mark},
    transaction::{CommitOptions, Transactable, Transaction},
};
use staffroom_protocol::{
    limits,
    record::{
        change::{Change, Column, Void},
        genesis::write_genesis,
    },
};

const ACTOR: [u8; 16] = *b"an actor's bytes";

type Done = Result<(), AutomergeError>;
type Work = fn(&mut Transaction<'_>) -> Done;

/// The change that this work makes in a document.
fn made_on(doc: &mut Automerge, work: impl FnOnce(&mut Transaction<'_>) -> Done) -> Vec<u8> {
    let hash = doc.transact(work).unwrap().hash.unwrap();
    doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec()
}

fn made(work: impl FnOnce(&mut Transaction<'_>) -> Done) -> Vec<u8> {
    made_on(&mut Automerge::new().with_actor(ActorId::from(ACTOR)), work)
}

#[track_caller]
fn is_void(bytes: &[u8], because: &Void) {
    assert_eq!(&Change::read(bytes).map(|change| change.header().clone()).unwrap_err(), because);
}

fn a_note() -> Vec<u8> {
    write_genesis(ACTOR, &edits([("kind", line("note")), ("body", text("some words"))]))
}

/// A note whose contents have been changed at a place.
fn altered(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut altered = contents(&a_note()).to_vec();
    change(&mut altered);
    repair(&altered)
}

// Where the parts of a first change start: one byte each but for the actor.
const ACTOR_LENGTH: usize = 1;
const SEQ: usize = 18;
const START_OP: usize = 19;
const TIME: usize = 20;
const MESSAGE: usize = 21;
const OTHER_ACTORS: usize = 22;
const COLUMN_COUNT: usize = 23;
const FIRST_COLUMN: usize = 24;

#[test]
fn values_that_no_field_has_are_void() {
    let values: [Work; 6] = [
        |tx| tx.put(ROOT, "n", ScalarValue::counter(1)),
        |tx| tx.put(ROOT, "n", 1.5),
        |tx| tx.put(ROOT, "n", true),
        |tx| tx.put(ROOT, "n", ScalarValue::Null),
        |tx| tx.put(ROOT, "n", vec![1u8, 2]),
        |tx| tx.put(ROOT, "n", ScalarValue::Timestamp(1)),
    ];
    for work in values {
        is_void(&made(work), &Void::Value(1));
    }
    is_void(&made(|tx| tx.put(ROOT, "n", 7u64)), &Void::Value(1));
    let signed_place = made(|tx| {
        let map = tx.put_object(ROOT, "m", ObjType::Map)?;
        tx.put(&map, "n", -1)
    });
    is_void(&signed_place, &Void::Value(2));
}

#[test]
fn counters_and_marks_are_void() {
    let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
    made_on(&mut doc, |tx| tx.put(ROOT, "n", ScalarValue::counter(1)));
    let increment = made_on(&mut doc, |tx| tx.increment(ROOT, "n", 1));
    is_void(&increment, &Void::Action { counter: 2, action: 5 });

    let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
    made_on(&mut doc, |tx| {
        let text = tx.put_object(ROOT, "t", ObjType::Text)?;
        tx.splice_text(&text, 0, 0, "words")
    });
    let (_, text) = doc.get(ROOT, "t").unwrap().unwrap();
    let marked = made_on(&mut doc, |tx| tx.mark(&text, Mark::new("bold".into(), true, 0, 2), ExpandMark::Both));
    assert!(matches!(Change::read(&marked), Err(Void::ColumnPlace(148 | 165) | Void::Action { action: 7, .. })));
    let block = made_on(&mut doc, |tx| tx.split_block(&text, 1).map(|_| ()));
    // A map may be inserted into what an earlier change made: that it is a text shows in the past only.
    assert!(Change::read(&block).is_ok());
}

#[test]
fn objects_deeper_than_the_schema_are_void() {
    let in_map = made(|tx| {
        let map = tx.put_object(ROOT, "m", ObjType::Map)?;
        tx.put_object(&map, "n", ObjType::Map).map(|_| ())
    });
    is_void(&in_map, &Void::Object(2));
    let list_in_list = made(|tx| {
        let list = tx.put_object(ROOT, "l", ObjType::List)?;
        tx.insert_object(&list, 0, ObjType::List).map(|_| ())
    });
    is_void(&list_in_list, &Void::Object(2));
    let scalar_in_list = made(|tx| {
        let list = tx.put_object(ROOT, "l", ObjType::List)?;
        tx.insert(&list, 0, "x")
    });
    is_void(&scalar_in_list, &Void::Object(2));
    let overwritten = made(|tx| {
        let list = tx.put_object(ROOT, "l", ObjType::List)?;
        tx.insert_object(&list, 0, ObjType::Map)?;
        tx.put_object(&list, 0, ObjType::Map).map(|_| ())
    });
    is_void(&overwritten, &Void::Key(3));
    let block_in_text = made(|tx| {
        let text = tx.put_object(ROOT, "t", ObjType::Text)?;
        tx.split_block(&text, 0).map(|_| ())
    });
    is_void(&block_in_text, &Void::Object(2));
    let several_characters = made(|tx| {
        let text = tx.put_object(ROOT, "t", ObjType::Text)?;
        tx.insert(&text, 0, "two")
    });
    is_void(&several_characters, &Void::Value(2));
}

#[test]
fn a_message_a_time_or_nothing_at_all_is_void() {
    let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
    let with = |doc: &mut Automerge, options: CommitOptions, key: &str| {
        let work = |tx: &mut Transaction<'_>| tx.put(ROOT, key, "x");
        let hash = doc.transact_with::<_, _, AutomergeError, _>(|()| options, work).unwrap().hash.unwrap();
        doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec()
    };
    is_void(&with(&mut doc, CommitOptions::default().with_time(7), "a"), &Void::Time);
    is_void(&with(&mut doc, CommitOptions::default().with_message("why"), "b"), &Void::Message);
    let hash = doc.empty_commit(CommitOptions::default());
    is_void(doc.get_change_by_hash(&hash).unwrap().raw_bytes(), &Void::NoOperations);
}

#[test]
fn other_chunks_are_void() {
    let bytes = write_genesis(ACTOR, &edits([("kind", line("note")), ("body", text(&"some words ".repeat(99)))]));
    let mut change = automerge::Change::from_bytes(bytes.clone()).unwrap();
    is_void(&change.bytes(), &Void::ChunkType(2));
    let mut doc = Automerge::new();
    doc.apply_changes([change]).unwrap();
    is_void(&doc.save(), &Void::ChunkType(0));
    is_void(b"", &Void::EndsEarly);
    is_void(b"something else", &Void::NotAChunk);
    is_void(&bytes[..bytes.len() - 1], &Void::EndsEarly);
    is_void(&[&bytes[..], b"x"].concat(), &Void::Trailing);
    let mut wrong = bytes.clone();
    wrong[5] ^= 1;
    is_void(&wrong, &Void::Checksum);
    is_void(&vec![0; limits::PAYLOAD + 1], &Void::TooLong { bytes: limits::PAYLOAD + 1 });
}

#[test]
fn another_form_of_the_same_change_is_void() {
    assert_eq!(altered(|_| ()), a_note());
    is_void(&altered(|c| drop(c.splice(SEQ..=SEQ, [0x81, 0]))), &Void::Number);
    is_void(&altered(|c| c.push(0)), &Void::Trailing);
    is_void(&altered(|c| c[TIME] = 1), &Void::Time);
    is_void(&altered(|c| drop(c.splice(MESSAGE..=MESSAGE, [1, b'x']))), &Void::Message);
    is_void(&altered(|c| drop(c.splice(ACTOR_LENGTH..=ACTOR_LENGTH + 1, [15]))), &Void::ActorLength(15));
    is_void(&altered(|c| c[SEQ] = 2), &Void::Start { seq: 2, start_op: 1 });
    is_void(&altered(|c| c[START_OP] = 0), &Void::Start { seq: 1, start_op: 0 });
    is_void(&altered(|c| drop(c.splice(START_OP..=START_OP, [0x80, 0x80, 0x80, 0x80, 0x10]))), &Void::Counter);
    let actor = |c: &mut Vec<u8>, id: &[u8; 16]| {
        c[OTHER_ACTORS] = 1;
        c.splice(COLUMN_COUNT..COLUMN_COUNT, [&[16], &id[..]].concat());
    };
    is_void(&altered(|c| actor(c, &[7; 16])), &Void::Actors);
    is_void(&altered(|c| actor(c, &ACTOR)), &Void::Actors);
    // The deflate bit, an unknown column, one that is empty, one too many.
    is_void(&altered(|c| c[FIRST_COLUMN] |= 8), &Void::ColumnPlace(9));
    is_void(&altered(|c| c[FIRST_COLUMN] = 0), &Void::ColumnPlace(0));
    let extra = |c: &mut Vec<u8>, column: [u8; 2]| {
        let end = FIRST_COLUMN + 2 * usize::from(c[COLUMN_COUNT]);
        c[COLUMN_COUNT] += 1;
        c.splice(end..end, column);
    };
    is_void(&altered(|c| extra(c, [113, 0])), &Void::ColumnPlace(113));
    is_void(&altered(|c| extra(c, [86, 1])), &Void::ColumnPlace(86));
    is_void(
        &altered(|c| {
            extra(c, [113, 2]);
            c.extend([0x7f, 0]);
        }),
        &Void::Rows(Column::PredecessorActor),
    );
}

#[test]
fn operations_are_counted_before_they_are_expanded() {
    // One put at the root, said 2^40 times.
    let run: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    let mut bytes = vec![0, 16];
    bytes.extend(ACTOR);
    bytes.extend([1, 1, 0, 0, 0, 5]);
    let columns: [(u8, &[u8]); 5] = [(21, &[1, b'k']), (52, &[]), (66, &[1]), (86, &[6]), (112, &[0])];
    for (number, value) in columns {
        bytes.extend([number, u8::try_from(run.len() + value.len()).unwrap()]);
    }
    for (_, value) in columns {
        bytes.extend(run);
        bytes.extend(value);
    }
    is_void(&repair(&bytes), &Void::TooManyOperations);
}
