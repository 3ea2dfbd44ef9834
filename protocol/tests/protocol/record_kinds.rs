//! Kinds: what each needs, what people call it, who may edit it, what is about what.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use crate::schools::{School, pair, share, talk};
use crate::support::{edits, line, text};
use proptest::{collection, prelude::*};
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::{RecordId, SpaceId};
use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::kind::{self, Invalid, KINDS, Kind};
use staffroom_protocol::record::references::{self, Reference};
use staffroom_protocol::record::{Document, Fields, write_genesis};
use staffroom_protocol::replica::{Draft, Edit, EditFault};
use staffroom_protocol::time::Millis;

/// The table of the design: kind, fields of its own, states, open to every school. Files may go with all
/// that staff write at length, not with resources, notes and events alone.
const TABLE: &[(&str, &str, &str, bool)] = &[
    ("resource", "body attachments resource_type time_required focus", "draft published superseded withdrawn", false),
    (
        "note",
        "body attachments question citation method context finding limits evidence cost",
        "draft published withdrawn",
        true,
    ),
    (
        "event",
        "programme attachments form start end place link host capacity",
        "tentative confirmed cancelled held",
        false,
    ),
    ("idea", "body attachments", "open taken_up closed", true),
    ("tip", "body week attachments", "draft scheduled published", false),
    ("collection", "body records attachments", "draft published withdrawn", false),
    ("comment", "about body", "posted withdrawn", false),
    (
        "tried",
        "about context what_happened baseline result would_use_again attachments",
        "draft shared retracted",
        false,
    ),
    ("sign-up", "about name role topic minutes", "asked confirmed waiting withdrawn", false),
    ("school", "phase place web_address contact strengths needs addresses body", "", false),
];

#[test]
fn kinds_are_those_of_the_table() {
    assert_eq!(KINDS.len(), TABLE.len());
    for (kind, (name, fields, states, open)) in KINDS.iter().zip(TABLE) {
        assert_eq!((kind.name, kind.open), (*name, *open));
        assert_eq!(kind.own_fields.iter().map(|field| field.name).collect::<Vec<_>>().join(" "), *fields, "{name}");
        assert_eq!(kind.states.iter().map(|state| state.replace(' ', "_")).collect::<Vec<_>>().join(" "), *states);
        assert!(kind.needs.iter().chain(&kind.body).all(|field| kind.field(field).is_some()), "{name}");
        assert!(kind.field(kind.titled_by).is_some() && kind.shared_state.is_none_or(|s| kind.states.contains(&s)));
    }
}

/// The least that a record of a kind can be.
fn least(kind: &Kind) -> Fields {
    let value = |name: &&str| match *name {
        "body" | "what_happened" => text("Words"),
        _ => line("words"),
    };
    kind.needs.iter().map(|name| ((*name).to_owned(), value(name))).collect()
}

#[test]
fn nothing_can_be_without_what_it_needs() {
    for kind in KINDS {
        let fields = least(kind);
        assert_eq!(kind::check(kind, &fields), Ok(()), "{}", kind.name);
        for needed in kind.needs {
            let missing = Err(Invalid::Missing { kind: kind.name, field: needed });
            let mut without = fields.clone();
            without.remove(*needed);
            assert_eq!(kind::check(kind, &without), missing);
            assert_eq!(kind::check_edit(kind, &edits([(needed, line(""))])), missing);
        }
        assert_eq!(kind::check_edit(kind, &edits([("summary", line(""))])), Ok(()));
    }
}

#[test]
fn what_has_no_title_is_called_by_its_beginning() {
    let comment = |body: &str| kind::title("comment", &edits([("body", text(body))]));
    assert_eq!(comment("\n## Worked well\n\nWith Year 8."), "Worked well");
    assert_eq!(comment(&"word ".repeat(40)).chars().count(), 61);
    assert_eq!(kind::title("comment", &edits([("title", line("Own")), ("body", text("Words"))])), "Own");
    assert_eq!(kind::title("sign-up", &edits([("name", line("B. Ahmed"))])), "B. Ahmed");
    assert_eq!(kind::title("resource", &edits([("body", text("Words"))])), "");
    assert_eq!(kind::title("a later kind", &edits([("body", text("Words"))])), "");
}

fn say(school: &mut School, space: SpaceId, about: RecordId, words: &str) -> RecordId {
    let fields = edits([("about", line(&about.to_string())), ("body", text(words))]);
    let draft = Draft { space, kind: "comment".to_owned(), fields, author: "Bo".to_owned(), open: None };
    let id = school.create(&draft, Millis(7)).unwrap();
    school.flush().unwrap();
    id
}

fn about(school: &School, record: RecordId) -> Vec<String> {
    let catalogue = Catalogue(school.store());
    let card = catalogue.card(&record).unwrap().unwrap();
    catalogue.about(&card).unwrap().iter().map(|card| card.line("title").to_owned()).collect()
}

