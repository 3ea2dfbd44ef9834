//! The columns of a change: which there are, and how their runs are read without expanding them.
//!
//! A column is a sequence of runs (Automerge binary format, *column encodings*). Each is refused
//! unless it is the one encoding that Automerge writes: Automerge keeps rows, not bytes, and
//! writes a change anew when it saves a document, so with any other encoding the change would
//! get another hash and the document would no longer load.

use super::{Void, leb::Reader};
use crate::limits;

/// A column of a change, by what its rows say of each operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Who made the object that it is on.
    ObjectActor,
    /// The counter of the operation that made the object.
    ObjectCounter,
    /// Who inserted the element that it is at or after.
    KeyActor,
    /// The counter of the operation that inserted the element.
    KeyCounter,
    /// Its key in a map.
    KeyText,
    /// Whether it inserts an element.
    Insert,
    /// What it does.
    Action,
    /// Type and length of its value.
    ValueMeta,
    /// Its value.
    Value,
    /// How many operations it replaces.
    PredecessorCount,
    /// Who made each.
    PredecessorActor,
    /// The counter of each.
    PredecessorCounter,
}

/// The columns in their order, each with the number that the format gives it.
const COLUMNS: [(u64, Column); 12] = [
    (1, Column::ObjectActor),
    (2, Column::ObjectCounter),
    (17, Column::KeyActor),
    (19, Column::KeyCounter),
    (21, Column::KeyText),
    (52, Column::Insert),
    (66, Column::Action),
    (86, Column::ValueMeta),
    (87, Column::Value),
    (112, Column::PredecessorCount),
    (113, Column::PredecessorActor),
    (115, Column::PredecessorCounter),
];

impl core::fmt::Display for Column {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ObjectActor => "object actors",
            Self::ObjectCounter => "object counters",
            Self::KeyActor => "element actors",
            Self::KeyCounter => "element counters",
            Self::KeyText => "keys",
            Self::Insert => "insert flags",
            Self::Action => "actions",
            Self::ValueMeta => "value types",
            Self::Value => "values",
            Self::PredecessorCount => "predecessor counts",
            Self::PredecessorActor => "predecessor actors",
            Self::PredecessorCounter => "predecessor counters",
        })
    }
}

/// The bytes of each column; empty where the change has none.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Columns<'a>([&'a [u8]; COLUMNS.len()]);

impl<'a> Columns<'a> {
    /// Reads the list of columns and the columns, to the end of the change.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, Void> {
        let count = reader.unsigned()?;
        let mut lengths = [0; COLUMNS.len()];
        let mut next = 0;
        for _ in 0..count {
            let (number, length) = (reader.unsigned()?, reader.unsigned()?);
            let found = COLUMNS.iter().skip(next).position(|(n, _)| *n == number);
            let at = next + found.filter(|_| length > 0).ok_or(Void::ColumnPlace(number))?;
            lengths[at] = length;
            next = at + 1;
        }
        let mut bytes: [&[u8]; COLUMNS.len()] = [&[]; COLUMNS.len()];
        for (slot, length) in bytes.iter_mut().zip(lengths) {
            *slot = reader.take(length)?;
        }
        if reader.is_empty() { Ok(Self(bytes)) } else { Err(Void::Trailing) }
    }
    /// Puts columns together that [`Columns::write`] then writes.
    pub(in crate::record) fn of(columns: &'a [(Column, Vec<u8>)]) -> Self {
        let mut bytes: [&[u8]; COLUMNS.len()] = [&[]; COLUMNS.len()];
        for (column, content) in columns {
            bytes[*column as usize] = content;
        }
        Self(bytes)
    }
    /// Writes the list of columns and the columns.
    pub(in crate::record) fn write(&self, out: &mut Vec<u8>) {
        let kept = || COLUMNS.iter().zip(self.0).filter(|(_, bytes)| !bytes.is_empty());
        super::leb::write_unsigned(kept().count() as u64, out);
        for ((number, _), bytes) in kept() {
            super::leb::write_unsigned(*number, out);
            super::leb::write_unsigned(bytes.len() as u64, out);
        }
        for (_, bytes) in kept() {
            out.extend_from_slice(bytes);
        }
    }
    pub(super) fn bytes(&self, column: Column) -> &'a [u8] {
        self.0[column as usize]
    }
    /// A column that may be missing, which means that no row has a value.
    pub(super) fn optional<T: Cell<'a>>(&self, column: Column) -> Runs<'a, T> {
        let bytes = self.bytes(column);
        Runs::new(column, bytes, if bytes.is_empty() { Nulls::Everywhere } else { Nulls::Allowed })
    }
    /// A column with a value in each row.
    pub(super) fn required<T: Cell<'a>>(&self, column: Column) -> Runs<'a, T> {
        Runs::new(column, self.bytes(column), Nulls::Refused)
    }
}

