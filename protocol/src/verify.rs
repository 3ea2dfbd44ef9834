//! Checks all that a store holds: every chain, signature and hash, and whether what is cache says
//! what the entries say.

use std::collections::BTreeMap;

use crate::bytes;
use crate::catalogue::Catalogue;
use crate::charter::Charter;
use crate::erasure::Erasures;
use crate::fault::Fault;
use crate::id::{EntryId, RecordId, SchoolId, SpaceId, WriterId};
use crate::limits;
use crate::log::{Entry, EntryKind};
use crate::record::Card;
use crate::replica::{LogRow, Place, read_charters, read_entry, read_erasures, split_ids};
use crate::store::{Read, Table};

/// Something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// With which thing.
    pub place: String,
}

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries checked.
    pub entries: u64,
    /// Records checked.
    pub records: u64,
    /// What is wrong.
    pub wrong: Vec<Wrong>,
}

impl Report {
    fn wrong(&mut self, what: impl ToString, place: impl ToString) {
        self.wrong.push(Wrong { what: what.to_string(), place: place.to_string() });
    }
}

/// Checks everything. `heard` is told now and then how many entries are done.
pub fn verify<R: Read>(store: &R, heard: &mut dyn FnMut(u64)) -> Result<Report, Fault> {
    let mut report = Report::default();
    let mut spaces = BTreeMap::new();
    for (space, whole) in read_charters(store)? {
        let mut charter = Charter::empty(space);
        if let Err(fault) = charter.admit(whole) {
            report.wrong(fault, format!("charter of space {space}"));
        }
        spaces.insert(space, (charter, Erasures::default()));
    }
    verify_erasures(store, &mut spaces, &mut report)?;
    let mut logs = Vec::new();
    store.scan(Table::Logs, &[], &[], &mut |key, value| {
        let (space, writer) = split_ids(key)?;
        logs.push((SpaceId(space), WriterId(writer), LogRow::read(value)?));
        Ok(true)
    })?;
    for (space, writer, row) in logs {
        verify_log(store, spaces.get(&space), (space, writer), row, &mut report, heard);
    }
    verify_records(store, &mut report)?;
    Ok(report)
}

/// Checks who signed erasures and receipts.
fn verify_erasures<R: Read>(
    store: &R,
    spaces: &mut BTreeMap<SpaceId, (Charter, Erasures)>,
    report: &mut Report,
) -> Result<(), Fault> {
    let (erasures, receipts) = read_erasures(store)?;
    for erasure in erasures {
        if let Err(fault) = erasure.verify() {
            report.wrong(fault, format!("erasure of record {}", erasure.record()));
        }
        if let Some((_, all)) = spaces.get_mut(&erasure.space()) {
            all.keep(&erasure, SchoolId::default());
        }
    }
    for receipt in receipts {
        if let Err(fault) = receipt.verify() {
            report.wrong(fault, format!("receipt for record {}", receipt.record));
        }
    }
    Ok(())
}

/// Checks one log from its first entry to its head.
fn verify_log<R: Read>(
    store: &R,
    held: Option<&(Charter, Erasures)>,
    (space, writer): (SpaceId, WriterId),
    row: LogRow,
    report: &mut Report,
    heard: &mut dyn FnMut(u64),
) {
    let mut prev = EntryId::default();
    let mut batch: Vec<Entry> = Vec::new();
    for seq in 0..row.next {
        let place = format!("entry {seq} of writer {writer}");
        match read_entry(store, Place { log: row.log, seq }) {
            Ok(entry) => {
                let header = entry.header();
                if (header.space, header.writer, header.seq, header.prev) != (space, writer, seq, prev) {
                    report.wrong("it does not continue its chain", &place);
                }
                let erased = held.is_some_and(|(charter, all)| all.erased(charter, &header.record).is_some());
                let was_erased = erased || held.is_some_and(|(_, all)| all.names(&header.record));
                let says_nothing = header.kind == EntryKind::Erase && header.length == 0;
                if entry.payload().is_none() && !was_erased && !says_nothing {
                    report.wrong("its payload is missing", &place);
                }
                if entry.payload().is_some() && erased {
                    report.wrong("its record was erased, and its payload is still here", &place);
                }
                prev = entry.id();
                batch.push(entry.into_entry());
            }
            Err(fault) => report.wrong(fault, &place),
        }
        report.entries += 1;
        if batch.len() == limits::BATCH_ENTRIES || seq + 1 == row.next {
            for fault in Entry::verify_all(core::mem::take(&mut batch)).into_iter().filter_map(Result::err) {
                report.wrong(fault, format!("an entry of writer {writer} before {}", seq + 1));
            }
            heard(report.entries);
        }
    }
    if prev != row.head {
        report.wrong("its last entry is not the one noted", format!("log of writer {writer}"));
    }
}

/// Checks that every card says what the entries say.
fn verify_records<R: Read>(store: &R, report: &mut Report) -> Result<(), Fault> {
    let mut ids = Vec::new();
    store.scan(Table::Records, &[], &[], &mut |key, _| {
        let (space, record) = split_ids(key)?;
        ids.push((SpaceId(space), RecordId(record)));
        Ok(true)
    })?;
    let catalogue = Catalogue(store);
    for (space, id) in ids {
        report.records += 1;
        let stored: Option<Card> = match store.get(Table::Cards, &id.0)? {
            // What another space's entries name here has no card of its own.
            Some(value) => bytes::decode(&value, "card").ok().filter(|card: &Card| card.space == space),
            None => None,
        };
        match catalogue.record_in(&space, &id) {
            Ok(record) if record.as_ref().map(|record| &record.card) == stored.as_ref() => {}
            Ok(_) => report.wrong("the list does not say what its entries say", format!("record {id}")),
            Err(fault) => report.wrong(fault, format!("record {id}")),
        }
    }
    Ok(())
}
