//! The task that owns all connections. It never waits for anything but the swarm: what takes time
//! runs in tasks of its own.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, Stream, StreamProtocol, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, mdns};
use staffroom_protocol::id::DeviceId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, info, warn};

use super::behaviour::{Behaviour, BehaviourEvent};
use super::dialler::Report;
use super::roster::Line;
use super::streams::{ALIVE, BLOB, Incoming, JOIN, NotOpened, SYNC};
use super::{Shared, alive, blobs, cannot_listen, peer, reason, redeem, sync};
use crate::api::{Code, Failure};

/// How long a stranger may stay at all.
const STRANGER_JOINING: Duration = Duration::from_mins(1);
/// How often connections are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// How long opening a listener may take.
const LISTEN_TIME: Duration = Duration::from_secs(5);

/// What the swarm is asked to do.
pub(super) enum Ask {
    /// Connect to a device.
    Dial {
        /// The device.
        device: DeviceId,
        /// Where.
        addresses: Vec<Multiaddr>,
        /// That it is connected, or why not.
        answer: oneshot::Sender<Result<(), String>>,
    },
    /// Open a stream.
    Open {
        /// With whom.
        device: DeviceId,
        /// On which connection.
        connection: ConnectionId,
        /// What it is to speak.
        protocol: StreamProtocol,
        /// The stream.
        answer: oneshot::Sender<Result<Stream, NotOpened>>,
    },
    /// End everything.
    Stop(oneshot::Sender<()>),
}

/// The swarm and who waits for it.
pub(super) struct Task {
    swarm: Swarm<Behaviour>,
    shared: Arc<Shared>,
    asked: mpsc::Receiver<Ask>,
    reports: mpsc::Sender<Report>,
    addresses: watch::Sender<Vec<String>>,
    dials: BTreeMap<ConnectionId, oneshot::Sender<Result<(), String>>>,
    ungreeted: BTreeMap<DeviceId, Arc<tokio::sync::Semaphore>>,
    served: blobs::Served,
}

