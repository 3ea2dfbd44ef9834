//! What needs more than one crate: real processes, the simulator, benchmarks.

#![allow(clippy::unnecessary_wraps, reason = "every act of the simulator has the same shape")]
#![allow(clippy::match_same_arms, clippy::if_same_then_else, reason = "each trouble and each ending stands by itself")]
#![allow(clippy::type_complexity, reason = "keys of several ids, spelled out where they are used")]

pub mod faults;
pub mod liar;
pub mod processes;
pub mod simulator;
pub mod transcripts;
