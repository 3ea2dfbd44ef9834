//! Whom a command asks: the running node over its local socket; where none runs, the store itself.
//!
//! A command that needs partners, and finds no running node, runs one for as long as it takes
//! ([`Client::reaching`]).

use staffroom_node::api::{Answer, Failure, Request};
use staffroom_node::socket::Connection;
use staffroom_node::{Home, Node, Running};

use crate::failure::{Done, failed};

/// Whoever answers.
pub(crate) enum Client {
    /// The node that runs in this home.
    Socket(Connection),
    /// The store, opened for this command.
    Store(Node),
    /// A node that runs for this command.
    Brief(Box<Brief>),
}

/// A node that runs while one command does.
pub(crate) struct Brief {
    runtime: Option<tokio::runtime::Runtime>,
    node: Node,
    running: Running,
}

impl Client {
    /// Connects to the running node, or opens the store.
    pub(crate) fn of(home: &Home) -> Done<Self> {
        if let Some(connection) = Connection::to(&home.socket()) {
            return Ok(Self::Socket(connection));
        }
        match Node::open(home) {
            Ok(node) => Ok(Self::Store(node)),
            // A node that was starting holds the store before it answers.
            Err(failure) => match Connection::to(&home.socket()) {
                Some(connection) => Ok(Self::Socket(connection)),
                None => Err(failure.into()),
            },
        }
    }
    /// A second connection to the node that runs in this home.
    pub(crate) fn beside(home: &Home) -> Done<Self> {
        let connection = Connection::to(&home.socket());
        Ok(Self::Socket(connection.ok_or_else(|| failed("no node runs here".to_owned()))?))
    }
    /// Connects to the running node, or runs one.
    pub(crate) fn reaching(home: &Home) -> Done<Self> {
        let node = match Self::of(home)? {
            Self::Store(node) => node,
            already => return Ok(already),
        };
        Ok(Self::Brief(Box::new(Brief::of(node)?)))
    }
    /// Runs a node in an empty home, which is set up by what `enter` does with it.
    pub(crate) fn in_empty<T>(
        home: &Home,
        enter: impl FnOnce(&Running, &tokio::runtime::Runtime) -> Result<T, Failure>,
    ) -> Done<Self> {
        let brief = Brief::of(Node::open_empty(home)?)?;
        if let Some(runtime) = &brief.runtime {
            enter(&brief.running, runtime)?;
        }
        Ok(Self::Brief(Box::new(brief)))
    }
    /// Asks, and waits for the answer.
    pub(crate) fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        match self {
            Self::Socket(connection) => connection.ask(&request),
            Self::Store(node) => node.ask_blocking(request),
            Self::Brief(brief) => match &brief.runtime {
                Some(runtime) => runtime.block_on(brief.running.ask(request)),
                None => brief.node.ask_blocking(request),
            },
        }
    }
    /// Whether a node runs beside this command.
    pub(crate) fn runs_already(&self) -> bool {
        matches!(self, Self::Socket(_))
    }
}

impl Brief {
    fn of(node: Node) -> Done<Self> {
        let runtime = runtime()?;
        let running = match runtime.block_on(node.run(None, None)) {
            Ok(running) => running,
            // The usual port may be another node's of this machine; for a while any other will do.
            Err(first) => {
                let anywhere = Some(vec!["/ip4/0.0.0.0/tcp/0".to_owned()]);
                runtime.block_on(node.run(anywhere, None)).map_err(|_| first)?
            }
        };
        Ok(Self { runtime: Some(runtime), node, running })
    }
}

impl Drop for Brief {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.block_on(self.running.stop());
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        }
        self.node.close();
    }
}

/// Threads for the network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|error| failed(format!("no threads for the network: {error}")))
}
