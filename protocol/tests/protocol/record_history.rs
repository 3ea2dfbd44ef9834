//! What each change did, what does not count and why, going back, ending a conflict.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use crate::schools::{School, next_header, pair, retitle, share, sign, talk};
use crate::support::{edits, line, text};
use proptest::{collection, prelude::*, sample::Index};
use staffroom_protocol::catalogue::{Catalogue, History};
use staffroom_protocol::id::{ChangeHash, RecordId};
use staffroom_protocol::log::{EntryKind, Header};
use staffroom_protocol::record::change::Change;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::history::{Difference, Piece, back_to, course, fields_at};
use staffroom_protocol::record::references::{self, Reference};
use staffroom_protocol::record::{Document, write_genesis};
use staffroom_protocol::replica::{Draft, Edit, Settle};
use staffroom_protocol::time::Millis;

fn slices(changes: &[Vec<u8>]) -> Vec<&[u8]> {
    changes.iter().map(Vec::as_slice).collect()
}

fn build(changes: &[Vec<u8>]) -> Document {
    Document::build(slices(changes)).unwrap()
}

fn hash(change: &[u8]) -> ChangeHash {
    Change::read(change).unwrap().header().hash
}

fn edit(changes: &[Vec<u8>], school: u8, set: &BTreeMap<String, Value>) -> Option<Vec<u8>> {
    build(changes).edit([school; 16], None, set).unwrap()
}

fn words(pieces: &[(&str, &str)]) -> Difference {
    let piece = |(removed, added): &(&str, &str)| Piece { removed: (*removed).into(), added: (*added).into() };
    Difference::Words { words: pieces.iter().map(piece).collect(), more: 0 }
}

#[test]
fn each_change_says_what_it_did_itself() {
    let start =
        edits([("kind", line("note")), ("title", line("Exit tickets")), ("body", text("They show who is lost."))]);
    let genesis = vec![write_genesis([1; 16], &start)];
    let ours = edits([("body", text("They show early who is lost.")), ("tags", Value::set(["maths"]))]);
    let theirs = edits([("body", text("They show who is stuck.")), ("title", line("")), ("cost", line("none"))]);
    let (ours, theirs) = (edit(&genesis, 2, &ours).unwrap(), edit(&genesis, 3, &theirs).unwrap());
    let both = [genesis, vec![ours, theirs]].concat();
    let last = edit(&both, 2, &edits([("tags", Value::set(["science"]))])).unwrap();
    let all = [both, vec![last]].concat();
    let course = course(&slices(&all)).unwrap();
    assert_eq!(course.steps[0]["body"], words(&[("", "They show who is lost.")]));
    let whole = |before: Option<&str>, after: Option<&str>| Difference::Whole {
        before: before.map(line),
        after: after.map(line),
    };
    let members = |added: &[&str], removed: &[&str]| {
        let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
        Difference::Members { added: own(added), removed: own(removed), moved: Vec::new() }
    };
    let step = |all: &[(&str, Difference)]| -> BTreeMap<String, Difference> {
        all.iter().map(|(name, difference)| ((*name).to_owned(), difference.clone())).collect()
    };
    assert_eq!(course.steps[1], step(&[("body", words(&[("", "early ")])), ("tags", members(&["maths"], &[]))]));
    let theirs = [
        ("body", words(&[("lost", "stuck")])),
        ("cost", whole(None, Some("none"))),
        ("title", whole(Some("Exit tickets"), None)),
    ];
    assert_eq!(course.steps[2], step(&theirs));
    // What the merge brought is not said to be the next one's doing.
    assert_eq!(course.steps[3], step(&[("tags", members(&["science"], &["maths"]))]));
    assert_eq!(fields_at(&slices(&all), &[hash(&all[1])]).unwrap()["body"], text("They show early who is lost."));
}

#[test]
fn what_moved_in_a_collection_is_told_as_moved() {
    let list = |before: &BTreeMap<String, String>, all: &[(&str, &str)]| {
        let wanted = all.iter().map(|(id, line)| Reference { id: (*id).to_owned(), line: (*line).to_owned() });
        references::arrange(before, &wanted.collect::<Vec<_>>())
    };
    let before = list(&BTreeMap::new(), &[("a", "first"), ("b", ""), ("c", "last")]);
    let after = list(&before, &[("c", "last"), ("a", "first"), ("d", "new")]);
    let records = |map: &BTreeMap<String, String>| ("records", Value::Extra(map.clone()));
    let genesis = vec![write_genesis([1; 16], &edits([("kind", line("collection")), records(&before)]))];
    let change = edit(&genesis, 2, &edits([records(&after)])).unwrap();
    let course = course(&slices(&[genesis, vec![change]].concat())).unwrap();
    let own = |text: &str| vec![text.to_owned()];
    let told = Difference::Members { added: own("d new"), removed: own("b"), moved: own("c last") };
    assert_eq!(course.steps[1]["records"], told);
}

