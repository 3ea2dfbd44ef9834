//! Times, fed from outside: this crate never reads a clock.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Milliseconds since 1970-01-01T00:00:00Z, as some outside clock told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This moment and `ms` more; stays at the end of time.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
    /// Milliseconds from `earlier` to this moment, 0 where it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The hybrid clock of an entry (§2.1): 48 bits of milliseconds since 1970, 16 bits of counter.
///
/// For display and tie-breaks only; nothing is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The first timestamp of a millisecond.
    pub fn from_millis(now: Millis) -> Self {
        Self(now.0.min((1 << 48) - 1) << 16)
    }
    /// The milliseconds in it.
    pub fn millis(self) -> Millis {
        Millis(self.0 >> 16)
    }
}

/// A hybrid logical clock: never goes back, follows what it hears within reason.
///
/// Source: Kulkarni et al., *Logical Physical Clocks*, 2014.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    last: Timestamp,
}

impl Clock {
    /// Starts where a stored log left off.
    pub fn starting_at(last: Timestamp) -> Self {
        Self { last }
    }
    /// A new timestamp, after every one given out or heard.
    pub fn tick(&mut self, now: Millis) -> Timestamp {
        let next = Timestamp(self.last.0.saturating_add(1));
        self.last = Timestamp::from_millis(now).max(next);
        self.last
    }
    /// Hears a partner's timestamp; one more than ten minutes ahead does not advance ours (§2.1).
    pub fn observe(&mut self, heard: Timestamp, now: Millis) {
        if heard.millis() <= now.plus(limits::CLOCK_AHEAD_MS) {
            self.last = self.last.max(heard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_tick_is_after_all_before_it(events in proptest::collection::vec((any::<bool>(), 0u64..1 << 40), 1..50)) {
            let mut clock = Clock::default();
            let mut last = Timestamp::default();
            for (tick, ms) in events {
                if tick {
                    let next = clock.tick(Millis(ms));
                    prop_assert!(next > last);
                    last = next;
                } else {
                    clock.observe(Timestamp::from_millis(Millis(ms)), Millis(ms));
                }
            }
        }

        #[test]
        fn any_clock_far_ahead_leaves_ours(now in 0u64..1 << 40, ahead in limits::CLOCK_AHEAD_MS + 1..1 << 41) {
            let mut clock = Clock::default();
            clock.observe(Timestamp::from_millis(Millis(now + ahead)), Millis(now));
            prop_assert_eq!(clock.tick(Millis(now)), Timestamp::from_millis(Millis(now)).max(Timestamp(1)));
        }
    }
}
