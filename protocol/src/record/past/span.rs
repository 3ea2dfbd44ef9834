//! Runs of operations that made something of the same sort in the same place.

use crate::record::change::ObjectKind;

/// An object of a record, its maker by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Made { actor: u32, counter: u64 },
}

/// Neighbouring operations of one actor that put values or made objects at one key of a map, or inserted
/// elements into one text or list. Deletions leave nothing that a later change could name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The object that they are on.
    pub(super) object: Place,
    /// The number of their key; none for elements.
    pub(super) key: Option<u32>,
    /// What each of them made, if it made an object.
    pub(super) kind: Option<ObjectKind>,
}

/// The spans of one actor, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans(Vec<Span>);

impl Spans {
    /// Adds a span behind the others.
    pub(super) fn push(&mut self, span: Span) {
        match self.0.last_mut() {
            Some(last)
                if last.last + 1 == span.first
                    && (last.object, last.key, last.kind) == (span.object, span.key, span.kind) =>
            {
                last.last = span.last;
            }
            _ => self.0.push(span),
        }
    }
    /// The span that an operation is in.
    pub(super) fn find(&self, counter: u64) -> Option<&Span> {
        self.0.get(self.0.partition_point(|span| span.last < counter)).filter(|span| span.first <= counter)
    }
    /// Whether all these operations inserted elements into the object.
    pub(super) fn are_elements(&self, object: Place, low: u64, high: u64) -> bool {
        let mut next = low;
        let from = self.0.partition_point(|span| span.last < low);
        for span in self.0.get(from..).unwrap_or_default() {
            if next > high {
                break;
            }
            if span.first > next || span.object != object || span.key.is_some() {
                return false;
            }
            next = span.last + 1;
        }
        next > high
    }
}
