//! The partners that a file is asked of: who is asked, who may be, and what becomes of those who were.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use libp2p::swarm::ConnectionId;
use staffroom_protocol::blob::{Ask, Input};
use staffroom_protocol::id::{DeviceId, SchoolId};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::fetch::Event;
use super::places;
use super::provider::{self, Tell};
use crate::net::Shared;
use crate::net::frame::PROGRESS;
use crate::net::roster::Line;

/// How often one partner is asked for one file before the fetch is begun anew: it may be started again twice.
const ASKS: u32 = 3;

/// What is known of one partner.
struct Partner {
    tell: mpsc::UnboundedSender<Tell>,
    task: AbortHandle,
    school: SchoolId,
    /// The connection on which it was asked.
    line: ConnectionId,
    /// Whether it said that it has the file.
    here: bool,
    /// How many bytes of chunks came since that was last told.
    heard: Arc<AtomicU64>,
}

/// The partners of one fetch.
pub(super) struct Partners {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    asked: BTreeMap<DeviceId, Partner>,
    /// Connections on which it was asked for.
    tried: BTreeSet<ConnectionId>,
    /// How often each partner was asked: one that comes and goes is not asked for ever.
    asks: BTreeMap<DeviceId, u32>,
    /// Those that were too slow: they are asked again where nobody else is left.
    slow: BTreeSet<DeviceId>,
    events: mpsc::UnboundedSender<Event>,
}

impl Partners {
    /// None yet; what they do is told to `events`.
    pub(super) fn new(shared: Arc<Shared>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            shared,
            tasks: JoinSet::new(),
            asked: BTreeMap::new(),
            tried: BTreeSet::new(),
            asks: BTreeMap::new(),
            slow: BTreeSet::new(),
            events,
        }
    }
    /// Whether nobody is asked.
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }
    /// Those who said that they have it.
    pub(super) fn that_have_it(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.asked.iter().filter(|(_, partner)| partner.here).map(|(device, _)| *device)
    }

    /// Asks whoever is to be asked next, as long as there is room. Gives back who made room for others, and
    /// whether somebody waits for that.
    pub(super) fn ask_around(&mut self, ask: Ask) -> (Vec<DeviceId>, bool) {
        let mut left = Vec::new();
        loop {
            let free = self.free(&ask);
            let waiting: Vec<_> = free.iter().map(|(_, partner)| *partner).collect();
            let asked = self.asked.iter().map(|(device, partner)| places::Partner {
                device: *device,
                school: partner.school,
                here: partner.here,
            });
            let Some((next, leaves)) = places::next(&asked.collect::<Vec<_>>(), &waiting) else {
                return (left, !waiting.is_empty());
            };
            if let Some(device) = leaves {
                self.end(device);
                left.push(device);
            }
            let chosen = free.into_iter().find(|(_, partner)| partner.device == next);
            let (line, partner) = chosen.expect("one of those who are free was chosen");
            self.ask(line, partner.school, ask);
        }
    }

    /// Those that could be asked: connected partners of the space that were not asked yet. Those that were too
    /// slow only where no other is there.
    fn free(&self, ask: &Ask) -> Vec<(Arc<Line>, places::Partner)> {
        let mut free = Vec::new();
        for line in self.shared.roster.lines() {
            let device = line.device;
            let asked = self.tried.contains(&line.id) || self.asked.contains_key(&device);
            let asks = self.asks.get(&device).copied().unwrap_or(0);
            if asked || asks >= ASKS {
                continue;
            }
            if let Some(school) = self.shared.roster.school(&device, &ask.space) {
                free.push((line, places::Partner { device, school, here: false }));
            }
        }
        let others = free.iter().map(|(_, partner)| &partner.device).chain(self.asked.keys());
        if others.into_iter().any(|device| !self.slow.contains(device)) {
            free.retain(|(_, partner)| !self.slow.contains(&partner.device));
        }
        free
    }

    fn ask(&mut self, line: Arc<Line>, school: SchoolId, ask: Ask) {
        let (device, id, heard) = (line.device, line.id, Arc::<AtomicU64>::default());
        self.tried.insert(id);
        *self.asks.entry(device).or_default() += 1;
        let (tell, told) = mpsc::unbounded_channel();
        let run = provider::run(self.shared.clone(), line, ask, told, self.events.clone(), heard.clone());
        let task = self.tasks.spawn(run);
        self.asked.insert(device, Partner { tell, task, school, line: id, here: false, heard });
    }

    /// Tells one of them something.
    pub(super) fn tell(&self, device: DeviceId, tell: Tell) {
        if let Some(partner) = self.asked.get(&device) {
            let _ = partner.tell.send(tell);
        }
    }
    /// The bytes that came since this was last asked.
    pub(super) fn heard(&self) -> Vec<Input<DeviceId>> {
        let heard = self.asked.iter().map(|(device, partner)| (*device, partner.heard.swap(0, Ordering::Relaxed)));
        heard.filter(|(_, bytes)| *bytes > 0).map(|(device, bytes)| Input::Heard(device, bytes)).collect()
    }

    /// It said that it has the file.
    pub(super) fn here(&mut self, device: DeviceId) {
        if let Some(partner) = self.asked.get_mut(&device) {
            partner.here = true;
        }
    }
    /// Its stream ended.
    pub(super) fn gone(&mut self, device: DeviceId) {
        self.asked.remove(&device);
    }
    /// Nothing more is wanted of it.
    pub(super) fn end(&mut self, device: DeviceId) {
        if let Some(partner) = self.asked.remove(&device) {
            partner.task.abort();
        }
    }
    /// It is not asked again, on another connection either.
    pub(super) fn ask_no_more(&mut self, device: DeviceId) {
        self.asks.insert(device, ASKS);
    }
    /// It is asked again if nobody else is left, on the same connection too.
    pub(super) fn too_slow(&mut self, device: DeviceId) {
        self.slow.insert(device);
        if let Some(partner) = self.asked.get(&device) {
            self.tried.remove(&partner.line);
        }
    }

    /// Takes leave of all. With their tasks the ends of the channel of chunks go, and so the writing thread
    /// ends, where it has not got all.
    pub(super) async fn close(mut self, politely: bool) {
        self.asked.clear();
        if politely {
            // They hear that it was all that we wanted, and nobody waits for that.
            let leaving = async move { while self.tasks.join_next().await.is_some() {} };
            tokio::spawn(timeout(PROGRESS, leaving));
        } else {
            self.tasks.shutdown().await;
        }
    }
}
