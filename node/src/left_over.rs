//! Files that no record names: what is left of a publish that was killed after it had stored its files and
//! before their record was there.
//!
//! A command stores its files before it asks the node, so a file that nothing names may be named in a
//! moment. One that was stored, or found to be here, less than a day ago is left alone; and before one is
//! removed, the engine looks again, which alone decides whether a record may name a file. What was known in
//! a space once stays, also while nothing shows it: a version of a record may bring it back.

use std::collections::BTreeSet;

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::BlobId;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::blobs::Blobs;
use crate::engine::{BlobCommand, Command, Engine};
use crate::store::Snapshots;

/// Removes them. Runs once, when a node starts.
pub(crate) async fn sweep(engine: Engine) {
    let (blobs, snapshots) = (engine.blobs().clone(), engine.snapshots().clone());
    let found = spawn_blocking(move || find(&blobs, &snapshots)).await;
    match found.unwrap_or_else(|error| Err(Fault::Store(error.to_string()))) {
        Ok(found) if found.is_empty() => {}
        Ok(found) => {
            warn!(files = found.len(), "files that no record names are removed");
            engine.send(Command::Blob(BlobCommand::LeftOver(found))).await;
        }
        Err(fault) => warn!(%fault, "files that no record names were not looked for"),
    }
}

fn find(blobs: &Blobs, snapshots: &Snapshots) -> Result<Vec<BlobId>, Fault> {
    let old = blobs.left_alone().map_err(|error| Fault::Store(error.to_string()))?;
    let snapshot = snapshots.take()?;
    let catalogue = Catalogue(&snapshot);
    let mut known = BTreeSet::new();
    catalogue.known_blobs(&mut |_, blob, _| {
        known.insert(blob);
        true
    })?;
    let mut found = Vec::new();
    for blob in old.into_iter().filter(|blob| !known.contains(blob)) {
        if catalogue.uses(&blob, None)?.is_empty() {
            found.push(blob);
        }
    }
    Ok(found)
}
