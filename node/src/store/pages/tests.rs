//! The file of blocks is what a plain one is, finds what changed on the disk, and survives a crash at any
//! moment, whatever of the last writes came to the disk.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::*;

/// What one write to a disk is.
#[derive(Debug, Clone)]
enum Done {
    Wrote(u64, Vec<u8>),
    Sized(u64),
}

#[derive(Debug, Default)]
struct State {
    /// What a read sees.
    seen: Vec<u8>,
    /// What a power cut leaves for certain, and what came since.
    durable: Vec<u8>,
    since: Vec<Done>,
    /// How many calls go well yet.
    left: Option<usize>,
}

/// A disk that keeps what was not synced apart.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<State>>);

const SECTOR: u64 = 512;

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics with it")
    }
    fn with(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { seen: bytes.clone(), durable: bytes, ..State::default() })))
    }
    fn change(&self, done: Done) -> io::Result<()> {
        let mut state = self.state();
        if let Some(left) = &mut state.left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the power is cut"))?;
        }
        apply(&mut state.seen, &done);
        state.since.push(done);
        Ok(())
    }
    /// What a power cut leaves: of each sector what was written there last or any time since the last
    /// sync, or what was durable; so of the length.
    fn cut(&self, mut chance: impl FnMut(usize) -> usize) -> Vec<u8> {
        let state = self.state();
        let mut bytes = state.durable.clone();
        let sizes: Vec<&Done> = state.since.iter().filter(|done| matches!(done, Done::Sized(_))).collect();
        let length = match sizes.len().checked_sub(chance(sizes.len() + 1)).and_then(|at| at.checked_sub(1)) {
            Some(at) => sizes[at].clone(),
            None => Done::Sized(bytes.len() as u64),
        };
        bytes.resize(bytes.len().max(state.seen.len()), 0);
        let mut until: std::collections::BTreeMap<u64, usize> = std::collections::BTreeMap::default();
        for (at, done) in state.since.iter().enumerate() {
            let Done::Wrote(offset, data) = done else { continue };
            let end = offset + data.len() as u64;
            for sector in offset / SECTOR..end.div_ceil(SECTOR) {
                let until = *until.entry(sector).or_insert_with(|| chance(state.since.len() + 1));
                if at < until {
                    let (from, to) = ((*offset).max(sector * SECTOR), end.min((sector + 1) * SECTOR));
                    let piece = &data
                        [usize::try_from(from - offset).expect("small")..usize::try_from(to - offset).expect("small")];
                    apply(&mut bytes, &Done::Wrote(from, piece.to_vec()));
                }
            }
        }
        apply(&mut bytes, &length);
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, done: &Done) {
    match done {
        Done::Wrote(offset, data) => {
            let offset = usize::try_from(*offset).expect("small");
            bytes.resize(bytes.len().max(offset + data.len()), 0);
            bytes[offset..offset + data.len()].copy_from_slice(data);
        }
        Done::Sized(length) => bytes.resize(usize::try_from(*length).expect("small"), 0),
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let offset = usize::try_from(offset).expect("small");
        let bytes = state.seen.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Done::Wrote(offset, data.to_vec()))
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Done::Sized(length))
    }
    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.left == Some(0) {
            return Err(io::Error::other("the power is cut"));
        }
        state.durable = state.seen.clone();
        state.since.clear();
        Ok(())
    }
}

fn pages(disk: &Disk) -> Pages<Disk> {
    Pages::open(disk.clone(), Arc::default()).expect("opens")
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64, Vec<u8>),
    Read(u64, usize),
    Length(u64),
    Reopen,
}

/// Most blocks of a file here.
const MOST: u64 = 140;

