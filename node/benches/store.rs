//! What the sums of the store's blocks cost: the same work on the store and on plain redb.
//!
//! `cargo bench -p staffroom-node --bench store`

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::Path;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase as _, TableDefinition};
use staffroom_node::store::{RedbStore, Snapshot};
use staffroom_protocol::store::{Batch, Read as _, Store, Table};

const ROWS: u32 = 60_000;
const COMMITS: usize = 300;
const READS: u32 = 200_000;
const TABLE: Table = Table::Payloads;
const CACHE: usize = 16 << 20;

fn definition() -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(TABLE.name())
}
/// A row's value, of a payload's usual length.
fn value(number: u32) -> Vec<u8> {
    (0..600u32).map(|byte| number.wrapping_mul(2_654_435_761).wrapping_add(byte * byte).to_le_bytes()[1]).collect()
}
/// The rows in an order that jumps about.
fn row(number: u32) -> [u8; 4] {
    (number.wrapping_mul(48_271) % ROWS).to_be_bytes()
}

trait Kept {
    fn commit(&mut self, rows: &[u32]);
    fn reads(&self, rows: &mut dyn Iterator<Item = [u8; 4]>) -> usize;
}

impl Kept for RedbStore {
    fn commit(&mut self, rows: &[u32]) {
        let mut batch = Batch::default();
        for number in rows {
            batch.put(TABLE, row(*number), value(*number));
        }
        Store::commit(self, batch).expect("committed");
    }
    fn reads(&self, rows: &mut dyn Iterator<Item = [u8; 4]>) -> usize {
        let snapshot: Snapshot = self.snapshots().take().expect("a snapshot");
        rows.filter(|row| snapshot.get(TABLE, row).expect("read").is_some()).count()
    }
}
struct Plain(Database);

impl Plain {
    fn open(path: &Path) -> Self {
        Self(redb::Builder::new().set_cache_size(CACHE).create(path).expect("created"))
    }
}

impl Kept for Plain {
    fn commit(&mut self, rows: &[u32]) {
        let mut write = self.0.begin_write().expect("begun");
        write.set_durability(redb::Durability::Immediate).expect("set");
        write.set_two_phase_commit(true);
        write.set_quick_repair(true);
        {
            let mut table = write.open_table(definition()).expect("a table");
            for number in rows {
                table.insert(&row(*number)[..], &value(*number)[..]).expect("inserted");
            }
        }
        write.commit().expect("committed");
    }
    fn reads(&self, rows: &mut dyn Iterator<Item = [u8; 4]>) -> usize {
        let read = self.0.begin_read().expect("begun");
        rows.filter(|row| {
            let table = read.open_table(definition()).expect("a table");
            table.get(&row[..]).expect("read").map(|value| value.value().to_vec()).is_some()
        })
        .count()
    }
}

/// Times of one kind of store: filled, a small commit in the middle, a warm read, a read past the cache.
fn measure(store: &mut dyn Kept) -> [Duration; 4] {
    let begun = Instant::now();
    for from in (0..ROWS).step_by(2_000) {
        store.commit(&(from..from + 2_000).collect::<Vec<_>>());
    }
    let filled = begun.elapsed();
    let mut commits: Vec<Duration> = (0..COMMITS)
        .map(|commit| {
            let begun = Instant::now();
            let first = u32::try_from(commit).expect("few") * 151;
            store.commit(&[first, first + 40_000, first + 20_000]);
            begun.elapsed()
        })
        .collect();
    commits.sort_unstable();
    let time = |few: u32| {
        store.reads(&mut (0..few).map(row));
        let begun = Instant::now();
        let found = store.reads(&mut (0..READS).map(|number| row(number % few)));
        assert_eq!(found, READS as usize);
        begun.elapsed() / READS
    };
    [filled, commits[COMMITS / 2], time(1_000), time(ROWS)]
}

fn main() {
    let folder = tempfile::tempdir_in(std::env::current_dir().expect("a folder")).expect("a folder");
    let mut best = [[Duration::MAX; 4]; 2];
    for round in 0..3 {
        let path = |name: &str| folder.path().join(format!("{name}{round}"));
        let plain = measure(&mut Plain::open(&path("plain")));
        let ours = measure(&mut RedbStore::open(&path("ours")).expect("opened"));
        for (best, measured) in best.iter_mut().zip([plain, ours]) {
            for (best, measured) in best.iter_mut().zip(measured) {
                *best = (*best).min(measured);
            }
        }
    }
    for (at, what) in ["filling, 60,000 rows", "a commit of three rows, p50", "a read, warm", "a read past the cache"]
        .iter()
        .enumerate()
    {
        let ratio = best[1][at].as_secs_f64() / best[0][at].as_secs_f64();
        println!("{what:30} {:>12.3?}     plain redb {:>12.3?}  ratio {ratio:.2}", best[1][at], best[0][at]);
    }
}