/// What stands in a row of a column.
pub(in crate::record) trait Cell<'a>: Copy + PartialEq {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Void>;
}

impl Cell<'_> for u64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Void> {
        reader.unsigned()
    }
}

impl Cell<'_> for i64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Void> {
        reader.signed()
    }
}

impl<'a> Cell<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Void> {
        let length = reader.unsigned()?;
        core::str::from_utf8(reader.take(length)?).map_err(|_| Void::NotUtf8)
    }
}

/// Which rows of a column may have no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// None.
    Refused,
    /// Some, but not all.
    Allowed,
    /// All: the column is missing.
    Everywhere,
}

/// A run-length encoded column, read run by run; a literal counts as runs of one.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Runs<'a, T> {
    column: Column,
    reader: Reader<'a>,
    nulls: Nulls,
    /// Rows left of the run under the cursor, and what they hold.
    left: u64,
    value: Option<T>,
    /// Literals after the one under the cursor.
    literals: u64,
    /// Whether the run under the cursor is or ended a literal, whether there is one, whether any had a value.
    in_literal: bool,
    started: bool,
    has_value: bool,
}

impl<'a, T: Cell<'a>> Runs<'a, T> {
    fn new(column: Column, bytes: &'a [u8], nulls: Nulls) -> Self {
        Self {
            column,
            reader: Reader::new(bytes),
            nulls,
            left: 0,
            value: None,
            literals: 0,
            in_literal: false,
            started: false,
            has_value: false,
        }
    }

    /// The value of the next rows and how many have it; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<(Option<T>, u64)>, Void> {
        if self.nulls == Nulls::Everywhere {
            return Ok(Some((None, u64::MAX)));
        }
        if self.left == 0 && !self.load()? {
            return Ok(None);
        }
        Ok(Some((self.value, self.left)))
    }
    /// As [`Runs::peek`] where the rows must go on.
    pub(super) fn expect(&mut self) -> Result<(Option<T>, u64), Void> {
        self.peek()?.ok_or(Void::Rows(self.column))
    }
    /// As [`Runs::expect`] for a column in which each row has a value.
    pub(super) fn expect_value(&mut self) -> Result<(T, u64), Void> {
        let (value, count) = self.expect()?;
        Ok((value.ok_or(Void::Rows(self.column))?, count))
    }
    /// Passes over rows that [`Runs::peek`] showed.
    pub(super) fn advance(&mut self, rows: u64) {
        self.left = self.left.saturating_sub(rows);
    }
    /// Checks that no rows are left.
    pub(super) fn finish(&mut self) -> Result<(), Void> {
        if self.nulls == Nulls::Everywhere {
            return Ok(());
        }
        if self.peek()?.is_some() {
            return Err(Void::Rows(self.column));
        }
        // Automerge leaves a column without any value out.
        if self.nulls == Nulls::Allowed && !self.has_value { Err(Void::Runs(self.column)) } else { Ok(()) }
    }

    /// Reads the next run; false at the end.
    fn load(&mut self) -> Result<bool, Void> {
        let wrong = Void::Runs(self.column);
        let (value, left) = if self.literals > 0 {
            self.literals -= 1;
            (Some(T::read(&mut self.reader)?), 1)
        } else if self.reader.is_empty() {
            return Ok(false);
        } else {
            let was_literal = self.in_literal;
            let count = self.reader.signed()?;
            self.in_literal = count < 0;
            match count {
                0 => (None, self.reader.unsigned()?),
                1 => return Err(wrong),
                2.. => (Some(T::read(&mut self.reader)?), count.unsigned_abs()),
                _ if was_literal => return Err(wrong),
                _ => {
                    self.literals = count.unsigned_abs() - 1;
                    (Some(T::read(&mut self.reader)?), 1)
                }
            }
        };
        let repeats = self.started && value == self.value;
        if repeats || left == 0 || (value.is_none() && self.nulls == Nulls::Refused) {
            return Err(wrong);
        }
        (self.value, self.left) = (value, left);
        self.started = true;
        self.has_value |= value.is_some();
        Ok(true)
    }
}

