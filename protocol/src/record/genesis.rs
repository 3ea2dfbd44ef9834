//! From fields to a record's first change and back, without building a document.
//!
//! A document costs milliseconds, and most records have one change only. So their fields are read
//! straight from its columns, where a text that was inserted in one run is a slice of bytes, and
//! records are created by writing those columns. Both are held to Automerge's own result, byte for
//! byte and field for field, by the property tests in `tests/record_genesis.rs` and `tests/record_hostile.rs`.

mod read;
mod runs;
mod sequence;
mod write;

pub use read::read_genesis;
pub use write::write_genesis;
