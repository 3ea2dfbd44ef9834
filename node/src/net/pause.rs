//! Pauses that grow, with some chance in them, so that nodes do not try in step.

use std::time::Duration;

use tokio::time::Instant;

use super::random;

/// The longest pause, where the first one is not longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A session that lasted so long starts the pauses anew.
const LASTED: Duration = Duration::from_secs(30);

/// How long until something is tried again.
pub(super) struct Pause {
    /// When it is over.
    pub(super) until: Instant,
    /// The first one after a success ([`Times::pause`](super::Times)).
    first: Duration,
    next: Duration,
    /// What was waited for runs now.
    pub(super) running: bool,
}

impl Pause {
    /// None: it is over.
    pub(super) fn none(first: Duration) -> Self {
        Self { until: Instant::now(), first, next: first, running: false }
    }
    /// Whether it may be tried.
    pub(super) fn is_over(&self) -> bool {
        !self.running && self.until <= Instant::now()
    }
    /// Another failure: waits about the current pause, and doubles it.
    pub(super) fn grow(&mut self) {
        let longest = LONGEST_PAUSE.max(self.first);
        self.until = Instant::now() + self.next.mul_f64(0.75 + 0.5 * random()).min(longest);
        self.next = (self.next * 2).min(longest);
    }
    /// The end of something that lasted so long.
    pub(super) fn after(&mut self, lasted: Duration) {
        if lasted > LASTED {
            self.reset();
        }
        self.grow();
    }
    /// Ends it.
    pub(super) fn reset(&mut self) {
        (self.until, self.next) = (Instant::now(), self.first);
    }
}
