//! Whatever a partner sends, the reader of changes survives it, and nothing that it lets pass troubles Automerge.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{any_fields, contents, repair};
use automerge::{
    ActorId, Automerge, AutomergeError, ObjType, ROOT, ReadDoc,
    legacy::{ElementId, Key, ObjectId, Op, OpId},
    transaction::{Transactable, Transaction},
};
use proptest::{collection, prelude::*, sample::Index};
use staffroom_protocol::{
    id::BlobId,
    record::{
        change::{Change, Void},
        document::Document,
        genesis::{read_genesis, write_genesis},
    },
};

const ACTOR: [u8; 16] = *b"an actor's bytes";

type Done = Result<(), AutomergeError>;

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
            tx.put(&map, "id", BlobId([u8::try_from(at).unwrap(); 32]).to_string())
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

/// Another operation in the place of one: what it is made of comes from others of the same change.
#[derive(Debug, Clone)]
enum Disorder {
    Object(Index, Index),
    OnObjectOf(Index, Index),
    Key(Index, Index),
    After(Index, Index),
    Replaces(Index, Index),
    ReplacesToo(Index, Index),
    ReplacesNothing(Index),
    Action(Index, Index),
    Insert(Index),
    Move(Index, Index),
    Repeat(Index, Index),
    Remove(Index),
}

fn any_disorder() -> impl Strategy<Value = Disorder> {
    let two = || (any::<Index>(), any::<Index>());
    prop_oneof![
        two().prop_map(|(at, from)| Disorder::Object(at, from)),
        two().prop_map(|(at, from)| Disorder::OnObjectOf(at, from)),
        two().prop_map(|(at, from)| Disorder::Key(at, from)),
        two().prop_map(|(at, from)| Disorder::After(at, from)),
        two().prop_map(|(at, from)| Disorder::Replaces(at, from)),
        two().prop_map(|(at, from)| Disorder::ReplacesToo(at, from)),
        any::<Index>().prop_map(Disorder::ReplacesNothing),
        two().prop_map(|(at, from)| Disorder::Action(at, from)),
        any::<Index>().prop_map(Disorder::Insert),
        two().prop_map(|(at, from)| Disorder::Move(at, from)),
        two().prop_map(|(at, from)| Disorder::Repeat(at, from)),
        any::<Index>().prop_map(Disorder::Remove),
    ]
}

fn disorder(operations: &mut Vec<Op>, disorder: &Disorder) {
    if operations.is_empty() {
        return;
    }
    let length = operations.len();
    let id = |at: &Index| OpId(at.index(length) as u64 + 1, ActorId::from(ACTOR));
    match disorder {
        Disorder::Object(at, from) => operations[at.index(length)].obj = operations[from.index(length)].obj.clone(),
        Disorder::OnObjectOf(at, from) => operations[at.index(length)].obj = ObjectId::Id(id(from)),
        Disorder::Key(at, from) => operations[at.index(length)].key = operations[from.index(length)].key.clone(),
        Disorder::After(at, from) => operations[at.index(length)].key = Key::Seq(ElementId::Id(id(from))),
        Disorder::Replaces(at, from) => operations[at.index(length)].pred = vec![id(from)].into(),
        Disorder::ReplacesToo(at, from) => {
            let mut all: Vec<OpId> = operations[at.index(length)].pred.iter().cloned().collect();
            all.push(id(from));
            operations[at.index(length)].pred = all.into();
        }
        Disorder::ReplacesNothing(at) => operations[at.index(length)].pred = vec![].into(),
        Disorder::Action(at, from) => {
            operations[at.index(length)].action = operations[from.index(length)].action.clone();
        }
        Disorder::Insert(at) => operations[at.index(length)].insert ^= true,
        Disorder::Move(at, to) => {
            let moved = operations.remove(at.index(length));
            operations.insert(to.index(length), moved);
        }
        Disorder::Repeat(at, to) => operations.insert(to.index(length + 1), operations[at.index(length)].clone()),
        Disorder::Remove(at) => drop(operations.remove(at.index(length))),
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
        let done = doc.transact(|tx| steps.iter().try_for_each(|step| take(tx, step))).unwrap();
        let Some(hash) = done.hash else { return Ok(()) };
        let bytes = doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec();
        automerge_agrees(&bytes, &Change::read(&bytes).unwrap());
    }

    #[test]
    fn any_disorder_of_operations_is_void_or_harmless(
        steps in collection::vec(any_step(), 1..40),
        disorders in collection::vec(any_disorder(), 0..4),
    ) {
        let mut doc = Automerge::new().with_actor(ActorId::from(ACTOR));
        let done = doc.transact(|tx| steps.iter().try_for_each(|step| take(tx, step))).unwrap();
        let Some(hash) = done.hash else { return Ok(()) };
        let mut expanded = doc.get_change_by_hash(&hash).unwrap().decode();
        for one in &disorders {
            disorder(&mut expanded.operations, one);
        }
        read_any(automerge::Change::from(expanded).raw_bytes());
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
