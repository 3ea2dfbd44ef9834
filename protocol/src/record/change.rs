//! A reader of Automerge changes of our own (§2.3).
//!
//! Automerge's decoder does not survive hostile input, so nothing reaches it that has not been read
//! here first. [`Change::read`] takes any bytes whatever: it never panics, allocates no more than in
//! proportion to them, and accepts one form only of each change, the one that Automerge writes.
//! Written from the published format (automerge.org, *Automerge binary format*, chunk type 1).
//!
//! ```text
//! 85 6f 4a 83 │ checksum 4 │ 01 │ length │ dependencies │ actor │ seq │ first operation │ time
//!             │ message │ other actors │ list of columns │ columns
//! ```
//!
//! What the change alone shows is decided here: its form, its number of operations, and whether
//! they are such as records have. What needs its causal past is not: whether the objects, elements
//! and predecessors of earlier changes exist and fit, and whether actor, seq and first operation
//! follow from them. That is for [`super::past`].

mod blocks;
mod bounds;
mod columns;
mod leb;
mod replaced;
mod shape;
mod void;

pub use blocks::Predecessors;
pub(super) use blocks::{Block, Blocks, Keys};
pub use columns::Column;
pub(super) use columns::Columns;
pub(super) use leb::{signed_length, unsigned_length, write_signed, write_unsigned};
pub use void::Void;

use sha2::{Digest, Sha256};

use crate::{id::ChangeHash, limits};
use leb::Reader;

/// The first four bytes of every Automerge chunk.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The chunk type of an uncompressed change.
const CHANGE: u8 = 1;
/// Bytes of an actor id here (§2.3); Automerge allows any number.
pub const ACTOR: usize = 16;

/// An actor: the first 16 bytes of hash(writer, record, lane) (§2.3).
pub type Actor = [u8; ACTOR];

/// What a change says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeHeader {
    /// Its name in the dependency graph.
    pub hash: ChangeHash,
    /// The changes that it builds on, ascending; none for the first change of a record.
    pub deps: Vec<ChangeHash>,
    /// Its author, then the other actors that its operations name, ascending.
    pub actors: Vec<Actor>,
    /// Its number among its author's changes, from 1.
    pub seq: u64,
    /// The counter of its first operation; the others count on from it.
    pub start_op: u64,
    /// How many operations it has, at least one.
    pub operations: u64,
}

impl ChangeHeader {
    /// Its author.
    pub fn actor(&self) -> Actor {
        self.actors.first().copied().unwrap_or_default()
    }
    /// The counter of its last operation.
    pub fn last_op(&self) -> u64 {
        self.start_op + self.operations.saturating_sub(1)
    }
}

/// One change whose bytes have been read and found well formed.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    header: ChangeHeader,
    bytes: &'a [u8],
    columns: Columns<'a>,
}

impl<'a> Change<'a> {
    /// Reads one change and checks all of §2.3 that needs no other change.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Void> {
        if bytes.len() > limits::PAYLOAD {
            return Err(Void::TooLong { bytes: bytes.len() });
        }
        let (hash, mut reader) = open_chunk(bytes)?;
        let mut header = read_header(hash, &mut reader)?;
        let columns = Columns::read(&mut reader)?;
        header.operations = shape::check(&header, Blocks::new(header.start_op, &columns))?;
        Ok(Self { header, bytes, columns })
    }
    /// What it says of itself.
    pub fn header(&self) -> &ChangeHeader {
        &self.header
    }
    /// The bytes that it was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
    /// Its operations, one by one.
    pub fn operations(&self) -> Operations<'a> {
        Operations { blocks: self.blocks(), block: None, row: 0, predecessors: None }
    }
    /// Its operations, in blocks.
    pub(super) fn blocks(&self) -> Blocks<'a> {
        Blocks::new(self.header.start_op, &self.columns)
    }
}

/// Takes the chunk's frame off and checks it; the contents are left.
fn open_chunk(bytes: &[u8]) -> Result<(ChangeHash, Reader<'_>), Void> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != MAGIC {
        return Err(Void::NotAChunk);
    }
    let checksum: [u8; 4] = reader.array()?;
    let hashed = reader.rest();
    match reader.byte()? {
        CHANGE => {}
        other => return Err(Void::ChunkType(other)),
    }
    let length = reader.unsigned()?;
    match (reader.rest().len() as u64).cmp(&length) {
        core::cmp::Ordering::Less => return Err(Void::EndsEarly),
        core::cmp::Ordering::Equal => {}
        core::cmp::Ordering::Greater => return Err(Void::Trailing),
    }
    let hash: [u8; 32] = Sha256::digest(hashed).into();
    if hash.starts_with(&checksum) { Ok((ChangeHash(hash), reader)) } else { Err(Void::Checksum) }
}

