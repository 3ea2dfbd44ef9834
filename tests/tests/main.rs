//! All tests that need more than one crate, in one program.

#![allow(clippy::print_stdout, reason = "figures, and the names of what is skipped")]
#![allow(clippy::unwrap_used)]

mod guide;
mod processes;
mod simulator;
