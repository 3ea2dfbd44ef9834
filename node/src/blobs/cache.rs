//! What was made out of files: their texts, small pictures. Made again when it is missing.
//!
//! ```text
//! cache/texts/ab/abcd…        what was read out of the blob abcd…
//! cache/thumbnails/ab/abcd…   its small picture
//! ```
//!
//! What a file says is gone only when what was made of it is gone too. So removing a blob removes this, and
//! whoever keeps something looks whether its blob is still there afterwards: of the two, the later one
//! always finds what the other one left.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use staffroom_protocol::id::BlobId;

use super::{Blobs, list};
use crate::summed::{self, Found};

/// What is made out of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// Their text.
    Text,
    /// Their small picture.
    Thumbnail,
}

impl Made {
    const ALL: [Self; 2] = [Self::Text, Self::Thumbnail];

    fn folder(self) -> &'static str {
        match self {
            Self::Text => "texts",
            Self::Thumbnail => "thumbnails",
        }
    }
}

impl Blobs {
    /// What was made out of a blob, if it was kept. Where a byte of it changed, it is
    /// made again; whoever reads it checks all the same that it can be right.
    pub fn kept(&self, made: Made, id: &BlobId) -> Option<Vec<u8>> {
        let file = fs::read(self.kept_at(made, id)).ok()?;
        match summed::opened(&file) {
            Found::Whole(bytes) => Some(bytes.to_vec()),
            // Made again.
            Found::Plain(_) | Found::Damaged => None,
        }
    }

    /// Keeps what was made out of a blob for the next time; not if the blob is gone meanwhile.
    pub fn keep(&self, made: Made, id: &BlobId, bytes: &[u8]) -> io::Result<()> {
        let path = self.kept_at(made, id);
        let folder = path.parent().unwrap_or(&path);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let part = folder.join(format!("{}.new", staffroom_protocol::id::to_text(&random)));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        let kept = file.write_all(&summed::sealed(bytes)).and_then(|()| fs::rename(&part, &path));
        if kept.is_err() {
            let _ = fs::remove_file(&part);
        }
        if self.open(id).is_err() {
            self.forget(id)?;
        }
        kept
    }

    /// Removes what was made out of a blob.
    pub(super) fn forget(&self, id: &BlobId) -> io::Result<()> {
        for made in Made::ALL {
            match fs::remove_file(self.kept_at(made, id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what was made out of blobs that are gone, and what was left half written.
    pub(super) fn tidy_kept(&self) {
        for made in Made::ALL {
            let folders = list(&self.kept_in(made)).unwrap_or_default();
            for path in folders.iter().flat_map(|folder| list(folder).unwrap_or_default()) {
                let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                if id.is_none_or(|id: BlobId| !self.path(&id).exists()) {
                    let _ = fs::remove_file(path);
                }
            }
        }
    }

    fn kept_in(&self, made: Made) -> PathBuf {
        self.0.with_file_name("cache").join(made.folder())
    }
    fn kept_at(&self, made: Made, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.kept_in(made).join(&name[..2]).join(name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_of_a_blob_goes_with_it() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(home.path().join("blobs"));
        let add = |bytes: &[u8]| blobs.add(bytes, &mut |_| {}).unwrap().id();
        let (id, other) = (add(b"one"), add(b"two"));
        for made in Made::ALL {
            blobs.keep(made, &id, b"made").unwrap();
            blobs.keep(made, &other, b"made too").unwrap();
        }
        blobs.remove(&id).unwrap();
        for made in Made::ALL {
            assert_eq!(blobs.kept(made, &id), None);
            assert_eq!(blobs.kept(made, &other).as_deref(), Some(&b"made too"[..]));
            // Whoever was at work on it when it went keeps nothing either.
            blobs.keep(made, &id, b"late").unwrap();
            assert_eq!(blobs.kept(made, &id), None);
        }
        fs::remove_file(blobs.path(&other)).unwrap();
        blobs.tidy();
        assert_eq!(blobs.kept(Made::Text, &other), None);
    }
}
