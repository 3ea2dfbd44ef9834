//! Mends a home whose store was found to be damaged, before it is opened.
//!
//! What can be read is copied into a new store, put in order, and takes the damaged one's name; partners
//! send the rest as they send anything that a node does not hold. The damaged file is kept beside it until
//! somebody removes it, or an erasure does, which has to: what it erases is in there too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{BlobId, SpaceId};
use staffroom_protocol::replica::{Known, Local, Mended, mend};
use staffroom_protocol::store::Store;

use crate::api::{Code, Failure, Mending};
use crate::blobs::Blobs;
use crate::engine::wall_clock;
use crate::home::{Home, random};
use crate::life;
use crate::store::{self, OpenError};
use crate::summed::{self, Found};

/// Mends the store of a home.
pub(crate) fn store(home: &Home) -> Result<(), Failure> {
    let path = home.store_path();
    let (new, at) = (beside(&path, ".mending"), wall_clock().0);
    let kept = beside(&path, &format!("{}{at}", store::KEPT));
    tracing::warn!("the store {} is damaged on the disk and is being mended", path.display());
    let alone = match store::open_alone(&path) {
        // Whoever has it mends it, or has found the damage and is about to close it.
        Err(OpenError::InUse) => return Ok(()),
        other => other.map_err(|error| cannot(&path, &error))?,
    };
    // Another process may have mended it while this one waited.
    if !store::mark(&path).exists() {
        return Ok(());
    }
    let copied = copy(home, &path, &new, &alone);
    let (mended, damaged) = copied.inspect_err(|_| drop(fs::remove_file(&new)))?;
    let mending = Mending {
        at,
        kept: kept.display().to_string(),
        damaged: damaged as u64,
        entries: mended.entries,
        missing: mended.missing,
        aside: mended.aside,
        lost: mended.lost,
    };
    let told = serde_json::to_vec(&mending).map_err(std::io::Error::from);
    if let Err(error) = told.and_then(|json| fs::write(report(&path), summed::sealed(&json))) {
        tracing::warn!(%error, "that the store was mended is not written down");
    }
    store::replace(&path, &new, &kept).map_err(|error| {
        let _ = fs::remove_file(&new);
        cannot(&path, &error)
    })?;
    tracing::warn!(
        damaged,
        entries = mending.entries,
        missing = mending.missing,
        kept = mending.kept,
        "the store was mended; what is missing comes from partners"
    );
    Ok(())
}

/// How the store beside which this lies was mended, as long as the damaged one is kept.
pub(crate) fn last(store: &Path) -> Option<Mending> {
    let file = fs::read(report(store)).ok()?;
    let (Found::Whole(json) | Found::Plain(json)) = summed::opened(&file) else { return None };
    let mending: Mending = serde_json::from_slice(json).ok()?;
    Path::new(&mending.kept).exists().then_some(mending)
}

fn report(store: &Path) -> PathBuf {
    beside(store, ".mended")
}
fn beside(store: &Path, what: &str) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(what);
    store.with_file_name(name)
}

/// Copies what can be read of a file that nobody else has open into a new store, whole and closed; how many
/// pages could not be read.
fn copy(home: &Home, path: &Path, new: &Path, alone: &File) -> Result<(Mended, usize), Failure> {
    let _ = fs::remove_file(new);
    let store::Salvaged { mut store, damaged } = store::salvage(alone, new).map_err(|error| cannot(path, &error))?;
    let failed = |fault: Fault| cannot(path, &fault);
    let mut mended = mend(&mut store, &home.local()?).map_err(failed)?;
    if mended.spaces == 0 {
        return Err(nothing_left(path));
    }
    // Of what is gone to its last row, only the note of how far was signed still tells.
    let signed = life::spaces(&home.secrets());
    let held = open(store, home.local()?, home, mended.own_is_shorter).map_err(failed)?;
    mended.lost.extend(signed.into_iter().filter(|space| !held.contains(space)));
    mended.lost.sort_unstable();
    mended.lost.dedup();
    Ok((mended, damaged))
}

/// Makes caches anew, finds the files that are on the disk, and goes on in new logs where one of ours is
/// shorter than it was; the spaces that are held.
fn open<S: Store>(store: S, me: Local, home: &Home, renew: bool) -> Result<Vec<SpaceId>, Fault> {
    let seed = random().map_err(|failure| Fault::Store(failure.message))?;
    let mut replica = Replica::open(store, me, Entropy::from_seed(seed))?;
    replica.rebuild()?;
    replica.end_logs()?;
    replica.flush()?;
    find_files(&mut replica, &home.blobs())?;
    replica.flush()?;
    // The note of how far was signed stays as it is until this store has its name: should it not come to
    // that, the next one that is mended is compared with it again.
    if renew {
        replica.begin_new_logs()?;
    }
    replica.flush()?;
    Ok(replica.spaces().map(|(id, _)| *id).collect())
}

/// Files that records show and that lie here, whole, are known again.
fn find_files<S: Store>(replica: &mut Replica<S>, blobs: &Blobs) -> Result<(), Fault> {
    let spaces: Vec<SpaceId> = replica.spaces().map(|(id, _)| *id).collect();
    for space in spaces {
        let mut wanted = Vec::new();
        Catalogue(replica.store()).wanted_blobs(&space, &BlobId::default(), &mut |blob, bytes| {
            wanted.push((blob, bytes));
            true
        })?;
        for (blob, bytes) in wanted {
            if blobs.open(&blob).is_ok() {
                replica.know_blob(space, blob, bytes, Known::Fetched)?;
            }
        }
    }
    Ok(())
}

/// That nothing can be read of a store any more, and what to do then.
pub(crate) fn nothing_left(path: &Path) -> Failure {
    let message = format!("the store {} is damaged, and nothing in it can be read any more", path.display());
    Failure::new(Code::Damaged, message)
        .hint("move this folder away and keep it; then, in an empty one: share restore FILE, with the newest backup")
        .hint("or share key recover, with the recovery sheet: partners bring the records back")
}

fn cannot(path: &Path, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Code::Damaged, format!("the store {} is damaged and cannot be mended: {why}", path.display()))
        .hint("look at the free space of the disk and at its health, then try again")
        .hint("nothing was changed: a backup can be restored in an empty folder")
}
