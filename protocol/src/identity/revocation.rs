//! What of a revoked device stands (§1.2, §3.6): nothing that is not listed here.
//!
//! | field | bytes | |
//! |---|---|---|
//! | spaces | 2, then 68 each | blinded space 32, ascending; number 4 and id 32 of the last operation that stands |
//! | logs | 2, then 72 each | writer 32, ascending; how many of its entries stand 8, id of the last 32 |
//!
//! A chain travels with every space that its school is in, so a space is named by a hash that only
//! who knows the space can make.

use std::collections::BTreeMap;

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{DeviceId, EntryId, OperationId, SpaceId, WriterId};
use crate::{hash, limits};

/// For each space, the last operation of the device that stands; for each of its logs, where it ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Revocation {
    operations: BTreeMap<[u8; 32], (u32, OperationId)>,
    /// For each log, how many entries stand, and the id of the last of them.
    pub logs: BTreeMap<WriterId, (u64, EntryId)>,
}

impl Revocation {
    /// The last operation of the device in a space that stands; nothing where none does.
    pub fn last_operation(&self, space: &SpaceId, device: &DeviceId) -> Option<(u32, OperationId)> {
        self.operations.get(&Self::blinded(space, device)).copied()
    }
    /// Lets a device's operations in a space stand up to this one.
    pub fn keep_operations(&mut self, space: &SpaceId, device: &DeviceId, last: (u32, OperationId)) {
        self.operations.insert(Self::blinded(space, device), last);
    }
    fn blinded(space: &SpaceId, device: &DeviceId) -> [u8; 32] {
        hash::BLINDED_SPACE.hash(&[&space.0, &device.0])
    }
    /// What stands under both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let lower = |a: &u32, b: &u32| a <= b;
        Self {
            operations: both(&self.operations, &other.operations, lower),
            logs: both(&self.logs, &other.logs, |a, b| a <= b),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Fault> {
        let spaces = usize::from(reader.u16()?);
        if spaces > limits::REVOKED_SPACES {
            return Err(reader.malformed());
        }
        let operations = (0..spaces)
            .map(|_| Ok((reader.array()?, (reader.u32()?, reader.id()?))))
            .collect::<Result<Vec<([u8; 32], (u32, OperationId))>, Fault>>()?;
        let logs = usize::from(reader.u16()?);
        if logs > limits::REVOKED_LOGS {
            return Err(reader.malformed());
        }
        let logs = (0..logs)
            .map(|_| Ok((reader.id()?, (reader.u64()?, reader.id()?))))
            .collect::<Result<Vec<(WriterId, (u64, EntryId))>, Fault>>()?;
        if !operations.is_sorted_by(|a, b| a.0 < b.0) || !logs.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(reader.malformed());
        }
        Ok(Self { operations: operations.into_iter().collect(), logs: logs.into_iter().collect() })
    }
    pub(super) fn write(&self, writer: Writer) -> Writer {
        // A list that is too long is refused when the link is read back.
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let mut writer = writer.u16(count(self.operations.len()));
        for (space, (number, id)) in &self.operations {
            writer = writer.bytes(space).u32(*number).bytes(&id.0);
        }
        writer = writer.u16(count(self.logs.len()));
        for (log, (next, head)) in &self.logs {
            writer = writer.bytes(&log.0).u64(*next).bytes(&head.0);
        }
        writer
    }
}

/// What is in both maps, at the lower number.
fn both<K: Ord + Copy, N: Ord + Copy, I: Copy>(
    a: &BTreeMap<K, (N, I)>,
    b: &BTreeMap<K, (N, I)>,
    lower: impl Fn(&N, &N) -> bool,
) -> BTreeMap<K, (N, I)> {
    let pick = |(key, a): (&K, &(N, I))| b.get(key).map(|b| (*key, if lower(&a.0, &b.0) { *a } else { *b }));
    a.iter().filter_map(pick).collect()
}
