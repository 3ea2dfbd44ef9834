//! Writing the store's file anew, so that nothing is left of what was removed from its tables.
//!
//! The tables are copied into a new file beside it, which is synced and takes the old one's name. Until
//! then nothing is other than before: a crash leaves the old store whole, or the new one. Readers that
//! have a snapshot go on reading the old file, which has no name any more and goes with the last of them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::DatabaseError;
use redb::backends::FileBackend;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::store::Table;

use super::damage;
use super::{CACHE, OpenError, Opened, RedbStore, Snapshots, migrations, unreadable};

/// What is left free on the disk besides, bytes: the next commits need some.
const RESERVE: u64 = 16 << 20;

/// The new file, until it takes the old one's name.
fn beside(path: &Path) -> PathBuf {
    damage::beside(path, ".rewrite")
}

/// The name under which a damaged store is kept, before the time when it was mended.
pub(crate) const KEPT: &str = ".damaged-";

/// The files of damaged stores that are kept beside one.
fn kept(path: &Path) -> io::Result<Vec<PathBuf>> {
    let beside = damage::beside(path, KEPT);
    let name = beside.file_name().unwrap_or_default().as_encoded_bytes();
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(name) {
            kept.push(entry.path());
        }
    }
    Ok(kept)
}
/// Whether any is kept; where that cannot be seen, it may be.
pub(super) fn keeps(path: &Path) -> bool {
    kept(path).map_or(true, |kept| !kept.is_empty())
}
fn remove_kept(path: &Path) -> io::Result<()> {
    kept(path)?.into_iter().try_for_each(fs::remove_file)
}
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes what a rewrite left that was cut short: nothing but copies of what is in the store.
pub(super) fn clear(path: &Path) -> Result<(), String> {
    match fs::remove_file(beside(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// Rewrites a store; where that cannot be done, says why, and the store is as it was.
pub(super) fn rewrite(store: &mut RedbStore) -> Result<(), String> {
    let path = store.path.clone();
    let new = beside(&path);
    clear(&path)?;
    // What is kept of a store that was damaged has the same bytes.
    remove_kept(&path).map_err(|error| error.to_string())?;
    has_room(&path)?;
    let mut copied = copy(&store.snapshots, &path, &new).inspect_err(|_| drop(clear(&path)))?;
    fs::rename(&new, &path).map_err(|error| {
        let _ = clear(&path);
        error.to_string()
    })?;
    let old = store.snapshots.replace(copied.snapshots.opened());
    copied.left.append(&mut store.left);
    store.left = copied.left;
    store.left.retain(|left| left.strong_count() > 0);
    store.left.push(Arc::downgrade(&old));
    sync_folder(&path).map_err(|error| {
        // Which of the two files a power cut would leave is not known any more.
        store.failed = Some(Fault::Store(error.to_string()));
        error.to_string()
    })
}

/// Puts a file with sums in the place of one that was written before blocks had them. What it has is
/// checked by redb's own sums first.
pub(super) fn into_blocks(path: &Path, file: File) -> Result<(), OpenError> {
    let new = beside(path);
    clear(path).map_err(unreadable)?;
    let opened = FileBackend::new(file).and_then(|file| {
        redb::Builder::new().set_cache_size(CACHE).set_check_integrity_on_open(true).create_with_backend(file)
    });
    let database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
        other => unreadable(other),
    })?;
    // Also one that a newer program wrote is left as it is; and one that has none of our tables gets them.
    migrations::run(&database)?;
    let plain = RedbStore::of(path, Opened { database, damage: Arc::default(), pages: None });
    plain.make_tables().map_err(unreadable)?;
    has_room(path).map_err(unreadable)?;
    let copied = copy(&plain.snapshots, path, &new).inspect_err(|_| drop(clear(path)));
    // It is closed before it has the name, as it should be.
    drop(copied.map_err(unreadable)?);
    fs::rename(&new, path).and_then(|()| sync_folder(path)).map_err(unreadable)
}

/// Makes the names in the folder of a file durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn copy(store: &Snapshots, path: &Path, new: &Path) -> Result<RedbStore, String> {
    let said = |error: io::Error| error.to_string();
    let snapshot = store.take().map_err(|fault| fault.to_string())?;
    let copied = snapshot.copy_as(new, damage::Damage::of(path), Table::ALL).map_err(|fault| fault.to_string())?;
    fs::set_permissions(new, fs::metadata(path).map_err(said)?.permissions()).map_err(said)?;
    File::open(new).and_then(|file| file.sync_all()).map_err(said)?;
    Ok(copied)
}

/// Whether the disk has room for a second copy.
fn has_room(path: &Path) -> Result<(), String> {
    let needed = fs::metadata(path).map_err(|error| error.to_string())?.len() + RESERVE;
    let disk = rustix::fs::statvfs(path).map_err(|error| error.to_string())?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(format!(
            "there is not enough space on the disk to write the store anew: {} MB are needed, {} MB are free",
            mib(needed),
            mib(free)
        ));
    }
    Ok(())
}
