//! Who belongs, and who is connected: what every task of the network looks at.
//!
//! The dialler writes who belongs, after it asked the engine; the swarm's task writes who is
//! connected. Locks are held for a look-up only, never across an await.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use staffroom_protocol::id::{DeviceId, SchoolId, SpaceId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use super::Times;
use crate::engine::Partnership;

/// How long one that asks to join waits for another.
const TURN: Duration = Duration::from_secs(5);

/// One connection with a device, which the transport authenticated.
pub(super) struct Line {
    /// Its name in the swarm.
    pub(super) id: ConnectionId,
    /// Who is at the other end.
    pub(super) device: DeviceId,
    /// Whether we dialled.
    pub(super) dialled: bool,
    /// How long what runs on it waits for what.
    pub(super) times: Times,
    /// When it came about.
    pub(super) since: Instant,
    /// Held while we ask to join on it: one at a time, the others wait.
    asking: Arc<Semaphore>,
    /// Held while we answer somebody who joins on it: one at a time.
    answering: Flag,
    asked: AtomicBool,
    /// Held while heartbeats run on it.
    pub(super) beating: Flag,
    heard: AtomicU64,
    gone: watch::Sender<bool>,
}

impl Line {
    /// A connection that came about now.
    pub(super) fn new(id: ConnectionId, device: DeviceId, dialled: bool, times: Times) -> Arc<Self> {
        Arc::new(Self {
            id,
            device,
            dialled,
            times,
            since: Instant::now(),
            asking: Arc::new(Semaphore::new(1)),
            answering: Flag::default(),
            asked: AtomicBool::new(false),
            beating: Flag::default(),
            heard: AtomicU64::new(0),
            gone: watch::Sender::new(false),
        })
    }
    /// Waits for our turn to ask to join; none where what runs on it takes too long.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        timeout(TURN, self.asking.clone().acquire_owned()).await.ok()?.ok()
    }
    /// Whether a join runs on it, theirs or ours.
    pub(super) fn is_joining(&self) -> bool {
        self.answering.is_taken() || self.asking.available_permits() == 0
    }
    /// Whether the other end ever asked to join on it.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
    /// The other end asks to join; nothing where it does so already.
    pub(super) fn take_question(&self) -> Option<Held> {
        self.asked.store(true, Ordering::Relaxed);
        self.answering.take()
    }
    /// Something came from the other end.
    pub(super) fn touch(&self) {
        let age = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard.fetch_max(age, Ordering::Relaxed);
    }
    /// How long nothing came.
    pub(super) fn silence(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }
    /// Ends what runs on it.
    pub(super) fn end(&self) {
        self.gone.send_replace(true);
    }
    /// Waits until it is gone.
    pub(super) async fn gone(&self) {
        // The sender lives as long as `self`.
        let _ = self.gone.subscribe().wait_for(|gone| *gone).await;
    }
}

/// Something that only one task may do at a time.
#[derive(Debug, Default, Clone)]
pub(super) struct Flag(Arc<AtomicBool>);

/// Gives the flag back when dropped.
pub(super) struct Held(Flag);

impl Flag {
    /// Takes it, unless it is taken.
    pub(super) fn take(&self) -> Option<Held> {
        (!self.0.swap(true, Ordering::AcqRel)).then(|| Held(self.clone()))
    }
    /// Whether it is taken.
    pub(super) fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

#[derive(Default)]
struct State {
    spaces: BTreeMap<DeviceId, BTreeMap<SpaceId, SchoolId>>,
    lines: BTreeMap<ConnectionId, Arc<Line>>,
}

/// Who belongs, and who is connected.
#[derive(Clone, Default)]
pub(super) struct Roster(Arc<RwLock<State>>);

impl Roster {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes over who belongs.
    pub(super) fn set_partnerships(&self, partnerships: &[Partnership]) {
        let mut spaces: BTreeMap<DeviceId, BTreeMap<SpaceId, SchoolId>> = BTreeMap::new();
        for partnership in partnerships {
            spaces.entry(partnership.device).or_default().insert(partnership.space, partnership.school);
        }
        self.write().spaces = spaces;
    }
    /// Whether a device belongs to any space of ours.
    pub(super) fn is_member(&self, device: &DeviceId) -> bool {
        self.read().spaces.contains_key(device)
    }
    /// Whether a device belongs to this space.
    pub(super) fn shares(&self, device: &DeviceId, space: &SpaceId) -> bool {
        self.school(device, space).is_some()
    }
    /// The school for which a device belongs to this space.
    pub(super) fn school(&self, device: &DeviceId, space: &SpaceId) -> Option<SchoolId> {
        self.read().spaces.get(device)?.get(space).copied()
    }
    /// Adds a connection.
    pub(super) fn insert(&self, line: Arc<Line>) {
        self.write().lines.insert(line.id, line);
    }
    /// Takes a connection out, and ends what runs on it.
    pub(super) fn remove(&self, id: ConnectionId) -> Option<Arc<Line>> {
        let line = self.write().lines.remove(&id);
        line.inspect(|line| line.end())
    }
    /// One connection.
    pub(super) fn line(&self, id: ConnectionId) -> Option<Arc<Line>> {
        self.read().lines.get(&id).cloned()
    }
    /// All connections.
    pub(super) fn lines(&self) -> Vec<Arc<Line>> {
        self.read().lines.values().cloned().collect()
    }
    /// Whether we open the streams with a device: who dialled does, and of two that dialled each other the
    /// lower device.
    pub(super) fn begins(&self, device: &DeviceId, ours: &DeviceId) -> bool {
        let state = self.read();
        let dialled = |by_us| state.lines.values().any(|line| line.device == *device && line.dialled == by_us);
        dialled(true) && (ours < device || !dialled(false))
    }
    /// The connection with a device that was heard last.
    pub(super) fn line_to(&self, device: &DeviceId) -> Option<Arc<Line>> {
        let state = self.read();
        let lines = state.lines.values().filter(|line| line.device == *device);
        lines.min_by_key(|line| line.silence()).cloned()
    }
}
