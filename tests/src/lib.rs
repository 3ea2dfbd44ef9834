//! What needs more than one crate: real processes, the simulator, benchmarks.

pub mod processes;
pub mod simulator;
pub mod transcripts;
