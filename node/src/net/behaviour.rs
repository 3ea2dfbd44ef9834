//! The swarm: transport, and what runs on every connection.

use std::num::NonZeroU8;
use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{SwarmBuilder, mdns, memory_connection_limits, noise, tcp, yamux};

use super::peer;
use super::roster::Roster;
use super::streams::{STRANGERS, Streams};
use crate::api::{Code, Failure};

/// Connections that have not said who they are: three seconds' worth of a whole county dialling.
const PENDING: u32 = 128;
/// Connections of members and strangers: the largest cluster has 256 schools, some with two devices.
const ESTABLISHED: u32 = 768;
/// Connections with one device: both dialled at once, and some that are dead and not noticed yet.
const PER_DEVICE: u32 = 8;
/// Above so much memory no connection is taken, bytes.
const MEMORY: usize = 1 << 30;
/// Streams on one connection: one for each space, and one for heartbeats.
const STREAMS: usize = 128;
/// How long TCP, Noise and yamux may take together.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// What runs on every connection.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) streams: Streams,
}

/// TCP with host names, inside Noise, with yamux: not listening yet.
pub(super) fn swarm(seed: [u8; 32], mdns: bool, roster: Roster) -> Result<Swarm<Behaviour>, Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Failure::new(Code::Failed, format!("the network did not start: {what}: {error}"))
    };
    let keypair = peer::keypair(seed).ok_or_else(|| failed("the device's key", &"not a key"))?;
    let own = keypair.public().to_peer_id();
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING))
        .with_max_pending_outgoing(Some(PENDING))
        .with_max_established(Some(ESTABLISHED + u32::try_from(STRANGERS).unwrap_or_default()))
        .with_max_established_per_peer(Some(PER_DEVICE));
    let mdns = if mdns {
        match mdns::tokio::Behaviour::new(mdns::Config::default(), own) {
            Ok(behaviour) => Some(behaviour),
            Err(error) => {
                tracing::warn!(%error, "partners on the local network are not looked for");
                None
            }
        }
    } else {
        None
    };
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        memory: memory_connection_limits::Behaviour::with_max_bytes(MEMORY),
        mdns: mdns.into(),
        streams: Streams::new(roster),
    };
    let multiplexer = || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS);
        config
    };
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexer)
        .map_err(|error| failed("Noise", &error))?
        .with_dns()
        .map_err(|error| failed("host names", &error))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| failed("behaviour", &error))?
        .with_swarm_config(|config| config.with_dial_concurrency_factor(NonZeroU8::new(4).unwrap_or(NonZeroU8::MIN)))
        .with_connection_timeout(CONNECT_TIME)
        .build();
    Ok(swarm)
}
