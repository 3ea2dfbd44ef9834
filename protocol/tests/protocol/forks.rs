//! Logs with two histories (§2.4): proven, cut for everyone, the words set again, and cheap ever after.

use staffroom_protocol::replica::End;

use crate::schools::{admit, copy, pair, retitle, school, settle, share, talk, titles};

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
