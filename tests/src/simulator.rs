//! Many schools in one thread, from one seed, in virtual time, over the real `protocol` crate.
//!
//! ```text
//! seed ──▶ Plan ──▶ World ◀── events in order of time: acts of people, frames, flushes, troubles
//!                     │
//!       ┌─────────────┼──────────────┐
//!     Nodes        Network         Model
//!   replica,      latency, loss,   what was acknowledged,
//!   sessions,     partitions,      what must come of it
//!   store         hostile frames
//!       └─────────────┼──────────────┘
//!                     ▼
//!                Invariants, after each flush, send and restart
//! ```
//!
//! A run has two phases (6-promises). In *safety*, nodes crash, disks fail, clocks jump, frames are
//! lost, schools join and write. Then everything heals, and in *liveness* all members must hold and
//! show the same within a bounded time. The same seed gives the same events, byte for byte; a seed
//! that fails prints one command that plays it again.
//!
//! In some runs people also decide who belongs, leave and come back, print other sheets, refuse each
//! other for a while; in `Plan::forking`, stores are put back and machines run twice.
//!
//! What it does not do: no sockets, no redb (the store's own tests crash that), no hostile member
//! but one that damages signatures and, in some runs, one that lies (`liar`).

mod acts;
mod belonging;
mod counts;
mod erasing;
mod event_log;
mod govern;
mod harness;
mod invariants;
mod judge;
mod liar;
mod model;
mod network;
mod node;
mod plan;
mod planted;
mod random;
mod stored;
mod tickets;
mod together;
mod traffic;
mod troubles;
mod witness;
mod words;
mod world;

pub use counts::Counts;
pub use harness::{Failure, Outcome, replay_command, run, run_seeds};
pub use plan::{Plan, Planted, Rule};
