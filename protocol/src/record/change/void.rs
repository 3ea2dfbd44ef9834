//! Why a change is void (§2.3).

use super::columns::Column;
use crate::id::ChangeHash;

/// Why a change is void: it stays held and is passed on, and counts for nothing (§2.2, §2.3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// More bytes than a payload may have.
    #[error("it is {bytes} bytes long")]
    TooLong {
        /// How long it is; at most [`crate::limits::PAYLOAD`].
        bytes: usize,
    },
    /// The bytes end before the change does.
    #[error("it ends early")]
    EndsEarly,
    /// Bytes follow the change, or its last column.
    #[error("bytes follow its end")]
    Trailing,
    /// The first four bytes are not Automerge's.
    #[error("it is not an Automerge chunk")]
    NotAChunk,
    /// Another chunk than one uncompressed change: a document, a compressed change, a bundle.
    #[error("it is an Automerge chunk of type {0}, not an uncompressed change")]
    ChunkType(u8),
    /// The checksum is not that of the contents.
    #[error("its checksum is wrong")]
    Checksum,
    /// A LEB128 number that is longer than it need be, or above 64 bits.
    #[error("a number in it is not minimal LEB128 of at most 64 bits")]
    Number,
    /// Text that is not UTF-8.
    #[error("text in it is not UTF-8")]
    NotUtf8,
    /// Dependencies that do not ascend.
    #[error("its dependencies are not in order")]
    Dependencies,
    /// An actor id that has not 16 bytes.
    #[error("an actor in it has {0} bytes, not 16")]
    ActorLength(u64),
    /// Other actors that do not ascend, name the author, or are not used.
    #[error("its other actors are out of order, named twice or not used")]
    Actors,
    /// A time other than 0: when it was made stands in the entry.
    #[error("it has a time")]
    Time,
    /// A message.
    #[error("it has a message")]
    Message,
    /// A sequence number or first operation that its dependencies rule out.
    #[error("its sequence number {seq} or first operation {start_op} does not fit its dependencies")]
    Start {
        /// The actor's sequence number.
        seq: u64,
        /// The counter of its first operation.
        start_op: u64,
    },
    /// An operation counter above 2³² − 1.
    #[error("it has an operation counter above {}", crate::limits::OPERATION_COUNTER)]
    Counter,
    /// No operation.
    #[error("it has no operations")]
    NoOperations,
    /// More operations or predecessors than a change may have.
    #[error("it has more than {} operations", crate::limits::CHANGE_OPERATIONS)]
    TooManyOperations,
    /// A column that a change has not, or has elsewhere, or twice, or empty.
    #[error("its column {0} is unknown, empty or out of place")]
    ColumnPlace(u64),
    /// A column whose runs are not as Automerge writes them.
    #[error("its column of {0} is not encoded as Automerge would")]
    Runs(Column),
    /// A column that has another number of rows than there are operations.
    #[error("its column of {0} does not have a row for each operation")]
    Rows(Column),
    /// An operation with an action that records do not have: increments, marks, tables.
    #[error("operation {counter} has the action {action}, which records do not have")]
    Action {
        /// The operation.
        counter: u64,
        /// The action's number.
        action: u64,
    },
    /// An operation on an object that is not there or cannot take it.
    #[error("operation {0} is on an object that it cannot be on")]
    Object(u64),
    /// An operation with a key or element that is malformed, not there, or wrong for its object.
    #[error("operation {0} has a key or an element that it cannot have")]
    Key(u64),
    /// An operation with a value that its place cannot hold.
    #[error("operation {0} has a value that its place cannot hold")]
    Value(u64),
    /// An operation whose predecessors are not those that it must have.
    #[error("operation {0} has predecessors that it cannot have")]
    Predecessors(u64),
    /// An operation that puts more into a field than one may hold.
    #[error("operation {0} puts more into a field than it may hold")]
    TooMuch(u64),
    /// A change that it builds on is not there, or void.
    #[error("it builds on a change that has not come yet, or does not count")]
    Missing(ChangeHash),
    /// With it the record would have more changes and operations than one may.
    #[error("the record is full: with this change it would pass what one may grow to")]
    RecordFull,
    /// Not the first change of a record, which alone is read without the ones before it.
    #[error("it is not the first change of its record")]
    NotGenesis,
}
