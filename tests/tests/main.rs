//! All tests that need more than one crate, in one program.

mod guide;
mod processes;
mod simulator;
