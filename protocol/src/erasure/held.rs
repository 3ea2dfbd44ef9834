//! What is held of the erasures and receipts of one space: whoever exchanged everything holds the same,
//! in whatever order it came.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::proof::Erasure;
use super::receipt::Receipt;
use super::{ErasedBy, is_decided};
use crate::charter::{Body, Charter};
use crate::id::{DeviceId, RecordId, SchoolId, WriterId};
use crate::identity::Rights;
use crate::{hash, limits};

/// Erasures and receipts as they travel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Proofs that records are erased.
    pub erasures: Vec<Erasure>,
    /// Who said that the bytes are gone.
    pub receipts: Vec<Receipt>,
}

impl Part {
    /// How many things are in it.
    pub fn len(&self) -> usize {
        self.erasures.len() + self.receipts.len()
    }
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// In parts that a frame holds; at least one. Erasures come before receipts.
    pub(crate) fn parts(self) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for erasures in self.erasures.chunks(limits::ERASURES) {
            parts.push(Self { erasures: erasures.to_vec(), receipts: Vec::new() });
        }
        for receipts in self.receipts.chunks(limits::ERASURES) {
            parts.push(Self { erasures: Vec::new(), receipts: receipts.to_vec() });
        }
        if parts.is_empty() { vec![Self::default()] } else { parts }
    }
}

/// All that is held about one erased record, in 48 bytes: equal where both hold the same of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// The record.
    pub record: RecordId,
    /// The first 16 bytes of the hash of what is held.
    pub state: [u8; 16],
}

impl Mark {
    /// What HELLO says of them.
    pub fn hash(marks: &[Self]) -> [u8; 32] {
        let bytes: Vec<u8> = marks.iter().flat_map(|mark| [&mark.record.0[..], &mark.state].concat()).collect();
        hash::ERASURES_STATE.hash(&[&bytes])
    }
}

/// What is held about one record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OfRecord {
    /// Of each writer that erased it, the lowest.
    erasures: BTreeMap<WriterId, Arc<Erasure>>,
    receipts: BTreeMap<(SchoolId, DeviceId), Arc<Receipt>>,
}

impl OfRecord {
    /// The proofs whose makers the charter knows as the record's owners.
    fn stand(&self, charter: &Charter) -> impl Iterator<Item = &Arc<Erasure>> {
        self.erasures.values().filter(|erasure| erasure.owner(charter.resolved()).is_ok())
    }
    /// The receipts of devices that the charter knows, where the record bears any.
    fn receipts_standing(&self, charter: &Charter, bears: bool) -> impl Iterator<Item = &Arc<Receipt>> {
        self.receipts.values().filter(move |receipt| bears && speaks(charter, receipt))
    }
}

/// The erasures and receipts of a space. A copy costs a pointer for each record.
#[derive(Debug, Clone, Default)]
pub struct Erasures {
    records: BTreeMap<RecordId, Arc<OfRecord>>,
    /// How many proofs each school's writers made.
    made: BTreeMap<SchoolId, usize>,
    /// How often something was kept: where it is the same, nothing is news.
    version: u64,
}

