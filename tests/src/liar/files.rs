//! A liar and files (§5): it asks for what it may not have, and offers what it does not give.

use futures::StreamExt as _;
use futures::io::AsyncReadExt as _;
use libp2p::swarm::{Stream, StreamProtocol};
use staffroom_protocol::blob::{Ask, Builder, Found, Get, Manifest, chunk_frame};
use staffroom_protocol::id::{BlobId, RecordId, SpaceId};
use staffroom_protocol::limits;
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::{BlobRef, Value};
use staffroom_protocol::replica::Draft;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Member;
use super::member::now;
use super::wire::{Line, PATIENCE, read, write};

/// Files.
pub const BLOB: StreamProtocol = StreamProtocol::new("/staffroom/blob/1");

/// The manifest of these bytes.
pub fn manifest(bytes: &[u8]) -> Manifest {
    let mut builder = Builder::default();
    for chunk in bytes.chunks(limits::CHUNK) {
        builder.push(chunk).expect("full chunks, and not too many");
    }
    builder.done()
}

/// How a liar serves a file that it says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// Chunks with a changed byte.
    Wrong,
    /// Nothing, once it is asked for chunks.
    Silent,
    /// The manifest of another file.
    Another,
    /// Chunks of a megabyte.
    TooLong,
}

impl Line {
    /// What the node answers to a question for a file, as it comes; none where the stream ends.
    pub async fn ask_for(&mut self, space: SpaceId, blob: BlobId) -> Option<Vec<u8>> {
        let mut stream = self.open(BLOB).await.ok()?;
        write(&mut stream, &Ask { space, blob, manifest: true }.to_bytes()).await.ok()?;
        timeout(PATIENCE, read(&mut stream)).await.expect("an answer, or the end")
    }
    /// Offers a file to whoever asks for it on this connection, until the task is dropped. Gives the number
    /// of questions for chunks through `asked`.
    pub fn offer(&mut self, bytes: &[u8], serves: Serves, asked: tokio::sync::watch::Sender<usize>) -> JoinHandle<()> {
        let mut streams = self.accept(BLOB);
        let chunks: Vec<Vec<u8>> = bytes.chunks(limits::CHUNK).map(<[u8]>::to_vec).collect();
        let found = match serves {
            Serves::Another => manifest(&[]),
            _ => manifest(bytes),
        };
        tokio::spawn(async move {
            while let Some((_, stream)) = streams.next().await {
                let (chunks, found, asked) = (chunks.clone(), found.clone(), asked.clone());
                tokio::spawn(async move { serve(stream, &chunks, found, serves, &asked).await });
            }
        })
    }
}

async fn serve(
    mut stream: Stream,
    chunks: &[Vec<u8>],
    found: Manifest,
    serves: Serves,
    asked: &tokio::sync::watch::Sender<usize>,
) -> Option<()> {
    let ask = Ask::parse(&read(&mut stream).await?).ok()?;
    let here = Found::Here(ask.manifest.then_some(found));
    write(&mut stream, &here.to_bytes()).await.ok()?;
    let (mut from, mut to) = stream.split();
    while let Some(get) = read(&mut from).await {
        let get = Get::parse(&get).ok()?;
        asked.send_modify(|count| *count += 1);
        for chunk in get.first..get.first + get.count {
            let mut bytes = chunks[chunk as usize].clone();
            match serves {
                Serves::Silent => continue,
                Serves::TooLong => bytes.resize(1 << 20, 0),
                Serves::Wrong | Serves::Another => bytes[0] ^= 1,
            }
            write(&mut to, &chunk_frame(Some(&bytes))).await.ok()?;
        }
    }
    None
}

impl Member {
    /// Makes a record that shows a file, which the liar need not have.
    pub fn names_a_file(&mut self, space: SpaceId, title: &str, blob: BlobId, bytes: u64) -> RecordId {
        let file = BlobRef { id: blob, name: "plan.pdf".to_owned(), bytes, media_type: "application/pdf".to_owned() };
        let fields = Fields::from([
            ("title".to_owned(), Value::Line(title.to_owned())),
            ("attachments".to_owned(), Value::Blobs(vec![file])),
        ]);
        let draft = Draft { space, kind: "resource".to_owned(), fields, author: String::new(), open: None };
        let record = self.replica.create(&draft, now()).expect("a record");
        self.replica.flush().expect("memory");
        record
    }
}
