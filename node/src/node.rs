//! A node: the engine over the store of a home, and, while it runs, network and socket.

use std::path::Path;
use std::sync::Mutex;
use std::thread::JoinHandle;
use std::time::Duration;

use staffroom_protocol::id::SpaceId;

use crate::api::{Answer, Code, Failure, Named, Request};
use crate::engine::{Command, Engine, Policy, Want};
use crate::home::{Home, random};
use crate::net::{Joining, Net, NetConfig, Times};
use crate::verify::{self, Checked};
use crate::{backup, left_over, socket};
use staffroom_protocol::charter::DeviceTicket;
use staffroom_protocol::id::SchoolId;
use staffroom_protocol::identity::{IdentityChain, RecoveryCode};
use staffroom_protocol::replica::Local;

/// A node whose store is open; nobody else is reached yet.
pub struct Node {
    home: Home,
    engine: Engine,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    /// Opens the store of a home and starts the engine.
    pub fn open(home: &Home) -> Result<Self, Failure> {
        home.mend_identity()?;
        match Self::open_as(home, home.local()?) {
            // Found while it was read for the first time: opened once more, it is mended.
            Err(failure) if failure.code == Code::Damaged && home.is_to_be_mended() => {
                Self::open_as(home, home.local()?)
            }
            opened => opened,
        }
    }
    /// Opens an empty home, for a school that it does not know yet: [`Running::join_device`] or
    /// [`Running::recover`] comes next, or nothing is set up.
    pub fn open_empty(home: &Home) -> Result<Self, Failure> {
        Self::open_as(home, home.blank()?)
    }
    fn open_as(home: &Home, me: Local) -> Result<Self, Failure> {
        let store = home.open_store()?;
        let config = home.config()?;
        let policy = Policy::of(&config.fetch, &config.fetch_by_cluster)?;
        home.blobs().tidy();
        let started = Engine::start(store, me, home.store_path(), (home.blobs(), policy), &home.secrets(), random()?);
        let (engine, thread) = started.map_err(|fault| {
            Failure::new(Code::Damaged, format!("the store in {} does not open: {fault}", home.path().display()))
                .hint("share verify shows what is wrong; a backup restores it")
        })?;
        Ok(Self { home: home.clone(), engine, thread: Mutex::new(Some(thread)) })
    }
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    /// Asks something that needs no network.
    pub fn ask_blocking(&self, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::Verify { rebuild } => verify::run(&self.engine, &self.home, rebuild),
            Request::Backup { path } => back_up(&self.engine, &path),
            other => self.engine.ask_blocking(other),
        }
    }
    /// Begins to listen and to reach partners. Inside a tokio runtime.
    pub async fn run(&self, listen: Option<Vec<String>>, mdns: Option<bool>) -> Result<Running, Failure> {
        self.run_with(listen, mdns, Times::default()).await
    }
    /// The same, with other times.
    pub async fn run_with(
        &self,
        listen: Option<Vec<String>>,
        mdns: Option<bool>,
        times: Times,
    ) -> Result<Running, Failure> {
        let config = self.home.config()?;
        let listener = socket::listen(&self.home.socket())?;
        let config = NetConfig { listen: listen.unwrap_or(config.listen), mdns: mdns.unwrap_or(config.mdns), times };
        let net = Net::start(self.engine.clone(), self.home.device_seed()?, config).await?;
        let running = Running { home: self.home.clone(), engine: self.engine.clone(), net };
        tokio::spawn(socket::serve(listener, running.clone()));
        tokio::spawn(left_over::sweep(self.engine.clone()));
        Ok(running)
    }
    /// Ends the engine after a last flush, and waits for it.
    pub fn close(&self) {
        let Some(thread) = self.thread.lock().ok().and_then(|mut thread| thread.take()) else { return };
        let engine = self.engine.clone();
        // From a thread of its own: who closes may be inside a runtime, where waiting is not allowed.
        let stopping = std::thread::spawn(move || {
            engine.stop_blocking();
            let _ = thread.join();
        });
        let _ = std::fs::remove_file(self.home.socket());
        let _ = stopping.join();
    }
}

fn back_up(engine: &Engine, path: &Path) -> Result<Answer, Failure> {
    let snapshot = engine.snapshots().take();
    let snapshot = snapshot.map_err(|fault| Failure::new(Code::Damaged, fault.to_string()))?;
    backup::write(&snapshot, engine.blobs(), path).map(Answer::BackedUp)
}

