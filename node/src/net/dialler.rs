//! Whom to dial when, and which streams to open: for ever, with growing pauses.
//!
//! ```text
//! plan: ask the engine who our partners are
//!         ├─ not connected, its pause is over ─▶ dial            at most DIALS at once
//!         └─ connected, a space not linked ────▶ open a stream
//! wait: for a notice, an event, the end of a pause, or PLAN
//! ```
//!
//! What happened to connections is passed on to the engine from here, so that the swarm's task never
//! waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use staffroom_protocol::id::{DeviceId, SpaceId};
use staffroom_protocol::limits;
use staffroom_protocol::replica::Notice;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::pause::Pause;
use super::present::present;
use super::streams::NotOpened;
use super::{Shared, peer, random, sync};
use crate::engine::{Command, Dialled, Partnership};

/// Dials at once.
const DIALS: usize = 8;
/// At least so often everything is looked at.
const PLAN: Duration = Duration::from_secs(10);
/// How soon after a notice: a charter may bring a partner, a record its address, and records come
/// by the thousand.
const AFTER_CHARTER: Duration = Duration::from_millis(50);
const AFTER_RECORD: Duration = Duration::from_secs(2);
/// Devices whose addresses on the local network are remembered.
const NEARBY: usize = 256;

/// Why a device that answers does not sync.
const ALOOF: &str = "it does not take this school for a partner, or does not know of it yet";

/// What happened to connections.
pub(super) enum Report {
    /// A connection with a member came about.
    Reached(DeviceId),
    /// The last connection with a member is gone, for this reason, after it lasted so long.
    Lost(DeviceId, String, Duration),
    /// Something that a device did on its connection was refused, for this reason.
    Refused(DeviceId, &'static str),
    /// Devices were found on the local network.
    Discovered(Vec<(DeviceId, Multiaddr)>),
    /// Devices are no longer found there.
    Expired(Vec<(DeviceId, Multiaddr)>),
}

/// What the dialler's own tasks say when they are done.
enum Done {
    Dial(DeviceId, Result<(), String>),
    /// A stream ended; whether anything was heard on it.
    Stream(DeviceId, SpaceId, Result<bool, NotOpened>, Duration),
}

/// A line that partners show out, because they do not know us, does not last as long.
const SHOWN_OUT: Duration = Duration::from_secs(15);

struct Dialler {
    shared: Arc<Shared>,
    devices: BTreeMap<DeviceId, Pause>,
    streams: BTreeMap<(DeviceId, SpaceId), Pause>,
    nearby: BTreeMap<DeviceId, BTreeSet<Multiaddr>>,
    /// Devices that did not offer us to sync, and hang up on us for that.
    aloof: BTreeSet<DeviceId>,
    /// Those that we showed on this connection that we belong to a space.
    presented: BTreeSet<(DeviceId, SpaceId)>,
    done: mpsc::UnboundedSender<Done>,
    plan: Instant,
}

/// Runs until the network or the engine stops.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut reports: mpsc::Receiver<Report>,
    mut listen: watch::Receiver<Vec<String>>,
) {
    // As many messages as tasks under way: bounded by the partners.
    let (done, mut finished) = mpsc::unbounded_channel();
    let mut notices = shared.engine.notices();
    let mut tick = Instant::now() + tick_time();
    let mut dialler = Dialler {
        shared: shared.clone(),
        devices: BTreeMap::new(),
        streams: BTreeMap::new(),
        nearby: BTreeMap::new(),
        aloof: BTreeSet::new(),
        presented: BTreeSet::new(),
        done,
        plan: Instant::now(),
    };
    loop {
        tokio::select! {
            () = shared.stopped() => return,
            Some(report) = reports.recv() => dialler.report(report).await,
            Some(done) = finished.recv() => dialler.done(done).await,
            notice = notices.recv() => if !dialler.notice(&notice) { return },
            () = shared.dial_now.notified() => dialler.dial_now(),
            () = shared.refresh.notified() => dialler.plan_within(Duration::ZERO),
            Ok(()) = listen.changed() => {
                let addresses = listen.borrow_and_update().clone();
                shared.engine.send(Command::Listening(addresses)).await;
            }
            () = sleep_until(tick) => {
                shared.engine.send(Command::Tick).await;
                tick = Instant::now() + tick_time();
            }
            () = sleep_until(dialler.plan) => if !dialler.plan().await { return },
        }
    }
}

