//! Which operations a change has replaced: each at most once.
//!
//! Automerge never names a predecessor twice, since what was overwritten or deleted is seen no more; and
//! what names one a hundred thousand times costs it the square of that.

use std::collections::BTreeMap;

/// Ranges of counters by the place of their actor, none touching another.
#[derive(Default)]
pub(super) struct Replaced(BTreeMap<(usize, u64), u64>);

impl Replaced {
    /// Adds all counters from `low` to `high` of an actor; false where one of them is in here.
    pub(super) fn add(&mut self, actor: usize, low: u64, high: u64) -> bool {
        let before = self.0.range(..=(actor, high)).next_back();
        let before = before.filter(|((of, _), _)| *of == actor).map(|((_, start), end)| (*start, *end));
        if before.is_some_and(|(_, end)| end >= low) {
            return false;
        }
        let mut range = (low, high);
        if let Some((start, _)) = before.filter(|(_, end)| end + 1 == low) {
            range.0 = start;
        }
        if let Some(end) = self.0.remove(&(actor, high + 1)) {
            range.1 = end;
        }
        self.0.insert((actor, range.0), range.1);
        true
    }
}
