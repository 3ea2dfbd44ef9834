//! Which life of its store a node lives (§1.4): whether the store was put back or copied since it was
//! last written.
//!
//! Beside the store, in a file of its own, stands which machine and which files they are, and how far
//! this store has signed in each of its logs. A store that is behind that was put back; a home on
//! another machine or in other files was copied. Either goes on in new logs: so nothing is signed twice
//! at one place, even before a partner is met. What the file cannot tell, partners do.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use staffroom_protocol::Replica;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{SpaceId, WriterId};
use staffroom_protocol::store::Store;

use crate::summed::{self, Found};

/// One of this store's logs, and how many entries of it were signed.
type Signed = (SpaceId, WriterId, u64);

/// What the file says.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    place: String,
    signed: Vec<Signed>,
}

/// The file that says how far this store has signed.
pub(crate) struct Life {
    path: PathBuf,
    kept: Kept,
    failed: bool,
}

impl Life {
    /// Begins the file of a home that was set up just now, unless there is one.
    pub(crate) fn begin(secrets: &Path) {
        let path = file(secrets);
        if !path.exists() {
            Self { kept: Kept { place: place(secrets), signed: Vec::new() }, path, failed: false }.write();
        }
    }

    /// Compares a store with what was kept; where it was put back or copied, it goes on in new logs.
    pub(crate) fn resume<S: Store>(secrets: &Path, replica: &mut Replica<S>) -> Result<Self, Fault> {
        let path = file(secrets);
        let read = fs::read(&path).ok();
        // Without it, or where it is damaged, this may be any machine.
        let kept: Kept = read.as_deref().and_then(parse).unwrap_or_default();
        let here = place(secrets);
        let behind = |(space, writer, signed): &Signed| {
            replica.space(space).is_ok_and(|space| space.frontier().next(writer) < *signed)
        };
        let copied = (kept.place != here).then_some("it was copied from another machine or folder");
        let put_back = || kept.signed.iter().any(behind).then_some("it was put back to an older state");
        let why = copied.or_else(put_back);
        if let Some(why) = why {
            tracing::warn!(why, "this store goes on in new logs");
            replica.begin_new_logs()?;
            replica.flush()?;
        }
        let plain = read.is_some_and(|file| matches!(summed::opened(&file), Found::Plain(_)));
        let mut life = Self { path, kept: Kept { place: here, signed: Vec::new() }, failed: false };
        life.keep(replica);
        if why.is_some() || plain {
            life.write();
        }
        Ok(life)
    }

    /// Writes down how far is signed now, if that is news. Called before anything of it leaves the node.
    pub(crate) fn keep<S: Store>(&mut self, replica: &Replica<S>) {
        let own = replica.spaces().map(|(id, space)| {
            let writer = space.own_writer();
            (*id, writer, space.frontier().next(&writer))
        });
        let signed: Vec<Signed> = own.collect();
        if signed != self.kept.signed {
            self.kept.signed = signed;
            self.write();
        }
    }

    /// Replaces the file. Not synced: after a power cut it may be behind the store, which harms nothing.
    fn write(&mut self) {
        let part = self.path.with_extension("part");
        let options = || fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
        let written = serde_json::to_vec(&self.kept).map_err(io::Error::from).and_then(|json| {
            options()?.write_all(&summed::sealed(&json))?;
            fs::rename(&part, &self.path)
        });
        // Partners would still tell of what a store that was put back does not know.
        if let (Err(error), false) = (&written, self.failed) {
            tracing::warn!(%error, path = %self.path.display(), "how far this store has signed is not written down");
        }
        self.failed = written.is_err();
    }
}

/// The spaces in which this store has signed, as far as the file says.
pub(crate) fn spaces(secrets: &Path) -> Vec<SpaceId> {
    let kept = fs::read(file(secrets)).ok().and_then(|file| parse(&file)).unwrap_or_default();
    kept.signed.iter().map(|(space, _, _)| *space).collect()
}

/// Whether the file of a home is as it was written; nothing where there is none.
pub(crate) fn is_whole(secrets: &Path) -> Option<bool> {
    fs::read(file(secrets)).ok().map(|file| parse(&file).is_some())
}

fn parse(file: &[u8]) -> Option<Kept> {
    match summed::opened(file) {
        Found::Whole(json) | Found::Plain(json) => serde_json::from_slice(json).ok(),
        Found::Damaged => None,
    }
}

fn file(secrets: &Path) -> PathBuf {
    secrets.join("signed.json")
}

/// This machine and this folder of secrets: a copy of either is another one.
fn place(secrets: &Path) -> String {
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let inode = fs::metadata(secrets.join("life.key")).map_or(0, |about| about.ino());
    format!("{}/{inode}", machine.trim())
}