#[test]
fn what_is_told_of_a_long_text_is_bounded() {
    let old: String = (0..400).map(|n| format!("line {n}\n")).collect();
    let genesis = vec![write_genesis([1; 16], &edits([("kind", line("note")), ("body", text(&old))]))];
    let new = old.replace('7', "seven").replace("line 0\n", &"é".repeat(900));
    let change = edit(&genesis, 2, &edits([("body", text(&new))])).unwrap();
    let course = course(&slices(&[genesis, vec![change]].concat())).unwrap();
    let Difference::Words { words, more } = &course.steps[1]["body"] else { panic!("words") };
    assert_eq!((words.len(), *more > 20), (20, true));
    assert_eq!(words[0].added.chars().count(), 201);
}

fn any_edit() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let field = prop_oneof![
        3 => "[a-c]{0,2}".prop_map(|l| ("title", Value::Line(l))),
        4 => "(The|first|second| |\n|é|[a-c]){0,12}".prop_map(|t| ("body", Value::Text(t))),
        3 => collection::vec("[a-d]", 0..4).prop_map(|m| ("tags", Value::set(m))),
        1 => collection::btree_map("[ab]", "[0-9]", 0..3).prop_map(|e| ("extra", Value::Extra(e))),
    ];
    collection::vec(field, 1..4).prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A change and all that it builds on, in the order given.
fn past(changes: &[Vec<u8>], of: usize) -> Vec<Vec<u8>> {
    let headers: Vec<_> = changes.iter().map(|bytes| Change::read(bytes).unwrap().header().clone()).collect();
    let mut wanted = BTreeSet::from([headers[of].hash]);
    for header in headers.iter().rev() {
        if wanted.contains(&header.hash) {
            wanted.extend(&header.deps);
        }
    }
    (0..changes.len()).filter(|at| wanted.contains(&headers[*at].hash)).map(|at| changes[at].clone()).collect()
}

/// Fields with the members of sets in one order: going back brings members back at the end.
fn sorted(fields: &Fields) -> Fields {
    let mut fields = fields.clone();
    for value in fields.values_mut() {
        if let Value::Set(members) = value {
            members.sort();
        }
    }
    fields
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_version_is_what_its_past_alone_makes_and_can_be_brought_back(
        acts in collection::vec((2u8..5, any::<Index>(), any_edit()), 1..14),
        back in any::<Index>(),
    ) {
        let genesis = write_genesis([1; 16], &edits([("kind", line("note")), ("body", text("The first line."))]));
        let mut changes = vec![genesis];
        for (school, from, set) in &acts {
            // Each school writes on from its own last change and from what it has taken in of others'.
            let own = (0..changes.len()).rev().find(|at| Change::read(&changes[*at]).unwrap().header().actor() == [*school; 16]);
            let mut base = past(&changes, from.index(changes.len()));
            for change in own.map(|own| past(&changes, own)).unwrap_or_default() {
                if !base.contains(&change) {
                    base.push(change);
                }
            }
            changes.extend(edit(&base, *school, set));
        }
        let all = slices(&changes);
        let course = course(&all).unwrap();
        prop_assert_eq!(course.steps.len(), changes.len());
        for (at, change) in changes.iter().enumerate() {
            let alone = build(&past(&changes, at));
            prop_assert_eq!(&fields_at(&all, &[hash(change)]).unwrap(), alone.fields());
        }
        let merged = build(&changes);
        for (field, values) in merged.conflicts() {
            let told: Vec<&Value> = course.conflicts[field].iter().map(|(value, _)| value).collect();
            prop_assert_eq!(told, values.iter().collect::<Vec<_>>());
            for (value, wrote) in &course.conflicts[field] {
                let after = fields_at(&all, &[hash(&changes[wrote.unwrap()])]).unwrap();
                prop_assert_eq!(after.get(field), Some(value));
            }
        }
        let then = fields_at(&all, &[hash(&changes[back.index(changes.len())])]).unwrap();
        let mut now = merged.clone();
        now.edit([9; 16], None, &back_to(merged.fields(), &then)).unwrap();
        prop_assert_eq!(sorted(now.fields()), sorted(&then));
    }
}

