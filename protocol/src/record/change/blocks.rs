//! Operations in blocks: neighbours that differ only in their counters and values.
//!
//! A text typed or pasted in one go is a few blocks, whatever its length, so what is checked and
//! read block by block costs by the size of the change, not by the number of its operations.

use super::{
    Action, Key, Object, OperationId, Scalar, Void,
    columns::{Column, Columns, Deltas, Flags, Line, Runs},
    leb::Reader,
};
use crate::limits;

/// The key of each operation in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) enum Keys<'a> {
    /// All of them at this key of a map.
    Text(&'a str),
    /// All of them at the start of a sequence.
    Head,
    /// Each at or after the element that this actor inserted.
    Elements { actor: usize, line: Line },
}

/// Type and length of the values in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) enum ValueType {
    None,
    Uint,
    Int,
    Text,
    /// Null with a length, a truth value, a float, bytes, a counter, a timestamp, or unknown.
    Other,
}

/// Neighbouring operations that differ only in their counters and values.
#[derive(Debug, Clone)]
pub(in crate::record) struct Block<'a> {
    /// The counter of the first.
    pub(in crate::record) first: u64,
    /// How many there are, at least one.
    pub(in crate::record) count: u64,
    pub(in crate::record) object: Object,
    pub(in crate::record) keys: Keys<'a>,
    pub(in crate::record) insert: bool,
    pub(in crate::record) action: Action,
    pub(in crate::record) value_type: ValueType,
    /// Bytes of each value.
    pub(in crate::record) value_length: usize,
    /// The values, one after the other.
    pub(in crate::record) values: &'a [u8],
    /// How many predecessors each has.
    pub(in crate::record) predecessor_count: u64,
    predecessors: Predecessors<'a>,
}

impl<'a> Block<'a> {
    /// The predecessors of all its operations, those of the first one first.
    pub(in crate::record) fn predecessors(&self) -> Predecessors<'a> {
        self.predecessors.clone()
    }
    /// The key of one of its operations, counted from 0.
    pub(in crate::record) fn key(&self, row: u64) -> Key<'a> {
        match self.keys {
            Keys::Text(text) => Key::Text(text),
            Keys::Head => Key::Head,
            Keys::Elements { actor, line } => Key::Element(OperationId { counter: line.at(row), actor }),
        }
    }
    /// The value of one of its operations, counted from 0.
    pub(in crate::record) fn value(&self, row: usize) -> Option<Scalar<'a>> {
        let start = row.checked_mul(self.value_length)?;
        let bytes = self.values.get(start..start.checked_add(self.value_length)?)?;
        let mut reader = Reader::new(bytes);
        let value = match self.value_type {
            ValueType::None => Scalar::None,
            ValueType::Uint => Scalar::Uint(reader.unsigned().ok()?),
            ValueType::Int => Scalar::Int(reader.signed().ok()?),
            ValueType::Text => return core::str::from_utf8(bytes).ok().map(Scalar::Text),
            ValueType::Other => return None,
        };
        reader.is_empty().then_some(value)
    }
}

/// The operations that one replaces.
#[derive(Debug, Clone)]
pub struct Predecessors<'a> {
    actors: Runs<'a, u64>,
    counters: Deltas<'a>,
    left: u64,
}

impl<'a> Predecessors<'a> {
    /// The next one; `None` after the last, an error where the columns have no more.
    pub(super) fn try_next(&mut self) -> Result<Option<OperationId>, Void> {
        if self.left == 0 {
            return Ok(None);
        }
        let (actor, _) = self.actors.expect_value()?;
        let (line, _) = self.counters.expect()?;
        let line = line.ok_or(Void::Runs(Column::PredecessorCounter))?;
        self.actors.advance(1);
        self.counters.advance(1);
        self.left -= 1;
        Ok(Some(OperationId { counter: line.first, actor: index(actor)? }))
    }
    /// The next `count` of them, apart.
    pub(in crate::record) fn split(&mut self, count: u64) -> Predecessors<'a> {
        let mut first = self.clone();
        first.left = count.min(self.left);
        // Cannot fail: a block is given out only after its predecessors have been passed over once.
        let _passed = self.pass_over(first.left);
        first
    }
    fn pass_over(&mut self, mut count: u64) -> Result<(), Void> {
        while count > 0 {
            let (_, actors) = self.actors.expect_value()?;
            let (line, counters) = self.counters.expect()?;
            line.ok_or(Void::Runs(Column::PredecessorCounter))?;
            let rows = count.min(actors).min(counters);
            self.actors.advance(rows);
            self.counters.advance(rows);
            self.left = self.left.saturating_sub(rows);
            count -= rows;
        }
        Ok(())
    }
}

impl Iterator for Predecessors<'_> {
    type Item = OperationId;
    fn next(&mut self) -> Option<OperationId> {
        self.try_next().ok().flatten()
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, usize::try_from(self.left).ok())
    }
}

