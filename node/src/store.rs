//! The store on disk: one redb file, one table for each [`Table`] of the protocol.
//!
//! Every commit is durable when it returns, in two phases, with the allocator's state saved, so that
//! opening after a `kill -9` reads a few pages. Once a commit fails, nothing is written any more: what
//! is durable is known again only after the file was opened anew.

mod migrations;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, StorageError, TableDefinition};
use staffroom_protocol::fault::Fault;
use staffroom_protocol::store::{Batch, Read, Store, Table, Visit};

/// redb's cache, bytes: enough for the inner pages of a hundred thousand records.
const CACHE: usize = 16 << 20;

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
    database: Arc<Database>,
    failed: Option<Fault>,
}

impl RedbStore {
    /// Opens the file, or makes it; brings older layouts up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let unreadable = |error: String| OpenError::Unreadable(error);
        let database = redb::Builder::new().set_cache_size(CACHE).create(path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenError::InUse,
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == ErrorKind::PermissionDenied => {
                OpenError::Forbidden
            }
            other => unreadable(other.to_string()),
        })?;
        migrations::run(&database)?;
        let store = Self { database: Arc::new(database), failed: None };
        store.make_tables().map_err(|fault| unreadable(fault.to_string()))?;
        Ok(store)
    }

    /// What a store file holds that nobody writes; leaves the file as it is.
    pub fn peek(path: &Path) -> Result<Snapshot, Fault> {
        let database = redb::Builder::new().open_read_only(path).map_err(failed)?;
        database.begin_read().map(Snapshot).map_err(failed)
    }

    fn make_tables(&self) -> Result<(), Fault> {
        let read = self.database.begin_read().map_err(failed)?;
        if Table::ALL.iter().all(|table| read.open_table(definition(*table)).is_ok()) {
            return Ok(());
        }
        let write = durable_write(&self.database)?;
        for table in Table::ALL {
            write.open_table(definition(table)).map_err(failed)?;
        }
        write.commit().map_err(failed)
    }

    /// A handle for readers beside the replica.
    pub fn snapshots(&self) -> Snapshots {
        Snapshots(Arc::clone(&self.database))
    }

    fn write(&self, batch: &Batch) -> Result<(), Fault> {
        let write = durable_write(&self.database)?;
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
}

impl Read for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Snapshot::begin(&self.database)?.get(table, key)
    }
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        Snapshot::begin(&self.database)?.scan(table, prefix, from, visit)
    }
}

/// Gives out snapshots of what is durable, on any thread.
#[derive(Clone)]
pub struct Snapshots(Arc<Database>);

impl Snapshots {
    /// What is durable now, and stays as it is while this is held.
    pub fn take(&self) -> Result<Snapshot, Fault> {
        Snapshot::begin(&self.0)
    }
    /// Reads every page and compares its checksum. Nothing may be written meanwhile.
    pub fn pages_are_sound(&mut self) -> Result<bool, Fault> {
        match Arc::get_mut(&mut self.0) {
            Some(database) => database.check_integrity().map_err(failed),
            None => Ok(true),
        }
    }
}

/// What was durable at one moment.
pub struct Snapshot(ReadTransaction);

impl Snapshot {
    fn begin(database: &Database) -> Result<Self, Fault> {
        database.begin_read().map(Self).map_err(failed)
    }
    /// How many keys a table has, without reading them.
    pub fn len(&self, table: Table) -> Result<u64, Fault> {
        let rows = self.0.open_table(definition(table)).map_err(failed)?;
        redb::ReadableTableMetadata::len(&rows).map_err(failed)
    }
}

impl Read for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let rows = self.0.open_table(definition(table)).map_err(failed)?;
        Ok(rows.get(key).map_err(failed)?.map(|value| value.value().to_vec()))
    }
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        let rows = self.0.open_table(definition(table)).map_err(failed)?;
        for row in rows.range(prefix.max(from)..).map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            if !key.value().starts_with(prefix) || !visit(key.value(), value.value())? {
                break;
            }
        }
        Ok(())
    }
}
