//! Changes as Automerge makes them within the schema of a record, and what can be done to them.
#![allow(clippy::unwrap_used, reason = "tests")]

use automerge::{
    AutomergeError, ObjType, ROOT, ReadDoc,
    legacy::{ElementId, Key, ObjectId, Op, OpId},
    transaction::{Transactable, Transaction},
};
use proptest::{prelude::*, sample::Index};
use staffroom_protocol::id::BlobId;

type Done = Result<(), AutomergeError>;

/// What Automerge is asked to do within one change; indices are taken modulo what is there.
#[derive(Debug, Clone)]
pub(crate) enum Step {
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

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
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

pub(crate) fn take(tx: &mut Transaction<'_>, step: &Step) -> Done {
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

/// A change of a byte in the contents of a change.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Nudge(Index, bool),
    Insert(Index, u8),
    Remove(Index),
    Swap(Index),
    Copy(Index, Index, usize),
    Cut(Index),
}

pub(crate) fn any_damage() -> impl Strategy<Value = Damage> {
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

pub(crate) fn damage(bytes: &mut Vec<u8>, all: &[Damage]) {
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
pub(crate) enum Disorder {
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

pub(crate) fn any_disorder() -> impl Strategy<Value = Disorder> {
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

/// Does it, with operations named out of `ids`.
pub(crate) fn disorder(operations: &mut Vec<Op>, ids: &[OpId], disorder: &Disorder) {
    if operations.is_empty() || ids.is_empty() {
        return;
    }
    let length = operations.len();
    let id = |at: &Index| at.get(ids).clone();
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

/// The contents of a change with one of its columns written as one literal run, value by value; none where
/// that column is not of run-length encoded numbers, is longer, or is so already.
pub(crate) fn recoded(contents: &[u8], which: Index) -> Option<Vec<u8>> {
    // Up to the columns: dependencies, author, seq, first operation, time, message, other actors.
    let mut at = 0;
    at += 32 * leb(contents, &mut at)?;
    at += 17;
    for _ in 0..4 {
        leb(contents, &mut at)?;
    }
    at += 17 * leb(contents, &mut at)?;
    let list = at;
    let columns = leb(contents, &mut at)?;
    let metas = (0..columns).map(|_| Some((leb(contents, &mut at)?, leb(contents, &mut at)?)));
    let mut metas: Vec<(usize, usize)> = metas.collect::<Option<_>>()?;
    let chosen = which.index(metas.len());
    // The low three bits say how a column is encoded: 0 to 3 are runs of numbers.
    let (number, length) = metas[chosen];
    let start = at + metas[..chosen].iter().map(|(_, length)| length).sum::<usize>();
    let column = contents.get(start..start + length).filter(|_| number & 7 <= 3)?;
    let (mut values, mut from) = (Vec::new(), 0);
    while from < column.len() {
        // Counts are signed; those of one byte are all that is recoded here.
        let count = i32::from(column[from] & 0x3f) - i32::from(column[from] & 0x40);
        let single = count < 0 && column[from] < 0x80;
        from += 1;
        for _ in 0..if single { count.unsigned_abs() } else { 1 } {
            let value = from;
            leb(column, &mut from)?;
            let repeats = if single { 1 } else { count.unsigned_abs() as usize };
            values.extend(core::iter::repeat_n(&column[value..from], repeats));
        }
    }
    let count = u8::try_from(values.len()).ok().filter(|count| (1..60).contains(count))?;
    let literal = [&[count.wrapping_neg() & 0x7f], &values.concat()[..]].concat();
    metas[chosen].1 = literal.len();
    let mut out = contents[..list].to_vec();
    let metas = metas.into_iter().flat_map(|(number, length)| [number, length]);
    [columns].into_iter().chain(metas).for_each(|number| write_leb(number, &mut out));
    out.extend_from_slice(&contents[at..start]);
    out.extend_from_slice(&literal);
    out.extend_from_slice(&contents[start + length..]);
    (out != contents).then_some(out)
}

fn leb(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0;
    for shift in (0..28).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn write_leb(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
}
