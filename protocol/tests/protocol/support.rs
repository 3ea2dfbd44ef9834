//! What the tests of records share: any fields, and the same made through Automerge's own interface.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use automerge::{Automerge, ObjType, ROOT, ReadDoc, transaction::Transactable};
use proptest::{collection, prelude::*};
use staffroom_protocol::{
    id::BlobId,
    record::field::{BlobRef, Fields, Value},
};

/// Text with everything that has more than one byte, or more than one scalar value a letter.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "([a-z]{1,8}|[ .\n]|é|e\u{301}|ß|日本|👩‍🏫|🏴󠁧󠁢󠁷󠁬󠁳󠁿|\u{0}){0,40}",
        1 => any::<String>(),
        1 => "[a-z \n]{300,900}",
    ]
}

pub(crate) fn any_line() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z é👩]{0,12}", any::<String>()]
}

pub(crate) fn any_blob() -> impl Strategy<Value = BlobRef> {
    (any::<[u8; 32]>(), "[a-z.]{0,8}", any::<u64>(), "[a-z/]{0,8}").prop_map(|(id, name, bytes, media_type)| BlobRef {
        id: BlobId(id),
        name,
        bytes,
        media_type,
    })
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => any_text().prop_map(Value::Text),
        3 => any_line().prop_map(Value::Line),
        1 => any::<i64>().prop_map(Value::Number),
        1 => (-3i64..3).prop_map(Value::Number),
        2 => collection::vec("[a-c]{0,2}|é", 0..8).prop_map(Value::set),
        1 => collection::vec(any_blob(), 0..4).prop_map(Value::Blobs),
        1 => collection::btree_map(".{0,6}", any_line(), 0..5).prop_map(Value::Extra),
    ]
}

/// Fields of any shape under known and unknown names.
pub(crate) fn any_fields() -> impl Strategy<Value = Fields> {
    (collection::btree_map("title|body|tags|extra|state|[a-z_]{1,12}|.{1,3}", any_value(), 0..12), "[a-z]{1,9}")
        .prop_map(|(mut fields, kind)| {
            fields.insert("kind".into(), Value::Line(kind));
            fields
        })
}

/// Fields without those that are empty: what a record shows.
pub(crate) fn shown(fields: &Fields) -> Fields {
    fields.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The document of these fields, made through Automerge, and its one change.
pub(crate) fn through_automerge(actor: [u8; 16], fields: &Fields) -> (Automerge, Vec<u8>) {
    let mut doc = Automerge::new().with_actor(automerge::ActorId::from(actor));
    let done = doc.transact(|tx| {
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            match value {
                Value::Text(text) => {
                    let object = tx.put_object(ROOT, name, ObjType::Text)?;
                    tx.splice_text(&object, 0, 0, text)?;
                }
                Value::Line(line) => tx.put(ROOT, name, line.as_str())?,
                Value::Number(number) => tx.put(ROOT, name, *number)?,
                Value::Set(members) => {
                    let map = tx.put_object(ROOT, name, ObjType::Map)?;
                    for (place, member) in (0u64..).zip(members) {
                        tx.put(&map, member.as_str(), place)?;
                    }
                }
                Value::Blobs(blobs) => {
                    let list = tx.put_object(ROOT, name, ObjType::List)?;
                    for (index, blob) in blobs.iter().enumerate() {
                        let map = tx.insert_object(&list, index, ObjType::Map)?;
                        tx.put(&map, "id", blob.id.to_string())?;
                        tx.put(&map, "name", blob.name.as_str())?;
                        tx.put(&map, "bytes", blob.bytes)?;
                        tx.put(&map, "media_type", blob.media_type.as_str())?;
                    }
                }
                Value::Extra(extra) => {
                    let map = tx.put_object(ROOT, name, ObjType::Map)?;
                    for (key, json) in extra {
                        tx.put(&map, key.as_str(), json.as_str())?;
                    }
                }
            }
        }
        Ok::<_, automerge::AutomergeError>(())
    });
    let hash = done.unwrap().hash.unwrap();
    let bytes = doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec();
    (doc, bytes)
}

/// Puts the right length and checksum into a changed change.
pub(crate) fn repair(contents: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut bytes = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 1];
    let mut length = contents.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(contents);
    let hash = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hash[..4]);
    bytes
}

/// The contents of a change: what follows its length.
pub(crate) fn contents(bytes: &[u8]) -> &[u8] {
    let length = bytes[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &bytes[9 + length..]
}

/// One field, as edits name it.
pub(crate) fn edits<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

pub(crate) fn line(line: &str) -> Value {
    Value::Line(line.into())
}
