//! Which files a change names, whatever became of that since.

use super::change::{Change, Key, Scalar};
use super::layout::BLOB_ID;
use crate::id::BlobId;

/// The files that a change attaches: also one that was taken out again later.
pub(crate) fn files_named<'a>(change: &Change<'a>) -> impl Iterator<Item = BlobId> + use<'a> {
    change.operations().filter_map(|operation| match (operation.key, operation.value) {
        (Key::Text(BLOB_ID), Scalar::Text(id)) => id.parse().ok(),
        _ => None,
    })
}
