//! The store on disk: one redb file, one table for each [`Table`] of the protocol.
//!
//! Every commit is durable when it returns, in two phases, with the allocator's state saved, so that
//! opening after a `kill -9` reads a few pages. Once a commit fails, nothing is written any more: what
//! is durable is known again only after the file was opened anew.

//!
//! What is removed leaves its bytes in the file's free pages. Where they have to go, the file is written
//! anew beside the old one and takes its name ([`rewrite`]).
//!
//! What redb writes lies on the disk in blocks with sums ([`pages`]): bytes that changed there are never
//! read as if they were ours. A file of before that is copied into one with sums when it is opened. One
//! that was found to be damaged stays closed until what can be read of it was saved ([`salvage`]).

mod damage;
mod migrations;
mod pages;
mod rewrite;
mod salvage;
mod walk;

pub(crate) use damage::{is_damage, mark};
pub(crate) use rewrite::KEPT;
pub(crate) use salvage::{Salvaged, replace, salvage};

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use damage::{CUT, Damage};
use pages::Pages;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, TableDefinition};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::store::{Batch, Read, Store, Table, Visit};
use walk::Walk;

/// redb's cache, bytes: enough for the inner pages of a hundred thousand records.
const CACHE: usize = 16 << 20;
/// What one commit of a copy writes, bytes: enough to be quick, little enough for little memory.
const COPIED: usize = 8 << 20;

/// What can go wrong when a store is opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds it.
    #[error("another program is using it")]
    InUse,
    /// A newer program wrote it.
    #[error("it was written by a newer version of this program (layout {found}, this one knows {known})")]
    Newer {
        /// The layout found.
        found: u64,
        /// The newest one that this program knows.
        known: u64,
    },
    /// The system does not let this user read and write it.
    #[error("this user may not read and write it")]
    Forbidden,
    /// It is damaged on the disk: what can be read of it is saved first.
    #[error("its file is damaged on the disk")]
    Damaged,
    /// It is no store, or the disk fails.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

/// A table that is open for writing.
type Rows<'a> = redb::Table<'a, &'static [u8], &'static [u8]>;

fn failed(error: impl std::fmt::Display) -> Fault {
    Fault::Store(error.to_string())
}
fn unreadable(error: impl std::fmt::Display) -> OpenError {
    OpenError::Unreadable(error.to_string())
}

/// Opens a file that nobody else has open, and which still has that name; makes it where it is not.
pub(crate) fn open_alone(path: &Path) -> Result<File, OpenError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => OpenError::Forbidden,
        _ => unreadable(error),
    })?;
    // redb takes the same lock, with others; it is released with the file.
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(OpenError::InUse);
    }
    // A rewrite may have put another file in its place before this one was locked.
    let this = file.metadata().map_err(unreadable)?.ino();
    if std::fs::metadata(path).is_ok_and(|now| now.ino() != this) {
        return Err(OpenError::InUse);
    }
    Ok(file)
}

