//! Erasures and receipts that are not what they say: refused with a code, and nothing is erased (§6).

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::erasure::{Erasure, Mark, Part, Receipt};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{RecordId, SpaceId, WriterId};
use staffroom_protocol::identity::SecretKey;
use staffroom_protocol::limits;
use staffroom_protocol::log::{Entry, EntryKind, Header};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::write_genesis;
use staffroom_protocol::sync::{Ended, Input, Message, Output, decode, encode};
use staffroom_protocol::time::Millis;

use crate::erasing::has_word;
use crate::schools::{School, lesson, next_header, pair, session, share, sign, talk};

/// An erasure by school number `n`'s writer, of the record with this genesis.
fn erasure(n: u8, holder: &School, space: SpaceId, genesis: (WriterId, u64)) -> Erasure {
    let record = Header::record_at(space, genesis.0, genesis.1);
    let header = Header { kind: EntryKind::Erase, record, change_seq: 0, ..next_header(n, holder, space) };
    Erasure::of(&sign(n, header, &[]), genesis).unwrap()
}
fn genesis(school: &School, record: &RecordId) -> (WriterId, u64) {
    let (_, writer, seq) = school.genesis_of(record).unwrap().unwrap();
    (writer, seq)
}
fn is_shown(school: &School, record: &RecordId) -> bool {
    Catalogue(school.store()).card(record).unwrap().is_some()
}

#[test]
fn only_the_school_that_made_a_record_erases_it() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Pizza and cake");
    talk(&mut hill, &mut brook, space);
    let theirs = erasure(2, &hill, space, genesis(&hill, &record));
    let refused = hill.admit_erasure(space, &theirs).unwrap_err();
    assert_eq!((refused.code(), is_shown(&hill, &record)), (10, true), "{refused}");
    // Nor does its entry: it is held, and does nothing.
    let header = Header { kind: EntryKind::Erase, record, change_seq: 0, ..next_header(2, &hill, space) };
    hill.admit(sign(2, header, b"erase it"), Millis(3)).unwrap();
    hill.flush().unwrap();
    assert!(hill.erased(&record).is_none() && is_shown(&hill, &record));
    // An unknown writer proves nothing.
    let nobody = SecretKey::from_seed(&[99; 32]);
    let header = Header { writer: nobody.public(), kind: EntryKind::Erase, record, ..next_header(1, &hill, space) };
    let entry = Entry::sign(header, staffroom_protocol::log::Payload::new([0; 16], "", &[]), &nobody);
    let forged = Erasure::of(&entry, genesis(&hill, &record)).unwrap();
    assert_eq!(hill.admit_erasure(space, &forged).unwrap_err().code(), 6);
}

#[test]
fn a_flipped_bit_makes_no_erasure() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Pizza and cake");
    talk(&mut hill, &mut brook, space);
    let rightful = erasure(1, &hill, space, genesis(&hill, &record));
    let (signed, writer, seq) = rightful.clone().into();
    for bit in (0..signed.len() * 8).step_by(7) {
        let mut flipped = signed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refused = Erasure::try_from((flipped, writer, seq)).and_then(|e| brook.admit_erasure(space, &e));
        assert!(refused.is_err(), "bit {bit}");
    }
    assert!(Erasure::try_from((signed, writer, seq + 1)).is_err(), "another genesis is another record");
    brook.flush().unwrap();
    assert!(is_shown(&brook, &record));
    assert_eq!(brook.admit_erasure(SpaceId([5; 32]), &rightful).unwrap_err().code(), 5);
    assert_eq!(brook.admit_erasure(space, &rightful), Ok(true));
    brook.flush().unwrap();
    assert!(!is_shown(&brook, &record));
    // What it tells of that is what the page says.
    let derived = |parts: &[&[u8]]| {
        let mut hasher = blake3::Hasher::new_derive_key("staffroom 2026 erasures state v1");
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    };
    let state = *derived(&[&record.0, &rightful.id().0]).first_chunk().unwrap();
    let held = brook.space(&space).unwrap();
    assert_eq!(held.erasure_marks(), [Mark { record, state }]);
    assert_eq!(held.erasures_hash(), derived(&[&record.0, &state]));
}

#[test]
fn a_receipt_is_the_word_of_a_device_of_its_school_about_something_erased() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Pizza and cake");
    let (hills, brooks) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let (school, other) = (brook.school(), hill.school());
    let receipt = Receipt::sign(space, record, school, &brooks, Millis(9));
    assert_eq!(hill.admit_receipt(space, &receipt), Err(Fault::NotErased(record)));
    hill.erase(&record, Millis(8)).unwrap();
    hill.flush().unwrap();
    let of_another = Receipt::sign(space, record, other, &brooks, Millis(9));
    assert_eq!(hill.admit_receipt(space, &of_another).unwrap_err().code(), 10);
    let mut unsigned = receipt.clone();
    unsigned.at = Millis(10);
    assert_eq!(hill.admit_receipt(space, &unsigned).unwrap_err().code(), 3);
    assert_eq!(hill.admit_receipt(space, &receipt), Ok(true));
    assert_eq!(hill.admit_receipt(space, &receipt), Ok(false), "it is no news twice");
    let earlier = Receipt::sign(space, record, other, &hills, Millis(1));
    assert_eq!(hill.admit_receipt(space, &earlier), Ok(true));
    talk(&mut hill, &mut brook, space);
    let receipts = |school: &School| school.space(&space).unwrap().erasures().receipts(&record).count();
    assert_eq!((receipts(&hill), receipts(&brook)), (2, 2));
}

