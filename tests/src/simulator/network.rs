//! The network between nodes: latency, loss, partitions, hostile transports.

use std::collections::{BTreeMap, BTreeSet};

use staffroom_protocol::id::SpaceId;

use super::plan::Plan;
use super::random::Random;

/// The number of a connection.
pub(super) type ConnectionId = u64;

/// One stream between two nodes about one space.
#[derive(Debug)]
pub(super) struct Connection {
    /// What it is about.
    pub(super) space: SpaceId,
    /// Who dialled, and who was dialled.
    pub(super) ends: [usize; 2],
    /// Nothing arrives any more; each end learns of it in its own time.
    broken: bool,
    /// Frames are dropped, doubled and turned round in it.
    hostile: bool,
    /// They never were: what its two sessions say to each other is what they meant to say.
    pub(super) clean: bool,
    latency_ms: u64,
    /// When the last frame to each end arrives: the next arrives after it.
    last_ms: [u64; 2],
}

impl Connection {
    /// The place in `ends` of a node.
    pub(super) fn side(&self, node: usize) -> usize {
        usize::from(self.ends[1] == node)
    }
}

/// When a frame arrives: never, once, or more than once; and whether it broke its connection.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    /// The moments.
    pub(super) at_ms: Vec<u64>,
    /// Both ends will hear that the connection is gone.
    pub(super) breaks: bool,
}

/// All links and what goes wrong on them.
#[derive(Debug)]
pub(super) struct Network {
    random: Random,
    connections: BTreeMap<ConnectionId, Connection>,
    next: ConnectionId,
    latency_ms: u64,
    loss: u64,
    hostile: u64,
    /// The nodes on one side of the present partition.
    apart: BTreeSet<usize>,
}

impl Network {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            random: Random::new(plan.seed, 3),
            connections: BTreeMap::new(),
            next: 0,
            latency_ms: plan.latency_ms,
            loss: plan.loss,
            hostile: plan.hostile,
            apart: BTreeSet::new(),
        }
    }
    /// From now on nothing goes wrong, but in streams that are open.
    pub(super) fn heal(&mut self) {
        (self.loss, self.hostile, self.latency_ms) = (0, 0, 50);
        self.apart.clear();
        for connection in self.connections.values_mut() {
            connection.hostile = false;
        }
    }
    /// Cuts these nodes off from the others; none heals.
    pub(super) fn part(&mut self, apart: BTreeSet<usize>) {
        self.apart = apart;
    }
    /// Whether the network is in two.
    pub(super) fn is_parted(&self) -> bool {
        !self.apart.is_empty()
    }
    /// Whether two nodes can reach each other.
    pub(super) fn reaches(&self, a: usize, b: usize) -> bool {
        self.apart.contains(&a) == self.apart.contains(&b)
    }
    /// The time a message takes, outside of connections too.
    pub(super) fn latency_ms(&mut self) -> u64 {
        1 + self.random.below(self.latency_ms)
    }
    /// Opens a stream.
    pub(super) fn open(&mut self, space: SpaceId, from: usize, to: usize, now_ms: u64) -> ConnectionId {
        let latency_ms = self.latency_ms();
        let hostile = self.random.per_mille(self.hostile);
        self.next += 1;
        let connection = Connection {
            space,
            ends: [from, to],
            broken: false,
            hostile,
            clean: !hostile,
            latency_ms,
            last_ms: [now_ms; 2],
        };
        self.connections.insert(self.next, connection);
        self.next
    }
    /// A connection, while an end has it open.
    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }
    /// All connections of a node.
    pub(super) fn of(&self, node: usize) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, c)| c.ends.contains(&node)).map(|(id, _)| *id).collect()
    }
    /// Whether what was sent arrives.
    pub(super) fn carries(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|connection| !connection.broken)
    }
    /// Both ends let go of it.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.connections.remove(&id);
    }
    /// Breaks a connection; false where it was broken before.
    pub(super) fn break_off(&mut self, id: ConnectionId) -> bool {
        self.connections.get_mut(&id).is_some_and(|connection| !std::mem::replace(&mut connection.broken, true))
    }

    /// Sends a frame to the `to` end of a connection.
    pub(super) fn send(&mut self, id: ConnectionId, to: usize, now_ms: u64) -> Arrival {
        let Some(connection) = self.connections.get_mut(&id) else { return Arrival::default() };
        if connection.broken {
            return Arrival::default();
        }
        let [a, b] = connection.ends;
        let cut = self.apart.contains(&a) != self.apart.contains(&b);
        if cut || self.random.per_mille(self.loss) {
            connection.broken = true;
            return Arrival { at_ms: Vec::new(), breaks: true };
        }
        let jitter = 1 + self.random.below(connection.latency_ms);
        let at = now_ms + connection.latency_ms + jitter;
        if connection.hostile {
            let at_ms = match self.random.below(10) {
                0 => Vec::new(),
                1 => vec![at, at + 1 + self.random.below(2_000)],
                2 => vec![at + self.random.below(500)],
                _ => vec![at],
            };
            return Arrival { at_ms, breaks: false };
        }
        let at = at.max(connection.last_ms[to]);
        connection.last_ms[to] = at;
        Arrival { at_ms: vec![at], breaks: false }
    }
}
