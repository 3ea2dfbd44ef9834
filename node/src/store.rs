//! The store on disk: one redb file, one table for each [`Table`] of the protocol.
//!
//! Every commit is durable when it returns, in two phases, with the allocator's state saved, so that
//! opening after a `kill -9` reads a few pages. Once a commit fails, nothing is written any more: what
//! is durable is known again only after the file was opened anew.

//!
//! What is removed leaves its bytes in the file's free pages. Where they have to go, the file is written
//! anew beside the old one and takes its name ([`rewrite`]).

mod migrations;
mod rewrite;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, TableDefinition};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::store::{Batch, Read, Store, Table, Visit};

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
    /// It is damaged, or the disk fails.
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

/// The store on disk. Clones of its [`Snapshots`] read beside it.
pub struct RedbStore {
    path: PathBuf,
    snapshots: Snapshots,
    /// Files that were rewritten, as long as anybody reads them.
    left: Vec<Weak<Database>>,
    failed: Option<Fault>,
}

impl RedbStore {
    /// Opens the file, or makes it; brings older layouts up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |error: String| OpenError::Unreadable(error);
        let store = Self::open_file(path)?;
        // Whoever has the store open is alone: what a rewrite left that was cut short is nobody's.
        rewrite::clear(path).map_err(unreadable)?;
        Ok(store)
    }
    fn open_file(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |error: String| OpenError::Unreadable(error);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => OpenError::Forbidden,
            _ => unreadable(error.to_string()),
        })?;
        let this = file.metadata().map_err(|error| unreadable(error.to_string()))?.ino();
        let backend = FileBackend::new(file);
        let opened = backend.and_then(|file| redb::Builder::new().set_cache_size(CACHE).create_with_backend(file));
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            other => unreadable(other.to_string()),
        })?;
        // A rewrite may have put another file in its place before this one was locked.
        if std::fs::metadata(path).is_ok_and(|now| now.ino() != this) {
            return Err(OpenError::InUse);
        }
        migrations::run(&database)?;
        let store = Self {
            path: path.to_owned(),
            snapshots: Snapshots(Arc::new(RwLock::new(Arc::new(database)))),
            left: Vec::new(),
            failed: None,
        };
        store.make_tables().map_err(|fault| unreadable(fault.to_string()))?;
        Ok(store)
    }

    /// What a store file holds that nobody writes; leaves the file as it is.
    pub fn peek(path: &Path) -> Result<Snapshot, Fault> {
        let database = redb::Builder::new().open_read_only(path).map_err(failed)?;
        Ok(Snapshot { read: database.begin_read().map_err(failed)?, _database: None })
    }

    fn make_tables(&self) -> Result<(), Fault> {
        let database = self.snapshots.database();
        let read = database.begin_read().map_err(failed)?;
        if Table::ALL.iter().all(|table| read.open_table(definition(*table)).is_ok()) {
            return Ok(());
        }
        let write = durable_write(&database)?;
        for table in Table::ALL {
            write.open_table(definition(table)).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }

    /// A handle for readers beside the replica.
    pub fn snapshots(&self) -> Snapshots {
        self.snapshots.clone()
    }

    /// Why nothing is written any more, once that is so.
    pub(crate) fn failed(&self) -> Option<&Fault> {
        self.failed.as_ref()
    }

    fn write(&self, batch: &Batch) -> Result<(), Fault> {
        let database = self.snapshots.database();
        let write = durable_write(&database)?;
        let mut open: Option<(Table, Rows<'_>)> = None;
        for (table, key, value) in batch.writes() {
            if open.as_ref().is_none_or(|(name, _)| *name != table) {
                drop(open.take());
                open = Some((table, write.open_table(definition(table)).map_err(failed)?));
            }
            let (_, rows) = open.as_mut().expect("just opened");
            match value {
                Some(value) => rows.insert(key, value).map_err(failed)?,
                None => rows.remove(key).map_err(failed)?,
            };
        }
        drop(open);
        write.commit().map_err(failed)
    }
}

/// A write transaction whose commit is durable and quick to recover from.
pub(crate) fn durable_write(database: &Database) -> Result<redb::WriteTransaction, Fault> {
    let mut write = database.begin_write().map_err(failed)?;
    write.set_durability(redb::Durability::Immediate).map_err(failed)?;
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
pub struct Snapshots(Arc<RwLock<Arc<Database>>>);

impl Snapshots {
    /// What is durable now, and stays as it is while this is held.
    pub fn take(&self) -> Result<Snapshot, Fault> {
        let database = self.database();
        Ok(Snapshot { read: database.begin_read().map_err(failed)?, _database: Some(database) })
    }
    fn database(&self) -> Arc<Database> {
        // Nothing panics while it is locked.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Reads from another file from now on; gives back the one before.
    fn replace(&self, database: Arc<Database>) -> Arc<Database> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), database)
    }
}

/// What was durable at one moment.
pub struct Snapshot {
    read: ReadTransaction,
    /// Closes the file when the last that reads it is gone; so it is dropped after the transaction.
    _database: Option<Arc<Database>>,
}

impl Snapshot {
    /// How many keys a table has, without reading them.
    pub fn len(&self, table: Table) -> Result<u64, Fault> {
        let rows = self.read.open_table(definition(table)).map_err(failed)?;
        redb::ReadableTableMetadata::len(&rows).map_err(failed)
    }
    /// Copies tables into a store of their own in a new file; gives that back, durable.
    pub(crate) fn copy_to(&self, path: &Path, tables: impl IntoIterator<Item = Table>) -> Result<RedbStore, Fault> {
        let mut to = RedbStore::open_file(path).map_err(failed)?;
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

fn scan(read: &ReadTransaction, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
    let rows = read.open_table(definition(table)).map_err(failed)?;
    for row in rows.range(prefix.max(from)..).map_err(failed)? {
        let (key, value) = row.map_err(failed)?;
        if !key.value().starts_with(prefix) || !visit(key.value(), value.value())? {
            break;
        }
    }
    Ok(())
}

impl Read for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let rows = self.read.open_table(definition(table)).map_err(failed)?;
        Ok(rows.get(key).map_err(failed)?.map(|value| value.value().to_vec()))
    }
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        scan(&self.read, table, prefix, from, visit)
    }
}