/// About a minute, at random, so that nodes do not compare in step (§4.7).
fn tick_time() -> Duration {
    Duration::from_secs(45) + Duration::from_secs(30).mul_f64(random())
}

impl Dialler {
    fn plan_within(&mut self, time: Duration) {
        self.plan = self.plan.min(Instant::now() + time);
    }

    fn dial_now(&mut self) {
        for pause in self.devices.values_mut().chain(self.streams.values_mut()) {
            pause.reset();
        }
        self.plan_within(Duration::ZERO);
    }

    /// Gives back whether the engine goes on.
    fn notice(&mut self, notice: &Result<Notice, RecvError>) -> bool {
        match notice {
            Ok(Notice::Charter(_)) => self.plan_within(AFTER_CHARTER),
            Ok(Notice::Record(..)) | Err(RecvError::Lagged(_)) => self.plan_within(AFTER_RECORD),
            Ok(
                Notice::Entries(..) | Notice::Restated(..) | Notice::Wanted(_) | Notice::Blob(..) | Notice::Erasures(_),
            ) => {}
            Err(RecvError::Closed) => return false,
        }
        true
    }

    async fn report(&mut self, report: Report) {
        match report {
            Report::Reached(device) => {
                self.tell(device, Dialled::Reached).await;
                self.shared.reached.notify_one();
                self.plan_within(Duration::ZERO);
            }
            Report::Lost(device, why, lasted) => {
                // A line that lasted was no stranger's, whatever was said at its beginning.
                let aloof = self.aloof.remove(&device) && lasted < SHOWN_OUT;
                self.presented.retain(|(known, _)| *known != device);
                let why = if aloof { ALOOF.to_owned() } else { why };
                self.tell(device, Dialled::Lost(why)).await;
                // Who connects and hangs up at once is not dialled at once again.
                self.device(device).after(lasted);
                self.plan_within(Duration::ZERO);
            }
            Report::Refused(device, why) => self.shared.refused(device, why.to_owned()).await,
            Report::Discovered(found) => {
                for (device, address) in found {
                    if self.nearby.len() < NEARBY || self.nearby.contains_key(&device) {
                        let known = self.nearby.entry(device).or_default();
                        if known.len() < limits::ADDRESSES && known.insert(address) {
                            self.device(device).reset();
                            self.plan_within(Duration::ZERO);
                        }
                    }
                }
            }
            Report::Expired(gone) => {
                for (device, address) in gone {
                    if let Some(known) = self.nearby.get_mut(&device) {
                        known.remove(&address);
                    }
                }
                self.nearby.retain(|_, known| !known.is_empty());
            }
        }
    }

    async fn done(&mut self, done: Done) {
        match done {
            Done::Dial(device, result) => {
                let pause = self.device(device);
                pause.running = false;
                if let Err(why) = result {
                    pause.grow();
                    self.tell(device, Dialled::Failed(why)).await;
                }
            }
            Done::Stream(device, space, result, lasted) => {
                let pause = self.stream(device, space);
                pause.running = false;
                pause.after(lasted);
                match result {
                    Err(NotOpened::NotOffered) => {
                        self.aloof.insert(device);
                        self.present(device, space);
                        self.tell(device, Dialled::Failed(ALOOF.to_owned())).await;
                    }
                    Err(NotOpened::Gone) => {}
                    Ok(heard) => {
                        self.aloof.remove(&device);
                        // It knows us, and not yet that we belong to this space too.
                        if !heard {
                            self.present(device, space);
                        }
                    }
                }
            }
        }
        self.plan_within(Duration::ZERO);
    }

    /// How long a device is not dialled.
    fn device(&mut self, device: DeviceId) -> &mut Pause {
        self.devices.entry(device).or_insert_with(|| Pause::none(self.shared.times.pause))
    }
    /// How long no stream is opened with it about a space.
    fn stream(&mut self, device: DeviceId, space: SpaceId) -> &mut Pause {
        self.streams.entry((device, space)).or_insert_with(|| Pause::none(self.shared.times.pause))
    }