#[test]
fn payloads_of_an_erased_record_are_never_taken_in() {
    let (mut hill, mut brook, space) = pair();
    talk(&mut hill, &mut brook, space);
    let header = next_header(1, &hill, space);
    let (record, genesis) = (header.record, (header.writer, header.seq));
    let mut fields = lesson("qzxword");
    fields.insert("kind".to_owned(), Value::Line("resource".to_owned()));
    let entry = sign(1, header.clone(), &write_genesis(header.actor(), &fields));
    // Hill takes it as it is; brook has heard that it is erased, and of nothing else.
    hill.admit(entry.clone(), Millis(3)).unwrap();
    hill.flush().unwrap();
    assert!(has_word(hill.store(), "qzxword") && is_shown(&hill, &record));
    assert_eq!(brook.admit_erasure(space, &erasure(1, &hill, space, genesis)), Ok(true));
    for _ in 0..2 {
        brook.admit(entry.clone(), Millis(3)).unwrap();
        brook.flush().unwrap();
        assert!(!has_word(brook.store(), "qzxword") && !is_shown(&brook, &record));
        assert_eq!(brook.space(&space).unwrap().frontier().next(&genesis.0), genesis.1 + 1, "it is held");
    }
    talk(&mut hill, &mut brook, space);
    assert!(!has_word(hill.store(), "qzxword") && !is_shown(&hill, &record));
    assert_eq!(hill.space(&space).unwrap().frontier(), brook.space(&space).unwrap().frontier());
}

#[test]
fn a_bare_entry_of_what_is_not_erased_is_not_taken() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Pizza and cake");
    let header = Header { kind: EntryKind::Change, record, ..next_header(2, &hill, space) };
    let bare = sign(2, header, b"something").without_payload();
    assert_eq!(hill.admit_bare(&bare, Millis(3)), Err(Fault::Withheld(bare.id())));
    hill.erase(&record, Millis(8)).unwrap();
    hill.flush().unwrap();
    assert!(hill.admit_bare(&bare, Millis(3)).is_ok(), "nobody has its payload any more");
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
}

#[test]
fn too_many_at_once_are_refused_before_they_are_read() {
    let (mut hill, _, space, mut session) = session();
    let receipt = Receipt::sign(space, RecordId([1; 32]), hill.school(), &SecretKey::from_seed(&[1; 32]), Millis(1));
    let part = Part { erasures: Vec::new(), receipts: vec![receipt.clone(); limits::ERASURES + 1] };
    let refused = decode(&encode(&Message::Erasures(Box::new(part), true)), space).unwrap_err();
    assert_eq!(refused.code(), 2);
    let mark = Mark { record: RecordId([1; 32]), state: [0; 16] };
    let marks = |n: usize| Message::ErasureMarks(vec![mark; n], false);
    assert_eq!(decode(&encode(&marks(limits::ERASURE_MARKS + 1)), space).unwrap_err().code(), 2);
    for _ in 0..limits::ERASURE_MARK_PARTS {
        assert_eq!(session.handle(Input::Message(marks(limits::ERASURE_MARKS)), &mut hill, Millis(11)), []);
    }
    let ended = session.handle(Input::Message(marks(1)), &mut hill, Millis(11));
    assert!(matches!(ended.last(), Some(Output::Ended(Ended::Fault(Fault::TooLarge { .. })))), "{ended:?}");
}

#[test]
fn a_flood_of_lies_ends_the_session_and_leaves_nothing() {
    let (mut hill, _, space, mut session) = session();
    let receipts = (0..600u16).map(|n| {
        let record = RecordId([u8::try_from(n % 251).unwrap(); 32]);
        Receipt::sign(space, record, hill.school(), &SecretKey::from_seed(&[1; 32]), Millis(u64::from(n)))
    });
    let part = Box::new(Part { erasures: Vec::new(), receipts: receipts.collect() });
    let before: usize = hill.store().iter().count();
    let first = session.handle(Input::Message(Message::Erasures(part.clone(), false)), &mut hill, Millis(11));
    let refused = first.iter().filter(|output| matches!(output, Output::Refused(Fault::NotErased(_)))).count();
    assert_eq!(refused, 600);
    let second = session.handle(Input::Message(Message::Erasures(part, false)), &mut hill, Millis(11));
    assert!(matches!(second.last(), Some(Output::Ended(Ended::Fault(_)))));
    hill.flush().unwrap();
    assert_eq!(hill.store().iter().count(), before);
}
