//! Tickets as text: a prefix that says what it is, and base32 of the ticket in postcard with 4 check
//! bytes behind it, so that one that was copied badly is told from one that admits nobody.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{bytes, hash, id, limits};

pub(super) fn write<T: Serialize>(prefix: &str, ticket: &T) -> String {
    let mut bytes = bytes::encode(ticket);
    let check = hash::TICKET_CHECK.hash(&[&bytes]);
    bytes.extend_from_slice(&check[..4]);
    format!("{prefix}{}", id::to_text(&bytes))
}

/// Reads what [`write`] wrote; white space and case do not matter.
pub(super) fn read<T: DeserializeOwned>(prefix: &str, text: &str) -> Option<T> {
    if text.len() > 4 * limits::JOIN_FRAME {
        return None;
    }
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let bytes = id::from_text(plain.strip_prefix(prefix)?)?;
    let (bytes, check) = bytes.split_at_checked(bytes.len().saturating_sub(4))?;
    if hash::TICKET_CHECK.hash(&[bytes])[..4] != *check {
        return None;
    }
    bytes::decode(bytes, "ticket").ok()
}

/// Whether addresses of a ticket are within their limits.
pub(super) fn bounded(addresses: &[String]) -> bool {
    addresses.len() <= limits::ADDRESSES && addresses.iter().all(|address| address.len() <= limits::ADDRESS)
}
