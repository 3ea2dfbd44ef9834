//! JSON lines, packed or not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_node::exchange::{Options, jsonl::JsonLines};

fuzz_target!(|bytes: &[u8]| {
    let input = std::io::Cursor::new(bytes.to_vec());
    let Ok(lines) = JsonLines::new("records.jsonl", input, &Options::default()) else { return };
    for line in lines {
        let _ = line.map(|draft| format!("{draft:?}"));
    }
});
