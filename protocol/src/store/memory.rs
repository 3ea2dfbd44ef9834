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
    /// So many commits succeed, then the disk fails.
    FailsAfter(u32),
}

/// Keeps everything in memory; survives the crash of its replica, as a disk does.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    now: Tables,
    durable: Option<Tables>,
    crash: Crash,
    /// What was removed or replaced and a rewrite has not taken away, where that is watched.
    old: Option<Vec<Vec<u8>>>,
    rewrites: u64,
}

impl MemoryStore {
    /// Keeps what is removed or replaced until it is rewritten, as the free pages of a file do.
    pub fn keep_old(&mut self) {
        self.old.get_or_insert_default();
    }
    /// What was removed or replaced since it was rewritten last.
    pub fn old(&self) -> &[Vec<u8>] {
        self.old.as_deref().unwrap_or_default()
    }
    /// How often it was rewritten.
    pub fn rewrites(&self) -> u64 {
        self.rewrites
    }
    /// Sets what goes wrong from now on. A store that no longer loses flushes has written all it has.
    pub fn break_with(&mut self, crash: Crash) {
        match crash {
            Crash::LosesFlush if self.durable.is_none() => self.durable = Some(self.now.clone()),
            Crash::LosesFlush | Crash::Fails | Crash::FailsAfter(_) => {}
            Crash::Never => self.durable = None,
        }
        self.crash = crash;
    }
    /// What goes wrong at present.
    pub fn broken_with(&self) -> Crash {
        self.crash
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
        if let Crash::FailsAfter(commits) = self.crash {
            self.crash = commits.checked_sub(1).map_or(Crash::Fails, Crash::FailsAfter);
        }
        if self.crash == Crash::Fails {
            return Err(Fault::Store("no space left on device".to_owned()));
        }
        for (table, key, value) in batch.writes() {
            let key = (table, key.to_vec());
            let was = match value {
                Some(value) => self.now.insert(key, value.to_vec()),
                None => self.now.remove(&key),
            };
            if let Some(old) = &mut self.old {
                old.extend(was);
            }
        }
        Ok(())
    }
    fn rewrite(&mut self) -> Result<(), String> {
        if matches!(self.crash, Crash::Fails | Crash::FailsAfter(0)) {
            return Err("no space left on device".to_owned());
        }
        self.rewrites += 1;
        if let Some(old) = &mut self.old {
            old.clear();
        }
        Ok(())
    }
    fn is_read_as_it_was(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut MemoryStore, key: u8) -> Result<(), Fault> {
        let mut batch = Batch::default();
        batch.put(Table::Logs, [key], [key]);
        store.commit(batch)
    }
    fn has(store: &MemoryStore, key: u8) -> bool {
        store.get(Table::Logs, &[key]).unwrap().is_some()
    }

    #[test]
    fn a_crash_loses_what_a_lost_flush_answered_for_and_nothing_else() {
        let mut store = MemoryStore::default();
        put(&mut store, 1).unwrap();
        store.break_with(Crash::LosesFlush);
        put(&mut store, 2).unwrap();
        assert!(has(&store, 2));
        store.crash();
        assert!(has(&store, 1) && !has(&store, 2));
        put(&mut store, 3).unwrap();
        store.break_with(Crash::Never);
        store.crash();
        assert!(has(&store, 3));
        store.break_with(Crash::FailsAfter(1));
        put(&mut store, 3).unwrap();
        assert!(put(&mut store, 4).is_err());
        assert!(!has(&store, 4));
    }
}
