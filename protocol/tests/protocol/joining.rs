//! A person confirms: from the first proof to the admission, and everything that may go wrong between.

use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Join, Redeemed, Redemption, Role, Ticket, Waiting, Words};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::time::Millis;

use crate::schools::{School, local, school};

const NOW: Millis = Millis(5);
const LATE: Millis = Millis(101);

/// A school with a cluster, and a ticket of its that asks.
fn asking() -> (School, SpaceId, Ticket) {
    let mut hill = school(1);
    let space = hill.found("The Brook Cluster").unwrap();
    let ticket = hill.invite_and_ask(space, Role::Contributor, Millis(100), Vec::new()).unwrap();
    hill.flush().unwrap();
    (hill, space, ticket)
}

/// Asks, compares and shows: what a joiner's screen says then.
fn ask(hill: &mut School, joiner: &mut School, ticket: &Ticket) -> Result<Words, Fault> {
    let redemption = joiner.redemption(ticket);
    let Redeemed::Compare(theirs) = hill.redeem(&redemption, joiner.device(), NOW)? else {
        panic!("admitted without a word")
    };
    hill.flush()?;
    let (ours, words) = joiner.compare(ticket, theirs)?;
    joiner.flush()?;
    hill.reveal(redemption.join.ticket, joiner.device(), ours, NOW)?;
    hill.flush()?;
    Ok(words)
}

