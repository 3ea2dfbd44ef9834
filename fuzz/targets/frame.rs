//! Frames of a session (§4): what is read is written the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::sync::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let space = SpaceId([3; 32]);
    let Ok(message) = decode(bytes, space) else { return };
    assert_eq!(decode(&encode(&message), space), Ok(message));
});
