//! Calendars: odd ones and hostile ones. The files beside this one are whole calendars, one thing each.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Cursor, Read},
    path::Path,
    time::Instant,
};

use jiff::civil::{Date, date};
use proptest::prelude::*;
use staffroom_node::exchange::{Options, Refusal, ical::Calendar, import::Found};
use staffroom_protocol::record::field::Value;

const TODAY: Date = date(2026, 11, 22);

fn read(input: impl Read + Send + 'static) -> Result<Vec<Result<Found, Refusal>>, Refusal> {
    Calendar::new("x.ics", input, &Options::default(), TODAY).map(Iterator::collect)
}

fn text(calendar: &str) -> Vec<Result<Found, Refusal>> {
    read(Cursor::new(calendar.to_owned())).expect("a calendar")
}

/// What was read of something, as a person would look at it.
fn shown(read: &[Result<Found, Refusal>]) -> String {
    let mut shown = String::new();
    for one in read {
        match one {
            Err(refusal) => writeln!(shown, "refused: {refusal}").expect("a string"),
            Ok(found) => {
                let draft = &found.draft;
                let only = if found.only_known { " (if known)" } else { "" };
                writeln!(shown, "{} [{}]{only}", draft.title(), draft.state()).expect("a string");
                for (name, value) in
                    draft.fields.iter().filter(|(name, _)| !["title", "state"].contains(&name.as_str()))
                {
                    let value = match value {
                        Value::Text(text) | Value::Line(text) => format!("{text:?}"),
                        Value::Set(members) => members.join(" | "),
                        other => format!("{other:?}"),
                    };
                    writeln!(shown, "  {name}: {value}").expect("a string");
                }
                draft.warnings.iter().for_each(|warning| writeln!(shown, "  warning: {warning}").expect("a string"));
            }
        }
    }
    shown
}

/// Every calendar beside this file is read as its neighbour of the same name says.
#[test]
fn every_odd_calendar_is_read_as_it_should_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/exchange/calendars");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("there").path()).collect();
    names.retain(|path| path.extension().is_some_and(|ending| ending == "ics"));
    names.sort();
    assert!(names.len() >= 46, "{}", names.len());
    let mut all = String::new();
    for path in &names {
        let began = Instant::now();
        let bytes = std::fs::read(path).expect("a file");
        let read = read(Cursor::new(bytes)).unwrap_or_else(|refusal| vec![Err(refusal)]);
        assert!(!read.is_empty(), "{}: read or refused", path.display());
        assert!(began.elapsed().as_secs() < 5, "{}: {:?}", path.display(), began.elapsed());
        let name = path.file_stem().expect("a name").to_string_lossy();
        let read = match read.len() {
            0..=12 => shown(&read),
            many => format!("{}… {many} in all, the last\n{}", shown(&read[..1]), shown(&read[many - 1..])),
        };
        write!(all, "# {name}\n{read}\n").expect("a string");
    }
    let expected = folder.join("expected.txt");
    if std::env::var_os("STAFFROOM_ACCEPT").is_some() {
        std::fs::write(&expected, &all).expect("written");
    }
    let expected = std::fs::read_to_string(expected).expect("what is expected");
    for (is, should) in all.split("# ").zip(expected.split("# ")) {
        assert_eq!(is, should);
    }
    assert_eq!(all, expected);
}

fn event(properties: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20261001T160000Z\r\nSUMMARY:A\r\n{properties}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn by_source(read: Vec<Result<Found, Refusal>>) -> BTreeMap<String, Found> {
    read.into_iter().map(|found| found.expect("read")).map(|found| (found.draft.source().to_owned(), found)).collect()
}

#[test]
fn a_series_that_is_put_off_by_an_hour_stays_the_same_records() {
    let series = |hour: u8, sequence: u8| {
        by_source(text(&format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:s\nSUMMARY:A\nSEQUENCE:{sequence}\n\
             DTSTART;TZID=Europe/London:20261001T{hour}0000\nRRULE:FREQ=WEEKLY\nEND:VEVENT\nEND:VCALENDAR\n"
        )))
    };
    let (before, after) = (series(16, 0), series(17, 1));
    assert!(before.keys().eq(after.keys()));
    assert_eq!(before.len(), 101, "this school year and the next");
    assert_eq!(
        after["ical:s#2026-10-08"].draft.fields["start"],
        Value::Line("2026-10-08T17:00:00+01:00[Europe/London]".into())
    );
    assert_eq!(
        after["ical:s#2026-10-29"].draft.fields["start"],
        Value::Line("2026-10-29T17:00:00+00:00[Europe/London]".into())
    );
}

#[test]
fn of_a_series_that_has_gone_on_for_years_the_present_ones_are_told() {
    let read = text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:s\nSUMMARY:A\nDTSTART;TZID=Europe/London:20120903T160000\n\
         RRULE:FREQ=WEEKLY;BYDAY=MO\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    let starts: Vec<String> = read
        .iter()
        .map(|found| found.as_ref().expect("read").draft.fields["start"].as_str().expect("a line")[..10].to_owned())
        .collect();
    assert_eq!((starts[0].as_str(), starts[starts.len() - 1].as_str()), ("2026-09-07", "2028-08-28"));
    assert_eq!(read[0].as_ref().expect("read").draft.warnings.len(), 1, "what is left out is said once");
    assert!(read[1].as_ref().expect("read").draft.warnings.is_empty());
    // One that is over is told in full.
    let over = text(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:s\nSUMMARY:A\nDTSTART:20120903T160000Z\n\
         RRULE:FREQ=WEEKLY;COUNT=30\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    assert_eq!(over.len(), 30);
}

/// Reads of nothing but one repeated piece, without holding it.
struct Endless {
    head: Cursor<Vec<u8>>,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => {
                let length = buffer.len().min(self.left);
                buffer[..length].fill(b'x');
                self.left -= length;
                Ok(length)
            }
            more => Ok(more),
        }
    }
}