#[test]
fn what_is_about_a_record_is_found_there_and_is_its_schools_alone() {
    let (mut hill, mut brook, space) = pair();
    let lesson = share(&mut hill, space, "Fractions");
    let other = share(&mut hill, space, "Ratio");
    talk(&mut hill, &mut brook, space);
    let first = say(&mut brook, space, lesson, "Worked well with Year 8.");
    talk(&mut hill, &mut brook, space);
    say(&mut hill, space, lesson, "Thank you.");
    talk(&mut hill, &mut brook, space);
    for school in [&mut hill, &mut brook] {
        assert_eq!(about(school, lesson), ["Worked well with Year 8.", "Thank you."]);
        school.rebuild().unwrap();
        school.flush().unwrap();
        assert_eq!(about(school, lesson), ["Worked well with Year 8.", "Thank you."]);
        assert!(about(school, other).is_empty());
    }
    let moved = |id: &RecordId| edits([("about", line(&id.to_string()))]);
    let edit = Edit { record: first, fields: moved(&other), heads: None, author: String::new() };
    assert!(matches!(hill.edit(&edit, Millis(8)), Err(EditFault::NotOwner(_))));
    assert!(brook.edit(&edit, Millis(8)).unwrap());
    talk(&mut hill, &mut brook, space);
    for school in [&hill, &brook] {
        assert_eq!((about(school, lesson), about(school, other)).0, ["Thank you."]);
        assert_eq!(about(school, other), ["Worked well with Year 8."]);
    }
    // In another space it is nothing that others can see, so it is not shown there.
    let own = brook.found("Elsewhere").unwrap();
    say(&mut brook, own, lesson, "Not for you.");
    assert_eq!(about(&brook, lesson), ["Thank you."]);
}

fn collection(ids: &[(&str, &str)], before: &BTreeMap<String, String>) -> Value {
    let wanted: Vec<Reference> =
        ids.iter().map(|(id, line)| Reference { id: (*id).to_owned(), line: (*line).to_owned() }).collect();
    Value::Extra(references::arrange(before, &wanted))
}

fn listed(document: &Document) -> Vec<Reference> {
    match document.fields().get("records") {
        Some(Value::Extra(map)) => references::read(map),
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// What both schools kept is there once, what either added is there, what either removed is gone; the
    /// order of each holds for what it did not have to merge.
    #[test]
    fn any_two_edits_of_a_collection_merge_by_record(
        start in 0usize..8,
        ours in collection::vec((0usize..8, any::<bool>()), 0..6),
        theirs in collection::vec((8usize..16, any::<bool>()), 0..6),
        removed in collection::btree_set(0usize..8, 0..3),
    ) {
        let names: Vec<String> = (0..16).map(|n| format!("record{n:02}")).collect();
        let first: Vec<(&str, &str)> = names[..start].iter().map(|name| (name.as_str(), "as it was")).collect();
        let nothing = BTreeMap::new();
        let genesis = write_genesis([9; 16], &edits([("kind", line("collection")), ("records", collection(&first, &nothing))]));
        let Value::Extra(before) = collection(&first, &nothing) else { unreachable!() };
        // Ours reorders, says other lines and removes; theirs adds, at the front or at the end.
        let mut mine = first.clone();
        for (at, front) in &ours {
            if *at < mine.len() {
                let (name, _) = mine.remove(*at);
                mine.insert(if *front { 0 } else { mine.len() }, (name, "said otherwise"));
            }
        }
        mine.retain(|(name, _)| !removed.iter().any(|n| names[*n] == *name));
        let mut their = first.clone();
        for (n, front) in &theirs {
            if !their.iter().any(|(name, _)| *name == names[*n]) {
                their.insert(if *front { 0 } else { their.len() }, (&names[*n], "new"));
            }
        }
        let document = |lists: &[(u8, &Vec<(&str, &str)>)]| {
            let mut changes = vec![genesis.clone()];
            for (school, list) in lists {
                let mut alone = Document::build([genesis.as_slice()]).unwrap();
                let edit = edits([("records", collection(list, &before))]);
                changes.extend(alone.edit([*school; 16], None, &edit).unwrap());
            }
            Document::build(changes.iter().map(Vec::as_slice)).unwrap()
        };
        let merged = listed(&document(&[(1, &mine), (2, &their)]));
        prop_assert_eq!(&merged, &listed(&document(&[(2, &their), (1, &mine)])));
        let there: BTreeSet<&str> = merged.iter().map(|one| one.id.as_str()).collect();
        let added = their.iter().filter(|(_, said)| *said == "new").map(|(name, _)| *name);
        let wanted: BTreeSet<&str> = mine.iter().map(|(name, _)| *name).chain(added).collect();
        prop_assert_eq!(there, wanted);
        prop_assert!(mine.iter().all(|(name, said)| merged.iter().any(|one| one.id == *name && one.line == *said)));
        let ours_alone: Vec<&str> =
            merged.iter().map(|one| one.id.as_str()).filter(|id| mine.iter().any(|(name, _)| name == id)).collect();
        prop_assert_eq!(ours_alone, mine.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
