//! Dates as schools write them, read to one form: RFC 9557 with the zone's name.
//!
//! `2025-06-25 10:00:00 Europe/London` becomes `2025-06-25T10:00:00+01:00[Europe/London]`. What names
//! no zone is in the school's. A date without a time is the start of that day. A time that the clocks
//! skip or repeat is taken as RFC 5545 does: after the gap, and the first of the two. Numbers with
//! slashes are day, month, year.

use jiff::{
    Zoned,
    civil::{Date, DateTime, Time},
    fmt::temporal::DateTimeParser,
    tz::{Offset, OffsetConflict, TimeZone},
};

/// The longest text that could be a date, in bytes.
const LONGEST: usize = 120;

/// A stored instant keeps its local time if its zone's rules were changed since.
static PARSER: DateTimeParser = DateTimeParser::new().offset_conflict(OffsetConflict::PreferOffset);

/// The zone of this IANA name.
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.len() > LONGEST || name.contains('\0') {
        return None;
    }
    TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some())
}

/// Reads a date; `school` is the zone of what names none. `None` where it cannot be read.
///
/// The answer is what a field of type date holds: RFC 9557, whole seconds, a zone in brackets.
pub fn read(text: &str, school: &TimeZone) -> Option<String> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST || text.contains(['\0', '\n']) {
        return None;
    }
    let zoned = exact(text).or_else(|| as_written(text, school))?;
    written(&zoned)
}

/// The instant of a stored date in UTC, e.g. `2025-06-25T09:00:00Z`; `None` where it is not a date.
pub fn to_utc_rfc3339(line: &str) -> Option<String> {
    let zoned = exact(line)?;
    let seconds = zoned.timestamp().round(jiff::Unit::Second).ok()?;
    Some(seconds.to_string())
}

/// RFC 9557 with a zone.
fn exact(text: &str) -> Option<Zoned> {
    if text.len() > LONGEST || !text.ends_with(']') {
        return None;
    }
    PARSER.parse_zoned(text).ok()
}

/// A moment as a field of type date holds it; `None` outside the years 0 to 9999.
pub(super) fn written(zoned: &Zoned) -> Option<String> {
    let zoned = zoned.round(jiff::Unit::Second).ok()?;
    (0..=9999).contains(&zoned.year()).then(|| zoned.to_string())
}

/// The zone that a text names.
enum Named {
    /// By its place.
    Zone(TimeZone),
    /// By its distance from UTC only.
    Offset(Offset),
}

/// A date, perhaps a time, perhaps a zone, in this order.
fn as_written(text: &str, school: &TimeZone) -> Option<Zoned> {
    let (rest, named) = split_zone(text);
    let civil = civil(rest)?;
    match named {
        None => school.to_zoned(civil).ok(),
        Some(Named::Zone(zone)) => zone.to_zoned(civil).ok(),
        Some(Named::Offset(offset)) => {
            let instant = offset.to_timestamp(civil).ok()?;
            // "Z" says nothing about the place, nor does the offset that the school has then anyway.
            let here = offset == Offset::UTC || school.to_offset(instant) == offset;
            Some(instant.to_zoned(if here { school.clone() } else { TimeZone::fixed(offset) }))
        }
    }
}

/// Takes a zone from the end: a name, an abbreviation used in Britain, `Z`, or an offset.
fn split_zone(text: &str) -> (&str, Option<Named>) {
    let bare = text.trim_end_matches([']', ')']);
    if let Some(at) = bare.rfind([' ', '[', '(']) {
        let (rest, word) = (bare[..at].trim_end(), &bare[at + 1..]);
        let named = match word {
            "Z" | "z" | "UTC" | "GMT" => Some(Named::Offset(Offset::UTC)),
            "BST" => Some(Named::Offset(Offset::constant(1))),
            _ if word.contains('/') && !word.starts_with(|c: char| c.is_ascii_digit()) => zone(word).map(Named::Zone),
            _ => offset(word).map(Named::Offset),
        };
        if named.is_some() {
            return (rest, named);
        }
    }
    if let Some(rest) = text.strip_suffix(['Z', 'z']).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit())) {
        return (rest, Some(Named::Offset(Offset::UTC)));
    }
    // An offset belongs to a time: without a colon before it, "-24" is a day.
    if let Some(at) = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':'))
        && let Some(offset) = offset(&text[at..])
    {
        return (&text[..at], Some(Named::Offset(offset)));
    }
    (text, None)
}

