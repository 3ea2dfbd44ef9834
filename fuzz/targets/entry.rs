//! Entries (§2.1): header, signature, payload.
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_protocol::log::{Entry, Payload, SIGNED_HEADER};

fuzz_target!(|bytes: &[u8]| {
    let (signed, payload) = bytes.split_at(bytes.len().min(SIGNED_HEADER));
    let payload = Payload::from_bytes(payload.to_vec());
    let _ = payload.read();
    for payload in [None, Some(payload)] {
        let Ok(entry) = Entry::parse(signed, payload) else { continue };
        assert_eq!(entry.signed_bytes(), signed, "verified as received");
        assert!(signed.starts_with(&entry.header().to_bytes()));
        let _ = entry.verify();
    }
});
