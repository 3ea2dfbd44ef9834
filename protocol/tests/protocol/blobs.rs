//! Which files are known in which space, and which are wanted there (§5).

use std::collections::BTreeSet;

use proptest::prelude::*;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::id::{BlobId, RecordId, SpaceId};
use staffroom_protocol::record::field::{BlobRef, Value};
use staffroom_protocol::replica::{Draft, Edit, Known};
use staffroom_protocol::time::Millis;

use crate::schools::{School, lesson, pair, talk};

fn blob(n: u8) -> BlobId {
    BlobId([n; 32])
}

fn attached(blobs: impl IntoIterator<Item = u8>) -> Value {
    let of =
        |n: u8| BlobRef { id: blob(n), name: format!("{n}.pdf"), bytes: u64::from(n) * 10, media_type: String::new() };
    Value::Blobs(blobs.into_iter().map(of).collect())
}

fn share_with(school: &mut School, space: SpaceId, blobs: &[u8]) -> RecordId {
    let mut fields = lesson("With files");
    fields.insert("attachments".to_owned(), attached(blobs.iter().copied()));
    let draft = Draft { space, kind: "resource".to_owned(), fields, author: String::new(), open: Some(true) };
    school.create(&draft, Millis(5)).unwrap()
}

fn wanted(school: &School, space: SpaceId) -> Vec<(BlobId, u64)> {
    let mut wanted = Vec::new();
    let catalogue = Catalogue(school.store());
    catalogue
        .wanted_blobs(&space, &blob(3), &mut |blob, length| {
            wanted.push((blob, length));
            true
        })
        .unwrap();
    wanted.sort();
    wanted
}

#[test]
fn a_partners_reference_grants_nothing_and_makes_a_file_wanted() {
    let (mut hill, mut brook, space) = pair();
    let own = hill.found("Hillside").unwrap();
    hill.know_blob(own, blob(1), 10, Known::Attached).unwrap();
    hill.flush().unwrap();
    // Brook names a file that Hillside holds in a space of its own, and one that nobody has.
    let record = share_with(&mut brook, space, &[1, 2]);
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    let known = |school: &School, n| Catalogue(school.store()).known_blob(&space, &blob(n)).unwrap();
    assert_eq!((known(&hill, 1), known(&hill, 2)), (None, None));
    assert_eq!(wanted(&hill, space), [(blob(1), 10), (blob(2), 20)]);
    assert_eq!(Catalogue(hill.store()).uses(&blob(1), None).unwrap(), [(space, record)]);
    // Fetched there, it is known there.
    hill.know_blob(space, blob(2), 20, Known::Fetched).unwrap();
    hill.note_holder(space, blob(2), brook.school()).unwrap();
    hill.flush().unwrap();
    assert_eq!((known(&hill, 2), wanted(&hill, space)), (Some(20), vec![(blob(1), 10)]));
    assert_eq!(Catalogue(hill.store()).holders(&space, &blob(2)).unwrap(), [brook.school()]);
    // What turns out to be damaged is wanted again.
    hill.forget_blob(space, blob(2)).unwrap();
    hill.flush().unwrap();
    assert_eq!((known(&hill, 2), wanted(&hill, space).len()), (None, 2));
}

