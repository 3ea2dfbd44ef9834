//! Stores that were put back or copied (§1.4): what partners know of our log counts, what we wrote since
//! goes on in another, and nobody hears of two histories.

use std::collections::BTreeSet;

use proptest::prelude::*;
use staffroom_protocol::charter::{Cut, LogCut};
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::replica::End;
use staffroom_protocol::store::MemoryStore;
use staffroom_protocol::sync::{Input, Mark, Message, Output};
use staffroom_protocol::time::Millis;

use crate::schools::{School, admit, copy, pair, retitle, school, session, settle, share, talk, titles};

/// Brook with its store of that day.
fn put_back(brook: &mut School, store: MemoryStore, life: u8) {
    *brook = staffroom_protocol::Replica::open(
        store,
        crate::schools::local(2),
        staffroom_protocol::entropy::Entropy::from_seed([life; 32]),
    )
    .unwrap();
}

fn agree(schools: &[&School], space: SpaceId) {
    for school in &schools[1..] {
        assert_eq!(school.space(&space).unwrap().frontier(), schools[0].space(&space).unwrap().frontier());
        assert_eq!(titles(school, space), titles(schools[0], space));
    }
}

fn forks(school: &School, space: SpaceId) -> usize {
    school.space(&space).unwrap().forks().count()
}

#[test]
fn a_store_put_back_that_wrote_first_takes_what_its_partner_knows_and_forks_nothing() {
    let (mut hill, mut brook, space) = pair();
    let monday = share(&mut brook, space, "Monday");
    talk(&mut hill, &mut brook, space);
    let yesterday = brook.store().clone();
    let writer = brook.space(&space).unwrap().own_writer();
    share(&mut brook, space, "Tuesday");
    talk(&mut hill, &mut brook, space);
    put_back(&mut brook, yesterday, 77);
    share(&mut brook, space, "Wednesday");
    retitle(&mut brook, monday, "Monday, looked at again");
    settle(&mut [&mut hill, &mut brook], space);
    share(&mut brook, space, "Thursday");
    settle(&mut [&mut hill, &mut brook], space);
    agree(&[&hill, &brook], space);
    assert_eq!(titles(&hill, space), ["Monday, looked at again", "Thursday", "Tuesday", "Wednesday"]);
    assert_eq!((forks(&hill, space), forks(&brook, space)), (0, 0));
    assert_eq!(hill.space(&space).unwrap().end(&writer), End::Open, "its old log stands, to its end");
    assert_ne!(brook.space(&space).unwrap().own_writer(), writer);
    // It knows which writer it has when it is opened again.
    let now = brook.space(&space).unwrap().own_writer();
    let store = brook.store().clone();
    put_back(&mut brook, store, 78);
    assert_eq!(brook.space(&space).unwrap().own_writer(), now);
}

#[test]
fn a_store_put_back_that_wrote_nothing_takes_what_its_partner_knows() {
    let (mut hill, mut brook, space) = pair();
    let yesterday = brook.store().clone();
    share(&mut brook, space, "Monday");
    talk(&mut hill, &mut brook, space);
    put_back(&mut brook, yesterday, 77);
    let writer = brook.space(&space).unwrap().own_writer();
    settle(&mut [&mut hill, &mut brook], space);
    assert_ne!(brook.space(&space).unwrap().own_writer(), writer, "another partner may know more of the old log");
    share(&mut brook, space, "Tuesday");
    settle(&mut [&mut hill, &mut brook], space);
    agree(&[&hill, &brook], space);
    assert_eq!(titles(&hill, space), ["Monday", "Tuesday"]);
    assert_eq!(forks(&hill, space), 0);
}

#[test]
fn histories_that_parted_hundreds_of_entries_ago_meet_again() {
    for (lost, since) in [(300, 3), (3, 300), (300, 300), (1, 257), (257, 1)] {
        let (mut hill, mut brook, space) = pair();
        share(&mut brook, space, "Before");
        let yesterday = brook.store().clone();
        for n in 0..lost {
            share(&mut brook, space, &format!("Lost {n}"));
        }
        talk(&mut hill, &mut brook, space);
        put_back(&mut brook, yesterday, 77);
        for n in 0..since {
            share(&mut brook, space, &format!("Since {n}"));
        }
        settle(&mut [&mut hill, &mut brook], space);
        agree(&[&hill, &brook], space);
        assert_eq!(titles(&brook, space).len(), 1 + lost + since, "{lost} lost, {since} since");
        assert_eq!((forks(&hill, space), forks(&brook, space)), (0, 0));
    }
}

