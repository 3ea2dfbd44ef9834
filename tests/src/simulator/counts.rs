//! How much a run did, so that a test that tests nothing is seen.

use std::collections::BTreeMap;
use std::fmt;

/// Sums over one run or many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs.
    pub seeds: u64,
    /// What was counted, by name.
    pub of: BTreeMap<&'static str, u64>,
    /// The longest time from healing to agreement, virtual milliseconds.
    pub slowest_ms: u64,
}

impl Counts {
    /// Counts one.
    pub fn one(&mut self, name: &'static str) {
        self.more(name, 1);
    }
    /// Counts several.
    pub fn more(&mut self, name: &'static str, n: u64) {
        *self.of.entry(name).or_default() += n;
    }
    /// How many of a name.
    pub fn get(&self, name: &str) -> u64 {
        self.of.get(name).copied().unwrap_or_default()
    }
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        for (name, n) in &other.of {
            self.more(name, *n);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} seeds, slowest agreement {} s after healing", self.seeds, self.slowest_ms / 1000)?;
        for (name, n) in &self.of {
            writeln!(f, "  {n:>10} {name}")?;
        }
        Ok(())
    }
}
