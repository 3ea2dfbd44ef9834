//! Calendars.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_node::exchange::{Options, ical::Calendar};

fuzz_target!(|bytes: &[u8]| {
    let input = std::io::Cursor::new(bytes.to_vec());
    let today = "2026-11-22".parse().expect("a date");
    let Ok(events) = Calendar::new("calendar.ics", input, &Options::default(), today) else { return };
    for event in events {
        let _ = event.map(|found| format!("{found:?}"));
    }
});
