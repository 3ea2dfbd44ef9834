//! Logs with two histories (§2.4): proven, cut for everyone, the words set again, and cheap ever after.

use std::collections::BTreeSet;

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::{RecordId, SpaceId, WriterId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::End;

use crate::schools::{School, admit, copy, pair, retitle, school, settle, share, talk, titles};

#[test]
fn two_clones_that_both_write_lose_nothing_and_cost_a_hello_ever_after() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    let before = share(&mut north, space, "Before it was copied");
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let writer = north.space(&space).unwrap().own_writer();
    let mut clone = copy(&north, 3);
    // Both write: at hill one history comes first, at brook the other.
    share(&mut north, space, "Of the first machine");
    retitle(&mut north, before, "Before it was copied, and then changed");
    share(&mut clone, space, "Of its copy");
    talk(&mut north, &mut hill, space);
    talk(&mut clone, &mut brook, space);
    let bytes = settle(&mut [&mut hill, &mut brook, &mut north], space);
    for school in [&hill, &brook, &north] {
        let held = school.space(&space).unwrap();
        assert_eq!(held.end(&writer), End::Fork(1), "what was before stands");
        assert_eq!(held.forks().count(), 1);
        assert_eq!(held.frontier(), hill.space(&space).unwrap().frontier());
    }
    let expected = ["Before it was copied, and then changed", "Of its copy", "Of the first machine"];
    for school in [&hill, &brook, &north] {
        assert_eq!(titles(school, space), expected, "restated under a new writer");
    }
    assert_eq!(north.space(&space).unwrap().staged_frontier().next(&north.space(&space).unwrap().own_writer()), 3);
    assert!(bytes < 3 * 400, "{bytes} bytes for three pairs with nothing new");
    let again: usize = (0..100).map(|_| settle(&mut [&mut hill, &mut brook], space)).max().unwrap();
    assert!(again < 400, "{again} bytes for each of a hundred meetings");
}

#[test]
fn two_clones_that_both_run_on_do_not_answer_each_other_without_end() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let mut clone = copy(&north, 3);
    share(&mut north, space, "Of the first machine");
    share(&mut clone, space, "Of its copy");
    let mut last = 0;
    for round in 0..12 {
        talk(&mut north, &mut hill, space);
        talk(&mut clone, &mut brook, space);
        talk(&mut hill, &mut brook, space);
        let entries = hill.space(&space).unwrap().frontier().entries();
        assert!(round < 8 || entries == last, "{entries} entries in round {round}, {last} before");
        last = entries;
    }
    assert!(last < 20, "{last} entries");
}

/// Where a log ends at a school, and how far it holds it.
fn ends(school: &School, space: SpaceId, writer: &WriterId) -> (End, u64) {
    let held = school.space(&space).unwrap();
    (held.end(writer), held.frontier().next(writer))
}

#[test]
fn of_three_histories_the_lowest_fork_counts_everywhere() {
    let (mut hill, mut brook, space) = pair();
    let (mut north, mut mill) = (school(3), school(4));
    admit(&mut hill, &mut north, space).unwrap();
    admit(&mut hill, &mut mill, space).unwrap();
    share(&mut north, space, "Before it was copied");
    settle(&mut [&mut hill, &mut brook, &mut north, &mut mill], space);
    let writer = north.space(&space).unwrap().own_writer();
    let mut third = copy(&north, 3);
    share(&mut north, space, "Of the first two");
    let mut second = copy(&north, 3);
    share(&mut north, space, "Of the first");
    share(&mut second, space, "Of the second");
    share(&mut third, space, "Of the third");
    talk(&mut north, &mut hill, space);
    talk(&mut second, &mut brook, space);
    talk(&mut third, &mut mill, space);
    // Hill and brook know of the higher fork, mill holds the third history; each holds two entries.
    settle(&mut [&mut hill, &mut brook], space);
    assert_eq!(ends(&hill, space, &writer), (End::Fork(2), 2));
    assert_eq!(ends(&mill, space, &writer), (End::Open, 2));
    settle(&mut [&mut hill, &mut mill], space);
    assert_eq!(ends(&hill, space, &writer), (End::Fork(1), 1));
    assert_eq!(ends(&mill, space, &writer), (End::Fork(1), 1));
}

/// The values that a record's title has, what shows first.
fn all_titles(school: &School, record: RecordId) -> BTreeSet<String> {
    let view = Catalogue(school.store()).record(&record).unwrap().unwrap().view;
    let beside = view.conflicts.get("title").into_iter().flatten();
    view.fields.get("title").into_iter().chain(beside).filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn words_set_again_do_not_write_over_what_others_said_at_the_same_time() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    let record = share(&mut hill, space, "Fractions");
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let mut clone = copy(&north, 3);
    // On top of what north's machine wrote, and its copy contradicts, brook writes; hill has seen neither.
    retitle(&mut north, record, "Fractions, by north");
    talk(&mut north, &mut brook, space);
    retitle(&mut brook, record, "Fractions, by brook");
    retitle(&mut hill, record, "Fractions, by hill");
    share(&mut clone, space, "Of the copy");
    talk(&mut clone, &mut hill, space);
    settle(&mut [&mut hill, &mut brook], space);
    for school in [&hill, &brook] {
        let titles = all_titles(school, record);
        assert!(titles.contains("Fractions, by hill"), "{titles:?}");
        assert!(titles.contains("Fractions, by brook"), "{titles:?}");
    }
}

#[test]
fn what_others_wrote_in_a_record_goes_with_it_where_its_log_forks() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let mut clone = copy(&north, 3);
    let record = share(&mut north, space, "Fractions");
    talk(&mut north, &mut brook, space);
    retitle(&mut brook, record, "Fractions, by brook");
    talk(&mut north, &mut brook, space);
    share(&mut clone, space, "Of the copy");
    talk(&mut clone, &mut hill, space);
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    for school in [&hill, &brook, &north] {
        assert!(titles(school, space).contains(&"Fractions, by brook".to_owned()), "{:?}", titles(school, space));
    }
}
