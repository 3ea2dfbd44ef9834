//! Devices and libp2p's names for them: the same ed25519 key, so each follows from the other.

use libp2p::identity::{Keypair, ed25519};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use staffroom_protocol::id::DeviceId;
use staffroom_protocol::limits;

/// What stands before the key in the peer id of an ed25519 key: an identity multihash of 36 bytes
/// over a protobuf of the key's type and its 32 bytes.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The device's key as libp2p takes it. `None`: never, for 32 bytes.
pub(super) fn keypair(mut seed: [u8; 32]) -> Option<Keypair> {
    Keypair::ed25519_from_bytes(&mut seed[..]).ok()
}

/// The device behind a peer id; none for a key of another type.
pub(super) fn device_of(peer: &PeerId) -> Option<DeviceId> {
    let bytes = peer.to_bytes();
    bytes.strip_prefix(&PREFIX[..])?.try_into().ok().map(DeviceId)
}

/// The peer id of a device; none if the id is not a point of the curve.
pub(super) fn peer_of(device: &DeviceId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&device.0).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

/// Reads addresses that a record, a ticket or a partner names for a device, and keeps those that
/// this node may dial: TCP at an IP address or a host name, and no other device (§8).
pub(super) fn dialable<'a>(texts: impl IntoIterator<Item = &'a String>, device: &DeviceId) -> Vec<Multiaddr> {
    let Some(peer) = peer_of(device) else { return Vec::new() };
    let mut kept = Vec::new();
    for text in texts.into_iter().filter(|text| text.len() <= limits::ADDRESS) {
        let Some(address) = text.parse().ok().and_then(|address| plain(address, peer)) else { continue };
        if !kept.contains(&address) {
            kept.push(address);
        }
        if kept.len() == limits::ADDRESSES {
            break;
        }
    }
    kept
}

/// An address of `peer` without its name; none if it is not plain TCP, or somebody else's.
pub(super) fn plain(mut address: Multiaddr, peer: PeerId) -> Option<Multiaddr> {
    if let Some(Protocol::P2p(named)) = address.iter().last() {
        if named != peer {
            return None;
        }
        address.pop();
    }
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let host = |part: &Protocol<'_>| {
        matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))
    };
    match &parts[..] {
        [first, Protocol::Tcp(port)] if host(first) && *port != 0 => Some(address),
        _ => None,
    }
}

/// An address as people write it: `10.0.0.5:4960`.
pub(super) fn for_people(address: &Multiaddr) -> String {
    let mut host = String::new();
    for part in address {
        match part {
            Protocol::Ip4(ip) => host = ip.to_string(),
            Protocol::Ip6(ip) => host = format!("[{ip}]"),
            Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => host = name.into_owned(),
            Protocol::Tcp(port) => return format!("{host}:{port}"),
            _ => {}
        }
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(seed: u8) -> DeviceId {
        let peer = keypair([seed; 32]).expect("32 bytes").public().to_peer_id();
        device_of(&peer).expect("an ed25519 key")
    }

    #[test]
    fn devices_and_peers_name_each_other() {
        let peer = keypair([7; 32]).expect("32 bytes").public().to_peer_id();
        assert_eq!(peer_of(&device(7)), Some(peer));
        assert_eq!(device(7), staffroom_protocol::identity::SecretKey::from_seed(&[7; 32]).public());
    }

    #[test]
    fn only_tcp_to_this_device_is_dialled() {
        let other = peer_of(&device(8)).expect("a key");
        let own = peer_of(&device(7)).expect("a key");
        let texts = [
            "/ip4/10.0.0.5/tcp/4960".to_owned(),
            format!("/dns4/office.example/tcp/4960/p2p/{own}"),
            format!("/ip4/10.0.0.6/tcp/4960/p2p/{other}"),
            "/ip4/10.0.0.5/udp/4960/quic-v1".to_owned(),
            "/dnsaddr/example.org".to_owned(),
            "/ip4/10.0.0.5/tcp/4960/http".to_owned(),
            "http://10.0.0.5/".to_owned(),
        ];
        let kept: Vec<String> = dialable(&texts, &device(7)).iter().map(for_people).collect();
        assert_eq!(kept, ["10.0.0.5:4960", "office.example:4960"]);
    }
}
