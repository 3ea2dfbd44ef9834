//! Tables in CSV.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_node::exchange::{Options, csv::Table};

fuzz_target!(|bytes: &[u8]| {
    let input = std::io::Cursor::new(bytes.to_vec());
    let Ok(rows) = Table::new("table.csv", input, &Options::default()) else { return };
    for row in rows {
        let _ = row.map(|draft| format!("{draft:?}"));
    }
});