/// Whether a file was written before blocks had sums.
fn is_plain(file: &File) -> Result<bool, OpenError> {
    let mut beginning = [0; 9];
    match file.read_exact_at(&mut beginning, 0) {
        Ok(()) => Ok(pages::is_plain(&beginning)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(unreadable(error)),
    }
}

/// A file that is open.
struct Opened {
    database: Database,
    damage: Arc<Damage>,
    /// The file as redb has it; nothing where it has no sums.
    pages: Option<Pages<FileBackend>>,
}

impl Opened {
    /// What went wrong, in words.
    fn fault(&self, error: impl std::fmt::Display) -> Fault {
        self.damage.fault().unwrap_or_else(|| failed(error))
    }
    fn write(&self) -> Result<redb::WriteTransaction, Fault> {
        durable_write(&self.database).map_err(|error| self.fault(error))
    }
}

/// The store on disk. Clones of its [`Snapshots`] read beside it.
pub struct RedbStore {
    path: PathBuf,
    snapshots: Snapshots,
    /// Files that were rewritten, as long as anybody reads them.
    left: Vec<Weak<Opened>>,
    failed: Option<Fault>,
}

impl RedbStore {
    /// Opens the file, or makes it; brings older layouts up to date. One that was found to be damaged
    /// stays closed until it was mended.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let store = Self::open_file(path, Damage::of(path))?;
        // Whoever has the store open is alone: what a rewrite left that was cut short is nobody's.
        rewrite::clear(path).map_err(OpenError::Unreadable)?;
        Ok(store)
    }
    fn open_file(path: &Path, damage: Damage) -> Result<Self, OpenError> {
        let mut file = open_alone(path)?;
        if is_plain(&file)? {
            rewrite::into_blocks(path, file)?;
            file = open_alone(path)?;
        }
        if damage.is_marked() {
            return Err(OpenError::Damaged);
        }
        let damage = Arc::new(damage);
        let pages = FileBackend::new(file).map_err(unreadable)?;
        let pages = Pages::open(pages, Arc::clone(&damage)).map_err(|error| damage.or_unreadable(error))?;
        let opened = redb::Builder::new().set_cache_size(CACHE).create_with_backend(pages.clone());
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            other => damage.or_unreadable(other),
        })?;
        migrations::run(&database)
            .map_err(|error| if damage.fault().is_some() { OpenError::Damaged } else { error })?;
        pages.mend_heads().map_err(unreadable)?;
        let store = Self::of(path, Opened { database, damage, pages: Some(pages) });
        store.make_tables().map_err(|fault| match store.damaged() {
            Some(_) => OpenError::Damaged,
            None => unreadable(fault),
        })?;
        Ok(store)
    }

    fn of(path: &Path, opened: Opened) -> Self {
        let snapshots = Snapshots(Arc::new(RwLock::new(Arc::new(opened))));
        Self { path: path.to_owned(), snapshots, left: Vec::new(), failed: None }
    }

    /// What a store file holds that nobody writes; leaves the file as it is.
    pub fn peek(path: &Path) -> Result<Snapshot, Fault> {
        let file = File::open(path).map_err(failed)?;
        let plain = is_plain(&file).map_err(failed)?;
        let damage = Arc::<Damage>::default();
        let (builder, file) = (redb::Builder::new(), FileBackend::new(file).map_err(failed)?);
        let opened = if plain {
            builder.open_read_only_with_backend(file)
        } else {
            let pages = Pages::open(file, Arc::clone(&damage)).map_err(|_| Fault::Store(CUT.to_owned()))?;
            builder.open_read_only_with_backend(pages)
        };
        let read = opened.map_err(failed)?.begin_read().map_err(failed)?;
        Ok(Snapshot { read, damage, _database: None })
    }

    fn make_tables(&self) -> Result<(), Fault> {
        let opened = self.snapshots.opened();
        let read = opened.database.begin_read().map_err(failed)?;
        if Table::ALL.iter().all(|table| read.open_table(definition(*table)).is_ok()) {
            return Ok(());
        }
        let write = opened.write()?;
        for name in Table::ALL.iter().flat_map(|table| [Some(table.name()), salvage::again(*table)]).flatten() {
            let definition: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(name);
            write.open_table(definition).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }

    /// A handle for readers beside the replica.
    pub fn snapshots(&self) -> Snapshots {
        self.snapshots.clone()
    }

    /// Why nothing is written any more, once that is so.
    pub(crate) fn failed(&self) -> Option<Fault> {
        self.failed.clone().or_else(|| self.damaged())
    }
    /// Why nothing is read any more, once damage was found.
    fn damaged(&self) -> Option<Fault> {
        self.snapshots.opened().damage.fault()
    }

    fn write(&self, batch: &Batch) -> Result<(), Fault> {
        let opened = self.snapshots.opened();
        let failed = |error: &dyn std::fmt::Display| opened.fault(error);
        let write = opened.write()?;
        let mut open: Option<(&str, Rows<'_>)> = None;
        let once = batch.writes().map(|(table, key, value)| (table.name(), key, value));
        let twice = batch.writes().filter_map(|(table, key, value)| Some((salvage::again(table)?, key, value)));
        for (table, key, value) in once.chain(twice) {
            if open.as_ref().is_none_or(|(name, _)| *name != table) {
                drop(open.take());
                let rows = write.open_table(TableDefinition::new(table)).map_err(|error| failed(&error))?;
                open = Some((table, rows));
            }
            let (_, rows) = open.as_mut().expect("just opened");
            match value {
                Some(value) => rows.insert(key, value).map_err(|error| failed(&error))?,
                None => rows.remove(key).map_err(|error| failed(&error))?,
            };
        }
        drop(open);
        write.commit().map_err(|error| failed(&error))
    }
}

/// A write transaction whose commit is durable and quick to recover from.
fn durable_write(database: &Database) -> Result<redb::WriteTransaction, redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(redb::Durability::Immediate)?;
    write.set_two_phase_commit(true);
    write.set_quick_repair(true);
    Ok(write)
}

impl Store for RedbStore {
    fn commit(&mut self, batch: Batch) -> Result<(), Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        self.write(&batch).inspect_err(|fault| self.failed = Some(fault.clone()))
    }
    fn rewrite(&mut self) -> Result<(), String> {
        if let Some(fault) = &self.failed {
            return Err(fault.to_string());
        }
        rewrite::rewrite(self)
    }
    fn is_read_as_it_was(&self) -> bool {
        self.left.iter().any(|left| left.strong_count() > 0)
    }
    fn keeps_older(&self) -> bool {
        rewrite::keeps(&self.path)
    }
}

impl Read for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.snapshots.take()?.get(table, key)
    }
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        self.snapshots.take()?.scan(table, prefix, from, visit)
    }
}

