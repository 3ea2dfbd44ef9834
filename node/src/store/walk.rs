//! Reads the tables of a store's file page by page, past what is damaged.
//!
//! redb stops at the first page that cannot be read, and what it has in memory it does not read again.
//! Here every page that the tables rest on is read from the disk; where one does not hold, what hangs on
//! it is passed over and noted, and the rest goes on. The layout is redb's, version 3 of its file format
//! (`docs/design.md` there): nothing is written in it, and nothing that contradicts itself is believed.

use std::collections::{BTreeMap, BTreeSet};

use redb::StorageBackend;
use staffroom_protocol::fault::Fault;

use super::pages::{BLOCK, Blocks};

/// Levels of a tree: more than any has that fits on a disk.
const DEPTH: u8 = 24;
const LEAF: u8 = 1;
const BRANCH: u8 = 2;
/// Where the two places for commits begin in the first block, and how long one is.
const COMMITS: usize = 64;
const COMMIT: usize = 128;
/// A sum of redb's in a branch.
const REDB_SUM: usize = 16;

/// Visits rows: key and value.
type Rows<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), Fault>;

/// The number of a page, as redb writes it.
#[derive(Clone, Copy)]
struct PageNumber(u64);

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes: [u8; N] = bytes.get(at..)?.first_chunk().copied()?;
    Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}
fn index(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(number::<4>(bytes, at)?).ok()
}

/// What the list of tables says of one that is not empty: how many rows it has, and where its tree begins.
pub(super) fn table_of(about: &[u8]) -> Option<(u64, u64)> {
    let filled = about.first() == Some(&3) && about.get(9) == Some(&1);
    filled.then(|| Some((number::<8>(about, 1)?, number::<8>(about, 10)?))).flatten()
}

/// A file that is read past what is damaged.
pub(super) struct Walk<'a, B> {
    blocks: &'a Blocks<B>,
    first: [u8; BLOCK],
    /// The first block of each page that could not be read.
    pub(super) damaged: Vec<u64>,
    /// The pages of this tree that were visited: none hangs on two others.
    visited: BTreeSet<u64>,
}

impl<'a, B: StorageBackend> Walk<'a, B> {
    /// Of a file as its first block says it is.
    pub(super) fn new(blocks: &'a Blocks<B>, first: &[u8; BLOCK]) -> Self {
        Self { blocks, first: *first, damaged: Vec::new(), visited: BTreeSet::new() }
    }

    /// The tables, each with where its tree begins, where it has any row; nothing where that cannot be read.
    pub(super) fn tables(&mut self) -> BTreeMap<String, Option<u64>> {
        let commit = &self.first[COMMITS + usize::from(self.first[9] & 1) * COMMIT..][..COMMIT];
        let root = number::<8>(commit, 8).filter(|_| commit[1] != 0);
        let mut tables = BTreeMap::new();
        if let Some(root) = root {
            let mut table = |name: &[u8], about: &[u8]| {
                if let Ok(name) = std::str::from_utf8(name) {
                    tables.insert(name.to_owned(), table_of(about).map(|(_, root)| root));
                }
                Ok(())
            };
            let _all = self.tree(PageNumber(root), DEPTH, &mut table);
        }
        tables
    }
    /// Visits what can be read of a table.
    pub(super) fn table(&mut self, root: u64, visit: Rows<'_>) -> Result<(), Fault> {
        self.tree(PageNumber(root), DEPTH, visit)
    }

