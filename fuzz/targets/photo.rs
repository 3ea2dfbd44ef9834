//! Pictures: what is cleaned once is clean.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_node::exchange::photo::clean;

fuzz_target!(|bytes: &[u8]| {
    let Ok(once) = clean(bytes) else { return };
    let twice = clean(&once).expect("what was cleaned is a picture");
    assert!(twice == once, "cleaned twice it is another one");
});
