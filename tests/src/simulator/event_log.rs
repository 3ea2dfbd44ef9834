//! What happened, line by line: a hash of all of it, and the end of it to read.

use std::collections::VecDeque;
use std::fmt;

/// The hash of bytes, FNV-1a: the same on every machine.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The log of one run.
#[derive(Debug)]
pub(super) struct EventLog {
    hash: u64,
    lines: u64,
    keep: usize,
    tail: VecDeque<String>,
}

impl EventLog {
    /// A log that keeps its last `keep` lines.
    pub(super) fn new(keep: usize) -> Self {
        Self { hash: fnv(&[]), lines: 0, keep, tail: VecDeque::new() }
    }
    /// Writes a line.
    pub(super) fn line(&mut self, now_ms: u64, text: fmt::Arguments<'_>) {
        let line = format!("{:>4}.{:03} s  {text}", now_ms / 1000, now_ms % 1000);
        self.hash = (self.hash.rotate_left(5) ^ fnv(line.as_bytes())).wrapping_mul(0x0100_0000_01b3);
        self.lines += 1;
        if self.tail.len() == self.keep {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
    /// The hash of all lines, in order.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
    /// The last lines.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }
}
