//! Staffroom.

pub mod exchange;
