//! Puts in order what could be read of a damaged store, before a replica opens it.
//!
//! Some rows are gone, and nobody knows which. Charters stand as far as they hold together. Of each log
//! the longest beginning stands that is whole: every entry signed, linked to the one before and with its
//! payload; so the frontier says truly what is held, and partners send the rest as they send anything.
//! What is above in a log of our own school is put aside, where it comes back from once the gap is filled;
//! where nobody else has it, its words are said again in a new log. Caches are made anew afterwards.

use std::collections::BTreeMap;

use super::rows::{LogRow, Place, join_ids, unpack};
use super::{Local, read_charters, read_erasures, split_ids};
use crate::bytes;
use crate::charter::{Charter, Missing, Operation, Voted};
use crate::erasure::{Erasure, Erasures, Receipt};
use crate::fault::Fault;
use crate::id::{EntryId, SchoolId, SpaceId, WriterId};
use crate::identity::IdentityChain;
use crate::log::{Entry, EntryKind, Fork};
use crate::store::{Batch, Store, Table};

/// Writes of one commit.
const AT_ONCE: usize = 4_000;

/// What stands of a store that was damaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mended {
    /// Entries that stand.
    pub entries: u64,
    /// Entries that do not: they could not be read, or follow one that could not. Partners bring them.
    pub missing: u64,
    /// Of those, the ones of our own school that can be read and were put aside.
    pub aside: u64,
    /// Whether a log of this device's own is shorter than it was.
    pub own_is_shorter: bool,
    /// Spaces that are held.
    pub spaces: usize,
    /// Spaces of which the charter could not be read: nothing of them is held any more.
    pub lost: Vec<SpaceId>,
}

/// What a log was found to be.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    space: SpaceId,
    writer: WriterId,
    next: u64,
    head: EntryId,
    /// How many entries it had, as far as can be told.
    had: u64,
    broken: bool,
}

/// Whether a row is what its table holds.
type Reads = fn(&[u8]) -> bool;
type Spaces = BTreeMap<SpaceId, (Charter, Erasures)>;

/// Puts the rows of a store in order.
pub fn mend<S: Store>(store: &mut S, me: &Local) -> Result<Mended, Fault> {
    drop_unreadable(store)?;
    let mut mended = Mended::default();
    let spaces = charters(store, &mut mended)?;
    mended.spaces = spaces.len();
    let logs = logs(store, &spaces)?;
    settle_logs(store, me, &spaces, logs, &mut mended)?;
    let mut batch = Batch::default();
    for (id, (charter, _)) in &spaces {
        // The last of this store's writers that is enrolled is the one it has.
        let enrolled = |number: &u32| charter.resolved().writers.contains_key(&me.writer(*id, *number).public());
        let last = (0..u32::MAX).take_while(enrolled).last().filter(|last| *last > 0);
        // A row out of an older tree may name a log that was given up since.
        let row = store.get(Table::Writers, &id.0)?.and_then(|row| row.try_into().ok()).map(u32::from_be_bytes);
        if let Some(last) = last.filter(|last| row.is_none_or(|row| row < *last)) {
            batch.put(Table::Writers, id.0, last.to_be_bytes());
        }
    }
    store.commit(batch)?;
    Ok(mended)
}

/// Removes rows that are not what their table holds.
fn drop_unreadable<S: Store>(store: &mut S) -> Result<(), Fault> {
    let reads: [(Table, Reads); 9] = [
        (Table::Identities, |value| bytes::decode::<IdentityChain>(value, "").is_ok()),
        (Table::PastIdentities, |value| bytes::decode::<IdentityChain>(value, "").is_ok()),
        (Table::Decisions, |value| bytes::decode::<Voted>(value, "").is_ok()),
        (Table::Splits, |value| bytes::decode::<Voted>(value, "").is_ok()),
        (Table::Proposals, |value| bytes::decode::<Voted>(value, "").is_ok()),
        (Table::Operations, |value| Operation::try_from(value.to_vec()).is_ok()),
        (Table::Rivals, |value| Operation::try_from(value.to_vec()).is_ok()),
        (Table::Erasures, |value| bytes::decode::<Erasure>(value, "").is_ok_and(|erasure| erasure.verify().is_ok())),
        (Table::Receipts, |value| bytes::decode::<Receipt>(value, "").is_ok_and(|receipt| receipt.verify().is_ok())),
    ];
    let mut batch = Batch::default();
    for (table, reads) in reads {
        store.scan(table, &[], &[], &mut |key, value| {
            if key.len() < 32 || !reads(value) {
                batch.delete(table, key);
            }
            Ok(true)
        })?;
    }
    store.scan(Table::Forks, &[], &[], &mut |key, value| {
        if bytes::decode::<Fork>(value, "").is_err() {
            batch.delete(Table::Forks, key);
        }
        Ok(true)
    })?;
    store.commit(batch)
}

