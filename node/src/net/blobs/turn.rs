//! How long a fetch keeps its place among those that run at once, while others wait for one.
//!
//! A fetch that goes on well keeps its place to the end. One that is slow gives it up with the next chunk that
//! is whole, so that each turn brings it some way; one that brings no chunk for a long time gives it up without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use staffroom_protocol::time::Millis;

/// What a fetch has to bring to keep its place, bytes a second: a tenth of a slow school's line.
const FAIR: u64 = 16 << 10;
/// So many spans without a whole chunk end a turn.
const SPANS: u64 = 12;

/// The place of a fetch.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Whether files wait for a place: one answer for all fetches.
    pub(super) crowded: Arc<AtomicBool>,
    /// Whether a person waits for this file.
    pub(super) asked: AtomicBool,
}

impl Place {
    /// Whether others wait for it, and nobody for this file.
    pub(super) fn is_needed(&self) -> bool {
        self.crowded.load(Ordering::Relaxed) && !self.asked.load(Ordering::Relaxed)
    }
}

/// A turn of a fetch.
#[derive(Debug)]
pub(super) struct Turn {
    began: Millis,
    since: Millis,
    /// How long a span is that is measured, milliseconds.
    span: u64,
    bytes: u64,
    slow: bool,
    over: bool,
}

impl Turn {
    /// Begins now; is measured over so many milliseconds at a time.
    pub(super) fn new(now: Millis, span: u64) -> Self {
        Self { began: now, since: now, span, bytes: 0, slow: false, over: false }
    }
    /// So many bytes came.
    pub(super) fn add(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
    /// A whole chunk came.
    pub(super) fn chunk(&mut self, now: Millis) {
        self.over |= self.slow;
        self.began = now;
    }
    /// Whether the place is to be given up, if others wait for it.
    pub(super) fn is_over(&mut self, now: Millis) -> bool {
        let elapsed = now.since(self.since.min(now));
        if elapsed >= self.span {
            self.slow = self.bytes.saturating_mul(1_000) < FAIR.saturating_mul(elapsed);
            self.over &= self.slow;
            (self.since, self.bytes) = (now, 0);
        }
        self.over || now.since(self.began.min(now)) >= SPANS.saturating_mul(self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: u64 = 45_000;

    #[test]
    fn a_fetch_that_goes_on_well_keeps_its_place() {
        let mut turn = Turn::new(Millis(0), SPAN);
        for second in 1..10_000 {
            turn.add(20 << 10);
            turn.chunk(Millis(second * 1_000));
            assert!(!turn.is_over(Millis(second * 1_000)), "after {second} s");
        }
    }

    #[test]
    fn a_chunk_now_and_then_ends_a_turn_with_a_whole_chunk() {
        let mut turn = Turn::new(Millis(0), SPAN);
        turn.add(256 << 10);
        turn.chunk(Millis(44_000));
        assert!(!turn.is_over(Millis(44_000)), "not measured yet");
        assert!(!turn.is_over(Millis(87_000)), "slow by now, and in the middle of a chunk");
        turn.add(256 << 10);
        turn.chunk(Millis(88_000));
        assert!(turn.is_over(Millis(88_000)));
    }

    #[test]
    fn a_trickle_ends_a_turn_without_a_chunk_and_a_line_that_recovers_goes_on() {
        let mut turn = Turn::new(Millis(0), SPAN);
        for second in 1..540 {
            turn.add(1);
            assert!(!turn.is_over(Millis(second * 1_000)), "after {second} s");
        }
        assert!(turn.is_over(Millis(540_000)));
        let mut turn = Turn::new(Millis(0), SPAN);
        assert!(!turn.is_over(Millis(SPAN)));
        turn.chunk(Millis(SPAN + 1));
        assert!(turn.is_over(Millis(SPAN + 1)), "slow, and a chunk came");
        turn.add(10 << 20);
        assert!(!turn.is_over(Millis(2 * SPAN)), "it goes on well by now");
    }
}
