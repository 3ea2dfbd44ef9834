//! The local socket: the command line asks the running node here. Same user only (mode 0600).
//!
//! One JSON document a line in each direction; one answer for each request, in order.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use crate::api::{Answer, Code, Failure, Request};
use crate::node::Running;

/// One request, bytes: a batch of two hundred long records.
const REQUEST: u64 = 64 << 20;

/// Listens, and answers until it is dropped.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, Failure> {
    let _ = std::fs::remove_file(path);
    let cannot = |error: std::io::Error| {
        Failure::new(Code::Failed, format!("cannot listen at {}: {error}", path.display()))
            .hint("a socket's path may have 107 letters at most: choose a shorter --home")
    };
    let listener = UnixListener::bind(path).map_err(cannot)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(cannot)?;
    Ok(listener)
}

/// Answers whoever connects.
pub(crate) async fn serve(listener: UnixListener, node: Running) {
    while let Ok((stream, _)) = listener.accept().await {
        let node = node.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, node).await {
                tracing::debug!(%error, "a command went away");
            }
        });
    }
}

async fn converse(stream: UnixStream, node: Running) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let mut bounded = tokio::io::AsyncReadExt::take(&mut read, REQUEST);
        if bounded.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            Ok(request) => match unless_gone(&mut read, node.ask(request)).await? {
                Some(answer) => answer,
                None => return Ok(()),
            },
            Err(error) => Err(Failure::new(Code::Usage, format!("not a request: {error}"))
                .hint("is this `share` of the same version as the running node?")),
        };
        let mut json = serde_json::to_vec(&answer)?;
        json.push(b'\n');
        write.write_all(&json).await?;
    }
}

/// Waits for an answer; nothing if who asked hangs up before. A question that waits for a person does
/// not go on for nobody.
async fn unless_gone<T>(
    read: &mut (impl tokio::io::AsyncBufRead + Unpin),
    answer: impl Future<Output = T>,
) -> std::io::Result<Option<T>> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => return Ok(Some(answer)),
        more = read.fill_buf() => if more?.is_empty() { return Ok(None) },
    }
    Ok(Some(answer.await))
}

/// The command line's end.
pub struct Connection {
    read: BufReader<BlockingStream>,
    write: BlockingStream,
}

impl Connection {
    /// Connects to the node that runs in a home; nothing where none does.
    pub fn to(path: &Path) -> Option<Self> {
        let write = BlockingStream::connect(path).ok()?;
        let read = BufReader::new(write.try_clone().ok()?);
        Some(Self { read, write })
    }
    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let gone = |error: std::io::Error| {
            Failure::new(Code::Failed, format!("the running node went away: {error}"))
                .hint("what it had confirmed is kept; start it again with `share serve`")
        };
        let mut json = serde_json::to_vec(request).map_err(|error| gone(error.into()))?;
        json.push(b'\n');
        self.write.write_all(&json).map_err(gone)?;
        let mut line = String::new();
        if self.read.read_line(&mut line).map_err(gone)? == 0 {
            return Err(gone(std::io::ErrorKind::UnexpectedEof.into()));
        }
        serde_json::from_str::<Result<Answer, Failure>>(&line).map_err(|error| gone(error.into()))?
    }
}