fn step() -> impl Strategy<Value = Step> {
    let bytes = BLOCK as u64;
    prop_oneof![
        (0..MOST * bytes, prop::collection::vec(any::<u8>(), 1..9000)).prop_map(|(at, data)| Step::Write(at, data)),
        (0..MOST, 1..70u64, any::<u8>()).prop_map(move |(at, n, fill)| Step::Write(
            at * bytes,
            vec![fill; usize::try_from(n * bytes).unwrap_or(0)]
        )),
        (0..MOST * bytes, 1..300_000usize).prop_map(|(at, length)| Step::Read(at, length)),
        (1..MOST).prop_map(move |blocks| Step::Length(blocks * bytes)),
        Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_use_is_as_of_a_plain_file(steps in prop::collection::vec(step(), 1..60)) {
        let (disk, plain) = (Disk::default(), InMemoryBackend::new());
        let mut blocks = pages(&disk);
        // As redb does: a length first, then the first block; and every block before it is read.
        for file in [&blocks as &dyn StorageBackend, &plain] {
            file.set_len(BLOCK as u64).expect("room");
            file.write(0, &[0; BLOCK]).expect("written");
        }
        for step in steps {
            let length = plain.len().expect("a length");
            match step {
                Step::Write(at, data) => {
                    let end = length.min(at + data.len() as u64);
                    if at < end {
                        let data = &data[..usize::try_from(end - at).expect("small")];
                        blocks.write(at, data).expect("written");
                        plain.write(at, data).expect("written");
                    }
                }
                Step::Read(at, most) => {
                    let count = usize::try_from(length.saturating_sub(at)).expect("small").min(most);
                    let (mut ours, mut theirs) = (vec![0; count], vec![0; count]);
                    if count == 0 {
                        continue;
                    }
                    blocks.read(at, &mut ours).expect("read");
                    plain.read(at, &mut theirs).expect("read");
                    prop_assert!(ours == theirs);
                }
                Step::Length(new) => {
                    for file in [&blocks as &dyn StorageBackend, &plain] {
                        file.set_len(new).expect("room");
                        let zeros = vec![0; usize::try_from(new.saturating_sub(length)).expect("small")];
                        file.write(length.min(new), &zeros).expect("written");
                    }
                    blocks.sync_data().expect("synced");
                    blocks.write(0, &blocks.first()[..320]).expect("written");
                }
                Step::Reopen => {
                    blocks.sync_data().expect("synced");
                    blocks = pages(&disk);
                }
            }
            prop_assert_eq!(blocks.len().expect("a length"), plain.len().expect("a length"));
        }
    }

    #[test]
    fn any_byte_that_flips_is_found_or_said_by_the_other_copy(at: prop::sample::Index, bit in 0..8u32, zero: bool) {
        let disk = Disk::default();
        let written = pages(&disk);
        written.set_len(20 * BLOCK as u64).expect("room");
        written.sync_data().expect("synced");
        for number in 0..20u64 {
            let block: Vec<u8> = (0..BLOCK as u64).map(|byte| u8::try_from((byte * 7 + number) % 251).expect("small")).collect();
            written.write(number * BLOCK as u64, &block).expect("written");
        }
        let mut bytes = disk.state().seen.clone();
        let (at, whole) = (at.index(bytes.len()), bytes.clone());
        if zero {
            let page = at / BLOCK * BLOCK;
            let end = (page + BLOCK).min(bytes.len());
            bytes[page..end].fill(0);
        } else {
            bytes[at] ^= 1 << bit;
        }
        let damaged = Pages::open(Disk::with(bytes), Arc::default()).expect("one head holds");
        let (mut lost, mut out) = (0, [0; BLOCK]);
        for number in 0..20u64 {
            let offset = number * BLOCK as u64;
            if damaged.read(offset, &mut out).is_err() {
                lost += 1;
            } else {
                let mut before = [0; BLOCK];
                pages(&Disk::with(whole.clone())).read(offset, &mut before).expect("sound");
                prop_assert!(out == before, "block {} was read wrong", number);
            }
        }
        prop_assert!(lost <= 2);
        let head = at < 2 * usize::try_from(SECOND).expect("small");
        prop_assert_eq!(lost == 0, head);
    }
}

const TABLE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");

fn open(disk: &Disk) -> Result<Database, redb::DatabaseError> {
    let pages = Pages::open(disk.clone(), Arc::default())?;
    redb::Builder::new().set_cache_size(1 << 18).create_with_backend(pages)
}
fn rows(database: &Database) -> Vec<(u64, Vec<u8>)> {
    let read = database.begin_read().expect("read");
    let table = match read.open_table(TABLE) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Vec::new(),
        table => table.expect("a table"),
    };
    table.iter().expect("rows").map(|row| row.map(|(k, v)| (k.value(), v.value().to_vec())).expect("a row")).collect()
}
/// The numbers that a seed gives.
fn chances(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((seed >> 33) % below.max(1) as u64).expect("small")
    }
}
/// One commit of some rows, small and large; some go.
fn commit(database: &Database, chance: &mut dyn FnMut(usize) -> usize) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(redb::Durability::Immediate)?;
    write.set_two_phase_commit(true);
    write.set_quick_repair(true);
    {
        let mut table = write.open_table(TABLE)?;
        for _ in 0..=chance(8) {
            let length = if chance(10) == 0 { chance(60_000) } else { chance(600) };
            table.insert(chance(300) as u64, &vec![u8::try_from(chance(256)).unwrap_or(0); length][..])?;
            table.remove(chance(300) as u64)?;
        }
    }
    write.commit()?;
    Ok(())
}

/// A store is filled, the power is cut at some call, some of what was not synced is on the disk: it opens,
/// and holds what the last commit that was confirmed made of it, or the one that was under way.
#[test]
fn a_power_cut_at_any_call_leaves_the_last_commit_or_the_one_under_way() {
    let rounds = std::env::var("STAFFROOM_ROT").map_or(150, |_| 5_000);
    let (mut cuts, mut under_way) = (0, 0);
    for round in 0..rounds {
        let mut chance = chances(round);
        let mut disk = Disk::default();
        let mut database = open(&disk).expect("opens");
        // Cut again and again: also while what the cut before left is opened and mended.
        for _ in 0..5 {
            let mut confirmed = rows(&database);
            disk.state().left = Some(chance(90));
            while commit(&database, &mut chance).is_ok() {
                confirmed = rows(&database);
            }
            drop(database);
            let left = Disk::with(disk.cut(&mut chance));
            database = open(&left).unwrap_or_else(|error| panic!("round {round}: {error}"));
            let now = rows(&database);
            if now != confirmed {
                under_way += 1;
                // It is one commit, whole: the same that is there where nothing was lost but the process.
                let killed = open(&Disk::with(disk.state().seen.clone())).expect("it opens after a kill alone");
                assert!(now == rows(&killed), "round {round}: half a commit");
            }
            disk = left;
            cuts += 1;
        }
    }
    assert!(under_way > 0 && under_way < cuts, "{cuts} power cuts, after {under_way} the commit under way was there");
}