/// A column of differences between rows, read as linear runs.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Deltas<'a> {
    runs: Runs<'a, i64>,
    last: i64,
}

/// Counters that grow by the same step from row to row; all from 0 to the highest counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::record) struct Line {
    pub(in crate::record) first: u64,
    pub(in crate::record) step: i64,
}

impl Line {
    /// The counter in the row `row` of the run.
    pub(in crate::record) fn at(self, row: u64) -> u64 {
        self.first.wrapping_add_signed(self.step.wrapping_mul(row.cast_signed()))
    }
}

impl<'a> Deltas<'a> {
    pub(super) fn new(runs: Runs<'a, i64>) -> Self {
        Self { runs, last: 0 }
    }
    /// The counters of the next rows and how many follow that line; counters that no operation can have are refused.
    pub(super) fn expect(&mut self) -> Result<(Option<Line>, u64), Void> {
        let (step, count) = self.runs.expect()?;
        let Some(step) = step else { return Ok((None, count)) };
        let end = i64::try_from(count).ok().and_then(|count| step.checked_mul(count)?.checked_add(self.last));
        let counter = |value: i64| u64::try_from(value).ok().filter(|c| *c <= limits::OPERATION_COUNTER);
        // A line is within bounds where both its ends are; the sum cannot overflow where the last one did not.
        let (first, last) = (self.last.checked_add(step).and_then(counter), end.and_then(counter));
        let first = first.filter(|_| last.is_some()).ok_or(Void::Counter)?;
        Ok((Some(Line { first, step }), count))
    }
    pub(super) fn advance(&mut self, rows: u64) {
        if let Some(step) = self.runs.value {
            self.last = self.last.wrapping_add(step.wrapping_mul(rows.cast_signed()));
        }
        self.runs.advance(rows);
    }
    pub(super) fn finish(&mut self) -> Result<(), Void> {
        self.runs.finish()
    }
}

/// A column of yes and no: counts that take turns, no first.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Flags<'a> {
    column: Column,
    reader: Reader<'a>,
    started: bool,
    value: bool,
    left: u64,
}

impl<'a> Flags<'a> {
    pub(super) fn new(column: Column, bytes: &'a [u8]) -> Self {
        Self { column, reader: Reader::new(bytes), started: false, value: true, left: 0 }
    }
    fn peek(&mut self) -> Result<Option<(bool, u64)>, Void> {
        while self.left == 0 {
            if self.reader.is_empty() {
                return Ok(None);
            }
            self.left = self.reader.unsigned()?;
            self.value = !self.value;
            // Only the first count may be 0, and only where another follows.
            if self.left == 0 && (self.started || self.reader.is_empty()) {
                return Err(Void::Runs(self.column));
            }
            self.started = true;
        }
        Ok(Some((self.value, self.left)))
    }
    pub(super) fn expect(&mut self) -> Result<(bool, u64), Void> {
        self.peek()?.ok_or(Void::Rows(self.column))
    }
    pub(super) fn advance(&mut self, rows: u64) {
        self.left = self.left.saturating_sub(rows);
    }
    pub(super) fn finish(&mut self) -> Result<(), Void> {
        if self.peek()?.is_some() { Err(Void::Rows(self.column)) } else { Ok(()) }
    }
}
