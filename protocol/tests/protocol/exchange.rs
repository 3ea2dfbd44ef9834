//! Two and three schools exchange real records through sessions.

use proptest::prelude::*;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::Edit;
use staffroom_protocol::sync::{Ended, Input, Mark, Message, Output};
use staffroom_protocol::time::Millis;

use crate::schools::{admit, lesson, school, session, share, talk};

#[test]
fn a_partner_that_joined_by_ticket_holds_the_same() {
    let (mut hill, mut brook) = (school(1), school(2));
    let space = hill.found("The Brook Cluster").unwrap();
    hill.flush().unwrap();
    let record = share(&mut hill, space, "Fractions as division");
    admit(&mut hill, &mut brook, space).unwrap();
    let (_, ended) = talk(&mut hill, &mut brook, space);
    assert_eq!(ended, []);
    assert_eq!(hill.space(&space).unwrap().frontier(), brook.space(&space).unwrap().frontier());
    assert_eq!(hill.space(&space).unwrap().charter().hash(), brook.space(&space).unwrap().charter().hash());
    let seen = Catalogue(brook.store()).record(&record).unwrap().unwrap();
    for (name, value) in lesson("Fractions as division") {
        assert_eq!(seen.view.fields.get(&name), Some(&value));
    }
    assert_eq!(seen.history[0].author, "Ada Brook");
    // Nothing is new any more: one Hello each.
    let (said, _) = talk(&mut hill, &mut brook, space);
    assert!(matches!(said[..], [Message::Hello(_), Message::Hello(_)]), "{said:?}");
}

#[test]
fn a_stranger_learns_nothing_of_a_space() {
    let (mut hill, mut stranger) = (school(1), school(9));
    let space = hill.found("The Brook Cluster").unwrap();
    hill.flush().unwrap();
    let mut session = staffroom_protocol::sync::Session::new(space, stranger.device(), false);
    let hello = staffroom_protocol::sync::Hello {
        version: 0,
        space,
        charter: [0; 32],
        erasures: [0; 32],
        frontier: [0; 32],
        credit: 4,
        answer: true,
    };
    let told = session.handle(Input::Message(Message::Hello(hello)), &mut hill, Millis(0));
    let other = staffroom_protocol::id::SpaceId([3; 32]);
    let mut session = staffroom_protocol::sync::Session::new(other, stranger.device(), false);
    let hello = staffroom_protocol::sync::Hello { space: other, ..hello };
    let nothing = session.handle(Input::Message(Message::Hello(hello)), &mut hill, Millis(0));
    assert_eq!(told, nothing);
    assert_eq!(admit(&mut stranger, &mut hill, space), Err(Fault::NoSuchSpace));
}

#[test]
fn a_ticket_admits_one_school_once() {
    let (mut hill, brook, north) = (school(1), school(2), school(3));
    let space = hill.found("The Brook Cluster").unwrap();
    let ticket = hill.invite(space, staffroom_protocol::charter::Role::Contributor, Millis(100), Vec::new()).unwrap();
    let late = hill.redeem(&brook.redemption(&ticket), brook.device(), Millis(101));
    assert_eq!(late.unwrap_err(), Fault::Ticket);
    let stolen = hill.redeem(&brook.redemption(&ticket), north.device(), Millis(0));
    assert_eq!(stolen.unwrap_err(), Fault::Ticket);
    let mut altered = brook.redemption(&ticket);
    altered.join.proof[7] ^= 1;
    assert_eq!(hill.redeem(&altered, brook.device(), Millis(0)).unwrap_err(), Fault::Ticket);
    assert!(hill.redeem(&brook.redemption(&ticket), brook.device(), Millis(0)).is_ok());
    let second = hill.redeem(&north.redemption(&ticket), north.device(), Millis(0));
    assert_eq!(second.unwrap_err(), Fault::Ticket);
    // The answer may have been lost on its way: the same school may ask again.
    assert!(hill.redeem(&brook.redemption(&ticket), brook.device(), Millis(0)).is_ok());
    assert_eq!(hill.space(&space).unwrap().charter().resolved().members.len(), 2);
}

#[test]
fn a_third_school_joins_through_the_second_steward_while_the_first_is_off() {
    let (mut hill, mut brook, mut north) = (school(1), school(2), school(3));
    let space = hill.found("The Brook Cluster").unwrap();
    hill.flush().unwrap();
    let record = share(&mut hill, space, "Fractions as division");
    admit(&mut hill, &mut brook, space).unwrap();
    assert!(matches!(admit(&mut brook, &mut north, space), Err(Fault::NoRight { .. })));
    hill.promote(space, brook.school()).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    admit(&mut brook, &mut north, space).unwrap();
    talk(&mut brook, &mut north, space);
    assert!(Catalogue(north.store()).record(&record).unwrap().is_some());
    let edit = Edit {
        record,
        fields: [("title".to_owned(), Value::Line("Fractions, again".to_owned()))].into(),
        heads: None,
        author: "Noor Vale".to_owned(),
    };
    assert!(north.edit(&edit, Millis(20)).unwrap());
    north.flush().unwrap();
    talk(&mut brook, &mut north, space);
    talk(&mut hill, &mut brook, space);
    let seen = Catalogue(hill.store()).record(&record).unwrap().unwrap();
    assert_eq!(seen.card.line("title"), "Fractions, again");
    assert_eq!(seen.history[1].school, north.school());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_number_of_records_on_both_sides_ends_in_step(ours in 0usize..600, theirs in 0usize..40) {
        let (mut hill, mut brook) = (school(1), school(2));
        let space = hill.found("The Brook Cluster").unwrap();
        hill.flush().unwrap();
        admit(&mut hill, &mut brook, space).unwrap();
        for n in 0..ours {
            share(&mut hill, space, &format!("Ours {n}"));
        }
        for n in 0..theirs {
            share(&mut brook, space, &format!("Theirs {n}"));
        }
        let (_, ended) = talk(&mut hill, &mut brook, space);
        prop_assert_eq!(ended, []);
        prop_assert_eq!(hill.space(&space).unwrap().frontier(), brook.space(&space).unwrap().frontier());
        prop_assert_eq!(Catalogue(brook.store()).count().unwrap(), (ours + theirs) as u64);
    }
}

#[test]
fn a_peer_that_compares_for_ever_and_settles_nothing_stalls() {
    let (mut hill, brook, space, mut session) = session();
    share(&mut hill, space, "Pizza and cake");
    let sent = session.handle(Input::Durable, &mut hill, Millis(20));
    assert!(matches!(sent[..], [Output::Send(Message::Entries(_))]), "{sent:?}");
    for n in 1..4 {
        let marks = Mark::all(brook.space(&space).unwrap().frontier());
        session.handle(Input::Message(Message::Frontier(marks)), &mut hill, Millis(n * 40_000));
    }
    let ended = session.handle(Input::Tick, &mut hill, Millis(130_000));
    assert!(ended.contains(&Output::Ended(Ended::Stalled)), "{ended:?}");
}
