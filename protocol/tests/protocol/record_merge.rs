//! Edits of several schools merge to the same record, in whatever order they arrive.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{edits, line, text};
use proptest::{collection, prelude::*, sample::Index};
use staffroom_protocol::{
    id::{BlobId, ChangeHash},
    record::{
        change::{Change, Void},
        document::{Document, LocalFault},
        edit::EditFault,
        field::{BlobRef, Fields, Value},
        genesis::write_genesis,
        view::{View, ViewFault},
    },
};

/// The actor of a school's lane.
fn actor(school: u8, lane: u8) -> [u8; 16] {
    let mut actor = [school; 16];
    actor[15] = lane;
    actor
}

fn build(changes: &[Vec<u8>]) -> Document {
    Document::build(changes.iter().map(Vec::as_slice)).unwrap()
}

fn alone(genesis: &[u8]) -> Document {
    Document::build([genesis]).unwrap()
}

fn a_resource() -> Vec<u8> {
    let blob = BlobRef { id: BlobId([9; 32]), name: "a.png".into(), bytes: 7, media_type: "image/png".into() };
    write_genesis(
        actor(0, 0),
        &edits([
            ("kind", line("resource")),
            ("title", line("Fractions")),
            ("body", text("The first line.\nThe second line.\n")),
            ("tags", Value::set(["maths", "ks2"])),
            ("minutes", Value::Number(50)),
            ("attachments", Value::Blobs(vec![blob])),
            ("extra", Value::Extra([("week".to_owned(), "3".to_owned())].into())),
        ]),
    )
}

#[test]
fn an_edit_that_changes_nothing_makes_no_change() {
    let genesis = a_resource();
    let mut document = alone(&genesis);
    let all = document.fields().clone();
    assert_eq!(document.edit(actor(1, 0), None, &all), Ok(None));
    assert_eq!(document.edit(actor(1, 0), None, &edits([("absent", line(""))])), Ok(None));
    assert_eq!(document.edit(actor(1, 0), None, &edits([("tags", Value::set(["ks2", "maths"]))])), Ok(None));
}

#[test]
fn words_of_both_stand_after_edits_at_the_same_time() {
    let genesis = a_resource();
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let ours = here
        .edit(actor(1, 0), None, &edits([("body", text("The very first line.\nThe second line.\n"))]))
        .unwrap()
        .unwrap();
    let theirs = there
        .edit(actor(2, 0), None, &edits([("body", text("The first line.\nThe second line.\nA third.\n"))]))
        .unwrap()
        .unwrap();
    let merged = build(&[genesis, theirs, ours]);
    assert_eq!(merged.fields()["body"], text("The very first line.\nThe second line.\nA third.\n"));
    assert!(merged.conflicts().is_empty());
}

#[test]
fn what_others_add_stays_when_a_text_or_set_is_emptied() {
    let genesis = a_resource();
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let emptied = edits([("body", text("")), ("tags", Value::Set(vec![])), ("attachments", Value::Blobs(vec![]))]);
    let ours = here.edit(actor(1, 0), None, &emptied).unwrap().unwrap();
    assert!(!emptied.keys().any(|field| here.fields().contains_key(field)));
    let added = edits([
        ("body", text("The first line.\nThe second line.\nKeep me.\n")),
        ("tags", Value::set(["maths", "ks2", "new"])),
    ]);
    let theirs = there.edit(actor(2, 0), None, &added).unwrap().unwrap();
    let merged = build(&[genesis, ours, theirs]);
    assert_eq!(merged.fields()["body"], text("Keep me.\n"));
    assert_eq!(merged.fields()["tags"], Value::set(["new"]));
}

#[test]
fn sets_that_were_begun_at_the_same_time_are_one() {
    let genesis = write_genesis(actor(0, 0), &edits([("kind", line("note"))]));
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let ours = here.edit(actor(1, 0), None, &edits([("tags", Value::set(["a", "b"]))])).unwrap().unwrap();
    let theirs = there.edit(actor(2, 0), None, &edits([("tags", Value::set(["c", "b"]))])).unwrap().unwrap();
    let mut merged = build(&[genesis, ours, theirs]);
    assert_eq!(merged.fields()["tags"], Value::set(["a", "c", "b"]));
    merged.edit(actor(1, 0), None, &edits([("tags", Value::set(["c"]))])).unwrap().unwrap();
    assert_eq!(merged.fields()["tags"], Value::set(["c"]));
}

