//! Times as people say them, in the reader's zone, and as scripts read them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// Milliseconds since 1970 as RFC 3339 in UTC: `2025-06-24T15:00:00.123Z`.
pub(crate) fn rfc3339(millis: u64) -> String {
    at(millis).to_string()
}

fn at(millis: u64) -> Timestamp {
    i64::try_from(millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or(Timestamp::MAX)
}

/// Now, here.
pub(crate) fn now() -> Zoned {
    Zoned::now()
}

/// When something changed, in few letters: `today 14:05`, `yesterday`, `24 June`, `24 June 2024`.
pub(crate) fn changed(millis: u64, now: &Zoned) -> String {
    let then = at(millis).to_zoned(now.time_zone().clone());
    let yesterday = now.date().checked_sub(1.day()).ok();
    if then.date() == now.date() {
        then.strftime("today %H:%M").to_string()
    } else if Some(then.date()) == yesterday {
        "yesterday".to_owned()
    } else if then.year() == now.year() {
        then.strftime("%-d %B").to_string()
    } else {
        then.strftime("%-d %B %Y").to_string()
    }
}

/// A moment with its time of day: `today 14:05`, `Tuesday 14:02`, `24 June 14:02`, `24 June 2024 14:02`.
pub(crate) fn moment(millis: u64, now: &Zoned) -> String {
    let then = at(millis).to_zoned(now.time_zone().clone());
    let week_ago = now.date().checked_sub(6.days()).unwrap_or(now.date());
    let style = if then.date() == now.date() {
        "today %H:%M"
    } else if then.date() >= week_ago && then.date() < now.date() {
        "%A %H:%M"
    } else if then.year() == now.year() {
        "%-d %B %H:%M"
    } else {
        "%-d %B %Y %H:%M"
    };
    then.strftime(style).to_string()
}

/// A stored date in its own zone and, where that is another, in the reader's.
pub(crate) fn date(line: &str, here: &TimeZone) -> String {
    let Ok(zoned) = line.parse::<Zoned>() else { return line.to_owned() };
    let style = if zoned.time() == jiff::civil::Time::midnight() { "%A %-d %B %Y" } else { "%A %-d %B %Y, %H:%M" };
    let own = zoned.strftime(style).to_string();
    let zone = zoned.time_zone().iana_name().unwrap_or("UTC").to_owned();
    let same = here.to_offset(zoned.timestamp()) == zoned.offset();
    if same {
        return format!("{own} ({zone})");
    }
    let there = zoned.timestamp().to_zoned(here.clone());
    format!("{own} ({zone}); {} here", there.strftime("%A %-d %B, %H:%M"))
}

/// Milliseconds since 1970 of a stored date.
pub(crate) fn millis_of(line: &str) -> Option<u64> {
    let zoned = line.parse::<Zoned>().ok()?;
    Some(u64::try_from(zoned.timestamp().as_millisecond()).unwrap_or(0))
}

/// Seconds of `7d`, `12h`, `30m`, `2w`, `90s`.
pub(crate) fn duration(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(text: &str) -> Zoned {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }
    fn millis(text: &str) -> u64 {
        millis_of(text).unwrap_or_default()
    }

    #[test]
    fn times_read_as_people_say_them() {
        let now = here("2026-11-22T18:00:00+00:00[Europe/London]");
        assert_eq!(changed(millis("2026-11-22T14:05:00+00:00[Europe/London]"), &now), "today 14:05");
        assert_eq!(changed(millis("2026-11-21T23:59:00+00:00[Europe/London]"), &now), "yesterday");
        assert_eq!(changed(millis("2026-06-24T14:05:00+01:00[Europe/London]"), &now), "24 June");
        assert_eq!(changed(millis("2024-06-24T14:05:00+01:00[Europe/London]"), &now), "24 June 2024");
        assert_eq!(moment(millis("2026-11-17T14:02:00+00:00[Europe/London]"), &now), "Tuesday 14:02");
        assert_eq!(moment(u64::MAX, &now), "30 December 9999 22:00");
    }

    #[test]
    fn an_event_elsewhere_is_shown_in_the_readers_zone_too() {
        let dubai = TimeZone::get("Asia/Dubai").unwrap_or(TimeZone::UTC);
        let line = "2025-06-24T16:00:00+01:00[Europe/London]";
        assert_eq!(date(line, &dubai), "Tuesday 24 June 2025, 16:00 (Europe/London); Tuesday 24 June, 19:00 here");
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!((duration("7d"), duration("2w"), duration("30m")), (Some(604_800), Some(1_209_600), Some(1_800)));
        assert_eq!(
            (duration("7"), duration("d"), duration("0d"), duration("é"), duration("")),
            (None, None, None, None, None)
        );
    }
}
