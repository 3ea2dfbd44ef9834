//! Words of a third school that rested on what a cut took away (§3.6): its own node says them again.

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::{RecordId, SpaceId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{Edit, End};
use staffroom_protocol::time::Millis;

use crate::schools::{School, admit, pair, retitle, school, settle, share, talk, titles};

fn summarise(school: &mut School, record: RecordId, summary: &str) {
    let fields = [("summary".to_owned(), Value::Line(summary.to_owned()))].into();
    let edit = Edit { record, fields, heads: None, author: "Nina North".to_owned() };
    assert!(school.edit(&edit, Millis(7)).unwrap());
    school.flush().unwrap();
}

/// Title and summary, how many changes count, and how many do not.
fn shown(school: &School, record: RecordId) -> (String, String, u32, u32) {
    let card = Catalogue(school.store()).card(&record).unwrap().unwrap();
    (card.line("title").to_owned(), card.line("summary").to_owned(), card.changes, card.not_in_force)
}

/// Brook writes an open record and changes it; only north hears of the change, and builds on it. Hill
/// removes brook as it knows it.
fn cut_below_the_words_of_north(brook_owns: bool) -> (School, School, SpaceId, RecordId) {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    admit(&mut hill, &mut north, space).unwrap();
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    let record = share(if brook_owns { &mut brook } else { &mut hill }, space, "Plan");
    share(&mut brook, space, "Something else");
    settle(&mut [&mut hill, &mut brook, &mut north], space);
    retitle(&mut brook, record, "Plan, that nobody but north has seen");
    talk(&mut brook, &mut north, space);
    summarise(&mut north, record, "What north found out");
    hill.demote(space, brook.school(), None).unwrap();
    hill.flush().unwrap();
    (hill, north, space, record)
}

#[test]
fn a_third_school_s_words_on_a_cut_change_are_said_again_by_its_own_node() {
    for brook_owns in [true, false] {
        let (mut hill, mut north, space, record) = cut_below_the_words_of_north(brook_owns);
        talk(&mut hill, &mut north, space);
        talk(&mut hill, &mut north, space);
        for school in [&hill, &north] {
            let (title, summary, changes, _) = shown(school, record);
            assert_eq!((title.as_str(), summary.as_str()), ("Plan", "What north found out"));
            assert_eq!(changes, 2, "the genesis, and north's words once");
        }
        assert_eq!(hill.space(&space).unwrap().frontier(), north.space(&space).unwrap().frontier());
        assert_eq!(titles(&hill, space), ["Plan", "Something else"]);
        // Its log goes on: nothing of its own was cut.
        let own = north.space(&space).unwrap().own_writer();
        assert_eq!(north.space(&space).unwrap().end(&own), End::Open);
        // Told once more, it says nothing more.
        let (said, _) = talk(&mut hill, &mut north, space);
        assert_eq!(said.len(), 2, "one Hello each: {said:?}");
    }
}
