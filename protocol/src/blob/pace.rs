//! How fast a partner gives what it is asked for.

use crate::limits;
use crate::time::Millis;

/// Less than a chunk in a minute, bytes a second: a partner that gives no more makes room for any other that
/// may have the blob.
pub(super) const BARELY: u64 = limits::CHUNK as u64 / 60;
/// How many times as fast another one is, where it could give by itself what a slow one holds up.
pub(super) const MUCH: u64 = 8;

/// What came of a partner, measured while it owes something.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since: Millis,
    bytes: u64,
    rate: Option<u64>,
}

impl Pace {
    /// It owes something from now on.
    pub(super) fn begin(&mut self, now: Millis) {
        (self.since, self.bytes) = (now, 0);
    }
    /// So many bytes came.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }
    /// Measures, once so many milliseconds went by.
    pub(super) fn measure(&mut self, now: Millis, after: u64) {
        // The clock may have been set back.
        let elapsed = now.since(self.since.min(now));
        if elapsed >= after {
            self.rate = Some(self.bytes.saturating_mul(1_000) / elapsed.max(1));
            self.begin(now);
        }
    }
    /// Bytes a second, when last measured.
    pub(super) fn rate(&self) -> Option<u64> {
        self.rate
    }
}
