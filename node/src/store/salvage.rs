//! Copies what can be read of a damaged store into a new one.
//!
//! Three ways lead to a row, and each is tried where the one before it failed: the tables as the last
//! commit has them; those that are few and that nobody can send again lie in the file twice
//! ([`again`]); and entries tell themselves what they are, so that pages which nothing leads to any more
//! are read where they lie. What is copied is put in order afterwards, and nothing of it is believed that
//! its signature or its place does not show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;

use redb::backends::FileBackend;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::log::{Entry, SIGNED_HEADER};
use staffroom_protocol::store::{Batch, Read as _, Store as _, Table};

use super::damage::Damage;
use super::pages::Pages;
use super::walk::{Walk, for_each_leaf, table_of};
use super::{COPIED, OpenError, RedbStore, rewrite, unreadable};

/// How many trees of one table are looked at, where its last one is not known.
const LISTED: usize = 64;

/// Where a table that nobody can send again, and that is small, lies a second time.
pub(super) fn again(table: Table) -> Option<&'static str> {
    Some(match table {
        Table::Decisions => "again-decisions-1",
        Table::Operations => "again-operations-1",
        Table::Identities => "again-identities-1",
        Table::PastIdentities => "again-past-identities-1",
        Table::Splits => "again-splits-1",
        Table::Rivals => "again-rivals-1",
        Table::Proposals => "again-proposals-1",
        Table::Forks => "again-forks-1",
        Table::Writers => "again-writers-1",
        Table::Blobs => "again-blobs-1",
        Table::Dropped => "again-dropped-1",
        Table::Erasures => "again-erasures-1",
        Table::Receipts => "again-receipts-1",
        Table::Unwiped => "again-unwiped-1",
        Table::Hidden => "again-hidden-1",
        Table::Refusals => "again-refusals-1",
        Table::Invitations => "again-invitations-1",
        Table::DeviceInvitations => "again-device-invitations-1",
        Table::Joins => "again-joins-1",
        _ => return None,
    })
}

/// Tables of which a row shows by itself, or by another one, that it is what it should be.
const SPEAK_FOR_THEMSELVES: [Table; 11] = [
    Table::Headers,
    Table::Payloads,
    Table::Decisions,
    Table::Operations,
    Table::Identities,
    Table::PastIdentities,
    Table::Splits,
    Table::Rivals,
    Table::Forks,
    Table::Erasures,
    Table::Receipts,
];

/// A store that was copied past damage.
pub(crate) struct Salvaged {
    /// The new store.
    pub(crate) store: RedbStore,
    /// How many pages of the old one could not be read.
    pub(crate) damaged: usize,
}

/// Rows on their way into a new store.
struct Copying {
    store: RedbStore,
    batch: Batch,
    bytes: usize,
    /// Whether rows that are there already stay as they are.
    fills: bool,
}

impl Copying {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        if self.fills && (self.batch.get(table, key).is_some() || self.store.get(table, key)?.is_some()) {
            return Ok(());
        }
        self.batch.put(table, key, value);
        self.bytes += key.len() + value.len();
        if self.bytes >= COPIED { self.flush() } else { Ok(()) }
    }
    fn flush(&mut self) -> Result<(), Fault> {
        self.bytes = 0;
        self.store.commit(core::mem::take(&mut self.batch))
    }
}

/// Copies all but caches out of a file that nobody else has open into a new one.
pub(crate) fn salvage(alone: &File, new: &Path) -> Result<Salvaged, OpenError> {
    let file = FileBackend::new(alone.try_clone().map_err(unreadable)?).map_err(unreadable)?;
    let pages = Pages::open_damaged(file).map_err(unreadable)?;
    let store = RedbStore::open_file(new, Damage::default())?;
    let mut copying = Copying { store, batch: Batch::default(), bytes: 0, fills: false };
    let damaged = copy(&pages, &mut copying).map_err(unreadable)?;
    fs::set_permissions(new, alone.metadata().map_err(unreadable)?.permissions()).map_err(unreadable)?;
    Ok(Salvaged { store: copying.store, damaged })
}

