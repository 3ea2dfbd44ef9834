//! The one thread that owns the replica: commands in, answers and notices out.
//!
//! The engine takes what waits, stages all of it, makes it durable in one commit, and only then
//! answers, acknowledges and pushes. While a commit is under way further commands queue up; so the
//! slower the disk, the more each commit carries. Readers use snapshots beside it.
//!
//! ```text
//! command line ─┐                    ┌─▶ answers
//!               ├─▶ stage … ─ flush ─┼─▶ sessions: Held, new entries
//! sessions ─────┘                    └─▶ notices
//! ```

mod deciding;
mod desk;
mod devices;
mod dispatch;
mod erasing;
mod files;
mod handlers;
mod history;
mod links;
mod lookup;
mod names;
mod policy;
mod profile;
mod saving;
mod scheduled;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;

use staffroom_protocol::Replica;
use staffroom_protocol::charter::{Join, Missing, Nonce, Redeemed, Redemption, Ticket, Words};
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{DeviceId, SpaceId, TicketId};
use staffroom_protocol::replica::{Local, Notice};
use staffroom_protocol::sync::{Ended, Input, Message};
use staffroom_protocol::time::Millis;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

pub use devices::DeviceCommand;
pub use files::{BlobCommand, Want};
pub use links::{Dialled, LinkId, Partnership};
pub use policy::Policy;

use crate::api::{Answer, Failure, Request};
use crate::blobs::Blobs;
use crate::life::Life;
use crate::store::{RedbStore, Snapshots, is_damage};

/// How many commands may wait before who sends them waits too.
const QUEUE: usize = 256;
/// How many commands one commit carries at most.
const GROUP: usize = 128;

/// What the engine is asked to do.
pub enum Command {
    /// Something out of the API.
    Api(Request, oneshot::Sender<Result<Answer, Failure>>),
    /// A stream about a space is open with a device.
    Open {
        /// Names the stream.
        link: LinkId,
        /// The space.
        space: SpaceId,
        /// The device, authenticated by the transport.
        peer: DeviceId,
        /// Whether we dialled.
        initiator: bool,
        /// Takes what is to be sent; closed by the engine when the session is over.
        outbound: mpsc::Sender<Message>,
    },
    /// Something happened on a stream.
    Session(LinkId, Input),
    /// Someone says that it holds a ticket.
    Proves {
        /// What it says.
        join: Box<Join>,
        /// The device, authenticated by the transport.
        joiner: DeviceId,
        /// That it does, or the one refusal.
        answer: oneshot::Sender<Result<(), Fault>>,
    },
    /// Someone wants to redeem a ticket.
    Redeem {
        /// What it sent.
        redemption: Box<Redemption>,
        /// The device, authenticated by the transport.
        joiner: DeviceId,
        /// What it is told, or the one refusal.
        answer: oneshot::Sender<Result<Redeemed, Fault>>,
    },
    /// Who wants to redeem a ticket shows its number.
    Reveal {
        /// The ticket.
        ticket: TicketId,
        /// The device, authenticated by the transport.
        joiner: DeviceId,
        /// The number.
        nonce: Nonce,
        /// Whether it is the one that it committed to.
        answer: oneshot::Sender<Result<(), Fault>>,
    },
    /// To be told once nobody waits with this ticket any more.
    WhenDecided(TicketId, oneshot::Sender<()>),
    /// Where we redeem a ticket, the other side has told its number.
    Compare {
        /// The ticket.
        ticket: Box<Ticket>,
        /// The number.
        nonce: Nonce,
        /// Ours, and the words.
        answer: oneshot::Sender<Result<(Nonce, Words), Fault>>,
    },
    /// What this school would send to redeem a ticket.
    Redemption(Box<Ticket>, oneshot::Sender<Redemption>),
    /// A redeemed ticket brought this charter.
    Joined {
        /// The ticket.
        ticket: Box<Ticket>,
        /// The charter.
        charter: Box<Missing>,
        /// The space.
        answer: oneshot::Sender<Result<SpaceId, Fault>>,
    },
    /// Something about devices of a school.
    Device(DeviceCommand),
    /// Something about files.
    Blob(BlobCommand),
    /// The words of a ticket that was redeemed before, where a person has to confirm it.
    Shown(Box<Ticket>, oneshot::Sender<Option<Words>>),
    /// The name of a space.
    NameOf(SpaceId, oneshot::Sender<crate::api::Named<SpaceId>>),
    /// With whom this node syncs, and where they are said to listen.
    Partnerships(oneshot::Sender<Vec<Partnership>>),
    /// How an attempt to reach a device went.
    Dialled(DeviceId, Dialled),
    /// Something of a device's was refused before it came to a session, and why.
    Refused(DeviceId, String),
    /// Where this node listens now.
    Listening(Vec<String>),
    /// To be told once at least one partner is reached and all that are reached are in step.
    WhenInStep(oneshot::Sender<()>),
    /// About a minute went by.
    Tick,
    /// Ends the engine, after a last flush.
    Stop(oneshot::Sender<()>),
}

/// Tells the time.
pub type Clock = fn() -> Millis;