#[test]
fn a_file_of_several_erased_records_goes_with_the_last_of_them() {
    let (mut hill, mut brook, space) = pair();
    let records: Vec<RecordId> = (0..3).map(|_| share_with(&mut brook, space, &[1, 2])).collect();
    share_with(&mut brook, space, &[2]);
    brook.know_blob(space, blob(1), 10, Known::Attached).unwrap();
    brook.know_blob(space, blob(2), 20, Known::Attached).unwrap();
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    for n in [1, 2] {
        hill.know_blob(space, blob(n), u64::from(n) * 10, Known::Fetched).unwrap();
        hill.note_holder(space, blob(n), brook.school()).unwrap();
    }
    hill.flush().unwrap();
    let known = |school: &School, n| Catalogue(school.store()).known_blob(&space, &blob(n)).unwrap().is_some();
    brook.erase(&records[0], Millis(20)).unwrap();
    brook.flush().unwrap();
    assert!(known(&brook, 1) && known(&brook, 2));
    // The other two in one commit, here and where they come in one message.
    brook.erase(&records[1], Millis(21)).unwrap();
    brook.erase(&records[2], Millis(22)).unwrap();
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    for school in [&hill, &brook] {
        assert!(!known(school, 1) && known(school, 2), "the one that another record shows stays");
        assert_eq!(Catalogue(school.store()).dropped_blobs().unwrap(), [blob(1)]);
        assert_eq!(Catalogue(school.store()).holders(&space, &blob(1)).unwrap(), []);
    }
    assert_eq!(wanted(&hill, space), []);
}

#[test]
fn a_wrong_length_keeps_nobody_from_a_file() {
    let (mut hill, mut brook, space) = pair();
    share_with(&mut brook, space, &[7]);
    for bytes in [u64::MAX, 1, 4 << 30] {
        let file = BlobRef { id: blob(7), name: String::new(), bytes, media_type: String::new() };
        let mut fields = lesson("A claim");
        fields.insert("attachments".to_owned(), Value::Blobs(vec![file]));
        let draft = Draft { space, kind: "resource".to_owned(), fields, author: String::new(), open: None };
        brook.create(&draft, Millis(6)).unwrap();
    }
    brook.flush().unwrap();
    talk(&mut hill, &mut brook, space);
    assert_eq!(wanted(&hill, space), [(blob(7), 1)], "the least; what it is, its manifest says");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// What is wanted is what records show and is not known, after any edits, and after all caches were
    /// made anew.
    #[test]
    fn wanted_is_what_is_shown_and_not_known(
        steps in proptest::collection::vec((0usize..3, proptest::collection::btree_set(1u8..6, 0..4), any::<bool>(), 1u8..6), 1..12),
        rebuild: bool,
    ) {
        let (mut hill, mut brook, space) = pair();
        let records: Vec<RecordId> = (0..3).map(|_| share_with(&mut brook, space, &[])).collect();
        let mut shown: Vec<BTreeSet<u8>> = vec![BTreeSet::new(); 3];
        let mut known: BTreeSet<u8> = BTreeSet::new();
        brook.flush().unwrap();
        talk(&mut hill, &mut brook, space);
        for (which, blobs, here, fetched) in steps {
            let editor = if here { &mut hill } else { &mut brook };
            let fields = [("attachments".to_owned(), attached(blobs.iter().copied()))].into();
            editor.edit(&Edit { record: records[which], fields, heads: None, author: String::new() }, Millis(9)).unwrap();
            editor.flush().unwrap();
            shown[which] = blobs;
            talk(&mut hill, &mut brook, space);
            if known.insert(fetched) {
                hill.know_blob(space, blob(fetched), 1, Known::Fetched).unwrap();
            } else {
                known.remove(&fetched);
                hill.forget_blob(space, blob(fetched)).unwrap();
            }
            hill.flush().unwrap();
        }
        if rebuild {
            hill.rebuild().unwrap();
            hill.flush().unwrap();
        }
        let all: BTreeSet<u8> = shown.iter().flatten().copied().collect();
        let expected: Vec<(BlobId, u64)> =
            all.difference(&known).map(|n| (blob(*n), u64::from(*n) * 10)).collect();
        prop_assert_eq!(wanted(&hill, space), expected);
        for n in 1..6 {
            let uses: BTreeSet<RecordId> =
                Catalogue(hill.store()).uses(&blob(n), Some(&space)).unwrap().into_iter().map(|(_, record)| record).collect();
            let expected: BTreeSet<RecordId> =
                records.iter().zip(&shown).filter(|(_, shown)| shown.contains(&n)).map(|(record, _)| *record).collect();
            prop_assert_eq!(uses, expected);
        }
    }
}
