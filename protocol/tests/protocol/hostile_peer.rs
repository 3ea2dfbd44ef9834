//! What a member's node sends that no honest one would: refused, and nothing breaks.

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::{Body, Decision, Missing, Place, Voted};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{EntryId, RecordId, SpaceId, WriterId};
use staffroom_protocol::log::{Entry, EntryKind, Header};
use staffroom_protocol::store::{Read, Table};
use staffroom_protocol::sync::{Ended, Input, Mark, Message, Output, Run, decode, encode};
use staffroom_protocol::time::Millis;
use staffroom_protocol::verify::verify;

use crate::schools::{School, admit, hello, next_header, school, session, share, sign, talk};

/// An entry that the second school's writer signs at any place, about any record.
fn entry(brook: &School, space: SpaceId, seq: u64, prev: EntryId, record: RecordId) -> Entry {
    let header = Header { seq, prev, kind: EntryKind::Change, record, ..next_header(2, brook, space) };
    sign(2, header, &[1]).into_entry()
}

#[test]
fn a_log_claimed_to_the_end_of_numbers_is_borne() {
    let (mut hill, _brook, space, mut session) = session();
    let mark = |n: u8| Mark { writer: WriterId([n; 32]), next: u64::MAX, head: [n; 16] };
    let frontier = Message::Frontier(vec![mark(1), mark(2)]);
    let frontier = decode(&encode(&frontier), space).unwrap();
    session.handle(Input::Message(frontier), &mut hill, Millis(10));
    assert_eq!(session.standing(hill.space(&space).unwrap()).we_lack, u64::MAX);
    session.handle(Input::Tick, &mut hill, Millis(20));
}

#[test]
fn entries_at_the_end_of_numbers_are_refused() {
    let (mut hill, brook, space, mut session) = session();
    let last = entry(&brook, space, u64::MAX, EntryId([1; 32]), RecordId([9; 32]));
    // Its place would be followed by none.
    let frame = encode(&Message::Entries(vec![Run(vec![last.clone()])]));
    assert_eq!(decode(&frame, space), Err(Fault::Malformed { what: "Entries" }));
    let told = session.handle(Input::Entries(vec![last.verify()]), &mut hill, Millis(10));
    assert!(matches!(told[..], [Output::Refused(Fault::Chain { .. })]), "{told:?}");
}

#[test]
fn a_decision_at_the_end_of_numbers_is_refused() {
    let (mut hill, brook, space, mut session) = session();
    let prev = staffroom_protocol::id::DecisionId([1; 32]);
    let place = Place { space, number: u32::MAX, prev, ..Place::default() };
    let decision = Decision::new(&place, &Body::Promote(brook.school())).unwrap();
    let complete = Voted { decision, votes: Vec::new() };
    let part = Missing { decisions: vec![complete], ..Missing::default() };
    let told = session.handle(Input::Message(Message::Charter(Box::new(part), true)), &mut hill, Millis(10));
    assert_eq!(told.last(), Some(&Output::Ended(Ended::Fault(Fault::Chain { what: "decision" }))));
}

#[test]
fn acknowledgements_of_logs_that_nobody_holds_are_passed_over() {
    let (mut hill, _brook, space, mut session) = session();
    let logs = (0..200).map(|n| (WriterId([n; 32]), u64::MAX)).collect();
    let told = session.handle(Input::Message(Message::Held(logs, u32::MAX)), &mut hill, Millis(10));
    assert_eq!(told, []);
    assert!(session.standing(hill.space(&space).unwrap()).in_step());
}

#[test]
fn a_peer_that_never_settles_what_we_sent_is_left() {
    let (mut hill, brook, space, mut session) = session();
    share(&mut hill, space, "Decimals");
    let told = session.handle(Input::Durable, &mut hill, Millis(1_000));
    assert!(matches!(told[..], [Output::Send(Message::Entries(_))]), "{told:?}");
    // It says Hello again and again, and the clock is set back meanwhile.
    for minute in [1, 0, 1] {
        session.handle(Input::Message(hello(&brook, space)), &mut hill, Millis(minute * 50_000));
        assert!(!ends(&session.handle(Input::Tick, &mut hill, Millis(minute * 50_000))));
    }
    session.handle(Input::Message(hello(&brook, space)), &mut hill, Millis(99_000));
    let told = session.handle(Input::Tick, &mut hill, Millis(99_000));
    assert_eq!(told, [Output::Ended(Ended::Stalled)]);
}

#[test]
fn a_peer_that_is_silent_while_nothing_happens_is_left() {
    let (mut hill, _brook, _space, mut session) = session();
    assert!(!ends(&session.handle(Input::Tick, &mut hill, Millis(3_600_000))));
    assert!(!ends(&session.handle(Input::Tick, &mut hill, Millis(3_640_000))));
    assert!(ends(&session.handle(Input::Tick, &mut hill, Millis(3_680_000))));
}

#[test]
fn more_batches_than_we_allow_end_the_session() {
    let (mut hill, _brook, _space, mut session) = session();
    for _ in 0..4 {
        assert!(!ends(&session.handle(Input::Entries(Vec::new()), &mut hill, Millis(10))));
    }
    assert!(ends(&session.handle(Input::Entries(Vec::new()), &mut hill, Millis(10))));
}

fn ends(told: &[Output]) -> bool {
    matches!(told.last(), Some(Output::Ended(_)))
}

#[test]
fn a_change_that_names_a_record_of_another_space_hides_nothing() {
    let (mut hill, mut brook) = (school(1), school(2));
    let [one, two] = ["One", "Two"].map(|name| hill.found(name).unwrap());
    hill.flush().unwrap();
    for space in [one, two] {
        admit(&mut hill, &mut brook, space).unwrap();
        talk(&mut hill, &mut brook, space);
    }
    let writer = brook.space(&two).unwrap().own_writer();
    let record = Header::record_at(two, writer, 0);
    let stray = entry(&brook, one, 0, EntryId::default(), record).verify().unwrap();
    hill.admit(stray, Millis(1)).unwrap();
    hill.flush().unwrap();
    assert_eq!(share(&mut brook, two, "Fractions as division"), record);
    talk(&mut hill, &mut brook, two);
    let seen = Catalogue(hill.store()).record(&record).unwrap().unwrap();
    assert_eq!(seen.card, Catalogue(brook.store()).card(&record).unwrap().unwrap());
    assert_eq!(verify(hill.store(), &mut |_| ()).unwrap().wrong, []);
    assert_eq!(hill.store().get(Table::Quarantine, &[two.0, record.0].concat()), Ok(None));
}