#[test]
fn a_conflict_stays_until_it_is_settled() {
    let genesis = a_resource();
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let ours = here.edit(actor(1, 0), None, &edits([("title", line("Halves"))])).unwrap().unwrap();
    let theirs = there.edit(actor(2, 0), None, &edits([("title", line("Quarters"))])).unwrap().unwrap();
    let changes = [genesis, ours, theirs];
    let merged = build(&changes);
    let shown = merged.fields()["title"].clone();
    let alternatives = merged.conflicts()["title"].clone();
    assert_eq!(alternatives.len(), 2);
    assert_eq!(alternatives[0], shown);
    for chosen in [alternatives[0].clone(), alternatives[1].clone(), line("Parts")] {
        let mut merged = build(&changes);
        let settled = merged.settle(actor(1, 0), "title", &chosen).unwrap().unwrap();
        assert_eq!(merged.fields()["title"], chosen);
        assert!(merged.conflicts().is_empty());
        assert_eq!(merged.settle(actor(1, 0), "title", &chosen), Ok(None));
        assert_eq!(build(&[&changes[..], &[settled]].concat()).fields(), merged.fields());
    }
}

#[test]
fn the_same_line_written_twice_is_no_conflict() {
    let genesis = a_resource();
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let title = edits([("title", line("Halves"))]);
    let ours = here.edit(actor(1, 0), None, &title).unwrap().unwrap();
    let theirs = there.edit(actor(2, 0), None, &title).unwrap().unwrap();
    assert!(build(&[genesis, ours, theirs]).conflicts().is_empty());
}

#[test]
fn texts_begun_at_the_same_time_are_shown_as_a_conflict_and_settled() {
    let genesis = write_genesis(actor(0, 0), &edits([("kind", line("note"))]));
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let ours = here.edit(actor(1, 0), None, &edits([("body", text("ours"))])).unwrap().unwrap();
    let theirs = there.edit(actor(2, 0), None, &edits([("body", text("theirs"))])).unwrap().unwrap();
    let mut merged = build(&[genesis, ours, theirs]);
    let both: BTreeSet<_> = merged.conflicts()["body"].iter().filter_map(Value::as_str).collect();
    assert_eq!(both, BTreeSet::from(["ours", "theirs"]));
    merged.settle(actor(2, 0), "body", &text("ours and theirs")).unwrap().unwrap();
    assert_eq!(merged.fields()["body"], text("ours and theirs"));
    assert!(merged.conflicts().is_empty());
}

#[test]
fn a_form_left_open_merges_with_what_came_in_between() {
    let genesis = a_resource();
    let mut document = alone(&genesis);
    let opened = document.heads();
    let between = edits([("body", text("The first line.\nThe second line.\nIn between.\n"))]);
    document.edit(actor(1, 0), None, &between).unwrap().unwrap();
    let form = edits([("body", text("The old first line.\nThe second line.\n")), ("title", line("Halves"))]);
    assert_eq!(document.edit(actor(1, 0), Some(&opened), &form), Err(EditFault::LaneTaken));
    let late = document.edit(actor(1, 1), Some(&opened), &form).unwrap().unwrap();
    assert_eq!(Change::read(&late).unwrap().header().deps, opened);
    assert_eq!(document.fields()["body"], text("The old first line.\nThe second line.\nIn between.\n"));
    assert_eq!(document.heads().len(), 2);
}

#[test]
fn heads_that_are_not_there_are_named() {
    let mut document = alone(&a_resource());
    let unknown = ChangeHash([7; 32]);
    let fault = document.edit(actor(1, 0), Some(&[unknown]), &edits([("title", line("x"))]));
    assert_eq!(fault, Err(EditFault::UnknownHead(unknown)));
}

#[test]
fn a_change_without_what_it_builds_on_is_named() {
    let genesis = a_resource();
    let mut document = alone(&genesis);
    let missing = document.heads()[0];
    let edit = document.edit(actor(1, 0), None, &edits([("title", line("Halves"))])).unwrap().unwrap();
    let fault = Void::Missing(missing);
    assert_eq!(Document::build([&edit[..]]).unwrap_err(), LocalFault::Void(fault.clone()));
    assert_eq!(View::of(&[&edit]).unwrap_err(), ViewFault::Void(fault.clone()));
    assert_eq!(View::of(&[&edit, &genesis]).unwrap_err(), ViewFault::Void(fault));
    assert_eq!(View::of(&[]).unwrap_err(), ViewFault::NoChanges);
}

#[test]
fn a_view_of_several_changes_is_the_documents() {
    let genesis = a_resource();
    let mut document = alone(&genesis);
    let edit = document.edit(actor(1, 0), None, &edits([("title", line("Halves"))])).unwrap().unwrap();
    let view = View::of(&[&genesis, &edit]).unwrap();
    assert_eq!(view, View::from(&document));
    assert_eq!((view.kind.as_str(), &view.fields["title"]), ("resource", &line("Halves")));
}