/// Brook told hill one thing, was put back, and told north another at the same place of its log.
fn told_apart() -> (School, School, School, SpaceId) {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let yesterday = brook.store().clone();
    share(&mut brook, space, "Told to hill");
    talk(&mut hill, &mut brook, space);
    put_back(&mut brook, yesterday, 77);
    share(&mut brook, space, "Told to north");
    talk(&mut north, &mut brook, space);
    (hill, brook, north, space)
}

#[test]
fn what_only_a_partner_had_comes_back_to_the_device_that_wrote_it() {
    let (mut hill, mut brook, mut north, space) = told_apart();
    // The two find out by themselves, and tell; what hill had is back before anybody asks.
    talk(&mut hill, &mut north, space);
    talk(&mut north, &mut brook, space);
    talk(&mut hill, &mut brook, space);
    let bytes = settle(&mut [&mut hill, &mut brook, &mut north], space);
    agree(&[&hill, &brook, &north], space);
    assert_eq!(titles(&north, space), ["Told to hill", "Told to north"]);
    assert_eq!(forks(&north, space), 1);
    assert!(bytes < 3 * 400, "nothing goes back twice: {bytes} bytes");
}

#[test]
fn what_was_said_again_is_not_said_once_more_when_the_log_turns_out_to_fork() {
    let (mut hill, mut brook, mut north, space) = told_apart();
    // It gives way to what hill knows, and says its words again; only then the two histories meet.
    talk(&mut hill, &mut brook, space);
    settle(&mut [&mut brook, &mut north, &mut hill], space);
    agree(&[&hill, &brook, &north], space);
    assert_eq!(titles(&north, space), ["Told to hill", "Told to north"]);
    assert_eq!(forks(&north, space), 1);
}

#[test]
fn a_copy_that_runs_beside_the_first_machine_goes_on_in_a_log_of_its_own() {
    let (mut hill, mut north, space) = pair();
    share(&mut north, space, "Before it was copied");
    talk(&mut hill, &mut north, space);
    let mut clone = copy(&north, 2);
    for n in 0..5 {
        share(&mut north, space, &format!("First machine {n}"));
        talk(&mut hill, &mut north, space);
        share(&mut clone, space, &format!("Copy {n}"));
        talk(&mut hill, &mut clone, space);
    }
    settle(&mut [&mut hill, &mut north], space);
    settle(&mut [&mut hill, &mut clone], space);
    settle(&mut [&mut hill, &mut north], space);
    agree(&[&hill, &north, &clone], space);
    assert_eq!(titles(&hill, space).len(), 11);
    assert_eq!(forks(&hill, space), 0);
    assert_eq!(hill.space(&space).unwrap().frontier().0.len(), 2, "each machine has one log, however often they meet");
}

#[test]
fn a_partner_that_only_claims_to_know_more_of_our_log_moves_nothing() {
    // The session is the one of hill, whose own log brook claims to know otherwise.
    let (mut hill, _, space, mut session) = session();
    share(&mut hill, space, "Of hill");
    let writer = hill.space(&space).unwrap().own_writer();
    let head = [9; 16];
    for next in [1, 2, u64::MAX] {
        let marks = vec![Mark { writer, next, head }];
        let said = session.handle(Input::Message(Message::Frontier(marks)), &mut hill, Millis(11));
        let bytes: usize = said.iter().filter(|output| matches!(output, Output::Send(Message::Entries(_)))).count();
        assert!(bytes <= 1, "{said:?}");
        assert_eq!(hill.space(&space).unwrap().own_writer(), writer);
    }
}

/// What happens to brook.
#[derive(Debug, Clone, Copy)]
enum Act {
    Write,
    MeetHill,
    MeetNorth,
    KeepCopy,
    PutBack,
    PartnersMeet,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    use Act::{KeepCopy, MeetHill, MeetNorth, PartnersMeet, PutBack, Write};
    let act = prop_oneof![
        4 => Just(Write), 2 => Just(MeetHill), 2 => Just(MeetNorth),
        1 => Just(KeepCopy), 1 => Just(PutBack), 1 => Just(PartnersMeet)
    ];
    prop::collection::vec(act, 1..40)
}