impl Drop for Node {
    fn drop(&mut self) {
        self.close();
    }
}

/// A node that listens and reaches its partners.
#[derive(Clone)]
pub struct Running {
    home: Home,
    engine: Engine,
    net: Net,
}

impl Running {
    /// Where it listens.
    pub fn listen(&self) -> Vec<String> {
        self.net.listen()
    }
    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    /// Asks something.
    pub async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::Join { ticket, wait } => self.join(&ticket, Duration::from_millis(wait)).await,
            Request::Sync { wait } => {
                self.net.dial_now();
                let in_step = self.engine.query(Command::WhenInStep);
                let _ = tokio::time::timeout(Duration::from_millis(wait), in_step).await;
                self.engine.ask(Request::Status).await
            }
            Request::Files { id, file, fetch: true } => self.fetch(id, file).await,
            Request::Fetching { blob } => {
                let (done, of) = self.net.fetching(&blob);
                Ok(Answer::Fetching { done, of })
            }
            Request::Verify { rebuild } => self.verify(rebuild).await,
            Request::Backup { path } => self.beside(move |engine| back_up(engine, &path)).await,
            other => self.engine.ask(other).await,
        }
    }

    /// The files of a record, after those that are not held were fetched.
    async fn fetch(&self, id: String, file: Option<String>) -> Result<Answer, Failure> {
        let asked = Request::Files { id, file, fetch: false };
        let Answer::Files { space, files } = self.engine.ask(asked.clone()).await? else {
            return Err(Failure::new(Code::Failed, "the node answered something else"));
        };
        for file in files.iter().filter(|file| !file.held) {
            self.net.fetch(Want { space, blob: file.file.id, bytes: file.file.bytes }).await?;
        }
        self.engine.ask(asked).await
    }

    /// Checks everything; what partners can give again of what is damaged is fetched before it is told.
    async fn verify(&self, rebuild: bool) -> Result<Answer, Failure> {
        let home = self.home.clone();
        let Checked { mut verified, lost } =
            self.beside(move |engine| verify::check_all(engine, &home, rebuild)).await?;
        for (want, fault) in lost {
            verified.faults[fault].healed = self.net.fetch(want).await.is_ok();
        }
        Ok(Answer::Verified(verified))
    }

    /// Does something that takes long from a snapshot, on a thread of its own.
    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let engine = self.engine.clone();
        let done = tokio::task::spawn_blocking(move || work(&engine)).await;
        done.map_err(|error| Failure::new(Code::Failed, error.to_string()))?
    }

    async fn join(&self, text: &str, wait: Duration) -> Result<Answer, Failure> {
        let ticket = staffroom_protocol::charter::Ticket::parse(text).map_err(|error| {
            Failure::new(Code::Usage, error.to_string()).hint("copy the whole ticket again, in one piece")
        })?;
        match self.net.join(&ticket, wait).await? {
            Joining::Admitted(space, words) => {
                let name = self.engine.query(|answer| Command::NameOf(space, answer)).await;
                let words = words.map(|words| words.to_string());
                Ok(Answer::Joined { space: name.unwrap_or_else(|| unnamed(space)), words })
            }
            Joining::Waiting(words) => Ok(Answer::Waits { space: unnamed(ticket.space), words: words.to_string() }),
        }
    }

    /// Makes an empty home a further device of the school that issued this ticket.
    pub async fn join_device(&self, ticket: &DeviceTicket) -> Result<SchoolId, Failure> {
        self.set_up(self.net.join_device(ticket).await?)
    }
    /// Starts a school again in an empty home, with its sheet and what a partner's node knows.
    pub async fn recover(&self, from: &str, code: &RecoveryCode) -> Result<SchoolId, Failure> {
        self.set_up(self.net.recover(from, code).await?)
    }
    fn set_up(&self, chain: IdentityChain) -> Result<SchoolId, Failure> {
        self.home.write_identity(&chain)?;
        Ok(chain.school())
    }

    /// Ends the network; the engine goes on.
    pub async fn stop(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(5), self.net.stop()).await;
    }
}

/// A space whose name is not known yet.
fn unnamed(space: SpaceId) -> Named<SpaceId> {
    Named { id: space, name: space.short() }
}