#[test]
fn a_long_text_that_was_rewritten_is_an_edit_like_any_other() {
    let words = |factor: u32, of: u32| {
        let words: Vec<String> = (0u32..9_000).map(|n| (n.wrapping_mul(factor) % of).to_string()).collect();
        words.join(" ")
    };
    let (old, new) = (words(2_654_435_761, 9_973), words(2_246_822_519, 9_967));
    let genesis = write_genesis(actor(0, 0), &edits([("kind", line("note")), ("body", text(&old))]));
    let mut document = alone(&genesis);
    let edit = document.edit(actor(1, 0), None, &edits([("body", text(&new))])).unwrap().unwrap();
    assert_eq!(build(&[genesis, edit]).fields()["body"], text(&new));
}

#[test]
fn many_words_of_a_long_text_changed_on_both_sides_are_each_there_once() {
    // Every twentieth word, others at each side, fifty words a line.
    let word = |n: usize, of: usize, who: &str| match n % 20 {
        m if m == of => format!("{who}{n}"),
        _ => format!("word{}", n % 700),
    };
    let written = |of: usize, who: &str| {
        let words = (0..6_000).map(|n| word(n, of, who) + if n % 50 == 49 { "\n" } else { " " });
        words.collect::<String>()
    };
    let genesis = write_genesis(actor(0, 0), &edits([("kind", line("note")), ("body", text(&written(99, "")))]));
    let (mut here, mut there) = (alone(&genesis), alone(&genesis));
    let ours = here.edit(actor(1, 0), None, &edits([("body", text(&written(3, "ours")))])).unwrap().unwrap();
    let theirs = there.edit(actor(2, 0), None, &edits([("body", text(&written(13, "theirs")))])).unwrap().unwrap();
    let merged = build(&[genesis, ours, theirs]);
    let body = merged.fields()["body"].as_str().unwrap();
    let expected = (0..6_000).map(|n| if n % 20 == 3 { word(n, 3, "ours") } else { word(n, 13, "theirs") });
    assert!(body.split_whitespace().eq(expected), "{} words", body.split_whitespace().count());
}

/// What a school does.
#[derive(Debug, Clone)]
enum Act {
    /// Edits at the heads it has.
    Edit(BTreeMap<String, Value>),
    /// Edits at the heads it had a while ago.
    EditLate(Index, BTreeMap<String, Value>),
    /// Takes in a part of what another has.
    Pull(Index, Index),
    /// Settles one of its conflicts.
    Settle(Index, Index),
}

fn any_edit() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let blob = |n: u8| BlobRef { id: BlobId([n; 32]), name: n.to_string(), bytes: n.into(), media_type: String::new() };
    let field = prop_oneof![
        3 => "[a-c]{0,2}".prop_map(|l| ("title", Value::Line(l))),
        1 => (0i64..3).prop_map(|n| ("minutes", Value::Number(n))),
        4 => "(The|first|second| |\n|é|👩‍🏫|[a-c]){0,20}".prop_map(|t| ("body", Value::Text(t))),
        3 => collection::vec("[a-d]", 0..4).prop_map(|m| ("tags", Value::set(m))),
        2 => collection::vec("[a-d]", 0..4).prop_map(|m| ("topics", Value::set(m))),
        2 => collection::vec((0u8..5).prop_map(blob), 0..4).prop_map(|b| ("attachments", Value::Blobs(b))),
        1 => collection::btree_map("[ab]", "[0-9]", 0..3).prop_map(|e| ("extra", Value::Extra(e))),
        1 => "[a-c]{0,2}".prop_map(|l| ("tags", Value::Line(l))),
    ];
    collection::vec(field, 1..4).prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any_edit().prop_map(Act::Edit),
        2 => (any::<Index>(), any_edit()).prop_map(|(at, edit)| Act::EditLate(at, edit)),
        3 => (any::<Index>(), any::<Index>()).prop_map(|(from, upto)| Act::Pull(from, upto)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(field, value)| Act::Settle(field, value)),
    ]
}

/// A school in the test: what it has, in the order it came, and the heads that its forms were opened at.
#[derive(Clone, Default)]
struct School {
    changes: Vec<Vec<u8>>,
    opened: Vec<Vec<ChangeHash>>,
}

impl School {
    fn edit(&mut self, school: u8, heads: Option<&[ChangeHash]>, edit: &BTreeMap<String, Value>) {
        let mut document = build(&self.changes);
        let before = document.clone();
        for lane in 0..=u8::MAX {
            match document.edit(actor(school, lane), heads, edit) {
                Err(EditFault::LaneTaken) => {}
                other => {
                    let made = other.unwrap();
                    if heads.is_none() {
                        holds(document.fields(), edit);
                    }
                    assert_eq!(made.is_some(), document.heads() != before.heads());
                    self.changes.extend(made);
                    break;
                }
            }
        }
        assert_eq!(build(&self.changes).fields(), document.fields());
        assert_eq!(build(&self.changes).heads(), document.heads());
        self.opened.push(document.heads());
    }