/// The only one who waits.
fn waiting(hill: &School) -> Waiting {
    let mut all = hill.waiting(NOW).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The node starts anew over what is durable.
fn again(n: u8, replica: School) -> School {
    Replica::open(replica.into_store(), local(n), Entropy::from_seed([n + 100; 32])).unwrap()
}

#[test]
fn both_screens_show_the_same_and_a_person_admits() {
    let (mut hill, space, ticket) = asking();
    let mut brook = school(2);
    let words = ask(&mut hill, &mut brook, &ticket).unwrap();
    let waits = waiting(&hill);
    assert_eq!((waits.words, waits.school, waits.space), (Some(words), brook.school(), space));
    assert!(hill.waits(&waits.ticket));
    assert_eq!(hill.space(&space).unwrap().charter().resolved().members.len(), 1);

    hill.confirm(waits.ticket, NOW).unwrap();
    hill.flush().unwrap();
    assert!(!hill.waits(&waits.ticket));
    assert_eq!(hill.waiting(NOW), Ok(Vec::new()));
    assert_eq!(hill.confirm(waits.ticket, NOW), Err(Fault::Ticket));
    let answer = hill.redeem(&brook.redemption(&ticket), brook.device(), NOW);
    let Ok(Redeemed::Admitted(_, charter)) = answer else { panic!("not admitted: {answer:?}") };
    brook.join(&ticket, charter).unwrap();
    assert_eq!(hill.space(&space).unwrap().charter().resolved().role(&brook.school()), Some(Role::Contributor));
}

#[test]
fn asking_again_changes_nothing_whoever_starts_anew() {
    let (mut hill, _, ticket) = asking();
    let mut brook = school(2);
    assert_eq!(brook.shown(&ticket), None);
    let words = ask(&mut hill, &mut brook, &ticket).unwrap();
    for (hill_anew, brook_anew) in [(false, false), (true, false), (false, true), (true, true)] {
        hill = if hill_anew { again(1, hill) } else { hill };
        brook = if brook_anew { again(2, brook) } else { brook };
        assert_eq!((waiting(&hill).words, brook.shown(&ticket)), (Some(words), Some(words)));
        assert_eq!(ask(&mut hill, &mut brook, &ticket), Ok(words));
        assert!(!hill.is_staged() && !brook.is_staged(), "nothing is written twice");
    }
}

#[test]
fn a_ticket_that_a_school_waits_with_is_nobody_elses() {
    let (mut hill, _, ticket) = asking();
    let (mut brook, mut north) = (school(2), school(3));
    let words = ask(&mut hill, &mut brook, &ticket).unwrap();
    assert_eq!(ask(&mut hill, &mut north, &ticket), Err(Fault::Ticket));
    // Nor does the same school get another draw, with another number or from another place.
    let again = brook.redemption(&ticket);
    let commitment = [9; 32];
    let (secret, device, school) = (&ticket.secret, brook.device(), brook.school());
    let proof = Ticket::proof(secret, ticket.space, ticket.device, device, school, &commitment);
    let redrawn = Redemption { join: Join { commitment, proof, ..again.join.clone() }, ..again.clone() };
    assert_eq!(hill.redeem(&redrawn, device, NOW), Err(Fault::Ticket));
    assert_eq!(hill.redeem(&again, north.device(), NOW), Err(Fault::Ticket));
    assert_eq!(hill.reveal(again.join.ticket, north.device(), [9; 32], NOW), Err(Fault::Ticket));
    assert_eq!(waiting(&hill).words, Some(words));
}

#[test]
fn of_two_at_the_same_instant_the_first_has_the_ticket_once_that_is_durable() {
    for asks in [true, false] {
        let mut hill = school(1);
        let space = hill.found("The Brook Cluster").unwrap();
        let issue = if asks { School::invite_and_ask } else { School::invite };
        let ticket = issue(&mut hill, space, Role::Reader, Millis(100), Vec::new()).unwrap();
        hill.flush().unwrap();
        let (brook, north) = (school(2), school(3));
        // Both in one commit, which never comes about.
        assert!(hill.redeem(&brook.redemption(&ticket), brook.device(), NOW).is_ok());
        assert_eq!(hill.redeem(&north.redemption(&ticket), north.device(), NOW), Err(Fault::Ticket));
        let mut hill = again(1, hill);
        assert!(hill.redeem(&north.redemption(&ticket), north.device(), NOW).is_ok());
        assert_eq!(hill.redeem(&brook.redemption(&ticket), brook.device(), NOW), Err(Fault::Ticket));
        hill.flush().unwrap();
        let mut hill = again(1, hill);
        assert_eq!(hill.redeem(&brook.redemption(&ticket), brook.device(), NOW), Err(Fault::Ticket));
    }
}

#[test]
fn a_number_that_was_not_committed_to_is_refused() {
    let (mut hill, _, ticket) = asking();
    let brook = school(2);
    let redemption = brook.redemption(&ticket);
    hill.redeem(&redemption, brook.device(), NOW).unwrap();
    hill.flush().unwrap();
    for guess in [[0; 32], [7; 32], redemption.join.commitment] {
        assert_eq!(hill.reveal(redemption.join.ticket, brook.device(), guess, NOW), Err(Fault::Ticket));
    }
    let waits = waiting(&hill);
    assert_eq!(waits.words, None);
    // Nobody is admitted whose words nobody has seen.
    assert_eq!(hill.confirm(waits.ticket, NOW), Err(Fault::Ticket));
}

#[test]
fn a_joiner_hears_one_number_for_a_ticket() {
    let (mut hill, _, ticket) = asking();
    let mut brook = school(2);
    let words = ask(&mut hill, &mut brook, &ticket).unwrap();
    assert!(brook.compare(&ticket, [9; 32]).is_err());
    let mut brook = again(2, brook);
    assert!(brook.compare(&ticket, [9; 32]).is_err());
    assert_eq!(ask(&mut hill, &mut brook, &ticket), Ok(words));
    // A ticket that somebody in between has made out of this one is another ticket.
    let middle = local(4);
    let other = Ticket { device: middle.device.public(), school: middle.school, ..ticket };
    let (_, drawn) = brook.compare(&other, [9; 32]).unwrap();
    assert_ne!(drawn, words);
}

#[test]
fn who_is_refused_stays_refused_and_the_ticket_with_it() {
    let (mut hill, space, ticket) = asking();
    let (mut brook, mut north) = (school(2), school(3));
    ask(&mut hill, &mut brook, &ticket).unwrap();
    let waits = waiting(&hill);
    hill.refuse(waits.ticket).unwrap();
    hill.flush().unwrap();
    assert_eq!(hill.waiting(NOW), Ok(Vec::new()));
    for joiner in [&mut brook, &mut north] {
        assert_eq!(ask(&mut hill, joiner, &ticket), Err(Fault::Ticket));
    }
    assert_eq!(hill.confirm(waits.ticket, NOW), Err(Fault::Ticket));
    assert_eq!(hill.refuse(waits.ticket), Err(Fault::Ticket));
    assert_eq!(hill.space(&space).unwrap().charter().resolved().members.len(), 1);
}

#[test]
fn a_ticket_that_was_used_is_no_way_back_for_who_was_removed() {
    let (mut hill, space, ticket) = asking();
    let mut brook = school(2);
    ask(&mut hill, &mut brook, &ticket).unwrap();
    hill.confirm(waiting(&hill).ticket, NOW).unwrap();
    hill.flush().unwrap();
    assert!(matches!(hill.redeem(&brook.redemption(&ticket), brook.device(), NOW), Ok(Redeemed::Admitted(..))));
    hill.demote(space, brook.school(), None).unwrap();
    hill.flush().unwrap();
    assert_eq!(hill.redeem(&brook.redemption(&ticket), brook.device(), NOW), Err(Fault::Ticket));
    assert_eq!(hill.waiting(NOW), Ok(Vec::new()));
}

#[test]
fn waiting_ends_with_the_ticket() {
    let (mut hill, _, ticket) = asking();
    let mut brook = school(2);
    ask(&mut hill, &mut brook, &ticket).unwrap();
    let waits = waiting(&hill);
    let theirs = hill.redeem(&brook.redemption(&ticket), brook.device(), NOW);
    let Ok(Redeemed::Compare(theirs)) = theirs else { panic!("it waits: {theirs:?}") };
    let (ours, _) = brook.compare(&ticket, theirs).unwrap();
    assert_eq!(hill.reveal(waits.ticket, brook.device(), ours, LATE), Err(Fault::Ticket));
    assert_eq!(hill.waiting(LATE), Ok(Vec::new()));
    assert_eq!(hill.confirm(waits.ticket, LATE), Err(Fault::Ticket));
    assert_eq!(hill.redeem(&brook.redemption(&ticket), brook.device(), LATE), Err(Fault::Ticket));
}

#[test]
fn an_acceptance_of_another_role_does_not_take_the_ticket() {
    let (mut hill, _, ticket) = asking();
    let mut brook = school(2);
    let altered = Ticket { role: Role::Reader, ..ticket.clone() };
    assert_eq!(ask(&mut hill, &mut brook, &altered), Err(Fault::Ticket));
    assert!(ask(&mut hill, &mut brook, &ticket).is_ok());
}

#[test]
fn what_a_school_calls_itself_is_bounded() {
    let (_, _, ticket) = asking();
    let redemption = school(2).redemption(&ticket);
    let named = |name: String| Join::parse(&Join { name, ..redemption.join.clone() }.to_bytes());
    assert!(named("é".repeat(100)).is_ok());
    assert!(matches!(named("é".repeat(101)), Err(Fault::TooLarge { .. })));
}