fn read_header(hash: ChangeHash, reader: &mut Reader<'_>) -> Result<ChangeHeader, Void> {
    let mut deps: Vec<ChangeHash> = Vec::new();
    for _ in 0..reader.unsigned()? {
        let dep = ChangeHash(reader.array()?);
        if deps.last().is_some_and(|last| *last >= dep) {
            return Err(Void::Dependencies);
        }
        deps.push(dep);
    }
    let mut actors = vec![read_actor(reader)?];
    let (seq, start_op) = (reader.unsigned()?, reader.unsigned()?);
    if seq > limits::OPERATION_COUNTER || start_op > limits::OPERATION_COUNTER {
        return Err(Void::Counter);
    }
    let fits = if deps.is_empty() { seq == 1 && start_op == 1 } else { seq >= 1 && start_op > 1 };
    if !fits {
        return Err(Void::Start { seq, start_op });
    }
    if reader.signed()? != 0 {
        return Err(Void::Time);
    }
    if reader.unsigned()? != 0 {
        return Err(Void::Message);
    }
    for _ in 0..reader.unsigned()? {
        let actor = read_actor(reader)?;
        let ascends = actors.len() == 1 || actors.last().is_some_and(|last| *last < actor);
        if !ascends || actors.first() == Some(&actor) {
            return Err(Void::Actors);
        }
        actors.push(actor);
    }
    Ok(ChangeHeader { hash, deps, actors, seq, start_op, operations: 0 })
}

fn read_actor(reader: &mut Reader<'_>) -> Result<Actor, Void> {
    match reader.unsigned()? {
        16 => reader.array(),
        other => Err(Void::ActorLength(other)),
    }
}

/// Puts the frame of a change around its contents.
pub(super) fn close_chunk(contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(contents.len() + 16);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.push(CHANGE);
    write_unsigned(contents.len() as u64, &mut bytes);
    bytes.extend_from_slice(contents);
    let hash = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&hash[..4]);
    bytes
}

/// An operation, by its counter and the place of its actor in [`ChangeHeader::actors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OperationId {
    /// Its counter.
    pub counter: u64,
    /// Whose it is: 0 is the author of the change that names it.
    pub actor: usize,
}

/// The object that an operation is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The map that a record is.
    Root,
    /// The object that this operation made.
    Made(OperationId),
}

/// Where in its object an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// A key of a map.
    Text(&'a str),
    /// The start of a sequence.
    Head,
    /// The element that this operation inserted; an insertion goes after it.
    Element(OperationId),
}

/// What an operation does. Automerge's other actions are void here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Makes a map.
    MakeMap,
    /// Puts a value.
    Set,
    /// Makes a list.
    MakeList,
    /// Deletes.
    Delete,
    /// Makes a text.
    MakeText,
}

/// What an object of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// The root, a set, an `extra` or an attachment.
    Map,
    /// The attachments.
    List,
    /// A text.
    Text,
}

impl Action {
    /// The object that it makes.
    pub(super) fn makes(self) -> Option<ObjectKind> {
        match self {
            Self::MakeMap => Some(ObjectKind::Map),
            Self::MakeList => Some(ObjectKind::List),
            Self::MakeText => Some(ObjectKind::Text),
            Self::Set | Self::Delete => None,
        }
    }
    fn numbered(number: u64) -> Option<Self> {
        [Self::MakeMap, Self::Set, Self::MakeList, Self::Delete, Self::MakeText]
            .get(usize::try_from(number).ok()?)
            .copied()
    }
}

/// The value of an operation. Automerge's other types are void here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// None, for all that puts no value.
    None,
    /// An unsigned integer.
    Uint(u64),
    /// A signed integer.
    Int(i64),
    /// A string; in a text, one character.
    Text(&'a str),
}

/// One operation of a change.
#[derive(Debug, Clone)]
pub struct Operation<'a> {
    /// Its counter.
    pub counter: u64,
    /// What it is on.
    pub object: Object,
    /// Where in it.
    pub key: Key<'a>,
    /// Whether it inserts an element.
    pub insert: bool,
    /// What it does.
    pub action: Action,
    /// With what.
    pub value: Scalar<'a>,
    /// What it replaces, ascending.
    pub predecessors: Predecessors<'a>,
}

/// The operations of a change, in order.
#[derive(Debug, Clone)]
pub struct Operations<'a> {
    blocks: Blocks<'a>,
    block: Option<Block<'a>>,
    row: u64,
    predecessors: Option<Predecessors<'a>>,
}

impl<'a> Iterator for Operations<'a> {
    type Item = Operation<'a>;
    fn next(&mut self) -> Option<Operation<'a>> {
        if self.block.as_ref().is_none_or(|block| self.row >= block.count) {
            // A change that has been read has no errors left.
            self.block = self.blocks.try_next().ok().flatten();
            self.row = 0;
            self.predecessors = self.block.as_ref().map(Block::predecessors);
        }
        let (block, row) = (self.block.as_ref()?, self.row);
        self.row += 1;
        Some(Operation {
            counter: block.first + row,
            object: block.object,
            key: block.key(row),
            insert: block.insert,
            action: block.action,
            value: block.value(usize::try_from(row).ok()?)?,
            predecessors: self.predecessors.as_mut()?.split(block.predecessor_count),
        })
    }
}