    fn settle(&mut self, school: u8, field: Index, value: Index) {
        let mut document = build(&self.changes);
        if document.conflicts().is_empty() {
            return;
        }
        let conflicts: Vec<_> = document.conflicts().clone().into_iter().collect();
        let (field, values) = field.get(&conflicts);
        let chosen = value.get(values);
        let made = document.settle(actor(school, 0), field, chosen).unwrap();
        self.changes.push(made.unwrap());
        assert_eq!(&document.fields()[field], chosen);
        assert!(!document.conflicts().contains_key(field));
    }

    /// Takes in the first of another's changes, which build on no later ones.
    fn pull(&mut self, from: &School, upto: usize) {
        for change in &from.changes[..upto] {
            if !self.changes.contains(change) {
                self.changes.push(change.clone());
            }
        }
    }
}

/// After an edit at the current heads each field holds what it was set to.
fn holds(fields: &Fields, edit: &BTreeMap<String, Value>) {
    for (name, value) in edit {
        match (fields.get(name), value) {
            (None, value) => assert!(value.is_empty(), "{name} is gone instead of {value:?}"),
            (Some(Value::Set(is)), Value::Set(members)) => {
                assert_eq!(is.iter().collect::<BTreeSet<_>>(), members.iter().collect::<BTreeSet<_>>());
            }
            (Some(is), value) => assert_eq!(is, value),
        }
    }
}

/// The same changes in another order, each still after those that it builds on.
fn shuffled(changes: &[Vec<u8>], choices: &[Index]) -> Vec<Vec<u8>> {
    let mut left: Vec<_> = changes.iter().map(|bytes| (Change::read(bytes).unwrap().header().clone(), bytes)).collect();
    let mut there = BTreeSet::new();
    let mut order = Vec::new();
    let mut choices = choices.iter().cycle();
    while !left.is_empty() {
        let ready: Vec<usize> =
            (0..left.len()).filter(|at| left[*at].0.deps.iter().all(|dep| there.contains(dep))).collect();
        let (header, bytes) = left.remove(*choices.next().unwrap().get(&ready));
        there.insert(header.hash);
        order.push(bytes.clone());
    }
    order
}

/// Automerge writes changes anew when it saves a document: they must come out as they were.
fn saved_documents_load(changes: &[Vec<u8>]) {
    let mut document = automerge::Automerge::new();
    document.apply_changes(changes.iter().map(|c| automerge::Change::from_bytes(c.clone()).unwrap())).unwrap();
    let loaded = automerge::Automerge::load(&document.save()).unwrap();
    let again: BTreeSet<Vec<u8>> = loaded.get_changes(&[]).iter().map(|c| c.raw_bytes().to_vec()).collect();
    assert_eq!(again, changes.iter().cloned().collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_edits_converge_in_any_order_of_arrival(
        count in 2u8..=5,
        acts in collection::vec((any::<Index>(), any_act()), 1..24),
        choices in collection::vec(any::<Index>(), 32),
    ) {
        let genesis = a_resource();
        let start = School { opened: vec![alone(&genesis).heads()], changes: vec![genesis] };
        let mut schools = vec![start; count.into()];
        for (who, act) in &acts {
            let at = who.index(schools.len());
            let name = u8::try_from(at).unwrap() + 1;
            match act {
                Act::Edit(edit) => schools[at].edit(name, None, edit),
                Act::EditLate(when, edit) => {
                    let heads = when.get(&schools[at].opened).clone();
                    schools[at].edit(name, Some(&heads), edit);
                }
                Act::Pull(from, upto) => {
                    let from = from.get(&schools).clone();
                    schools[at].pull(&from, upto.index(from.changes.len()) + 1);
                }
                Act::Settle(field, value) => schools[at].settle(name, *field, *value),
            }
        }
        let all = schools.clone();
        for school in &mut schools {
            for from in &all {
                school.pull(from, from.changes.len());
            }
        }
        let first = View::of(&schools[0].changes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        for school in &schools {
            let other = View::of(&school.changes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(&other, &first);
        }
        saved_documents_load(&schools[0].changes);
        for skip in 0..4 {
            let order = shuffled(&schools[0].changes, &choices[skip * 8..]);
            prop_assert_eq!(&View::from(&build(&order)), &first);
        }
    }
}