    /// Shows a device that we belong to a space, once on each connection.
    fn present(&mut self, device: DeviceId, space: SpaceId) {
        if self.presented.insert((device, space)) {
            tokio::spawn(present(self.shared.clone(), device, space));
        }
    }

    async fn tell(&self, device: DeviceId, dialled: Dialled) {
        if self.shared.roster.is_member(&device) {
            self.shared.engine.send(Command::Dialled(device, dialled)).await;
        }
    }

    /// Dials and opens what is due. Gives back whether the engine goes on.
    async fn plan(&mut self) -> bool {
        let Some(partnerships) = self.shared.partnerships().await else { return false };
        self.plan = Instant::now() + PLAN;
        self.forget(&partnerships);
        self.dial(&partnerships);
        for partnership in partnerships.iter().filter(|partnership| !partnership.linked) {
            self.open(partnership);
        }
        let pauses = self.devices.values().chain(self.streams.values()).filter(|pause| !pause.running);
        let next = pauses.map(|pause| pause.until).filter(|until| *until > Instant::now()).min();
        self.plan = next.map_or(self.plan, |next| self.plan.min(next));
        true
    }

    /// Lets go of what is known of devices that no longer belong.
    fn forget(&mut self, partnerships: &[Partnership]) {
        let members: BTreeSet<DeviceId> = partnerships.iter().map(|partnership| partnership.device).collect();
        let pairs: BTreeSet<_> =
            partnerships.iter().map(|partnership| (partnership.device, partnership.space)).collect();
        self.aloof.retain(|device| members.contains(device));
        self.presented.retain(|pair| pairs.contains(pair));
        self.devices.retain(|device, pause| pause.running || members.contains(device));
        self.streams.retain(|pair, pause| pause.running || pairs.contains(pair));
    }

    fn dial(&mut self, partnerships: &[Partnership]) {
        let mut addresses: BTreeMap<DeviceId, Vec<&String>> = BTreeMap::new();
        for partnership in partnerships {
            addresses.entry(partnership.device).or_default().extend(&partnership.addresses);
        }
        let mut under_way = self.devices.values().filter(|pause| pause.running).count();
        // Who waited longest comes first.
        let mut due: Vec<_> = addresses.into_iter().collect();
        due.sort_by_key(|(device, _)| self.devices.get(device).map(|pause| pause.until));
        for (device, addresses) in due {
            if under_way >= DIALS {
                break;
            }
            if !self.device(device).is_over() || self.shared.roster.line_to(&device).is_some() {
                continue;
            }
            let near = self.nearby.get(&device).into_iter().flatten().cloned();
            let mut chosen: Vec<Multiaddr> = near.collect();
            for address in peer::dialable(addresses, &device) {
                if !chosen.contains(&address) {
                    chosen.push(address);
                }
            }
            self.device(device).running = true;
            under_way += 1;
            let (shared, done) = (self.shared.clone(), self.done.clone());
            tokio::spawn(async move {
                let result = shared.dial(device, chosen).await;
                let _ = done.send(Done::Dial(device, result));
            });
        }
    }

    /// Opens a stream, unless one of ours is open. Who dialled begins; of two streams that cross the engine
    /// keeps one.
    fn open(&mut self, partnership: &Partnership) {
        let Partnership { device, space, .. } = *partnership;
        let Some(line) = self.shared.roster.line_to(&device) else { return };
        let pause = self.stream(device, space);
        if !pause.is_over() {
            return;
        }
        pause.running = true;
        let (shared, done) = (self.shared.clone(), self.done.clone());
        tokio::spawn(async move {
            if !shared.roster.begins(&device, &shared.engine.device()) {
                sleep(shared.times.courtesy).await;
                let linked = |known: &Partnership| known.device == device && known.space == space && known.linked;
                if shared.partnerships().await.is_none_or(|known| known.iter().any(linked)) {
                    let _ = done.send(Done::Stream(device, space, Ok(true), Duration::ZERO));
                    return;
                }
            }
            let began = Instant::now();
            let result = sync::open(&shared, &line, space).await;
            let _ = done.send(Done::Stream(device, space, result, began.elapsed()));
        });
    }
}