/// The charters that hold together; what is stored of others goes.
fn charters<S: Store>(store: &mut S, mended: &mut Mended) -> Result<Spaces, Fault> {
    let (mut spaces, mut batch) = (Spaces::new(), Batch::default());
    for (space, whole) in read_charters(store)? {
        let mut charter = Charter::empty(space);
        // Evidence beside the chain may be what does not fit any more.
        let bare = Missing { splits: Vec::new(), ..whole.clone() };
        let stands = charter.admit(whole).is_ok() || charter.admit(bare).is_ok();
        if stands && !charter.decisions().is_empty() {
            spaces.insert(space, (charter, Erasures::default()));
            continue;
        }
        mended.lost.push(space);
        for table in [
            Table::Identities,
            Table::PastIdentities,
            Table::Decisions,
            Table::Splits,
            Table::Proposals,
            Table::Operations,
            Table::Rivals,
        ] {
            store.scan(table, &space.0, &[], &mut |key, _| {
                batch.delete(table, key);
                Ok(true)
            })?;
        }
    }
    for erasure in read_erasures(store)?.0 {
        if let Some((_, all)) = spaces.get_mut(&erasure.space()) {
            all.keep(&erasure, SchoolId::default());
        }
    }
    store.commit(batch)?;
    Ok(spaces)
}

/// An entry at a place of the store, with its payload, if both are what they should be.
fn entry_at<S: Store>(store: &S, key: &[u8], signed: &[u8]) -> Option<Entry> {
    let payload = store.get(Table::Payloads, key).ok()?.map(|packed| unpack(&packed));
    let payload = payload.transpose().ok()?;
    Entry::parse(signed, payload).ok()?.verify().ok().map(crate::log::Verified::into_entry)
}

fn place(key: &[u8]) -> Option<Place> {
    let (log, seq) = key.split_first_chunk::<4>()?;
    Some(Place { log: u32::from_be_bytes(*log), seq: u64::from_be_bytes(seq.try_into().ok()?) })
}

/// How far each log stands, by its number here.
fn logs<S: Store>(store: &S, spaces: &Spaces) -> Result<BTreeMap<u32, Found>, Fault> {
    let mut logs: BTreeMap<u32, Found> = BTreeMap::new();
    store.scan(Table::Headers, &[], &[], &mut |key, signed| {
        let Some(at) = place(key) else { return Ok(true) };
        let Ok(bare) = Entry::parse(signed, None) else { return Ok(true) };
        let header = bare.header().clone();
        let fresh = Found { space: header.space, writer: header.writer, ..Found::default() };
        let log = logs.entry(at.log).or_insert(fresh);
        log.had = log.had.max(at.seq.saturating_add(1));
        let continues = (header.space, header.writer, header.seq) == (log.space, log.writer, at.seq)
            && (log.next, log.head) == (header.seq, header.prev);
        let stands = !log.broken && continues && {
            let whole = entry_at(store, key, signed);
            let says_nothing = header.kind == EntryKind::Erase && header.length == 0;
            let may_be_bare = |of: &(Charter, Erasures)| of.1.names(&header.record) || is_erased(of, &header.record);
            let bare = || says_nothing || spaces.get(&header.space).is_some_and(may_be_bare);
            whole.is_some_and(|entry| entry.payload().is_some() || bare())
        };
        if stands {
            (log.next, log.head) = (at.seq + 1, bare.id());
        } else {
            log.broken = true;
        }
        Ok(true)
    })?;
    store.scan(Table::Logs, &[], &[], &mut |key, value| {
        if let (Ok((space, writer)), Ok(row)) = (split_ids(key), LogRow::read(value)) {
            let fresh = Found { space: SpaceId(space), writer: WriterId(writer), ..Found::default() };
            let log = logs.entry(row.log).or_insert(fresh);
            log.had = log.had.max(row.next);
        }
        Ok(true)
    })?;
    Ok(logs)
}