fn history(school: &School, record: RecordId) -> History {
    Catalogue(school.store()).history(&record).unwrap().unwrap()
}

#[test]
fn what_does_not_count_is_told_with_its_reason() {
    let (mut hill, mut brook, space) = pair();
    let draft = Draft {
        space,
        kind: "resource".to_owned(),
        fields: edits([("title", line("Fractions"))]),
        author: "Ada".to_owned(),
        open: None,
    };
    let record = hill.create(&draft, Millis(5)).unwrap();
    hill.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    let first = Catalogue(hill.store()).record(&record).unwrap().unwrap().history[0].change;
    assert!(history(&hill, record).not_in_force.is_empty());
    // The owner itself, with a program that breaks the rules, and a partner that may not write there.
    let header = |n: u8, holder: &School, change_seq: u32| Header {
        kind: EntryKind::Change,
        record,
        change_seq,
        ..next_header(n, holder, space)
    };
    let genesis = write_genesis(header(1, &hill, 1).actor(), &edits([("kind", line("note"))]));
    let mut base = build(&[genesis]);
    let by = header(2, &hill, 1);
    let theirs = base.edit(by.actor(), None, &edits([("title", line("Ours now"))])).unwrap().unwrap();
    for (n, change_seq, change) in [(2, 1, theirs.as_slice()), (1, 2, b"no change"), (1, 2, b"again"), (1, 3, &theirs)]
    {
        let entry = sign(n, header(n, &hill, change_seq), change);
        hill.admit(entry, Millis(9)).unwrap();
        hill.flush().unwrap();
    }
    let later = Header { kind: EntryKind::Unknown(9), ..header(1, &hill, 4) };
    hill.admit(sign(1, later, b""), Millis(9)).unwrap();
    hill.flush().unwrap();
    let told = history(&hill, record);
    assert_eq!(told.changes.len(), 1);
    assert_eq!(told.changes[0].version.change, first);
    let reasons: Vec<&str> = told.not_in_force.iter().map(|not| not.why.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "only the school that made the record may change it",
            "it breaks the rules for changes: it is not an Automerge chunk",
            "its school had written another change at its place before",
            "what was signed and what it says do not fit together",
            "this version of the program does not know what it asks for",
        ]
    );
}

#[test]
fn a_conflict_names_who_wrote_what_and_is_settled_for_all() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Fractions");
    talk(&mut hill, &mut brook, space);
    retitle(&mut hill, record, "Halves");
    retitle(&mut brook, record, "Quarters");
    talk(&mut hill, &mut brook, space);
    let (here, there) = (history(&hill, record), history(&brook, record));
    assert_eq!(here.conflicts, there.conflicts);
    let schools = here.conflicts["title"]
        .iter()
        .map(|(value, wrote)| (value.as_str().unwrap(), here.changes[wrote.unwrap()].version.school));
    assert_eq!(
        schools.collect::<BTreeMap<_, _>>(),
        BTreeMap::from([("Halves", hill.school()), ("Quarters", brook.school())])
    );
    let settled = Settle { record, field: "title".to_owned(), value: line("Halves"), author: "Bo".to_owned() };
    assert!(brook.settle(&settled, Millis(20)).unwrap());
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    for school in [&mut hill, &mut brook] {
        let told = history(school, record);
        assert!(told.conflicts.is_empty() && told.card.conflicts.is_empty());
        assert_eq!(told.card.line("title"), "Halves");
        assert!(!school.settle(&settled, Millis(21)).unwrap());
    }
    let bad = Settle { field: "nonsense".to_owned(), ..settled };
    assert!(hill.settle(&bad, Millis(22)).is_err());
}

#[test]
fn a_version_is_brought_back_as_a_new_change() {
    let (mut hill, mut brook, space) = pair();
    let record = share(&mut hill, space, "Fractions");
    let first = history(&hill, record).changes[0].version.change;
    retitle(&mut hill, record, "Halves");
    talk(&mut hill, &mut brook, space);
    let catalogue = Catalogue(brook.store());
    let then = catalogue.fields_at(&space, &record, &[first]).unwrap().unwrap();
    let now = catalogue.record(&record).unwrap().unwrap().view;
    assert_eq!(catalogue.fields_at(&space, &record, &[ChangeHash::default()]), Ok(None));
    let edit = Edit { record, fields: back_to(&now.fields, &then), heads: Some(now.heads), author: String::new() };
    assert!(brook.edit(&edit, Millis(30)).unwrap());
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    assert_eq!(history(&hill, record).card.line("title"), "Fractions");
    assert_eq!(history(&hill, record).changes.len(), 3);
}