/// Gives out snapshots of what is durable, on any thread.
#[derive(Clone)]
pub struct Snapshots(Arc<RwLock<Arc<Opened>>>);

impl Snapshots {
    /// What is durable now, and stays as it is while this is held.
    pub fn take(&self) -> Result<Snapshot, Fault> {
        let opened = self.opened();
        let read = opened.database.begin_read().map_err(|error| opened.fault(error))?;
        Ok(Snapshot { read, damage: Arc::clone(&opened.damage), _database: Some(opened) })
    }
    /// Reads every block that the tables rest on from the disk, whatever is in memory, and says what does
    /// not hold. Where anything does not, the next start mends it.
    pub fn check(&self) -> Result<Vec<Rotten>, Fault> {
        let opened = self.opened();
        let Some(pages) = &opened.pages else { return Ok(Vec::new()) };
        let mut rotten = Vec::new();
        for _ in 0..pages.damaged_heads() {
            rotten.push(Rotten { block: 0, table: None });
        }
        let heads = !rotten.is_empty();
        // What a commit refers to stays as it is while somebody reads a state that is not newer.
        let (_snapshot, first) = loop {
            let first = pages.first();
            let snapshot = self.take()?;
            if first == pages.first() {
                break (snapshot, first);
            }
        };
        let mut walk = Walk::new(pages, &first);
        let tables = walk.tables();
        rotten.extend(walk.damaged.drain(..).map(|block| Rotten { block, table: None }));
        for (name, root) in tables {
            if let Some(root) = root.filter(|_| name != migrations::LAYOUT_NAME) {
                walk.table(root, &mut |_, _| Ok(()))?;
            }
            rotten.extend(walk.damaged.drain(..).map(|block| Rotten { block, table: Some(name.clone()) }));
        }
        if heads {
            // One of the two holds, or it would not be open.
            pages.mend_heads().map_err(failed)?;
        }
        if let Some(first) = rotten.iter().find(|rotten| rotten.block != 0) {
            let _noted = opened.damage.found(first.block);
        }
        Ok(rotten)
    }
    fn opened(&self) -> Arc<Opened> {
        // Nothing panics while it is locked.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Reads from another file from now on; gives back the one before.
    fn replace(&self, opened: Arc<Opened>) -> Arc<Opened> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), opened)
    }
}

/// A block of the store's file that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotten {
    /// Its number; 0 is the first, which lies there twice and was written anew from the other.
    pub block: u64,
    /// The table that rests on it; none where it leads to the tables.
    pub table: Option<String>,
}

/// What was durable at one moment.
pub struct Snapshot {
    read: ReadTransaction,
    damage: Arc<Damage>,
    /// Closes the file when the last that reads it is gone; so it is dropped after the transaction.
    _database: Option<Arc<Opened>>,
}

impl Snapshot {
    /// How many keys a table has, without reading them.
    pub fn len(&self, table: Table) -> Result<u64, Fault> {
        redb::ReadableTableMetadata::len(&self.rows(table)?).map_err(|error| self.fault(error))
    }
    fn rows(&self, table: Table) -> Result<redb::ReadOnlyTable<&'static [u8], &'static [u8]>, Fault> {
        self.read.open_table(definition(table)).map_err(|error| self.fault(error))
    }
    fn fault(&self, error: impl std::fmt::Display) -> Fault {
        self.damage.fault().unwrap_or_else(|| failed(error))
    }
    /// Copies tables into a store of their own in a new file; gives that back, durable.
    pub(crate) fn copy_to(&self, path: &Path, tables: impl IntoIterator<Item = Table>) -> Result<RedbStore, Fault> {
        self.copy_as(path, Damage::default(), tables)
    }
    /// The same into a file that will be the store itself: what is found damaged in it is noted as such.
    fn copy_as(
        &self,
        path: &Path,
        damage: Damage,
        tables: impl IntoIterator<Item = Table>,
    ) -> Result<RedbStore, Fault> {
        let mut to = RedbStore::open_file(path, damage).map_err(failed)?;
        for table in tables {
            let (mut batch, mut bytes) = (Batch::default(), 0);
            self.scan(table, &[], &[], &mut |key, value| {
                batch.put(table, key, value);
                bytes += key.len() + value.len();
                if bytes >= COPIED {
                    bytes = 0;
                    to.commit(core::mem::take(&mut batch))?;
                }
                Ok(true)
            })?;
            to.commit(batch)?;
        }
        Ok(to)
    }
}

impl Read for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let found = self.rows(table)?.get(key).map_err(|error| self.fault(error))?;
        Ok(found.map(|value| value.value().to_vec()))
    }
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        let rows = self.rows(table)?;
        for row in rows.range(prefix.max(from)..).map_err(|error| self.fault(error))? {
            let (key, value) = row.map_err(|error| self.fault(error))?;
            if !key.value().starts_with(prefix) || !visit(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }
}
