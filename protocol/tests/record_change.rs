//! The reader of changes: what it refuses, and that nothing it lets pass troubles Automerge.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use automerge::{
    ActorId, Automerge, AutomergeError, ObjType, ROOT, ReadDoc, ScalarValue,
    marks::{ExpandMark, Mark},
    transaction::{CommitOptions, Transactable, Transaction},
};
use proptest::{collection, prelude::*, sample::Index};
use staffroom_protocol::{
    limits,
    record::{
        change::{Change, Column, Void},
        document::Document,
        genesis::{read_genesis, write_genesis},
    },
};
use support::{any_fields, contents, edits, line, repair, text};

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

/// What Automerge is asked to do within one change; indices are taken modulo what is there.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, String),
    Number(u8, i64),
    Delete(u8),
    Make(u8, u8),
    Type(u8, Index, Index, String),
    Member(u8, u8, u64),
    RemoveMember(u8, u8),
    Attach(u8, Index),
    Detach(u8, Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = 0u8..4;
    prop_oneof![
        1 => (key.clone(), "[a-zé]{0,4}").prop_map(|(key, line)| Step::Put(key, line)),
        1 => (key.clone(), any::<i64>()).prop_map(|(key, number)| Step::Number(key, number)),
        1 => key.clone().prop_map(Step::Delete),
        2 => (key.clone(), 0u8..3).prop_map(|(key, kind)| Step::Make(key, kind)),
        6 => (key.clone(), any::<Index>(), any::<Index>(), "([a-z]{1,5}|é|👩){0,4}")
            .prop_map(|(key, at, delete, text)| Step::Type(key, at, delete, text)),
        2 => (key.clone(), 0u8..4, 0u64..9).prop_map(|(key, member, place)| Step::Member(key, member, place)),
        1 => (key.clone(), 0u8..4).prop_map(|(key, member)| Step::RemoveMember(key, member)),
        2 => (key.clone(), any::<Index>()).prop_map(|(key, at)| Step::Attach(key, at)),
        1 => (key, any::<Index>()).prop_map(|(key, at)| Step::Detach(key, at)),
    ]
}

fn key(number: u8) -> String {
    format!("k{number}")
}

fn take(tx: &mut Transaction<'_>, step: &Step) -> Done {
    let object = |tx: &Transaction<'_>, number: u8, kind: ObjType| {
        let found = tx.get(ROOT, key(number)).unwrap();
        found.filter(|(value, _)| *value == automerge::Value::Object(kind)).map(|(_, id)| id)
    };
    match step {
        Step::Put(number, line) => tx.put(ROOT, key(*number), line.as_str()),
        Step::Number(number, value) => tx.put(ROOT, key(*number), *value),
        Step::Delete(number) => match tx.get(ROOT, key(*number))? {
            Some(_) => tx.delete(ROOT, key(*number)),
            None => Ok(()),
        },
        Step::Make(number, kind) => {
            let kind = [ObjType::Map, ObjType::List, ObjType::Text][usize::from(*kind)];
            tx.put_object(ROOT, key(*number), kind).map(|_| ())
        }
        Step::Type(number, at, delete, text) => {
            let Some(id) = object(tx, *number, ObjType::Text) else { return Ok(()) };
            let length = tx.length(&id);
            let at = at.index(length + 1);
            let delete = delete.index(length - at + 1).min(6);
            tx.splice_text(&id, at, isize::try_from(delete).unwrap(), text)
        }
        Step::Member(number, member, place) => match object(tx, *number, ObjType::Map) {
            Some(id) => tx.put(&id, key(*member), *place),
            None => Ok(()),
        },
        Step::RemoveMember(number, member) => match object(tx, *number, ObjType::Map) {
            Some(id) if tx.get(&id, key(*member))?.is_some() => tx.delete(&id, key(*member)),
            _ => Ok(()),
        },
        Step::Attach(number, at) => {
            let Some(id) = object(tx, *number, ObjType::List) else { return Ok(()) };
            let at = at.index(tx.length(&id) + 1);
            let map = tx.insert_object(&id, at, ObjType::Map)?;
            tx.put(&map, "id", staffroom_protocol::id::BlobId([u8::try_from(at).unwrap(); 32]).to_string())
        }
        Step::Detach(number, at) => match object(tx, *number, ObjType::List) {
            Some(id) if tx.length(&id) > 0 => tx.delete(&id, at.index(tx.length(&id))),
            _ => Ok(()),
        },
    }
}

/// What Automerge makes of a first change that has been read must be what the reader makes of it.
fn automerge_agrees(bytes: &[u8], change: &Change<'_>) {
    let loaded = automerge::Change::from_bytes(bytes.to_vec()).unwrap();
    assert_eq!(loaded.raw_bytes(), bytes);
    let mut doc = Automerge::new();
    doc.apply_changes([loaded]).unwrap();
    let again = Automerge::load(&doc.save()).expect("what applies must load again");
    assert_eq!(again.get_changes(&[]).first().unwrap().raw_bytes(), bytes);
    assert_eq!(&read_genesis(change).unwrap(), Document::build([bytes]).unwrap().fields());
}

