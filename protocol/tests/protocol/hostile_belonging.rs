//! A partner that lies about who belongs: votes, proposals, evidence, entries of the removed.

use staffroom_protocol::charter::{Body, Decision, Place, Vote, Voted};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{EntryId, SchoolId, SpaceId};
use staffroom_protocol::identity::SecretKey;
use staffroom_protocol::log::{EntryKind, Fork, Header};
use staffroom_protocol::replica::End;
use staffroom_protocol::sync::{Input, Message, Output};
use staffroom_protocol::time::Millis;

use crate::schools::{School, admit, next_header, pair, school, session, share, sign, talk};

fn device(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

/// A proposal at the next place, as anyone can lay it out.
fn proposal(of: &School, space: SpaceId, body: &Body) -> Decision {
    let charter = of.space(&space).unwrap().charter();
    let (number, prev) = charter.resolved().head;
    let signers = charter.resolved().stewards().map(|s| (s, charter.identities().get(&s).unwrap().head())).collect();
    Decision::new(&Place { space, number: number + 1, prev, seen: Vec::new(), signers }, body).unwrap()
}

fn refused(told: &[Output]) -> usize {
    told.iter().filter(|output| matches!(output, Output::Refused(_))).count()
}

#[test]
fn proposals_that_nobody_may_make_are_refused_and_leave_nothing() {
    let (mut hill, brook, space, mut session) = session();
    let before = hill.space(&space).unwrap().charter().clone();
    let decision = proposal(&hill, space, &Body::Promote(brook.school()));
    let id = decision.id();
    let with = |votes: Vec<Vote>| Voted { decision: decision.clone(), votes };
    let lies = vec![
        // A contributor proposes.
        with(vec![Vote::sign(id, brook.school(), true, &device(2))]),
        // In the name of the steward, with another key.
        with(vec![Vote::sign(id, hill.school(), true, &device(2))]),
        // Without any vote, and with a no first.
        with(Vec::new()),
        with(vec![Vote::sign(id, hill.school(), false, &device(2))]),
        // A school that nobody knows.
        with(vec![Vote::sign(id, SchoolId([9; 32]), true, &device(9))]),
    ];
    let count = lies.len();
    let told = session.handle(Input::Message(Message::Proposals(lies)), &mut hill, Millis(10));
    assert_eq!(refused(&told), count, "{told:?}");
    assert_eq!(hill.space(&space).unwrap().charter(), &before);
    // For another place, or another space, they are passed over: they may only be late.
    let place = Place { space, number: 9, prev: id, ..Place::default() };
    let late = Decision::new(&place, &Body::Promote(brook.school())).unwrap();
    let late = Voted { votes: vec![Vote::sign(late.id(), brook.school(), true, &device(2))], decision: late };
    let told = session.handle(Input::Message(Message::Proposals(vec![late])), &mut hill, Millis(10));
    assert_eq!(refused(&told), 0, "{told:?}");
    assert_eq!(hill.space(&space).unwrap().charter(), &before);
}

#[test]
fn evidence_that_proves_nothing_cuts_nothing() {
    let (mut hill, brook, space, mut session) = session();
    let writer = brook.space(&space).unwrap().own_writer();
    // Two entries of brook's log, one of them signed by somebody else.
    let header = Header { seq: 0, prev: EntryId::default(), ..next_header(2, &brook, space) };
    let header = Header { record: Header::record_at(space, writer, 0), kind: EntryKind::Genesis, ..header };
    let (true_one, other) = (sign(2, header.clone(), b"a"), sign(3, Header { flags: 1, ..header }, b"b"));
    let forged = Fork::of(&true_one, &other).unwrap();
    let told = session.handle(Input::Message(Message::Forks(vec![forged])), &mut hill, Millis(10));
    assert_eq!(refused(&told), 1, "{told:?}");
    assert_eq!(hill.space(&space).unwrap().end(&writer), End::Open);
    // And a fork of a log that nobody enrolled.
    let header = next_header(7, &brook, space);
    let fork = Fork::of(&sign(7, header.clone(), b"a"), &sign(7, header, b"b")).unwrap();
    let told = session.handle(Input::Message(Message::Forks(vec![fork; 50])), &mut hill, Millis(10));
    assert_eq!(refused(&told), 50, "{told:?}");
    assert_eq!(hill.space(&space).unwrap().forks().count(), 0);
}

#[test]
fn later_and_back_dated_entries_of_the_removed_reach_nobody_through_anybody() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    share(&mut north, space, "Before");
    talk(&mut hill, &mut north, space);
    talk(&mut hill, &mut brook, space);
    hill.demote(space, north.school(), None).unwrap();
    hill.flush().unwrap();
    // Brook has not heard of it, and takes what the removed school goes on to write.
    share(&mut north, space, "Later");
    let late = sign(3, next_header(3, &north, space), b"not even a change");
    talk(&mut north, &mut brook, space);
    brook.admit(late, Millis(0)).unwrap();
    brook.flush().unwrap();
    let writer = north.space(&space).unwrap().own_writer();
    assert_eq!(brook.space(&space).unwrap().frontier().next(&writer), 3);
    // Then it hears of the removal: what is above the cut goes, and hill was never offered it.
    talk(&mut brook, &mut hill, space);
    for school in [&hill, &brook] {
        let held = school.space(&space).unwrap();
        assert_eq!(held.frontier().next(&writer), 1);
        assert_eq!(held.charter().resolved().role(&north.school()), None);
    }
    assert_eq!(hill.space(&space).unwrap().frontier(), brook.space(&space).unwrap().frontier());
    // Offered directly, with the clock set back as far as it goes: above the cut all the same.
    let header = Header { clock: staffroom_protocol::time::Timestamp(0), ..next_header(3, &brook, space) };
    assert_eq!(brook.admit(sign(3, header, b"back-dated"), Millis(0)), Err(Fault::AboveCut(writer)));
    // Its own sessions end without a word of why.
    let (said, ended) = talk(&mut north, &mut hill, space);
    assert!(said.iter().all(|message| matches!(message, Message::Hello(_) | Message::Bye(_))), "{said:?}");
    assert!(!ended.is_empty());
}
