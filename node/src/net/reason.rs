//! Why a device was not reached or is gone, in plain words for `share status`.

use std::error::Error;
use std::io;

use libp2p::Multiaddr;
use libp2p::core::transport::TransportError;
use libp2p::swarm::{ConnectionError, DialError};

use super::peer;

/// How many different reasons one attempt names.
const MOST: usize = 3;

/// Why a dial failed: the innermost error, and at which address.
pub(super) fn of_dial(error: &DialError) -> String {
    match error {
        DialError::LocalPeerId { .. } => "its address is this node's own".to_owned(),
        DialError::NoAddresses => "no address of it is known".to_owned(),
        DialError::DialPeerConditionFalse(_) => "it is being dialled already".to_owned(),
        DialError::Aborted => "the attempt was given up".to_owned(),
        DialError::WrongPeerId { address, .. } => format!("another device answers at {}", peer::for_people(address)),
        DialError::Denied { .. } => "this node has too many connections".to_owned(),
        DialError::Transport(errors) => of_addresses(errors),
    }
}

/// The reasons of several addresses; those with the same reason together.
fn of_addresses(errors: &[(Multiaddr, TransportError<io::Error>)]) -> String {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (address, error) in errors {
        let reason = match error {
            TransportError::MultiaddrNotSupported(_) => "this node cannot dial it".to_owned(),
            TransportError::Other(error) => of_io(error),
        };
        let place = peer::for_people(address);
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, places)) if places.len() < MOST => places.push(place),
            Some(_) => {}
            None => reasons.push((reason, vec![place])),
        }
    }
    let each = |(reason, places): &(String, Vec<String>)| format!("{reason} at {}", places.join(", "));
    reasons.iter().take(MOST).map(each).collect::<Vec<_>>().join("; ")
}

/// Why a connection ended.
pub(super) fn of_end(cause: Option<&ConnectionError>) -> String {
    match cause {
        Some(ConnectionError::IO(error)) => of_io(error),
        Some(ConnectionError::KeepAliveTimeout) | None => CLOSED.to_owned(),
    }
}

const CLOSED: &str = "the connection was closed";

/// An input or output error in plain words.
pub(super) fn of_io(error: &io::Error) -> String {
    let mut innermost: &(dyn Error + 'static) = error;
    let mut kind = error.kind();
    let mut code = error.raw_os_error();
    // An io::Error's source() passes over the error it wraps, so that is looked at by hand.
    loop {
        let wrapped = innermost.downcast_ref::<io::Error>().and_then(|error| {
            kind = error.kind();
            code = error.raw_os_error().or(code);
            error.get_ref()
        });
        let inner: Option<&(dyn Error + 'static)> = match wrapped {
            Some(inner) => Some(inner),
            None => innermost.source(),
        };
        match inner {
            Some(inner) => innermost = inner,
            None => break,
        }
    }
    let known = match kind {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::TimedOut => "no answer",
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "the connection broke off",
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof => CLOSED,
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::NetworkDown => "the network is down",
        io::ErrorKind::AddrInUse => "address in use",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let text = innermost.to_string();
    if text.contains("imeout") || text.contains("timed out") {
        return "no answer".to_owned();
    }
    // The system's own words, without their number.
    let text = text.split(" (os error").next().unwrap_or_default().to_lowercase();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_error_is_named_once_for_its_addresses() {
        let refused = || TransportError::Other(io::Error::other(io::Error::from_raw_os_error(111)));
        let at = |text: &str| text.parse::<Multiaddr>().expect("an address");
        let error = DialError::Transport(vec![
            (at("/ip4/10.0.0.5/tcp/4960"), refused()),
            (at("/ip4/10.0.0.6/tcp/4960"), refused()),
            (at("/ip6/::1/tcp/1"), TransportError::Other(io::Error::other("Timeout has been reached"))),
        ]);
        assert_eq!(of_dial(&error), "connection refused at 10.0.0.5:4960, 10.0.0.6:4960; no answer at [::1]:1");
    }
}
