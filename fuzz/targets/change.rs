//! The guard before Automerge (§2.3): what passes is applied, saved and loaded again equal.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use staffroom_protocol::record::change::Change;
use staffroom_protocol::record::field::{Fields, Value};
use staffroom_protocol::record::past::Past;
use staffroom_protocol::record::{Document, View, write_genesis};

/// A record as it stands: a note, edited by two.
static BEFORE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let text = |text: &str| Value::Text(text.to_owned());
    let fields = Fields::from([
        ("kind".to_owned(), Value::Line("note".to_owned())),
        ("body".to_owned(), text("some words of ours")),
        ("tags".to_owned(), Value::set(["a", "b"])),
    ]);
    let mut changes = vec![write_genesis([1; 16], &fields)];
    for (actor, words) in [(2, "some more words of ours"), (3, "words of theirs"), (2, "words")] {
        let mut document = Document::build(changes.iter().map(Vec::as_slice)).expect("merges");
        let edit = BTreeMap::from([
            ("body".to_owned(), text(words)),
            ("title".to_owned(), Value::Line(words.to_owned())),
            ("tags".to_owned(), Value::set(["b", words])),
        ]);
        changes.push(document.edit([actor; 16], None, &edit).expect("edits").expect("changes"));
    }
    changes
});

/// The frame of a change around any contents, with the right length and checksum.
fn framed(contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    let mut length = contents.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(contents);
    let hash = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hash[..4]);
    bytes
}

fuzz_target!(|contents: &[u8]| {
    let _ = Change::read(contents);
    let bytes = framed(contents);
    let Ok(change) = Change::read(&bytes) else { return };
    let begins = change.header().deps.is_empty();
    let before = if begins { &[][..] } else { &BEFORE[..] };
    let mut past = Past::default();
    for known in before {
        past.admit(&Change::read(known).expect("is read")).expect("fits");
    }
    if past.admit(&change).is_err() {
        return;
    }
    let all: Vec<&[u8]> = before.iter().map(Vec::as_slice).chain([&bytes[..]]).collect();
    let view = View::of(&all).expect("what passes is shown");
    assert_eq!(view.fields, *Document::build(all.iter().copied()).expect("merges").fields());
    let mut document = automerge::Automerge::new();
    let changes = all.iter().map(|bytes| automerge::Change::from_bytes(bytes.to_vec()).expect("is one of Automerge's"));
    document.apply_changes(changes).expect("applies");
    let loaded = automerge::Automerge::load(&document.save()).expect("what applies must load again");
    assert_eq!(loaded.get_heads(), document.get_heads());
    assert_eq!(loaded.hydrate(None), document.hydrate(None));
});