    fn tree(&mut self, page: PageNumber, depth: u8, visit: Rows<'_>) -> Result<(), Fault> {
        let start = self.start(page);
        if depth == DEPTH {
            self.visited.clear();
        }
        let is_new = start.is_some_and(|start| self.visited.insert(start));
        let bytes = match start.and_then(|start| self.page(page, start)) {
            Some(bytes) if depth > 0 && is_new => bytes,
            _ => {
                self.damaged.push(start.unwrap_or_default() / BLOCK as u64);
                return Ok(());
            }
        };
        let whole = match bytes[0] {
            LEAF => leaf(&bytes, visit)?,
            BRANCH => match children(&bytes) {
                Some(children) => {
                    for child in children {
                        self.tree(child, depth - 1, visit)?;
                    }
                    Some(())
                }
                None => None,
            },
            _ => None,
        };
        if whole.is_none() {
            self.damaged.push(start.unwrap_or_default() / BLOCK as u64);
        }
        Ok(())
    }
    /// Where a page begins.
    fn start(&self, PageNumber(page): PageNumber) -> Option<u64> {
        let (order, region) = (page >> 59, (page >> 20) & 0xF_FFFF);
        let within = page & (0xF_FFFF >> order);
        let (lead, pages) = (number::<4>(&self.first, 16)?, number::<4>(&self.first, 20)?);
        let region = region.checked_mul((lead + pages) * BLOCK as u64)?;
        let within = within.checked_mul((BLOCK as u64) << order)?.checked_add(lead * BLOCK as u64)?;
        region.checked_add(within)?.checked_add(BLOCK as u64)
    }
    fn page(&self, PageNumber(page): PageNumber, start: u64) -> Option<Vec<u8>> {
        let length = (BLOCK as u64) << (page >> 59);
        // What the file does not have is not made room for.
        let end = start.checked_add(length)?;
        let mut bytes = vec![0; usize::try_from(length).ok().filter(|_| end <= self.blocks.length())?];
        self.blocks.blocks(start / BLOCK as u64, &mut bytes).ok()?;
        Some(bytes)
    }
}

/// Visits the rows of a leaf; nothing where it contradicts itself.
fn leaf(bytes: &[u8], visit: Rows<'_>) -> Result<Option<()>, Fault> {
    let Some(rows) = number::<2>(bytes, 2).and_then(|rows| usize::try_from(rows).ok()) else { return Ok(None) };
    let key_end = |row: usize| index(bytes, 4 + 4 * row);
    let value_end = |row: usize| index(bytes, 4 + 4 * rows + 4 * row);
    let keys = 4 + 8 * rows;
    for row in 0..rows {
        let found = || {
            let (key, value) = match row.checked_sub(1) {
                None => (keys, key_end(rows - 1)?),
                Some(before) => (key_end(before)?, value_end(before)?),
            };
            Some((bytes.get(key..key_end(row)?)?, bytes.get(value..value_end(row)?)?))
        };
        let Some((key, value)) = found() else { return Ok(None) };
        visit(key, value)?;
    }
    Ok(Some(()))
}

/// Visits the rows of every leaf in the file that can be read, whether or not anything leads to it.
pub(super) fn for_each_leaf<B: StorageBackend>(blocks: &Blocks<B>, visit: Rows<'_>) -> Result<(), Fault> {
    let count = blocks.length() / BLOCK as u64;
    let mut block = vec![0; BLOCK];
    for number in 1..count {
        if blocks.blocks(number, &mut block).is_err() || block[0] != LEAF {
            continue;
        }
        // Its last value says how long it is.
        let rows = usize::from(u16::from_le_bytes([block[2], block[3]]));
        let end = rows.checked_sub(1).and_then(|last| index(&block, 4 + 4 * rows + 4 * last)).unwrap_or_default();
        let length = end.div_ceil(BLOCK).max(1) * BLOCK;
        if end == 0 || (count - number).saturating_mul(BLOCK as u64) < length as u64 {
            continue;
        }
        let mut leaf_bytes = vec![0; length];
        if blocks.blocks(number, &mut leaf_bytes).is_ok() {
            leaf(&leaf_bytes, visit)?;
        }
    }
    Ok(())
}

/// The pages below a branch.
fn children(bytes: &[u8]) -> Option<Vec<PageNumber>> {
    let children = usize::try_from(number::<2>(bytes, 2)?).ok()? + 1;
    let pages = 8 + REDB_SUM * children;
    (0..children).map(|child| number::<8>(bytes, pages + 8 * child).map(PageNumber)).collect()
}
