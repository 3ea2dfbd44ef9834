//! Changes that no honest program makes, byte by byte.
#![allow(clippy::unwrap_used, reason = "tests")]

use automerge::{ExpandedChange, legacy};
use staffroom_protocol::record::Document;

use crate::support::{contents, edits, repair, text};

pub(crate) const ACTOR: [u8; 16] = *b"an actor's bytes";
const EDITOR: [u8; 16] = *b"an editor's byte";

/// LEB128 whose last byte is below `end`: 128 for unsigned numbers, 64 for signed ones.
fn leb(mut value: u64, end: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= end {
        out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap());
    out
}

pub(crate) fn unsigned(value: u64) -> Vec<u8> {
    leb(value, 0x80)
}

fn signed(value: u64) -> Vec<u8> {
    leb(value, 0x40)
}

/// A first change with these columns.
fn with_columns(columns: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0, 16];
    bytes.extend(ACTOR);
    bytes.extend([1, 1, 0, 0, 0, u8::try_from(columns.len()).unwrap()]);
    for (number, column) in columns {
        bytes.push(*number);
        bytes.extend(unsigned(column.len() as u64));
    }
    bytes.extend(columns.iter().flat_map(|(_, column)| column.clone()));
    repair(&bytes)
}

/// A list at a key, and so many maps inserted into it, each after the one before: as many operations as
/// one likes in a hundred bytes, since a map has no value.
pub(crate) fn maps_in_a_list(count: u64) -> Vec<u8> {
    let run = |value: &[u8]| [&signed(count)[..], value].concat();
    with_columns(&[
        // The object: the root once, then the list, which operation 1 made.
        (1, [&[0, 1][..], &run(&[0])].concat()),
        (2, [&[0, 1][..], &run(&[1])].concat()),
        // The key's actor: none for the first two, the text and the head of the list.
        (17, [&[0, 2][..], &signed(count - 1), &[0]].concat()),
        // The element: none, the head, then 2, 3, 4, …
        (19, [&[0, 1, 0x7e, 0, 2][..], &signed(count - 2), &[1]].concat()),
        (21, [&[0x7f, 1, b'k', 0][..], &unsigned(count)].concat()),
        (52, [&[1][..], &unsigned(count)].concat()),
        (66, [&[0x7f, 2][..], &run(&[0])].concat()),
        (86, [&signed(count + 1)[..], &[0]].concat()),
        (112, [&signed(count + 1)[..], &[0]].concat()),
    ])
}

/// An edit of the body of a record.
pub(crate) fn edit(genesis: &[u8]) -> Vec<u8> {
    let mut document = Document::build([genesis]).unwrap();
    document.edit(EDITOR, None, &edits([("body", text("some more words"))])).unwrap().unwrap()
}

/// An edit of a record that says that it builds on so many changes which nobody has.
pub(crate) fn orphan(genesis: &[u8], count: u32) -> Vec<u8> {
    let edit = edit(genesis);
    let parent = |n: u32| [&n.to_be_bytes()[..], &[1; 28]].concat();
    let parents: Vec<u8> = (0..count).flat_map(parent).collect();
    repair(&[&unsigned(count.into())[..], &parents, &contents(&edit)[33..]].concat())
}

/// An edit of a record, told otherwise.
pub(crate) fn retold(genesis: &[u8], tell: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut change = automerge::Change::from_bytes(edit(genesis)).unwrap().decode();
    tell(&mut change);
    automerge::Change::from(change).raw_bytes().to_vec()
}

/// An operation's id by the author of the record.
pub(crate) fn of_the_author(counter: u64) -> legacy::OpId {
    legacy::OpId(counter, ACTOR.into())
}
