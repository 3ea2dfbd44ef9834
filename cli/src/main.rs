//! The command `share`.
fn main() {}
