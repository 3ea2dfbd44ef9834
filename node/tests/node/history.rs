//! What it costs to tell what became of a record.

use std::collections::BTreeMap;
use std::time::Instant;

use staffroom_protocol::record::field::Value;
use staffroom_protocol::record::history::course;
use staffroom_protocol::record::{Document, write_genesis};

#[test]
fn telling_of_two_hundred_changes_does_not_build_the_record_for_each() {
    let page: String = (0..250).map(|n| format!("This is line {n} of a longer page.\n")).collect();
    let body = |page: String| BTreeMap::from([("body".to_owned(), Value::Text(page))]);
    let mut fields = body(page.clone());
    fields.insert("kind".to_owned(), Value::Line("note".to_owned()));
    let mut changes = vec![write_genesis([1; 16], &fields)];
    let mut document = Document::build([changes[0].as_slice()]).expect("a document");
    for (n, school) in (0..200).zip([2, 3, 4].into_iter().cycle()) {
        let page = page.replace(&format!("line {n} "), &format!("line {n}, said otherwise "));
        let change = document.edit([school; 16], None, &body(page)).expect("an edit");
        changes.push(change.expect("a change"));
    }
    let changes: Vec<&[u8]> = changes.iter().map(Vec::as_slice).collect();
    let begun = Instant::now();
    Document::build(changes.iter().copied()).expect("a document");
    let once = begun.elapsed();
    let begun = Instant::now();
    assert_eq!(course(&changes).expect("told").steps.len(), 201);
    let took = begun.elapsed();
    assert!(took < once * 100, "built in {once:?}, told in {took:?}");
}
