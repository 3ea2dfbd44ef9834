//! Tickets, spoken words and what is sent to redeem them (§3.9).
#![no_main]

use libfuzzer_sys::fuzz_target;
use staffroom_protocol::charter::{DeviceTicket, Ticket, Words};
use staffroom_protocol::sync::{DeviceAsk, Join, Joined, Reveal, SpacePart};

fuzz_target!(|bytes: &[u8]| {
    let _ = Join::parse(bytes);
    let _ = Joined::parse(bytes);
    let _ = Reveal::parse(bytes);
    let _ = DeviceAsk::parse(bytes);
    let _ = SpacePart::parse(bytes);
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = Ticket::parse(text) {
        assert_eq!(Ticket::parse(&ticket.to_text()), Ok(ticket));
    }
    if let Ok(ticket) = DeviceTicket::parse(text) {
        assert_eq!(DeviceTicket::parse(&ticket.to_text()), Ok(ticket));
    }
    if let Ok(words) = text.parse::<Words>() {
        assert_eq!(words.to_string().parse::<Words>(), Ok(words));
    }
});
