//! Staffroom.