fn copy(pages: &Pages<FileBackend>, to: &mut Copying) -> Result<usize, Fault> {
    let mut walk = Walk::new(pages, &pages.first());
    let tables = walk.tables();
    let mut damaged = walk.damaged.len() + usize::from(tables.is_empty());
    // Where the list of tables is damaged, pages of it lie about, of this commit and of earlier ones.
    let listed = if damaged > 0 { listed(pages)? } else { BTreeMap::new() };
    let mut entries_whole = true;
    walk.damaged.clear();
    for table in Table::ALL {
        if Table::CACHES.contains(&table) {
            // Made anew: what is damaged in it is only counted.
            if let Some(root) = tables.get(table.name()).copied().flatten() {
                walk.table(root, &mut |_, _| Ok(()))?;
            }
            damaged += walk.damaged.drain(..).count();
            continue;
        }
        to.fills = false;
        let here = tables.get(table.name());
        if let Some(root) = here.copied().flatten() {
            walk.table(root, &mut |key, value| to.put(table, key, value))?;
        }
        let mut whole = walk.damaged.is_empty() && here.is_some();
        damaged += walk.damaged.drain(..).count();
        to.fills = true;
        if let Some(root) = again(table).and_then(|again| tables.get(again).copied().flatten()).filter(|_| !whole) {
            walk.table(root, &mut |key, value| to.put(table, key, value))?;
            whole = walk.damaged.is_empty();
            damaged += walk.damaged.drain(..).count();
        }
        if !whole {
            let names = [Some(table.name()), again(table)].into_iter().flatten();
            let roots: BTreeSet<(u64, u64)> = names.filter_map(|name| listed.get(name)).flatten().copied().collect();
            // The one with the most rows first.
            for (_, root) in roots.into_iter().rev().take(LISTED) {
                if fill(&mut walk, table, root, to)? {
                    break;
                }
            }
        }
        entries_whole &= whole || !matches!(table, Table::Headers | Table::Payloads);
    }
    if !entries_whole {
        // Anybody's payload may look like a page of this: a header stands only where it is signed and lies
        // where it says, and whether a payload belongs to it is seen when the logs are put in order.
        for_each_leaf(pages, &mut |key, value| match key.len() {
            12 if is_header(key, value) => to.put(Table::Headers, key, value),
            12 if !value.is_empty() && value[0] < 2 => to.put(Table::Payloads, key, value),
            _ => Ok(()),
        })?;
    }
    to.flush()?;
    Ok(damaged)
}

/// Whether a row is a signed header at the place that it names.
fn is_header(key: &[u8], value: &[u8]) -> bool {
    let seq = key.get(4..).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
    let entry = (value.len() == SIGNED_HEADER).then(|| Entry::parse(value, None).ok()).flatten();
    entry
        .is_some_and(|entry| seq == Some(entry.header().seq) && entry.header().seq < u64::MAX && entry.verify().is_ok())
}

/// Copies what is missing of a table out of a tree that may be of an earlier commit, whose pages may be
/// another table's by now. Whether that was all there is to find.
fn fill(walk: &mut Walk<'_, FileBackend>, table: Table, root: u64, to: &mut Copying) -> Result<bool, Fault> {
    if SPEAK_FOR_THEMSELVES.contains(&table) {
        walk.table(root, &mut |key, value| to.put(table, key, value))?;
        walk.damaged.clear();
        return Ok(false);
    }
    let (mut rows, mut all_fit) = (Vec::new(), true);
    walk.table(root, &mut |key, value| {
        all_fit &= fits(table, key, value);
        rows.push((key.to_vec(), value.to_vec()));
        Ok(())
    })?;
    if !all_fit || walk.damaged.drain(..).count() > 0 {
        return Ok(false);
    }
    rows.iter().try_for_each(|(key, value)| to.put(table, key, value))?;
    Ok(true)
}

/// Whether a row has the lengths that those of its table have.
fn fits(table: Table, key: &[u8], value: &[u8]) -> bool {
    let lengths = (key.len(), value.len());
    match table {
        Table::Writers => lengths == (32, 4),
        Table::Blobs => lengths == (64, 9),
        Table::Dropped | Table::Hidden => lengths == (32, 0),
        Table::Unwiped => lengths == (64, 0),
        Table::Refusals => lengths == (32, 8),
        // A ticket that was used or withdrawn must not come back from an older tree.
        _ => false,
    }
}

/// Where tables begin, as any page of a list of tables says that can be read: rows and root.
fn listed(pages: &Pages<FileBackend>) -> Result<BTreeMap<String, BTreeSet<(u64, u64)>>, Fault> {
    let mut listed: BTreeMap<String, BTreeSet<(u64, u64)>> = BTreeMap::new();
    for_each_leaf(pages, &mut |key, value| {
        let name = std::str::from_utf8(key).ok().filter(|name| name.ends_with("-1"));
        if let (Some(name), Some((rows, root))) = (name, table_of(value)) {
            listed.entry(name.to_owned()).or_default().insert((rows, root));
        }
        Ok(())
    })?;
    Ok(listed)
}

/// Puts a mended store in the place of the damaged one, which is kept under another name.
pub(crate) fn replace(path: &Path, new: &Path, kept: &Path) -> std::io::Result<()> {
    File::open(new)?.sync_all()?;
    // Never without a store under its name.
    fs::hard_link(path, kept).or_else(|_| fs::copy(path, kept).map(drop))?;
    fs::rename(new, path)?;
    rewrite::sync_folder(path)?;
    match fs::remove_file(super::damage::mark(path)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