#[test]
fn huge_calendars_take_little_time() {
    let began = Instant::now();
    // A line of a hundred megabytes.
    let head = Cursor::new(event("").replace("END:VEVENT", "DESCRIPTION:").into_bytes());
    let read = read(Endless { head, left: 100 << 20 }).expect("a calendar");
    assert!(read.iter().all(Result::is_err), "the event breaks off: {}", shown(&read));
    // The same, folded: the event is there without it.
    let folded = event(&format!("DESCRIPTION:x\r\n{}", " xxxxxxxxx\r\n".repeat(1 << 20)));
    let read = text(&folded);
    assert_eq!(read.len(), 1);
    assert!(shown(&read).contains("too long"), "{}", shown(&read));
    // Ten thousand exceptions.
    let dates: Vec<String> =
        (0..10_000).map(|n| format!("EXDATE:2026{:02}{:02}T160000Z\r\n", 1 + n % 12, 1 + n % 28)).collect();
    let read = text(&event(&format!("RRULE:FREQ=DAILY;COUNT=300\r\n{}", dates.concat())));
    assert!(read.len() == 300 && read.iter().any(|found| found.as_ref().expect("read").only_known));
    // Ten thousand parts in parts.
    let nested = event(&format!("{}X-A:1\r\n{}", "BEGIN:VALARM\r\n".repeat(10_000), "END:VALARM\r\n".repeat(10_000)));
    assert!(text(&nested)[0].is_ok());
    let open = format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:VEVENT\r\n".repeat(10_000));
    assert!(text(&open).iter().all(Result::is_err));
    // Many series that each take long: the days that are looked at are counted for the file.
    let slow = "BEGIN:VEVENT\r\nSUMMARY:A\r\nDTSTART:00010101T000000Z\r\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\r\nEND:VEVENT\r\n";
    let read = text(&format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", slow.repeat(2_000)));
    assert_eq!(read.len(), 2_000);
    assert!(shown(&read[1_999..]).contains("too often"), "{}", shown(&read[1_999..]));
    // Properties, parameters and values by the hundred thousand.
    for many in [
        format!("SUMMARY{}:B\r\n", ";X=1".repeat(60_000)),
        "CATEGORIES:a\r\n".repeat(100_000),
        format!("CATEGORIES:{}\r\n", "a,".repeat(100_000)),
        format!("RRULE:FREQ=YEARLY;BYYEARDAY={}\r\n", "1,".repeat(100_000)),
        format!("RDATE:{}\r\n", "20270101T000000Z,".repeat(15_000)),
        "RRULE:FREQ=DAILY\r\n".repeat(10_000),
    ] {
        assert!(!text(&event(&many)).is_empty());
    }
    assert!(began.elapsed().as_secs() < 60, "took {:?}", began.elapsed());
}

#[test]
fn more_events_than_one_calendar_may_have_are_refused_and_said() {
    let one = |n: u32| format!("BEGIN:VEVENT\nUID:{n}\nSUMMARY:A\nDTSTART:20270101T090000Z\nEND:VEVENT\n");
    let all: String = (0..50_010).map(one).collect();
    let read = text(&format!("BEGIN:VCALENDAR\n{all}END:VCALENDAR\n"));
    assert_eq!(read.iter().filter(|found| found.is_ok()).count(), 50_000);
    assert_eq!(read.iter().filter(|found| found.is_err()).count(), 10);
}

#[test]
fn what_is_no_calendar_is_refused_at_once() {
    for other in ["", "\n\n", "BEGIN:VCARD\nEND:VCARD\n", "title,start\nA,2027\n", "{}", "BEGIN:VCALENDARX"] {
        let refused = read(Cursor::new(other.to_owned()));
        assert!(refused.is_err() || refused.is_ok_and(|read| read.is_empty()), "{other:?}");
    }
    assert!(read(Cursor::new(vec![0; 100_000])).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(Cursor::new(bytes.clone()));
        let _ = read(Cursor::new([b"BEGIN:VCALENDAR\nBEGIN:VEVENT\n".to_vec(), bytes].concat()));
    }

    #[test]
    fn anything_like_a_calendar_is_read_or_refused(
        lines in proptest::collection::vec(
            "(BEGIN|END):(VEVENT|VCALENDAR|VTIMEZONE|STANDARD|DAYLIGHT|VALARM|VTODO)|\
             (DTSTART|DTEND|RECURRENCE-ID|EXDATE|RDATE)(;TZID=(Europe/London|X|GMT Standard Time)|;VALUE=DATE)?:[0-9]{8}(T[0-9]{6}Z?)?|\
             DTSTART:2026[01][0-9][0-2][0-9]T0[0-9]0000|TZID:X|TZOFFSET(FROM|TO):[+-][0-9]{4}|\
             RRULE:FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;COUNT=[0-9]|;UNTIL=2027[01][0-9]01|;BYDAY=-?[0-5]?MO)?|\
             DURATION:-?P[0-9]{1,3}[DWT][0-9]{0,2}H?|SUMMARY:\\PC{0,9}|UID:[ab]|SEQUENCE:-?[0-9]{1,20}|STATUS:[A-Z]{0,9}| \\PC{0,5}|\\PC{0,12}",
            0..40,
        ),
        eol in "\r?\n",
    ) {
        let calendar = format!("BEGIN:VCALENDAR{eol}BEGIN:VEVENT{eol}{}", lines.join(&eol));
        for found in text(&calendar).into_iter().flatten() {
            prop_assert!(found.draft.check("x").is_ok());
        }
    }
}
