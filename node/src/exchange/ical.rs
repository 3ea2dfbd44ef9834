//! Calendars: the events of an iCalendar file (RFC 5545) as drafts.
//!
//! ```text
//! bytes ── lines ──▶ content ──▶ components ──▶ series ──▶ event ──▶ Draft
//!          unpacked   unfolded    VEVENTs,       which of    fields
//!                                 VTIMEZONEs     them when
//! ```
//!
//! Each time that something takes place is an event of its own, so that it can be signed up for, moved
//! and cancelled by itself ([0027](../../../docs/decisions/0027-each-occurrence-an-event.md)). Its `source`
//! is `ical:` and the calendar's own UID, and for one of a series the day that the series gives it: so the same calendar
//! read again is the same events, and one that was moved stays itself.
//!
//! Reading is total and bounded: in lines, in what is kept of a file, in how many times a series is
//! told, in how many days its rules are worked out for. What is no event is named and left out; who was
//! invited, and what a calendar marks as private, is left out on purpose.

mod components;
mod content;
mod event;
mod moment;
mod rule;
mod series;
mod times;
mod windows;
mod zones;

use std::{io::Read, path::Path};

use jiff::civil::Date;

use super::{
    draft::Options,
    import::Found,
    lines::{self, Lines},
    refusal::{Reason, Refusal},
};

/// The events of a calendar, in the order of the file; those of a series one after the other.
pub struct Calendar {
    progress: u64,
    series: series::AllSeries,
    refused: std::vec::IntoIter<Refusal>,
    waiting: std::collections::VecDeque<Result<Found, Refusal>>,
}

/// Opens a calendar. Of a series that goes on, the events of the school year of `today` and of the next
/// are told.
pub fn open(path: &Path, options: &Options, today: Date) -> Result<Calendar, Refusal> {
    let (what, file) = lines::file(path)?;
    Calendar::new(&what, file, options, today)
}

impl Calendar {
    /// Reads from anything; `what` names it in refusals.
    pub fn new(what: &str, input: impl Read + Send + 'static, options: &Options, today: Date) -> Result<Self, Refusal> {
        let school = options.time_zone()?;
        let mut lines = Lines::new(what, input, Reason::NotCalendar("it holds what is not text"), true)?;
        if !is_calendar(lines.head()?) {
            return Err(Refusal::new(what, Reason::NotCalendar("it does not begin with BEGIN:VCALENDAR")));
        }
        let read = components::read(what, lines);
        let progress = read.progress;
        let refused = read.refused.clone().into_iter();
        let series = series::AllSeries::new(what, read, school, options, today);
        Ok(Self { progress, series, refused, waiting: std::collections::VecDeque::new() })
    }

    /// How many bytes of the file were read so far, compressed ones where it is compressed.
    pub fn progress(&self) -> u64 {
        self.progress
    }
}

impl Iterator for Calendar {
    type Item = Result<Found, Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(refusal) = self.refused.next() {
            return Some(Err(refusal));
        }
        while self.waiting.is_empty() {
            self.waiting.extend(self.series.next()?);
        }
        self.waiting.pop_front()
    }
}

/// Whether a file begins as calendars do, empty lines before it left aside.
fn is_calendar(head: &[u8]) -> bool {
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    start.get(..15).is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCALENDAR"))
}
