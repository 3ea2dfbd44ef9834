//! Test vectors of the guard (§2.3), in `docs/vectors/changes.json`.

use automerge::{
    ExpandedChange,
    legacy::{ElementId, Key, ObjectId, OpType},
};
use serde_json::{Value as Json, json};
use staffroom_protocol::record::{change::Change, field::Fields, past::Past, write_genesis};

use crate::crafted::{ACTOR, edit, maps_in_a_list, of_the_author, orphan, retold};
use crate::support::{line, text};
use crate::vectors::{check, hex};

/// Changes with what comes of them, on top of the one before them.
#[test]
fn changes() {
    let genesis =
        write_genesis(ACTOR, &Fields::from([("kind".into(), line("note")), ("body".into(), text("some words"))]));
    // Operation 1 made the text, 2 to 11 its characters, 12 is the kind.
    let named = of_the_author;
    let told = |tell: &dyn Fn(&mut ExpandedChange)| retold(&genesis, tell);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("an edit", edit(&genesis)),
        ("a list of ninety attachments", maps_in_a_list(90)),
        ("200,000 operations in 120 bytes", maps_in_a_list(199_999)),
        ("ten million operations in 120 bytes", maps_in_a_list(10_000_000)),
        ("three parents that nobody has", orphan(&genesis, 3)),
        ("no parents", told(&|change| change.deps.clear())),
        ("a second change of an actor that made no first", told(&|change| change.seq = 2)),
        ("a first operation after a gap", told(&|change| change.start_op = 100.try_into().unwrap())),
        (
            "a first operation near the end of numbers",
            told(&|change| change.start_op = 0xffff_fff0.try_into().unwrap()),
        ),
        ("a text that was never made", told(&|change| change.operations[0].obj = ObjectId::Id(named(12)))),
        (
            "an element that was never inserted",
            told(&|change| change.operations[0].key = Key::Seq(ElementId::Id(named(12)))),
        ),
        (
            "a predecessor that was never set",
            told(&|change| {
                let op = &mut change.operations[0];
                (op.obj, op.key, op.insert) = (ObjectId::Root, Key::Map("body".into()), false);
                op.pred = vec![named(4)].into();
            }),
        ),
        (
            "an element deleted twice",
            told(&|change| {
                let mut op = change.operations[0].clone();
                (op.key, op.insert) = (Key::Seq(ElementId::Id(named(2))), false);
                (op.action, op.pred) = (OpType::Delete, vec![named(2)].into());
                change.operations = vec![op.clone(), op];
            }),
        ),
        ("a packed change", {
            let mut packed = edit(&genesis);
            packed[8] = 2;
            packed
        }),
    ];
    let judged = |bytes: &[u8]| {
        let mut past = Past::default();
        let change = Change::read(bytes)?;
        if !change.header().deps.is_empty() {
            past.admit(&Change::read(&genesis)?)?;
        }
        past.admit(&change)
    };
    let case = |(name, bytes): &(&str, Vec<u8>)| {
        let verdict = judged(bytes).map_or_else(|void| void.to_string(), |()| "applies".to_owned());
        json!({ "name": name, "change": hex(bytes), "verdict": verdict })
    };
    let cases: Vec<Json> = cases.iter().map(case).collect();
    let applied = cases.iter().filter(|case| case["verdict"] == "applies").count();
    assert_eq!(applied, 2, "the first two alone");
    check(
        "changes.json",
        "protocol.md §6: changes that apply and changes that are void, with the reason in words; those that build on another do so on the genesis",
        &json!({ "genesis": hex(&genesis), "changes": cases }),
    );
}