/// A change of a byte in the contents of a change.
#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Nudge(Index, bool),
    Insert(Index, u8),
    Remove(Index),
    Swap(Index),
    Copy(Index, Index, usize),
    Cut(Index),
}

fn any_damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        2 => (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        6 => (at(), any::<bool>()).prop_map(|(at, up)| Damage::Nudge(at, up)),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => at().prop_map(Damage::Remove),
        2 => at().prop_map(Damage::Swap),
        1 => (at(), any::<Index>(), 1usize..4).prop_map(|(from, to, length)| Damage::Copy(from, to, length)),
        1 => at().prop_map(Damage::Cut),
    ]
}

fn damage(bytes: &mut Vec<u8>, all: &[Damage]) {
    for damage in all {
        if bytes.len() < 8 {
            return;
        }
        let length = bytes.len();
        match damage {
            Damage::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Nudge(at, up) => {
                let byte = &mut bytes[at.index(length)];
                *byte = if *up { byte.wrapping_add(1) } else { byte.wrapping_sub(1) };
            }
            Damage::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Damage::Remove(at) => drop(bytes.remove(at.index(length))),
            Damage::Swap(at) => bytes.swap(at.index(length - 1), at.index(length - 1) + 1),
            Damage::Copy(from, to, count) => {
                let (from, to) = (from.index(length - 4), to.index(length - 4));
                bytes.copy_within(from..from + count, to);
            }
            Damage::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

/// Reads what may be anything; what passes and has no past goes to Automerge too.
fn read_any(bytes: &[u8]) {
    let Ok(change) = Change::read(bytes) else { return };
    assert_eq!(change.operations().count() as u64, change.header().operations);
    if change.header().deps.is_empty() {
        automerge_agrees(bytes, &change);
    } else {
        assert_eq!(read_genesis(&change), Err(Void::NotGenesis));
    }
}

proptest! {
    #[test]
    fn any_first_change_of_automerge_within_the_schema_reads_as_automerge_does(
        steps in collection::vec(any_step(), 1..60),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        let done = doc.transact(|tx| steps.iter().try_for_each(|step| take(tx, step)));
        prop_assume!(done.as_ref().is_ok_and(|done| done.hash.is_some()));
        let bytes = doc.get_change_by_hash(&done.unwrap().hash.unwrap()).unwrap().raw_bytes().to_vec();
        automerge_agrees(&bytes, &Change::read(&bytes).unwrap());
    }

    #[test]
    fn any_later_change_of_automerge_within_the_schema_is_read(
        first in collection::vec(any_step(), 1..30),
        second in collection::vec(any_step(), 1..30),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        doc.transact(|tx| first.iter().try_for_each(|step| take(tx, step))).unwrap();
        doc.set_actor(ActorId::from([7; 16]));
        let Some(hash) = doc.transact(|tx| second.iter().try_for_each(|step| take(tx, step))).unwrap().hash else {
            return Ok(());
        };
        let theirs = doc.get_change_by_hash(&hash).unwrap();
        let ours = Change::read(theirs.raw_bytes()).unwrap();
        prop_assert_eq!(ours.header().hash.0, hash.0);
        prop_assert_eq!(ours.header().operations, theirs.len() as u64);
        prop_assert_eq!(ours.header().actors.len(), 1 + theirs.other_actor_ids().len());
        for (ours, theirs) in ours.operations().zip(&theirs.decode().operations) {
            prop_assert_eq!(ours.insert, theirs.insert);
            prop_assert_eq!(ours.predecessors.count(), theirs.pred.len());
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in collection::vec(any::<u8>(), 0..200)) {
        read_any(&bytes);
        read_any(&repair(&bytes));
    }

    #[test]
    fn any_damage_to_written_fields_is_void_or_harmless(
        fields in any_fields(),
        damages in collection::vec(any_damage(), 1..4),
    ) {
        let mut bytes = contents(&write_genesis(ACTOR, &fields)).to_vec();
        damage(&mut bytes, &damages);
        read_any(&repair(&bytes));
    }

    #[test]
    fn any_damage_to_a_change_of_automerge_is_void_or_harmless(
        first in collection::vec(any_step(), 1..30),
        second in collection::vec(any_step(), 0..30),
        damages in collection::vec(any_damage(), 1..4),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        doc.transact(|tx| first.iter().try_for_each(|step| take(tx, step))).unwrap();
        doc.set_actor(ActorId::from([7; 16]));
        doc.transact(|tx| second.iter().try_for_each(|step| take(tx, step))).unwrap();
        for change in doc.get_changes(&[]) {
            let mut bytes = contents(change.raw_bytes()).to_vec();
            damage(&mut bytes, &damages);
            read_any(&repair(&bytes));
        }
    }
}
