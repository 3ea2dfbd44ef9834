//! Faults that the simulator plants by itself: doctored stores and messages.

use std::collections::BTreeMap;

use staffroom_protocol::charter::{Body, LogCut};
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::log::{Entry, SIGNED_HEADER};
use staffroom_protocol::store::{Batch, MemoryStore, Read, Store, Table};
use staffroom_protocol::sync::{Message, Run};

use super::node::School;
use super::stored;

/// Puts the rows of a table back to what they were; removes those that were not there.
pub(super) fn forget(store: &mut MemoryStore, table: Table, was: &BTreeMap<Vec<u8>, Vec<u8>>) {
    let keys: Vec<Vec<u8>> = store.iter().filter(|(t, ..)| *t == table).map(|(_, key, _)| key.to_vec()).collect();
    let mut batch = Batch::default();
    for key in keys {
        match was.get(&key) {
            Some(value) => batch.put(table, key, value.clone()),
            None => batch.delete(table, key),
        }
    }
    store.commit(batch).expect("a store in memory takes what it is given");
}

/// All rows of a table.
pub(super) fn rows(store: &MemoryStore, table: Table) -> BTreeMap<Vec<u8>, Vec<u8>> {
    store.iter().filter(|(t, ..)| *t == table).map(|(_, key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// What a removal lists, each log one entry too low.
pub(super) fn too_low(replica: &School, space: SpaceId, body: Body) -> Body {
    let lower = |log: LogCut| -> LogCut {
        let row = stored::log(&replica.reader(), space, log.writer).ok();
        let before = log.cut.next.checked_sub(2).zip(row);
        let entry = before.and_then(|(seq, row)| stored::entry(&replica.reader(), row.number, seq).ok());
        let cut = entry.map(|entry| staffroom_protocol::charter::Cut { next: log.cut.next - 1, head: entry.id() });
        LogCut { cut: cut.unwrap_or_default(), ..log }
    };
    match body {
        Body::Remove(school, cuts) => Body::Remove(school, cuts.into_iter().map(lower).collect()),
        other => other,
    }
}

/// A batch of entries with one more, that stands above a cut.
pub(super) fn with_aside(store: &MemoryStore, space: SpaceId, message: Message) -> Message {
    let Message::Entries(mut runs) = message else { return message };
    let mut more = None;
    let read = store.scan(Table::Aside, &space.0, &[], &mut |_, value| {
        more = value.get(1..=SIGNED_HEADER).and_then(|signed| Entry::parse(signed, None).ok());
        Ok(false)
    });
    read.expect("a store in memory can be read");
    runs.extend(more.map(|entry| Run(vec![entry])));
    Message::Entries(runs)
}

/// Proposals with every no made a yes, under the signature of the no.
pub(super) fn with_forged_votes(message: Message) -> Message {
    let Message::Proposals(mut proposals) = message else { return message };
    for vote in proposals.iter_mut().flat_map(|voted| &mut voted.votes) {
        vote.yes = true;
    }
    Message::Proposals(proposals)
}