impl Task {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        shared: Arc<Shared>,
        asked: mpsc::Receiver<Ask>,
        reports: mpsc::Sender<Report>,
        addresses: watch::Sender<Vec<String>>,
    ) -> Self {
        let (dials, ungreeted, served) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { swarm, shared, asked, reports, addresses, dials, ungreeted, served }
    }

    /// Listens on all addresses; returns once each has a socket.
    pub(super) async fn listen(&mut self, texts: &[String]) -> Result<(), Failure> {
        for text in texts {
            let refused = |why: &str| cannot_listen(Code::Failed, text, why);
            let wrong = |why: &str| cannot_listen(Code::Usage, text, why);
            let address: Multiaddr =
                text.parse().map_err(|_| wrong("it is not an address such as /ip4/0.0.0.0/tcp/4960"))?;
            // libp2p shares its port with whoever asks: so ask first whether it is free.
            if let Some(socket) = socket_of(&address) {
                TcpListener::bind(socket).map_err(|error| refused(&reason::of_io(&error)))?;
            }
            let listener = self.swarm.listen_on(address).map_err(|error| match error {
                libp2p::TransportError::Other(error) => refused(&reason::of_io(&error)),
                libp2p::TransportError::MultiaddrNotSupported(_) => wrong("only TCP addresses can be listened on"),
            })?;
            let listening = async {
                loop {
                    match self.swarm.select_next_some().await {
                        SwarmEvent::NewListenAddr { listener_id, .. } if listener_id == listener => return Ok(()),
                        SwarmEvent::ListenerClosed { listener_id, reason: Err(error), .. }
                            if listener_id == listener =>
                        {
                            return Err(refused(&reason::of_io(&error)));
                        }
                        _ => {}
                    }
                }
            };
            timeout(LISTEN_TIME, listening).await.unwrap_or_else(|_| Err(refused("no answer from the system")))?;
        }
        self.publish();
        Ok(())
    }

    /// Runs until it is told to stop.
    pub(super) async fn run(mut self) {
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.event(event),
                ask = self.asked.recv() => match ask {
                    Some(Ask::Stop(answer)) => break Some(answer),
                    None => break None,
                    Some(ask) => self.ask(ask),
                },
                _ = rounds.tick() => self.round(),
            }
        };
        for line in self.shared.roster.lines() {
            self.shared.roster.remove(line.id);
            self.swarm.close_connection(line.id);
        }
        let ended = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = timeout(ROUND, ended).await;
        drop(self.swarm);
        if let Some(answer) = stop {
            let _ = answer.send(());
        }
    }

    fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Dial { device, addresses, answer } => self.dial(device, addresses, answer),
            Ask::Open { device, connection, protocol, answer } => {
                if let (Some(_), Some(peer)) = (self.shared.roster.line(connection), peer::peer_of(&device)) {
                    self.swarm.behaviour_mut().streams.open(peer, connection, protocol, answer);
                }
            }
            Ask::Stop(_) => {}
        }
    }

    fn dial(&mut self, device: DeviceId, addresses: Vec<Multiaddr>, answer: oneshot::Sender<Result<(), String>>) {
        if self.shared.roster.line_to(&device).is_some() {
            let _ = answer.send(Ok(()));
            return;
        }
        let Some(peer) = peer::peer_of(&device) else {
            let _ = answer.send(Err("its name is not a key".to_owned()));
            return;
        };
        // The roster knows who is connected; the swarm may still count a line that went dead.
        // A port of its own: two nodes that dial each other from their listening ports would meet in
        // one connection on which both are the dialler.
        let options = DialOpts::peer_id(peer).addresses(addresses).condition(PeerCondition::Always);
        let options = options.allocate_new_port().build();
        let id = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(id, answer);
            }
            Err(error) => {
                let _ = answer.send(Err(reason::of_dial(&error)));
            }
        }
    }

    fn event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.connected(peer_id, connection_id, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                self.lose(connection_id, &reason::of_end(cause.as_ref()));
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(answer) = self.dials.remove(&connection_id) {
                    let _ = answer.send(Err(reason::of_dial(&error)));
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => debug!(%error, "an incoming connection failed"),
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => self.publish(),
            SwarmEvent::ListenerClosed { addresses, reason: Err(error), .. } => {
                warn!(?addresses, %error, "no longer listening");
                self.publish();
            }
            SwarmEvent::Behaviour(BehaviourEvent::Streams(incoming)) => self.incoming(incoming),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.mdns(&event),
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, id: ConnectionId, dialled: bool) {
        let Some(device) = peer::device_of(&peer) else {
            self.swarm.close_connection(id);
            return;
        };
        let member = self.shared.roster.is_member(&device);
        debug!(device = %device.short(), dialled, member, "connected");
        self.shared.roster.insert(Line::new(id, device, dialled, self.shared.times));
        if let Some(answer) = self.dials.remove(&id) {
            let _ = answer.send(Ok(()));
        }
        if member {
            self.report(Report::Reached(device));
        }
        self.round();
    }

    /// Takes a connection out, and says so if it was the last one with a member.
    fn lose(&mut self, id: ConnectionId, why: &str) {
        let Some(line) = self.shared.roster.remove(id) else { return };
        debug!(device = %line.device.short(), why, "disconnected");
        if self.shared.roster.line_to(&line.device).is_none() {
            self.ungreeted.remove(&line.device);
            self.served.remove(&line.device);
            if self.shared.roster.is_member(&line.device) {
                self.report(Report::Lost(line.device, why.to_owned(), line.since.elapsed()));
            }
        }
        if !line.dialled && !line.has_asked() && !self.shared.roster.is_member(&line.device) {
            self.report(Report::Refused(line.device, "it is no partner, and did not ask to join"));
        }
    }

    fn report(&self, report: Report) {
        if self.reports.try_send(report).is_err() {
            debug!("a report was left out: the engine is behind");
        }
    }

    /// Looks at each connection: is it alive, may it stay, does it have heartbeats.
    fn round(&mut self) {
        for line in self.shared.roster.lines() {
            if !self.shared.roster.is_member(&line.device) {
                let most = if line.is_joining() { STRANGER_JOINING } else { line.times.stranger };
                if line.since.elapsed() > most {
                    self.end(&line, "it is no partner");
                }
            } else if line.silence() > line.times.silence {
                self.end(&line, &format!("no answer for {} seconds", line.silence().as_secs()));
            } else if line.dialled
                && let Some(held) = line.beating.take()
            {
                tokio::spawn(alive::keep(self.shared.clone(), line, held));
            }
        }
    }

    /// Ends a connection. Of a dead one the swarm hears much later that it is closed, so it counts
    /// as gone at once.
    fn end(&mut self, line: &Line, why: &str) {
        info!(device = %line.device.short(), why, "connection ended");
        self.lose(line.id, why);
        self.swarm.close_connection(line.id);
    }

    /// Gives a stream that the other end opened to a task of its own.
    fn incoming(&mut self, incoming: Incoming) {
        let Incoming { connection, protocol, stream } = incoming;
        let Some(line) = self.shared.roster.line(connection) else { return };
        let member = self.shared.roster.is_member(&line.device);
        let shared = self.shared.clone();
        if protocol == JOIN {
            if let Some(held) = line.take_question() {
                tokio::spawn(async move { redeem::redeem(&shared, &line, stream, held).await });
            }
        } else if protocol == ALIVE && member {
            if let Some(held) = line.beating.take() {
                tokio::spawn(alive::answer(line, stream, held));
            }
        } else if protocol == BLOB && member {
            self.serve(shared, line, stream);
        } else if protocol == SYNC && member {
            let ungreeted = self.ungreeted.entry(line.device).or_insert_with(sync::ungreeted);
            match ungreeted.clone().try_acquire_owned() {
                Ok(held) => {
                    tokio::spawn(async move { sync::accept(&shared, &line, stream, held).await });
                }
                Err(_) => self.report(Report::Refused(line.device, "it opens more streams than it greets on")),
            }
        }
    }

    /// Gives a member a file, unless it is given many already.
    fn serve(&mut self, shared: Arc<Shared>, line: Arc<Line>, stream: Stream) {
        match blobs::served(&mut self.served, line.device) {
            Some(held) => {
                tokio::spawn(async move { blobs::accept(&shared, &line, stream, held).await });
            }
            None => self.report(Report::Refused(line.device, "it asks for more files at a time than it is given")),
        }
    }

    fn mdns(&mut self, event: &mdns::Event) {
        let (mdns::Event::Discovered(found) | mdns::Event::Expired(found)) = event;
        let known = |(peer, address): &(PeerId, Multiaddr)| {
            Some((peer::device_of(peer)?, peer::plain(address.clone(), *peer)?))
        };
        let found = found.iter().filter_map(known).collect();
        let discovered = matches!(event, mdns::Event::Discovered(_));
        self.report(if discovered { Report::Discovered(found) } else { Report::Expired(found) });
    }

    /// Tells where this node listens now.
    fn publish(&self) {
        let own = *self.swarm.local_peer_id();
        let mut listen: Vec<String> =
            self.swarm.listeners().map(|address| address.clone().with(Protocol::P2p(own)).to_string()).collect();
        listen.sort_unstable();
        self.addresses.send_if_modified(|known| {
            let changed = *known != listen;
            *known = listen;
            changed
        });
    }
}

/// The socket of an address that is listened on; none for port 0, and for what is not IP and TCP.
fn socket_of(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port != 0 => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}
