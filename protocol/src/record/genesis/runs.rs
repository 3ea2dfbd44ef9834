//! Writes columns as Automerge would: the counterpart of `change::columns`.

use crate::record::change::{write_signed, write_unsigned};

/// What stands in a row of a column.
pub(super) trait Cell: Copy + PartialEq {
    fn write(self, out: &mut Vec<u8>);
}

impl Cell for u64 {
    fn write(self, out: &mut Vec<u8>) {
        write_unsigned(self, out);
    }
}

impl Cell for i64 {
    fn write(self, out: &mut Vec<u8>) {
        write_signed(self, out);
    }
}

impl Cell for &str {
    fn write(self, out: &mut Vec<u8>) {
        write_unsigned(self.len() as u64, out);
        out.extend_from_slice(self.as_bytes());
    }
}

/// A run-length encoded column.
///
/// Equal neighbours, two or more, are a run; rows without a value are a null run; what stands
/// alone between them is a literal.
#[derive(Debug)]
pub(super) struct RunWriter<T> {
    out: Vec<u8>,
    literal: Vec<T>,
    value: Option<T>,
    count: u64,
    has_value: bool,
}

impl<T: Cell> RunWriter<T> {
    pub(super) fn new() -> Self {
        Self { out: Vec::new(), literal: Vec::new(), value: None, count: 0, has_value: false }
    }
    pub(super) fn append(&mut self, value: Option<T>, rows: u64) {
        if rows == 0 {
            return;
        }
        self.has_value |= value.is_some();
        if value != self.value {
            self.flush();
            self.value = value;
        }
        self.count += rows;
    }
    /// The column; no bytes where no row has a value.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if !self.has_value {
            return Vec::new();
        }
        self.flush();
        self.flush_literal();
        self.out
    }
    fn flush(&mut self) {
        let (value, count) = (self.value, core::mem::take(&mut self.count));
        match (value, count) {
            (_, 0) => {}
            (Some(value), 1) => self.literal.push(value),
            (Some(value), count) => {
                self.flush_literal();
                write_unsigned_as_signed(count, &mut self.out);
                value.write(&mut self.out);
            }
            (None, count) => {
                self.flush_literal();
                write_signed(0, &mut self.out);
                write_unsigned(count, &mut self.out);
            }
        }
    }
    fn flush_literal(&mut self) {
        if self.literal.is_empty() {
            return;
        }
        write_signed(0i64.saturating_sub_unsigned(self.literal.len() as u64), &mut self.out);
        for value in self.literal.drain(..) {
            value.write(&mut self.out);
        }
    }
}

fn write_unsigned_as_signed(count: u64, out: &mut Vec<u8>) {
    write_signed(i64::try_from(count).expect("rows are held in memory, fewer than 2^63"), out);
}

/// A column of differences between counters.
#[derive(Debug)]
pub(super) struct DeltaWriter {
    runs: RunWriter<i64>,
    last: u64,
}

impl DeltaWriter {
    pub(super) fn new() -> Self {
        Self { runs: RunWriter::new(), last: 0 }
    }
    pub(super) fn append_none(&mut self, rows: u64) {
        self.runs.append(None, rows);
    }
    /// Counters one after the other, from `first` on.
    pub(super) fn append(&mut self, first: u64, rows: u64) {
        if rows == 0 {
            return;
        }
        self.runs.append(Some(first.wrapping_sub(self.last).cast_signed()), 1);
        self.runs.append(Some(1), rows - 1);
        self.last = first + rows - 1;
    }
    pub(super) fn finish(self) -> Vec<u8> {
        self.runs.finish()
    }
}

/// A column of yes and no.
#[derive(Debug)]
pub(super) struct FlagWriter {
    out: Vec<u8>,
    last: bool,
    count: u64,
}

impl FlagWriter {
    pub(super) fn new() -> Self {
        Self { out: Vec::new(), last: false, count: 0 }
    }
    pub(super) fn append(&mut self, value: bool, rows: u64) {
        if rows == 0 {
            return;
        }
        if value != self.last {
            write_unsigned(self.count, &mut self.out);
            self.count = 0;
            self.last = value;
        }
        self.count += rows;
    }
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            write_unsigned(self.count, &mut self.out);
        }
        self.out
    }
}