/// The wall clock.
pub fn wall_clock() -> Millis {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Speaks to the engine, from any thread.
#[derive(Clone)]
pub struct Engine {
    commands: mpsc::Sender<Command>,
    notices: broadcast::Sender<Notice>,
    turns: watch::Receiver<u64>,
    snapshots: Snapshots,
    blobs: Blobs,
    device: DeviceId,
    /// Why the engine ended by itself, once it did.
    fault: Arc<OnceLock<Fault>>,
}

impl Engine {
    /// Starts the thread that owns the store.
    pub fn start(
        store: RedbStore,
        me: Local,
        path: PathBuf,
        (blobs, policy): (Blobs, Policy),
        secrets: &Path,
        seed: [u8; 32],
    ) -> Result<(Self, thread::JoinHandle<()>), Fault> {
        let snapshots = store.snapshots();
        let mut replica = Replica::open(store, me, Entropy::from_seed(seed))?;
        let life = Life::resume(secrets, &mut replica)?;
        let device = replica.device();
        let (commands, queue) = mpsc::channel(QUEUE);
        let (notices, _) = broadcast::channel(1024);
        let (turn, turns) = watch::channel(0);
        let desk = desk::Desk::new(replica, life, snapshots.clone(), path, (blobs.clone(), policy), notices.clone());
        let thread = thread::Builder::new().name("engine".to_owned());
        let fault = Arc::new(OnceLock::new());
        let ended = fault.clone();
        let thread =
            thread.spawn(move || run(desk, queue, &turn, &ended)).map_err(|error| Fault::Store(error.to_string()))?;
        Ok((Self { commands, notices, turns, snapshots, blobs, device, fault }, thread))
    }
    /// This node's device.
    pub fn device(&self) -> DeviceId {
        self.device
    }
    /// What became durable, from now on.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }
    /// Counts the turns in which something came from elsewhere than the API: what a node says of its
    /// partners and their sessions is other than before only after such a turn.
    pub fn turns(&self) -> watch::Receiver<u64> {
        self.turns.clone()
    }
    /// Sends a command; waits where too many wait already. Nothing happens once the engine stopped.
    pub async fn send(&self, command: Command) -> bool {
        self.commands.send(command).await.is_ok()
    }
    /// The same, from a thread of its own.
    pub fn send_blocking(&self, command: Command) -> bool {
        self.commands.blocking_send(command).is_ok()
    }
    /// Asks something, from asynchronous code. [`Request::Join`] and the like need the network and
    /// are answered by [`crate::Node`].
    pub async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        self.send(Command::Api(request, answer)).await;
        answered.await.map_err(|_| self.stopped())?
    }
    /// Asks something, from a thread of its own.
    pub fn ask_blocking(&self, request: Request) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        let _ = self.commands.blocking_send(Command::Api(request, answer));
        answered.blocking_recv().map_err(|_| self.stopped())?
    }
    /// Asks something that has an answer of its own type.
    pub async fn query<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.send(command(answer)).await;
        answered.await.ok()
    }
    /// Ends the engine after a last flush.
    pub fn stop_blocking(&self) {
        let (answer, answered) = oneshot::channel();
        if self.commands.blocking_send(Command::Stop(answer)).is_ok() {
            let _ = answered.blocking_recv();
        }
    }
    /// The files of this node.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }
    /// What is said once the engine has ended, and why it did.
    fn stopped(&self) -> Failure {
        let why = match self.fault.get() {
            Some(fault) => format!("the node has stopped, and nothing more is saved: {fault}"),
            None => "the node has stopped".to_owned(),
        };
        let code = match self.fault.get() {
            Some(fault) if is_damage(fault) => crate::api::Code::Damaged,
            _ => crate::api::Code::Failed,
        };
        Failure::new(code, why).hint("look at the free space of the disk and at its health, then start it again")
    }
    /// What is durable, for readers.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }
}

/// Takes what waits, stages it, flushes, answers; where the disk fails, leaves word of that.
fn run(mut desk: desk::Desk, mut queue: mpsc::Receiver<Command>, turn: &watch::Sender<u64>, ended: &OnceLock<Fault>) {
    if let Err(fault) = work(&mut desk, &mut queue, turn) {
        tracing::error!(%fault, "the store failed; nothing more is acknowledged");
        // Said before anybody who waits is let go.
        let _ = ended.set(fault);
    }
}

/// Ends where it is asked to, or, by rule 1 of the promises, once the disk failed: then nothing is
/// acknowledged again, and only opening the store anew tells what is durable.
fn work(desk: &mut desk::Desk, queue: &mut mpsc::Receiver<Command>, turn: &watch::Sender<u64>) -> Result<(), Fault> {
    // What was erased before the last stop and could not be made unreadable then.
    desk.wipe()?;
    while let Some(command) = queue.blocking_recv() {
        let mut moves = !matches!(command, Command::Api(..));
        let mut stop = desk.take(command);
        for _ in 1..GROUP {
            match queue.try_recv() {
                Ok(command) if stop.is_none() => {
                    moves |= !matches!(command, Command::Api(..));
                    stop = desk.take(command);
                }
                _ => break,
            }
        }
        desk.settle()?;
        if moves {
            turn.send_modify(|turns| *turns += 1);
        }
        if let Some(answer) = stop {
            let _done = desk.wipe_at_the_end();
            let _ = answer.send(());
            return Ok(());
        }
        // Who waits is served first; about every minute it is done all the same.
        if queue.is_empty() || core::mem::take(&mut desk.ticked) {
            desk.wipe()?;
        }
        desk.expect_change();
    }
    Ok(())
}

/// What a session's end is called in logs and in status.
pub(crate) fn describe(ended: &Ended) -> String {
    match ended {
        Ended::Closed => "the connection closed".to_owned(),
        Ended::Bye(code) => format!("it ended the session (code {code})"),
        Ended::Fault(fault) => fault.to_string(),
        Ended::Stalled => "it stopped answering".to_owned(),
    }
}