impl Erasures {
    /// How many proofs of a school are held.
    pub(crate) fn made_by(&self, school: &SchoolId) -> usize {
        self.made.get(school).copied().unwrap_or_default()
    }
    /// Whether a proof is held.
    pub(crate) fn has(&self, erasure: &Erasure) -> bool {
        self.records
            .get(&erasure.record())
            .is_some_and(|of| of.erasures.get(&erasure.writer()).is_some_and(|held| **held == *erasure))
    }
    /// Whether a receipt is held.
    pub(crate) fn holds(&self, receipt: &Receipt) -> bool {
        let key = (receipt.school, receipt.device);
        self.records.get(&receipt.record).is_some_and(|of| of.receipts.get(&key).is_some_and(|held| **held == *receipt))
    }
    /// Keeps a proof of a school; whether it is news.
    pub(crate) fn keep(&mut self, erasure: &Erasure, school: SchoolId) -> bool {
        let of = Arc::make_mut(self.records.entry(erasure.record()).or_default());
        let held = of.erasures.get(&erasure.writer());
        if held.is_some_and(|held| held.rank() <= erasure.rank()) {
            return false;
        }
        *self.made.entry(school).or_default() += usize::from(held.is_none());
        self.version += 1;
        of.erasures.insert(erasure.writer(), Arc::new(erasure.clone()));
        true
    }
    /// Keeps a receipt: of one device the earliest, of one school those of the lowest devices. Whether it
    /// is news, and whose receipt is not kept any more instead.
    pub(crate) fn keep_receipt(&mut self, receipt: &Receipt) -> (bool, Option<DeviceId>) {
        let of = Arc::make_mut(self.records.entry(receipt.record).or_default());
        let key = (receipt.school, receipt.device);
        if of.receipts.get(&key).is_some_and(|held| (held.at, held.id()) <= (receipt.at, receipt.id())) {
            return (false, None);
        }
        of.receipts.insert(key, Arc::new(receipt.clone()));
        self.version += 1;
        let of_school: Vec<DeviceId> =
            of.receipts.keys().filter(|(school, _)| *school == receipt.school).map(|(_, device)| *device).collect();
        let Some(dropped) = of_school.get(limits::RECEIPTS).copied() else { return (true, None) };
        of.receipts.remove(&(receipt.school, dropped));
        (dropped != receipt.device, Some(dropped).filter(|dropped| *dropped != receipt.device))
    }
    /// Grows with each thing that is kept.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }
    /// Whether any proof about a record is held, be it one that counts or not.
    pub(crate) fn names(&self, record: &RecordId) -> bool {
        self.records.get(record).is_some_and(|of| !of.erasures.is_empty())
    }
    /// The records that something is held about.
    pub(crate) fn records(&self) -> impl Iterator<Item = &RecordId> {
        self.records.keys()
    }
    /// The receipts for a record, by school and device.
    pub fn receipts(&self, record: &RecordId) -> impl Iterator<Item = &Receipt> {
        self.records.get(record).into_iter().flat_map(|of| of.receipts.values().map(Arc::as_ref))
    }
    /// Whether a device has given its receipt for a record.
    pub fn has_receipt(&self, record: &RecordId, school: SchoolId, device: DeviceId) -> bool {
        self.records.get(record).is_some_and(|of| of.receipts.contains_key(&(school, device)))
    }
    /// Who erased a record, where anybody did and it counts; of several, the first by their clocks.
    pub(crate) fn erased(&self, charter: &Charter, record: &RecordId) -> Option<ErasedBy> {
        let resolved = charter.resolved();
        let proofs = self.records.get(record).into_iter().flat_map(|of| of.erasures.values());
        let first = proofs.filter(|erasure| erasure.counts(resolved)).min_by_key(|e| (e.clock(), e.id()));
        if let Some(first) = first {
            return Some(ErasedBy::School(first.owner(resolved).ok()?, first.clock()));
        }
        let erases = |body: &Body| matches!(body, Body::Erase(erased, ..) if erased == record);
        let decided = is_decided(resolved, charter.space(), record);
        let decision = || charter.decisions().iter().find(|voted| erases(voted.decision.body()));
        decided.then(decision).flatten().map(|voted| ErasedBy::Decision(voted.decision.id()))
    }

    /// Whether a receipt for a record may be: it is erased, or was, by a school or a decision.
    pub(crate) fn bears_receipts(&self, charter: &Charter, record: &RecordId) -> bool {
        let of = self.records.get(record);
        of.is_some_and(|of| of.stand(charter).next().is_some())
            || is_decided(charter.resolved(), charter.space(), record)
    }
    /// What is held and stands, a mark for each record, in order.
    pub(crate) fn marks(&self, charter: &Charter) -> Vec<Mark> {
        let mark = |(record, of): (&RecordId, &Arc<OfRecord>)| {
            let receipts = of.receipts_standing(charter, self.bears_receipts(charter, record));
            let ids: Vec<u8> =
                of.stand(charter).map(|e| e.id().0).chain(receipts.map(|receipt| receipt.id())).flatten().collect();
            let hash = hash::ERASURES_STATE.hash(&[&record.0, &ids]);
            let state = *hash.first_chunk().expect("16 of 32 bytes");
            (!ids.is_empty()).then_some(Mark { record: *record, state })
        };
        self.records.iter().filter_map(mark).collect()
    }
    /// Those of them that are about records with these marks: what a peer holds that shows the same.
    pub(crate) fn at(&self, ours: &[Mark], theirs: &[Mark]) -> Self {
        let same = theirs.iter().filter(|mark| ours.binary_search(mark).is_ok());
        let held = same.filter_map(|mark| Some((mark.record, Arc::clone(self.records.get(&mark.record)?))));
        Self { records: held.collect(), ..Self::default() }
    }
    /// What is in these, stands, and is not in `other`.
    pub(crate) fn beyond(&self, other: &Self, charter: &Charter) -> Part {
        let mut part = Part::default();
        let nothing = OfRecord::default();
        for (record, of) in &self.records {
            let theirs = other.records.get(record);
            if theirs.is_some_and(|theirs| Arc::ptr_eq(theirs, of)) {
                continue;
            }
            let theirs = theirs.map_or(&nothing, Arc::as_ref);
            let erasures = of.stand(charter).filter(|erasure| theirs.erasures.get(&erasure.writer()) != Some(erasure));
            part.erasures.extend(erasures.map(|erasure| Erasure::clone(erasure)));
            let receipts = of.receipts_standing(charter, self.bears_receipts(charter, record));
            let receipts =
                receipts.filter(|receipt| theirs.receipts.get(&(receipt.school, receipt.device)) != Some(receipt));
            part.receipts.extend(receipts.map(|receipt| Receipt::clone(receipt)));
        }
        part
    }
    /// Adds what a peer sent to what it is known to hold.
    pub(crate) fn cover(&mut self, erasure: &Erasure) {
        self.keep(erasure, SchoolId::default());
    }
}

/// Whether a receipt was signed by a device of the school that it names.
pub(crate) fn speaks(charter: &Charter, receipt: &Receipt) -> bool {
    charter.identities().ever(&receipt.school, &receipt.device, Rights::WRITE)
}
