//! Decisions, operations and identity chains (§1.2, §3), as a partner or a host sends them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_protocol::charter::Charter;
use staffroom_protocol::id::SpaceId;
use staffroom_protocol::sync::{Message, decode};

fuzz_target!(|bytes: &[u8]| {
    let space = bytes.first_chunk().map_or(SpaceId::default(), |space: &[u8; 32]| SpaceId(*space));
    for kind in [2, 7, 8] {
        match decode(&[&[kind, 0], bytes].concat(), space) {
            Ok(Message::Charter(missing, _)) => {
                // A founding names its space: taken there or nowhere.
                let space = missing.decisions.first().map_or(space, |founding| SpaceId(founding.decision.id().0));
                let mut charter = Charter::empty(space);
                let _ = charter.admit((*missing).clone());
                let _ = charter.admit(*missing);
            }
            Ok(_) | Err(_) => {}
        }
    }
});
