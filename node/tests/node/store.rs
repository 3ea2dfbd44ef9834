//! The store's file is written anew: nothing of what was removed is left in it, and nobody is disturbed.

use std::path::Path;

use staffroom_node::store::RedbStore;
use staffroom_protocol::store::{Batch, Read as _, Store as _, Table};

const WORD: &[u8] = b"qzxpelargonium";

fn put(store: &mut RedbStore, key: u8, value: &[u8]) {
    let mut batch = Batch::default();
    batch.put(Table::Cards, [key], value);
    store.commit(batch).expect("committed");
}
fn remove(store: &mut RedbStore, key: u8) {
    let mut batch = Batch::default();
    batch.delete(Table::Cards, [key]);
    store.commit(batch).expect("committed");
}
fn holds_word(path: &Path) -> bool {
    let bytes = std::fs::read(path).expect("readable");
    bytes.windows(WORD.len()).any(|part| part == WORD)
}

#[test]
fn what_was_removed_is_in_the_file_until_it_is_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let mut store = RedbStore::open(&path).expect("opened");
    for key in 0..50 {
        put(&mut store, key, &[b"lesson ".as_slice(), &[key; 500]].concat());
    }
    put(&mut store, 99, WORD);
    remove(&mut store, 99);
    assert!(holds_word(&path), "a removal alone leaves the bytes");

    // Somebody reads the store as it was, while it is rewritten and goes on.
    let snapshots = store.snapshots();
    let before = snapshots.take().expect("a snapshot");
    store.rewrite().expect("rewritten");
    assert!(!holds_word(&path) && store.is_read_as_it_was());
    put(&mut store, 60, b"later");
    assert_eq!(before.get(Table::Cards, &[60]).expect("read"), None);
    assert_eq!(before.len(Table::Cards).expect("read"), 50);
    assert_eq!(
        snapshots.take().expect("a snapshot").get(Table::Cards, &[60]).expect("read").as_deref(),
        Some(&b"later"[..])
    );
    drop(before);
    assert!(!store.is_read_as_it_was());

    // Nobody else may open it, by the new file either; and it opens again as it was.
    assert!(matches!(RedbStore::open(&path), Err(staffroom_node::store::OpenError::InUse)));
    drop((store, snapshots));
    let again = RedbStore::open(&path).expect("opened again");
    assert_eq!(again.snapshots().take().expect("a snapshot").len(Table::Cards).expect("read"), 51);
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names, ["store.redb"]);
}

#[test]
fn a_rewrite_that_cannot_be_leaves_the_store_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let mut store = RedbStore::open(&path).expect("opened");
    put(&mut store, 1, b"stays");
    // Something that is no file stands where the new one would be written.
    let beside = folder.path().join("store.redb.rewrite");
    std::fs::create_dir(&beside).expect("made");
    let why = store.rewrite().expect_err("not now");
    assert!(!why.is_empty());
    put(&mut store, 2, b"goes on");
    std::fs::remove_dir(&beside).expect("removed");
    store.rewrite().expect("rewritten");
    assert_eq!(store.get(Table::Cards, &[1]).expect("read").as_deref(), Some(&b"stays"[..]));
    assert_eq!(store.get(Table::Cards, &[2]).expect("read").as_deref(), Some(&b"goes on"[..]));
}

#[test]
fn what_a_rewrite_left_that_was_cut_short_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let mut store = RedbStore::open(&path).expect("opened");
    put(&mut store, 1, b"stays");
    drop(store);
    let left = folder.path().join("store.redb.rewrite");
    std::fs::write(&left, WORD).expect("written");
    let store = RedbStore::open(&path).expect("opened again");
    assert!(!left.exists());
    assert_eq!(store.get(Table::Cards, &[1]).expect("read").as_deref(), Some(&b"stays"[..]));
}

/// The rows of a store's cards and records.
fn all(store: &RedbStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in [Table::Cards, Table::Headers] {
        let all = store.scan(table, &[], &[], &mut |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            Ok(true)
        });
        all.expect("read");
    }
    rows
}

#[test]
fn a_store_of_before_blocks_had_sums_is_written_anew_once_with_all_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.redb");
    let mut rows = Vec::new();
    {
        // As the program of before wrote it: plain redb, a table with the layout's number.
        let old = redb::Database::create(&path).expect("created");
        let write = old.begin_write().expect("begun");
        let layout: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("layout");
        write.open_table(layout).expect("a table").insert("layout", 1).expect("inserted");
        for table in [Table::Cards, Table::Headers] {
            let definition: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new(table.name());
            let mut open = write.open_table(definition).expect("a table");
            for n in 0..2_000u32 {
                let (key, value) = (n.to_be_bytes(), vec![n.to_le_bytes()[0]; 10 + n as usize % 700]);
                open.insert(&key[..], &value[..]).expect("inserted");
                rows.push((key.to_vec(), value));
            }
        }
        write.commit().expect("committed");
    }
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("set");
    let plain = std::fs::read(&path).expect("read");
    // A backup of before is read as it is.
    assert_eq!(RedbStore::peek(&path).expect("peeked").len(Table::Cards).expect("read"), 2_000);
    assert_eq!(all(&RedbStore::open(&path).expect("opened")), rows);
    let now = std::fs::read(&path).expect("read");
    assert!(plain.starts_with(b"redb") && now.starts_with(b"staffrm1"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left beside it");
    assert_eq!(all(&RedbStore::open(&path).expect("opened again")), rows);

    // One of before that is damaged is not believed: redb's own sums are looked at before it is copied.
    let mut rotten = plain;
    let at = rotten.windows(500).position(|part| part == [77; 500]).expect("a value");
    rotten[at + 100] ^= 1;
    std::fs::write(&path, &rotten).expect("written");
    assert!(RedbStore::open(&path).is_err());
    assert_eq!(std::fs::read(&path).expect("read").len(), rotten.len(), "it is left as it is");
}