fn is_erased((charter, erasures): &(Charter, Erasures), record: &crate::id::RecordId) -> bool {
    erasures.erased(charter, record).is_some()
}

/// Writes down how far each log stands; what is above goes, or is put aside.
fn settle_logs<S: Store>(
    store: &mut S,
    me: &Local,
    spaces: &Spaces,
    logs: BTreeMap<u32, Found>,
    mended: &mut Mended,
) -> Result<(), Fault> {
    let mut batch = Batch::default();
    store.scan(Table::Logs, &[], &[], &mut |key, _| {
        batch.delete(Table::Logs, key);
        Ok(true)
    })?;
    // One log has one number: of two, the one that reaches further.
    let mut best: BTreeMap<(SpaceId, WriterId), u32> = BTreeMap::new();
    for (number, log) in &logs {
        let other = best.get(&(log.space, log.writer));
        if other.is_none_or(|other| logs[other].next < log.next) {
            best.insert((log.space, log.writer), *number);
        }
    }
    let (ours, device) = (me.school.school(), me.device.public());
    for (number, log) in &logs {
        let space = spaces.get(&log.space).filter(|_| best.get(&(log.space, log.writer)) == Some(number));
        let keep = if space.is_some() { log.next } else { 0 };
        let writer = space.and_then(|(charter, _)| charter.resolved().writers.get(&log.writer));
        let own = writer.filter(|writer| writer.school == ours);
        let alone = space.is_some_and(|(charter, _)| {
            charter.resolved().members.len() < 2 && charter.resolved().writers.values().all(|w| w.device == device)
        });
        if !spaces.contains_key(&log.space) && !mended.lost.contains(&log.space) {
            mended.lost.push(log.space);
        }
        mended.entries += keep;
        mended.missing += log.had - keep;
        mended.own_is_shorter |= log.had > keep && own.is_some_and(|writer| writer.device == device);
        if keep > 0 {
            let row = LogRow { log: *number, next: keep, head: log.head };
            batch.put(Table::Logs, join_ids(&log.space.0, &log.writer.0), row.to_bytes());
        }
        let mut rows = Vec::new();
        store.scan(Table::Headers, &number.to_be_bytes(), &[], &mut |key, signed| {
            rows.push((key.to_vec(), signed.to_vec()));
            Ok(true)
        })?;
        for (key, signed) in rows {
            let above = place(&key).is_none_or(|at| at.seq >= keep);
            let entry = if above { entry_at(store, &key, &signed) } else { Entry::parse(&signed, None).ok() };
            let erased = entry.as_ref().zip(space).is_some_and(|(entry, of)| is_erased(of, &entry.header().record));
            let whole = entry.as_ref().filter(|entry| above && (erased || entry.payload().is_some()));
            if let (Some(entry), Some(_)) = (whole, own) {
                let packed = store.get(Table::Payloads, &key)?.filter(|_| !erased).unwrap_or_default();
                let at = [&log.space.0[..], &log.writer.0, &entry.header().seq.to_be_bytes(), &entry.id().0].concat();
                batch.put(Table::Aside, at, [&[u8::from(!alone)], &signed[..], &packed].concat());
                mended.aside += 1;
            }
            if above {
                batch.delete(Table::Headers, &key[..]);
            }
            if above || erased {
                batch.delete(Table::Payloads, key);
            }
            if batch.len() > AT_ONCE {
                store.commit(core::mem::take(&mut batch))?;
            }
        }
    }
    // Payloads of entries that are gone themselves.
    let mut single = Vec::new();
    store.scan(Table::Payloads, &[], &[], &mut |key, _| {
        let stands = place(key).and_then(|at| Some(at.seq < logs.get(&at.log)?.next));
        if stands != Some(true) {
            single.push(key.to_vec());
        }
        Ok(true)
    })?;
    for key in single {
        batch.delete(Table::Payloads, key);
    }
    store.commit(batch)
}
