//! Reads a store's rows by their documented layout, without the code that wrote them.

use staffroom_protocol::id::{EntryId, SpaceId, WriterId};
use staffroom_protocol::log::Entry;
use staffroom_protocol::store::{MemoryStore, Read, Table};

/// A log as a store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredLog {
    /// Its number in this store.
    pub(super) number: u32,
    /// How many entries.
    pub(super) entries: u64,
    /// The last one.
    pub(super) head: EntryId,
}

/// A log's row: number 4, entries 8, head 32, little-endian.
pub(super) fn log(store: &impl Read, space: SpaceId, writer: WriterId) -> Result<StoredLog, String> {
    let key = [space.0, writer.0].concat();
    let row = store.get(Table::Logs, &key).map_err(|fault| fault.to_string())?;
    let row = row.ok_or_else(|| format!("no row of log {writer:?}"))?;
    let (number, rest) = row.split_first_chunk::<4>().ok_or("a short row")?;
    let (entries, rest) = rest.split_first_chunk::<8>().ok_or("a short row")?;
    let head = <[u8; 32]>::try_from(rest).map_err(|_| "a row of another length")?;
    let (number, entries) = (u32::from_le_bytes(*number), u64::from_le_bytes(*entries));
    Ok(StoredLog { number, entries, head: EntryId(head) })
}

/// All logs of a store.
pub(super) fn logs(store: &MemoryStore) -> Result<Vec<(SpaceId, WriterId)>, String> {
    let ids = |key: &[u8]| -> Option<(SpaceId, WriterId)> {
        let (space, writer) = key.split_at_checked(32)?;
        Some((SpaceId(space.try_into().ok()?), WriterId(writer.try_into().ok()?)))
    };
    let mut logs = Vec::new();
    let done = store.scan(Table::Logs, &[], &[], &mut |key, _| {
        logs.extend(ids(key));
        Ok(true)
    });
    done.map(|()| logs).map_err(|fault| fault.to_string())
}

/// The header and signature at a place, not yet verified.
pub(super) fn entry(store: &impl Read, log: u32, seq: u64) -> Result<Entry, String> {
    let key = [&log.to_be_bytes()[..], &seq.to_be_bytes()[..]].concat();
    let signed = store.get(Table::Headers, &key).map_err(|fault| fault.to_string())?;
    let signed = signed.ok_or_else(|| format!("no entry {seq} in log {log}"))?;
    Entry::parse(&signed, None).map_err(|fault| fault.to_string())
}

/// Whether an entry is kept aside: space, writer, seq, id.
pub(super) fn aside(
    store: &MemoryStore,
    space: SpaceId,
    writer: WriterId,
    seq: u64,
    id: EntryId,
) -> Result<bool, String> {
    let key = [&space.0[..], &writer.0, &seq.to_be_bytes(), &id.0].concat();
    store.get(Table::Aside, &key).map(|row| row.is_some()).map_err(|fault| fault.to_string())
}
