//! The numbered chain of one device's operations, and its fork where one was proven (§3.3).
//!
//! Of a fork two operations are held at the place where it begins, those with the lowest ids, and
//! nothing above them: neither stands until a decision names one. So every node that has heard of the
//! same operations holds the same, and a device that signs without end costs one place.

use std::collections::BTreeMap;

use super::operation::Operation;
use crate::fault::Fault;
use crate::id::OperationId;

const WHAT: &str = "operation";

/// One device's operations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct DeviceChain {
    held: Vec<Operation>,
    /// The other operation at the place of the last one.
    rival: Option<Operation>,
    /// How many of them decisions have seen: no fork below that counts any more.
    seen: usize,
}

/// What taking an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was held, or is of a branch that does not count.
    Nothing,
    /// It is the next one.
    Next,
    /// It proves a fork: what stood above is gone.
    Fork,
}

impl DeviceChain {
    /// All that is held, a rival last.
    pub(super) fn held(&self) -> impl Iterator<Item = &Operation> {
        self.held.iter().chain(&self.rival)
    }
    /// Those that may stand: without the two of a fork.
    pub(super) fn undisputed(&self) -> &[Operation] {
        let forked = usize::from(self.rival.is_some());
        &self.held[..self.held.len() - forked]
    }
    /// The last of those that may stand.
    pub(super) fn last(&self) -> Option<&Operation> {
        self.undisputed().last()
    }
    /// Whether a fork is open.
    pub(super) fn is_forked(&self) -> bool {
        self.rival.is_some()
    }
    /// How far it is held: how many, the last one, its rival.
    pub(super) fn reach(&self) -> (u32, OperationId, OperationId) {
        let id = |operation: Option<&Operation>| operation.map_or_else(OperationId::default, Operation::id);
        let count = u32::try_from(self.held.len()).expect("bounded by the limits of a charter");
        (count, id(self.held.last()), id(self.rival.as_ref()))
    }
    /// The operation with a number.
    pub(super) fn at(&self, number: u32) -> Option<&Operation> {
        self.held.get((number as usize).checked_sub(1)?)
    }

    /// Takes an operation, verified.
    pub(super) fn take(&mut self, operation: &Operation) -> Result<Taken, Fault> {
        let place = operation.number() as usize - 1;
        if self.held().any(|held| held.id() == operation.id()) || place < self.seen {
            return Ok(Taken::Nothing);
        }
        // Above an open fork nothing is held.
        if self.is_forked() && place >= self.held.len() {
            return Ok(Taken::Nothing);
        }
        let before = place.checked_sub(1).map(|before| self.held.get(before).map(Operation::id));
        let continues = before.map_or(operation.header().prev == OperationId::default(), |before| {
            before == Some(operation.header().prev)
        });
        if !continues {
            // It goes on from another one than is held, or from one that is not here.
            let gap = before.is_some_and(|before| before.is_none()) && !self.is_forked();
            return if gap { Err(Fault::Chain { what: WHAT }) } else { Ok(Taken::Nothing) };
        }
        if place == self.held.len() {
            self.held.push(operation.clone());
            return Ok(Taken::Next);
        }
        Ok(self.fork(place, operation))
    }
    /// Holds the two lowest at a place, and nothing above.
    fn fork(&mut self, place: usize, operation: &Operation) -> Taken {
        let rival = self.rival.take().filter(|_| place + 1 == self.held.len());
        let mut all = vec![self.held[place].clone(), operation.clone()];
        all.extend(rival.clone());
        all.sort_by_key(Operation::id);
        all.truncate(2);
        let changed = !(rival.is_some() && all.iter().all(|op| op.id() != operation.id()));
        self.held.truncate(place);
        self.rival = all.pop();
        self.held.extend(all);
        if changed { Taken::Fork } else { Taken::Nothing }
    }

    /// A decision has seen this operation: its branch stands. Fetches the branch from `pool` where
    /// another one is held; says whether that changed what is held.
    pub(super) fn cover(
        &mut self,
        number: u32,
        id: OperationId,
        pool: &BTreeMap<OperationId, &Operation>,
    ) -> Result<bool, Fault> {
        let count = number as usize;
        if number == 0 {
            return Err(Fault::Chain { what: WHAT });
        }
        if self.at(number).is_some_and(|held| held.id() == id) {
            let decided = self.is_forked() && count >= self.held.len();
            if decided {
                self.rival = None;
            }
            self.seen = self.seen.max(count);
            return Ok(decided);
        }
        // Back from the operation that was seen to one that is held.
        let mut branch = Vec::new();
        let mut next = id;
        let from = loop {
            let known = self.rival.as_ref().filter(|rival| rival.id() == next).or_else(|| pool.get(&next).copied());
            let operation = known.ok_or(Fault::Chain { what: WHAT })?;
            let place = operation.number() as usize - 1;
            if place + branch.len() + 1 != count || place < self.seen {
                return Err(Fault::Chain { what: WHAT });
            }
            operation.verify()?;
            branch.push(operation.clone());
            next = operation.header().prev;
            let held =
                place.checked_sub(1).map_or(Some(OperationId::default()), |n| self.held.get(n).map(Operation::id));
            if held == Some(next) {
                break place;
            }
        };
        self.held.truncate(from);
        self.held.extend(branch.into_iter().rev());
        self.rival = None;
        self.seen = count;
        Ok(true)
    }
}
