//! Dates, times and lengths of time as calendars write them (RFC 5545 §3.3).

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Time},
};

/// How a time is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// A day without a time.
    Day,
    /// In a zone that stands elsewhere, or nowhere.
    Local,
    /// In UTC.
    Utc,
}

/// `20250624`, `20250624T160000`, `20250624T150000Z`; of a period, its start.
pub(super) fn civil(text: &str) -> Option<(DateTime, Sort)> {
    let text = text.trim();
    let text = text.split_once('/').map_or(text, |(start, _)| start);
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = digits(date, 8)?;
    let date = Date::new(number(&date[..4])?, number(&date[4..6])?, number(&date[6..])?).ok()?;
    let Some(time) = time else { return Some((date.to_datetime(Time::midnight()), Sort::Day)) };
    let (time, sort) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, Sort::Utc),
        None => (time, Sort::Local),
    };
    let time = digits(time, 6)?;
    // A leap second is the one before it.
    let second: i8 = number(&time[4..])?;
    let second = if second == 60 { 59 } else { second };
    let time = Time::new(number(&time[..2])?, number(&time[2..4])?, second, 0).ok()?;
    Some((date.to_datetime(time), sort))
}

fn digits(text: &str, length: usize) -> Option<&str> {
    (text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A length of time that is not below nothing: `PT1H30M`, `P1D`, `P2W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length {
    /// Whole days, which are as long as the clocks make them.
    pub(super) days: i32,
    /// What comes on top.
    pub(super) rest: SignedDuration,
}

/// The most days that an event may last: a year.
const DAYS: i64 = 366;

/// Reads a length of time; nothing where it is none, below nothing, or longer than a year.
pub(super) fn length(text: &str) -> Option<Length> {
    let text = text.trim().to_ascii_uppercase();
    let mut rest = text.strip_prefix('+').unwrap_or(&text).strip_prefix('P')?;
    let (mut days, mut seconds, mut in_time, mut any) = (0_i64, 0_i64, false, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (rest, in_time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).filter(|end| (1..=9).contains(end))?;
        let amount: i64 = number(&rest[..end])?;
        let unit = rest[end..].chars().next()?;
        match (unit, in_time) {
            ('W', false) => days += amount * 7,
            ('D', false) => days += amount,
            ('H', true) => seconds += amount * 3_600,
            ('M', true) => seconds += amount * 60,
            ('S', true) => seconds += amount,
            _ => return None,
        }
        any = true;
        rest = &rest[end + 1..];
    }
    let fits = any && days <= DAYS && seconds <= DAYS * 86_400;
    fits.then(|| Some(Length { days: i32::try_from(days).ok()?, rest: SignedDuration::from_secs(seconds) }))?
}
