//! Documents of the records that were merged or edited last: a cache.

use crate::id::{RecordId, SpaceId};
use crate::record::Document;

/// How many documents are kept.
const KEPT: usize = 16;
/// How many operations they may have together, counted as a record's are: some tens of megabytes at most.
const WEIGHT: u64 = 1_000_000;

/// Documents by record, the one used last at the end.
#[derive(Default)]
pub(super) struct Documents(Vec<((SpaceId, RecordId), Document)>);

impl Documents {
    /// Takes the document of a record out.
    pub(super) fn take(&mut self, space: SpaceId, record: RecordId) -> Option<Document> {
        let at = self.0.iter().position(|(key, _)| *key == (space, record))?;
        Some(self.0.remove(at).1)
    }
    /// Keeps the document of a record, and forgets those that were used longest ago.
    pub(super) fn keep(&mut self, space: SpaceId, record: RecordId, document: Document) {
        self.0.push(((space, record), document));
        let weight = |kept: &[(_, Document)]| kept.iter().map(|(_, document)| document.weight()).sum::<u64>();
        while self.0.len() > KEPT || weight(&self.0) > WEIGHT {
            self.0.remove(0);
        }
    }
}