/// `+01:00`, `+0100`, `+01`.
fn offset(word: &str) -> Option<Offset> {
    let sign = match word.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = word[1..].chars().filter(|c| *c != ':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits[2..].parse().unwrap_or(0);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// A date and perhaps a time, without a zone.
fn civil(text: &str) -> Option<DateTime> {
    let spaced = match text.as_bytes().get(10) {
        Some(b'T' | b't') if text.as_bytes()[..10].iter().all(|b| b.is_ascii_digit() || *b == b'-') => {
            format!("{} {}", &text[..10], &text[11..])
        }
        _ => text.replace(',', " "),
    };
    let words: Vec<String> =
        spaced.split_whitespace().map(str::to_lowercase).filter(|word| word != "at" && !is_weekday(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (date, time) = match words.as_slice() {
        [first, time @ ..] if numeric_date(first).is_some() => (numeric_date(first)?, time),
        [a, b, year, time @ ..] => (worded_date(a, b, year)?, time),
        _ => return None,
    };
    let time = match time {
        [] => Time::midnight(),
        [one] => clock(one)?,
        [one, half @ ("am" | "pm" | "a.m." | "p.m.")] => clock(&format!("{one}{half}"))?,
        _ => return None,
    };
    Some(date.to_datetime(time))
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let word = word.trim_end_matches('.');
    word.len() >= 3 && DAYS.iter().any(|day| day.starts_with(word))
}

/// `2025-06-24`, `2025/06/24`, `24/06/2025`, `24.6.2025`.
fn numeric_date(word: &str) -> Option<Date> {
    let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    let (year, day) = if a.len() == 4 { (a, c) } else { (c, a) };
    date(year, b.parse().ok()?, day)
}

/// `24 June 2025`, `24th Jun 2025`, `June 24 2025`.
fn worded_date(a: &str, b: &str, year: &str) -> Option<Date> {
    let (day, month) = match month(b) {
        Some(month) => (a, month),
        None => (b, month(a)?),
    };
    let bare = ["st", "nd", "rd", "th"].iter().find_map(|ending| day.strip_suffix(ending)).unwrap_or(day);
    date(year, month, bare)
}

fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.trim_end_matches('.');
    let at = MONTHS.iter().position(|month| word.len() >= 3 && (month.starts_with(word) || word == "sept"))?;
    if word == "sept" { Some(9) } else { i8::try_from(at + 1).ok() }
}

fn date(year: &str, month: i8, day: &str) -> Option<Date> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if year.len() != 4 || !digits(year) || !digits(day) {
        return None;
    }
    Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()
}

/// `16:00`, `16:00:30`, `16.00`, `4pm`, `4:30pm`.
fn clock(word: &str) -> Option<Time> {
    let plain = word.replace("a.m.", "am").replace("p.m.", "pm");
    let (digits, half) = match (plain.strip_suffix("am"), plain.strip_suffix("pm")) {
        (Some(rest), _) => (rest, Some(0)),
        (_, Some(rest)) => (rest, Some(12)),
        _ => (plain.as_str(), None),
    };
    let (digits, fraction) = match digits.matches(':').count() {
        2 => digits.split_once('.').unwrap_or((digits, "0")),
        _ => (digits, "0"),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let parts = digits.split([':', '.']).map(part).collect::<Option<Vec<i8>>>()?;
    let (hour, minute, second) = match (parts.as_slice(), half) {
        ([hour], Some(_)) => (*hour, 0, 0),
        ([hour, minute], _) => (*hour, *minute, 0),
        ([hour, minute, second], _) => (*hour, *minute, *second),
        _ => return None,
    };
    let hour = match half {
        None => hour,
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(half) => hour % 12 + half,
    };
    Time::new(hour, minute, second.min(59), 0).ok()
}

/// One or two digits.
fn part(text: &str) -> Option<i8> {
    (matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn london(text: &str) -> Option<String> {
        read(text, &zone("Europe/London").expect("a zone"))
    }

    #[test]
    fn ten_in_june_in_london_is_nine_in_utc() {
        let line = london("2025-06-25 10:00:00 Europe/London").expect("a date");
        assert_eq!(line, "2025-06-25T10:00:00+01:00[Europe/London]");
        assert_eq!(to_utc_rfc3339(&line).as_deref(), Some("2025-06-25T09:00:00Z"));
    }

    #[test]
    fn one_afternoon_is_read_however_it_is_written() {
        for text in [
            "2025-06-24T16:00",
            "2025-06-24t16:00:00",
            "2025-06-24 16:00",
            "2025-06-24 16:00:00.000",
            "2025-06-24T16:00:00+01:00",
            "2025-06-24 16:00:00 +0100",
            "2025-06-24T15:00:00Z",
            "2025-06-24 15:00 UTC",
            "2025-06-24 16:00 BST",
            "2025-06-24T16:00:00+01:00[Europe/London]",
            "2025-06-24 16:00 (Europe/London)",
            "24 June 2025 16:00",
            "24 June 2025, 4pm",
            "Tuesday 24th June 2025 at 4.00 p.m.",
            "Tue, 24 Jun 2025 4:00 PM",
            "June 24, 2025 16:00",
            "24/06/2025 16:00",
            "24.6.2025 16.00",
        ] {
            assert_eq!(london(text).as_deref(), Some("2025-06-24T16:00:00+01:00[Europe/London]"), "{text}");
        }
    }

    #[test]
    fn another_place_keeps_its_zone() {
        assert_eq!(london("2025-01-25 10:00 Europe/Paris").as_deref(), Some("2025-01-25T10:00:00+01:00[Europe/Paris]"));
        assert_eq!(london("2025-01-25T10:00:00+01:00").as_deref(), Some("2025-01-25T10:00:00+01:00[+01:00]"));
    }

    #[test]
    fn a_date_alone_is_the_start_of_its_day() {
        assert_eq!(london("2025-06-24").as_deref(), Some("2025-06-24T00:00:00+01:00[Europe/London]"));
        assert_eq!(london("1 Sept 2025").as_deref(), Some("2025-09-01T00:00:00+01:00[Europe/London]"));
    }

    #[test]
    fn skipped_and_repeated_hours_are_read_as_calendars_do() {
        assert_eq!(london("2025-03-30 01:30").as_deref(), Some("2025-03-30T02:30:00+01:00[Europe/London]"));
        assert_eq!(london("2025-10-26 01:30").as_deref(), Some("2025-10-26T01:30:00+01:00[Europe/London]"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "no",
            "TBC",
            "soon",
            "2025",
            "June 2025",
            "2025-02-30",
            "31/02/2025",
            "2025-06-24 25:00",
            "2025-06-24 16:00 Europe/Atlantis",
            "24 June 2025 16:00 to 17:00",
            "[",
            "]",
            "é",
        ] {
            assert_eq!(london(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}") {
            if let Some(line) = london(&text) {
                prop_assert!(to_utc_rfc3339(&line).is_some(), "{line}");
            }
        }

        #[test]
        fn anything_like_a_date_is_read_without_panic(
            text in "[0-9]{1,4}[-/. ](June|[0-9]{1,2})[-/. ][0-9]{1,4}[T ]?[0-9:.+-]{0,12}(Z| ?[+-][0-9]{2}:?[0-9]{2}|\\[[A-Z+/0-9:]*\\])?",
        ) {
            if let Some(line) = london(&text) {
                prop_assert!(to_utc_rfc3339(&line).is_some(), "{line}");
                prop_assert_eq!(london(&line), Some(line.clone()), "reading it again changes nothing");
            }
        }
    }
}
