//! What needs more than one crate: simulator, end to end, benchmarks.

pub mod simulator;
