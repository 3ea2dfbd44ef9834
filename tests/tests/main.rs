//! All tests that need more than one crate, in one program.

mod processes;
mod simulator;
