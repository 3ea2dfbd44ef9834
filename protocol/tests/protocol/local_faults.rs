//! A fault of the library is this node's own (§2.3): it shows what it could merge last, refuses edits of that
//! record, keeps and passes on its entries, and tries again when it starts anew.

use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::{Catalogue, Record};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::id::RecordId;
use staffroom_protocol::planted::{Planted, plant_for_simulation};
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::replica::{Draft, Edit, EditFault};
use staffroom_protocol::time::Millis;

use crate::schools::{School, local, pair, school, share, talk};
use crate::support::{edits, line, text};

fn shown(school: &School, record: RecordId) -> Record {
    Catalogue(school.store()).record(&record).unwrap().unwrap()
}

fn change(record: RecordId, body: &str) -> Edit {
    Edit { record, fields: edits([("body", text(body))]), heads: None, author: "Ada Brook".to_owned() }
}

#[test]
fn a_library_that_fails_takes_one_record_from_its_editors_and_nothing_else() {
    let (mut hill, mut brook, space) = pair();
    let mut north = school(3);
    crate::schools::admit(&mut hill, &mut north, space).unwrap();
    let fields = Fields::from([("title".to_owned(), line("Starters")), ("body".to_owned(), text("Five questions."))]);
    let author = "Ada Hill".to_owned();
    let draft = Draft { space, kind: "note".to_owned(), fields, author, open: Some(true) };
    let note = hill.create(&draft, Millis(1)).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    brook.edit(&change(note, "Five short questions."), Millis(2)).unwrap();
    brook.flush().unwrap();

    plant_for_simulation(Some(Planted::LibraryFails));
    talk(&mut hill, &mut brook, space);
    let stuck = shown(&hill, note);
    assert_eq!(stuck.view.fields["body"], Value::Text("Five questions.".to_owned()), "the last good view, whole");
    assert_eq!((stuck.card.changes, stuck.card.line("title")), (2, "Starters"));
    assert!(stuck.card.local_fault.as_ref().is_some_and(|fault| fault.contains("stopped")), "{:?}", stuck.card);
    let refused = hill.edit(&change(note, "Five long questions."), Millis(3));
    assert!(matches!(refused, Err(EditFault::Document(_))), "{refused:?}");
    assert!(!hill.is_staged());
    // Everything else goes on, and what it cannot merge still travels.
    let other = share(&mut hill, space, "Fractions as division");
    assert_eq!(shown(&hill, other).card.local_fault, None);
    talk(&mut hill, &mut north, space);
    assert_eq!(hill.space(&space).unwrap().frontier(), north.space(&space).unwrap().frontier());
    assert_eq!(shown(&north, other), shown(&hill, other));

    // A start with a program that can merge it shows it whole.
    plant_for_simulation(None);
    for (n, school) in [(1, hill), (3, north)] {
        let again = Replica::open(school.store().clone(), local(n), Entropy::from_seed([n; 32])).unwrap();
        let merged = shown(&again, note);
        assert_eq!(merged.view.fields["body"], Value::Text("Five short questions.".to_owned()));
        assert_eq!(merged.card.local_fault, None);
    }
}

#[test]
fn getting_ready_for_an_edit_changes_nothing_whatever_the_library_does() {
    let (mut hill, _, space) = pair();
    let body = text(&"Cut it in two. ".repeat(1_000));
    let fields = Fields::from([("title".to_owned(), line("Fractions")), ("body".to_owned(), body)]);
    let (kind, author) = ("note".to_owned(), "Ada Hill".to_owned());
    let record = hill.create(&Draft { space, kind, fields, author, open: None }, Millis(1)).unwrap();
    hill.flush().unwrap();
    let before = shown(&hill, record);
    for fault in [None, Some(Planted::LibraryFails)] {
        plant_for_simulation(fault);
        assert_eq!(hill.expect_change(&record), Ok(()));
        assert_eq!(hill.expect_change(&RecordId([9; 32])), Ok(()));
        assert!(!hill.is_staged());
        assert_eq!(shown(&hill, record), before);
    }
    plant_for_simulation(None);
    assert_eq!(hill.edit(&change(record, "Cut it in three."), Millis(3)), Ok(true));
}
