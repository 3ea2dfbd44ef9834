//! The sessions that are open, and what is known of each partner's device.

use std::collections::BTreeMap;

use staffroom_protocol::Replica;
use staffroom_protocol::fault::{Blame, Fault};
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};
use staffroom_protocol::store::Store;
use staffroom_protocol::sync::{Ended, Input, Message, Output, Session};
use staffroom_protocol::time::Millis;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use crate::api::Refused;

/// Names a stream.
pub type LinkId = u64;

/// A device that this node syncs a space with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partnership {
    /// The space.
    pub space: SpaceId,
    /// The device's school.
    pub school: SchoolId,
    /// The device.
    pub device: DeviceId,
    /// Where it is said to listen, as multiaddresses.
    pub addresses: Vec<String>,
    /// Whether a session is open.
    pub linked: bool,
}

/// How an attempt to reach a device went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialled {
    /// It answered.
    Reached,
    /// It did not, for this reason.
    Failed(String),
    /// It did, and is gone, for this reason.
    Lost(String),
}

/// What is known of a device.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// When it said anything last.
    pub(super) last_heard: Option<Millis>,
    /// Why it is not heard.
    pub(super) error: Option<String>,
    /// What of its was refused.
    pub(super) refused: Option<Refused>,
}

/// Counts one more refusal, and remembers why.
fn note(refused: &mut Option<Refused>, what: String, now: Millis) {
    let times = refused.as_ref().map_or(0, |before| before.times).saturating_add(1);
    *refused = Some(Refused { what, at: now.0, times });
}

/// Why a session ends whose peer does not belong.
const NO_MEMBER: &str = "it does not belong to the cluster that it spoke of";

struct Link {
    session: Session,
    initiator: bool,
    outbound: mpsc::Sender<Message>,
}

/// All open sessions.
#[derive(Default)]
pub(super) struct Links {
    open: BTreeMap<LinkId, Link>,
    pub(super) peers: BTreeMap<DeviceId, Peer>,
    /// What was refused of devices that are no partners.
    pub(super) strangers: Option<Refused>,
}

impl Links {
    /// Begins a session. Of two streams with one device about one space, the one that the lower
    /// device opened stays; of two that one device opened, the newer.
    pub(super) fn open(
        &mut self,
        id: LinkId,
        session: Session,
        initiator: bool,
        ours: DeviceId,
        outbound: mpsc::Sender<Message>,
    ) -> bool {
        let key = (session.space(), session.peer());
        let other = self.open.iter().find(|(_, link)| (link.session.space(), link.session.peer()) == key);
        if let Some((other, link)) = other.map(|(other, link)| (*other, link)) {
            let lower_opened = (ours < session.peer()) == initiator;
            if link.initiator != initiator && !lower_opened {
                return false;
            }
            self.open.remove(&other);
        }
        self.open.insert(id, Link { session, initiator, outbound });
        true
    }
    /// Gives a session something, and does what it says.
    pub(super) fn handle<S: Store>(&mut self, id: LinkId, input: Input, replica: &mut Replica<S>, now: Millis) {
        let Some(link) = self.open.get_mut(&id) else { return };
        let peer = self.peers.entry(link.session.peer()).or_default();
        if matches!(input, Input::Message(_) | Input::Entries(_)) {
            peer.last_heard = Some(now);
            peer.error = None;
        }
        let mut over = false;
        for output in link.session.handle(input, replica, now) {
            match output {
                Output::Send(message) => {
                    debug!(peer = %link.session.peer().short(), message = message.name(), "send");
                    // Full only where the peer does not read: the reader pauses long before.
                    over |= link.outbound.try_send(message).is_err();
                }
                Output::Refused(fault) => {
                    warn!(peer = %link.session.peer().short(), %fault, "refused");
                    note(&mut peer.refused, fault.to_string(), now);
                }
                Output::Ended(ended) => {
                    info!(peer = %link.session.peer().short(), why = %super::describe(&ended), "session over");
                    match &ended {
                        // Its school belongs no more: it is none of the partners that are listed.
                        Ended::Fault(Fault::NoSuchSpace) => note(&mut self.strangers, NO_MEMBER.to_owned(), now),
                        Ended::Fault(fault) if fault.blame() != Blame::Node => {
                            note(&mut peer.refused, fault.to_string(), now);
                        }
                        _ => {}
                    }
                    if ended != Ended::Closed {
                        peer.error = Some(super::describe(&ended));
                    }
                    over = true;
                }
            }
        }
        if over {
            self.open.remove(&id);
        }
    }
    /// Something of a device's was refused before it came to a session.
    pub(super) fn refused(&mut self, device: DeviceId, is_partner: bool, what: String, now: Millis) {
        let refused = if is_partner { &mut self.peers.entry(device).or_default().refused } else { &mut self.strangers };
        note(refused, what, now);
    }
    /// Tells every session the same thing.
    pub(super) fn tell_all<S: Store>(&mut self, input: fn() -> Input, replica: &mut Replica<S>, now: Millis) {
        let ids: Vec<LinkId> = self.open.keys().copied().collect();
        for id in ids {
            self.handle(id, input(), replica, now);
        }
    }
    /// Whether at least one session is open, and both sides of each hold the same, durably.
    pub(super) fn in_step<S: Store>(&self, replica: &Replica<S>) -> bool {
        let stands = |link: &Link| {
            let space = replica.space(&link.session.space());
            space.is_ok_and(|space| link.session.standing(space).in_step())
        };
        !self.open.is_empty() && self.open.values().all(stands)
    }
    /// The session with a device about a space.
    pub(super) fn session(&self, space: &SpaceId, device: &DeviceId) -> Option<&Session> {
        let links = self.open.values().map(|link| &link.session);
        links.into_iter().find(|session| session.space() == *space && session.peer() == *device)
    }
}