/// Reads the columns of a change block by block.
#[derive(Debug, Clone)]
pub(in crate::record) struct Blocks<'a> {
    counter: u64,
    operations: u64,
    predecessors_left: u64,
    object_actor: Runs<'a, u64>,
    object_counter: Runs<'a, u64>,
    key_actor: Runs<'a, u64>,
    key_counter: Deltas<'a>,
    key_text: Runs<'a, &'a str>,
    insert: Flags<'a>,
    action: Runs<'a, u64>,
    value_meta: Runs<'a, u64>,
    values: Reader<'a>,
    predecessor_count: Runs<'a, u64>,
    predecessors: Predecessors<'a>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(start_op: u64, columns: &Columns<'a>) -> Self {
        Self {
            counter: start_op,
            operations: 0,
            predecessors_left: limits::CHANGE_OPERATIONS,
            object_actor: columns.optional(Column::ObjectActor),
            object_counter: columns.optional(Column::ObjectCounter),
            key_actor: columns.optional(Column::KeyActor),
            key_counter: Deltas::new(columns.optional(Column::KeyCounter)),
            key_text: columns.optional(Column::KeyText),
            insert: Flags::new(Column::Insert, columns.bytes(Column::Insert)),
            action: columns.required(Column::Action),
            value_meta: columns.required(Column::ValueMeta),
            values: Reader::new(columns.bytes(Column::Value)),
            predecessor_count: columns.required(Column::PredecessorCount),
            predecessors: Predecessors {
                actors: columns.required(Column::PredecessorActor),
                counters: Deltas::new(columns.required(Column::PredecessorCounter)),
                left: limits::CHANGE_OPERATIONS,
            },
        }
    }

    /// The next block; `None` at the end, where all columns must end together.
    pub(in crate::record) fn try_next(&mut self) -> Result<Option<Block<'a>>, Void> {
        let Some((Some(action), action_rows)) = self.action.peek()? else {
            return self.finish().map(|()| None);
        };
        let (object_actor, object_actor_rows) = self.object_actor.expect()?;
        let (object_counter, object_counter_rows) = self.object_counter.expect()?;
        let (key_actor, key_actor_rows) = self.key_actor.expect()?;
        let (key_line, key_counter_rows) = self.key_counter.expect()?;
        let (key_text, key_text_rows) = self.key_text.expect()?;
        let (insert, insert_rows) = self.insert.expect()?;
        let (value_meta, value_rows) = self.value_meta.expect_value()?;
        let (predecessor_count, predecessor_rows) = self.predecessor_count.expect_value()?;
        let mut count = [
            object_actor_rows,
            object_counter_rows,
            key_actor_rows,
            key_counter_rows,
            key_text_rows,
            insert_rows,
            value_rows,
            predecessor_rows,
        ]
        .into_iter()
        .fold(action_rows, u64::min);

        let first = self.counter;
        let keys = match (key_text, key_actor, key_line) {
            // No longer one is compared with others, which may be as many as there are operations.
            (Some(text), None, None) if text.len() > limits::LINE => return Err(Void::TooMuch(first)),
            (Some(text), None, None) => Keys::Text(text),
            (None, None, Some(Line { first: 0, step })) => {
                count = if step == 0 { count } else { 1 };
                Keys::Head
            }
            (None, Some(actor), Some(line)) => Keys::Elements { actor: index(actor)?, line },
            _ => return Err(Void::Key(first)),
        };
        self.operations = self.operations.saturating_add(count);
        if self.operations > limits::CHANGE_OPERATIONS {
            return Err(Void::TooManyOperations);
        }
        self.counter += count;
        if self.counter - 1 > limits::OPERATION_COUNTER {
            return Err(Void::Counter);
        }
        let object = match (object_actor, object_counter) {
            (None, None) => Object::Root,
            (Some(actor), Some(counter @ 1..=limits::OPERATION_COUNTER)) => {
                Object::Made(OperationId { counter, actor: index(actor)? })
            }
            _ => return Err(Void::Object(first)),
        };
        let action = Action::numbered(action).ok_or(Void::Action { counter: first, action })?;
        let value_length = value_meta >> 4;
        let values = self.values.take(value_length.saturating_mul(count)).map_err(|_| Void::Rows(Column::Value))?;
        let predecessors_total = predecessor_count.saturating_mul(count);
        self.predecessors_left =
            self.predecessors_left.checked_sub(predecessors_total).ok_or(Void::TooManyOperations)?;
        let mut predecessors = self.predecessors.clone();
        predecessors.left = predecessors_total;
        self.predecessors.pass_over(predecessors_total)?;

        self.object_actor.advance(count);
        self.object_counter.advance(count);
        self.key_actor.advance(count);
        self.key_counter.advance(count);
        self.key_text.advance(count);
        self.insert.advance(count);
        self.action.advance(count);
        self.value_meta.advance(count);
        self.predecessor_count.advance(count);
        Ok(Some(Block {
            first,
            count,
            object,
            keys,
            insert,
            action,
            value_type: value_type(value_meta),
            // Taking the values has shown that it is small.
            value_length: usize::try_from(value_length).map_err(|_| Void::EndsEarly)?,
            values,
            predecessor_count,
            predecessors,
        }))
    }

    fn finish(&mut self) -> Result<(), Void> {
        self.object_actor.finish()?;
        self.object_counter.finish()?;
        self.key_actor.finish()?;
        self.key_counter.finish()?;
        self.key_text.finish()?;
        self.insert.finish()?;
        self.value_meta.finish()?;
        self.predecessor_count.finish()?;
        self.predecessors.actors.finish()?;
        self.predecessors.counters.finish()?;
        if self.values.is_empty() { Ok(()) } else { Err(Void::Rows(Column::Value)) }
    }
}

fn value_type(meta: u64) -> ValueType {
    match (meta & 15, meta >> 4) {
        (0, 0) => ValueType::None,
        (3, _) => ValueType::Uint,
        (4, _) => ValueType::Int,
        (6, _) => ValueType::Text,
        _ => ValueType::Other,
    }
}

fn index(actor: u64) -> Result<usize, Void> {
    usize::try_from(actor).map_err(|_| Void::Actors)
}