/// Plays acts; what brook holds before all meet, and all three afterwards.
fn play(acts: &[Act], always_meet: bool) -> (BTreeSet<String>, BTreeSet<String>, [School; 3], SpaceId) {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let (mut day, mut life) = (brook.store().clone(), 50);
    // What the model says: titles in brook's store, in the copy of it, and known to partners.
    let (mut here, mut kept, mut known) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::<String>::new());
    for (n, act) in acts.iter().enumerate() {
        let partner = match act {
            Act::Write => {
                let title = format!("Lesson {n}");
                share(&mut brook, space, &title);
                here.insert(title);
                continue;
            }
            Act::KeepCopy => {
                day = brook.store().clone();
                kept.clone_from(&here);
                continue;
            }
            Act::PutBack => {
                life += 1;
                put_back(&mut brook, day.clone(), life);
                here.clone_from(&kept);
                continue;
            }
            Act::PartnersMeet => {
                talk(&mut hill, &mut north, space);
                continue;
            }
            Act::MeetHill => &mut hill,
            Act::MeetNorth => &mut north,
        };
        talk(partner, &mut brook, space);
        known.extend(here.iter().cloned());
        if always_meet {
            settle(&mut [&mut hill, &mut north], space);
            here.extend(known.iter().cloned());
        }
    }
    known.extend(here.iter().cloned());
    settle(&mut [&mut brook, &mut hill, &mut north], space);
    settle(&mut [&mut brook, &mut hill, &mut north], space);
    (here, known, [brook, hill, north], space)
}

/// Ends the logs that fork where they stand, as `share school end-fork` does.
fn end_forks(school: &mut School, space: SpaceId) {
    let held = school.space(&space).unwrap();
    let frontier = held.frontier();
    let end = |writer| LogCut { writer, cut: Cut { next: frontier.next(&writer), head: frontier.head(&writer) } };
    let ends: Vec<LogCut> = held.forks().map(|fork| end(fork.place().1)).collect();
    for end in ends {
        school.retire(space, end).unwrap();
        school.flush().unwrap();
    }
}

/// What is shown. Each is there once, and may be there once more for each time that a store came back in
/// which it waited to be told: it cannot know that it was said again since.
fn distinct(school: &School, space: SpaceId, acts: &[Act]) -> BTreeSet<String> {
    let shown = titles(school, space);
    let back = acts.iter().filter(|act| matches!(act, Act::PutBack)).count();
    for title in &shown {
        assert!(shown.iter().filter(|other| *other == title).count() <= 1 + back, "{shown:?}");
    }
    shown.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Partners that know the same: nothing that any of them was told is lost, and no log ever forks.
    #[test]
    fn nothing_is_lost_and_nothing_forks(acts in acts()) {
        let (_, known, schools, space) = play(&acts, true);
        agree(&schools.each_ref(), space);
        prop_assert_eq!(distinct(&schools[0], space, &acts), known);
        prop_assert_eq!(forks(&schools[1], space), 0);
    }

    /// Partners that know different histories: a fork may be real. All agree, and what this store still
    /// had is there, at the latest when its school has ended the forks.
    #[test]
    fn what_the_store_had_is_there_whatever_partners_were_told(acts in acts()) {
        let (here, known, mut schools, space) = play(&acts, false);
        agree(&schools.each_ref(), space);
        end_forks(&mut schools[0], space);
        settle(&mut schools.each_mut(), space);
        agree(&schools.each_ref(), space);
        prop_assert_eq!(forks(&schools[1], space), 0);
        let shown = distinct(&schools[0], space, &acts);
        prop_assert!(here.is_subset(&shown), "{:?} of {:?}", shown, here);
        prop_assert_eq!(shown, known);
    }
}

/// Three times put back to the day before it wrote anything, between partners that were told different
/// things: what only Hillside was told comes back the third time too.
#[test]
fn what_came_back_once_comes_back_again() {
    use Act::{MeetHill, MeetNorth, PartnersMeet, PutBack, Write};
    let acts = [Write, MeetHill, PutBack, Write, MeetNorth, MeetHill, PutBack, PartnersMeet, MeetHill, PutBack];
    let (_, known, mut schools, space) = play(&acts, false);
    end_forks(&mut schools[0], space);
    settle(&mut schools.each_mut(), space);
    assert_eq!(distinct(&schools[0], space, &acts), known);
}
