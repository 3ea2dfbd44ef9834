//! A libp2p behaviour that opens and accepts streams, and says who may.
//!
//! A stranger is offered `/staffroom/join/1` and nothing else: the negotiation of any other protocol
//! fails before a byte of ours is read. Connections of strangers are few, so that members always get
//! in. An inbound stream is handed to the swarm's task as an event; none is dropped under load, since
//! a connection whose events wait is not polled.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandlerInEvent, THandlerOutEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use staffroom_protocol::id::DeviceId;
use tokio::sync::oneshot;

use super::peer;
use super::roster::Roster;

/// Sync of one space (§4).
pub(super) const SYNC: StreamProtocol = StreamProtocol::new("/staffroom/sync/1");
/// Joining with a ticket (§3.9): the one protocol open to strangers.
pub(super) const JOIN: StreamProtocol = StreamProtocol::new("/staffroom/join/1");
/// Files (§5).
pub(super) const BLOB: StreamProtocol = StreamProtocol::new("/staffroom/blob/1");
/// Heartbeats.
pub(super) const ALIVE: StreamProtocol = StreamProtocol::new("/staffroom/alive/1");

/// Connections of strangers at a time: a few schools join at once, never more.
pub(super) const STRANGERS: usize = 16;
/// Connections from one address that have not said who they are: a school behind one address has
/// some nodes, not dozens that dial in the same second.
const UNNAMED_PER_ADDRESS: usize = 24;

/// Why a stream did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotOpened {
    /// The other end does not offer the protocol to us.
    NotOffered,
    /// The connection is gone or does not answer.
    Gone,
}

type Answer = oneshot::Sender<Result<Stream, NotOpened>>;

/// Asks a connection for a stream.
pub(super) struct Open {
    protocol: StreamProtocol,
    answer: Answer,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Open({})", self.protocol)
    }
}

/// A stream that the other end opened.
#[derive(Debug)]
pub(super) struct Incoming {
    /// On which connection.
    pub(super) connection: ConnectionId,
    /// What it speaks.
    pub(super) protocol: StreamProtocol,
    /// The stream.
    pub(super) stream: Stream,
}

/// The behaviour.
pub(super) struct Streams {
    roster: Roster,
    unnamed: BTreeMap<ConnectionId, IpAddr>,
    strangers: BTreeMap<ConnectionId, DeviceId>,
    queue: VecDeque<ToSwarm<Incoming, Open>>,
}

#[derive(Debug, thiserror::Error)]
#[error("too many connections of strangers")]
struct TooMany;

impl Streams {
    /// A behaviour that knows members from `roster`.
    pub(super) fn new(roster: Roster) -> Self {
        Self { roster, unnamed: BTreeMap::new(), strangers: BTreeMap::new(), queue: VecDeque::new() }
    }
    /// Opens a stream on a connection; the answer is dropped if the connection goes.
    pub(super) fn open(&mut self, peer_id: PeerId, id: ConnectionId, protocol: StreamProtocol, answer: Answer) {
        let event = Open { protocol, answer };
        self.queue.push_back(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(id), event });
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Incoming;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(ip) = ip_of(remote) else { return Ok(()) };
        if self.unnamed.values().filter(|known| **known == ip).count() >= UNNAMED_PER_ADDRESS {
            return Err(ConnectionDenied::new(TooMany));
        }
        self.unnamed.insert(id, ip);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.unnamed.remove(&id);
        // Only ed25519 keys are devices.
        let device = peer::device_of(&peer).ok_or_else(|| ConnectionDenied::new(TooMany))?;
        if !self.roster.is_member(&device) {
            // Some were admitted since.
            self.strangers.retain(|_, stranger| !self.roster.is_member(stranger));
            if self.strangers.len() >= STRANGERS {
                return Err(ConnectionDenied::new(TooMany));
            }
            self.strangers.insert(id, device);
        }
        Ok(Handler::new(peer, self.roster.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(peer, self.roster.clone()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => {
                self.strangers.remove(&closed.connection_id);
            }
            FromSwarm::ListenFailure(failure) => {
                self.unnamed.remove(&failure.connection_id);
                self.strangers.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let (protocol, stream) = event;
        self.queue.push_back(ToSwarm::GenerateEvent(Incoming { connection, protocol, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Incoming, THandlerInEvent<Self>>> {
        // `open` runs in the task that polls, right before it polls.
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection's part of the behaviour.
pub(super) struct Handler {
    peer: PeerId,
    roster: Roster,
    wanted: VecDeque<Open>,
    incoming: VecDeque<(StreamProtocol, Stream)>,
}

impl Handler {
    fn new(peer: PeerId, roster: Roster) -> Self {
        Self { peer, roster, wanted: VecDeque::new(), incoming: VecDeque::new() }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = (StreamProtocol, Stream);
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Answer;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let member = peer::device_of(&self.peer).is_some_and(|device| self.roster.is_member(&device));
        let offered = if member { vec![SYNC, BLOB, ALIVE, JOIN] } else { vec![JOIN] };
        SubstreamProtocol::new(Offer(offered), ())
    }

    // An idle connection between partners stays; when one ends, the swarm's task decides.
    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Offer, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        if let Some(stream) = self.incoming.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(stream));
        }
        if let Some(Open { protocol, answer }) = self.wanted.pop_front() {
            let protocol = SubstreamProtocol::new(Offer(vec![protocol]), answer);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Open) {
        self.wanted.push_back(event);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer, (), Answer>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.incoming.push_back(protocol);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (_, stream), info }) => {
                let _ = info.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info }) => {
                let why = match error {
                    StreamUpgradeError::NegotiationFailed => NotOpened::NotOffered,
                    _ => NotOpened::Gone,
                };
                let _ = info.send(Err(why));
            }
            _ => {}
        }
    }
}

/// Protocols, one of which a stream is to speak.
#[derive(Debug)]
pub(super) struct Offer(Vec<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
