//! A store in memory that can be crashed and broken on purpose.

use std::collections::BTreeMap;

use super::{Batch, Read, Store, Table, Visit};
use crate::fault::Fault;

type Tables = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// What goes wrong at a commit, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crash {
    /// Nothing: what was committed survives.
    #[default]
    Never,
    /// A planted fault: commits answer before they are durable, and a crash loses them.
    LosesFlush,
    /// The disk is full or failing: commits fail and write nothing.
    Fails,
}

/// Keeps everything in memory; survives the crash of its replica, as a disk does.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    now: Tables,
    durable: Option<Tables>,
    crash: Crash,
}

impl MemoryStore {
    /// Sets what goes wrong from now on.
    pub fn break_with(&mut self, crash: Crash) {
        if crash == Crash::LosesFlush && self.durable.is_none() {
            self.durable = Some(self.now.clone());
        }
        self.crash = crash;
    }
    /// The machine loses power: what was not durable is gone.
    pub fn crash(&mut self) {
        if let Some(durable) = &self.durable {
            self.now.clone_from(durable);
        }
    }
    /// The keys and values of everything kept.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        self.now.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_slice()))
    }
}

impl Read for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.now.get(&(table, key.to_vec())).cloned())
    }
    fn scan(&self, table: Table, prefix: &[u8], from: &[u8], visit: Visit<'_>) -> Result<(), Fault> {
        for ((_, key), value) in
            self.now.range((table, prefix.max(from).to_vec())..).take_while(|((t, _), _)| *t == table)
        {
            if !key.starts_with(prefix) || !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, batch: Batch) -> Result<(), Fault> {
        if self.crash == Crash::Fails {
            return Err(Fault::Store("no space left on device".to_owned()));
        }
        for (table, key, value) in batch.writes() {
            let key = (table, key.to_vec());
            match value {
                Some(value) => self.now.insert(key, value.to_vec()),
                None => self.now.remove(&key),
            };
        }
        Ok(())
    }
}
