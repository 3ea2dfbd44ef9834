//! A blob that is being fetched: its manifest is in place, its chunks come in any order.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use staffroom_protocol::blob::{Chunks, Manifest};
use staffroom_protocol::id::BlobId;

use super::file::manifest_of;

/// A blob that is being fetched.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    manifest: Manifest,
    held: Chunks,
}

/// Writes a manifest behind the bytes that it names.
pub(super) fn write_manifest(file: &File, manifest: &Manifest) -> io::Result<()> {
    file.write_all_at(&manifest.to_bytes(), manifest.length())
}

impl Partial {
    /// Takes up what is in the file: every chunk is hashed, and those that are right are held.
    pub(super) fn open(path: PathBuf, manifest: Manifest) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let mut held = Chunks::default();
        if manifest_of(&file)?.is_some_and(|found| found == manifest) {
            let mut bytes = Vec::new();
            for chunk in 0..manifest.count() {
                let (at, length) = manifest.place(chunk).unwrap_or_default();
                bytes.resize(length, 0);
                file.read_exact_at(&mut bytes, at)?;
                if manifest.is(chunk, &bytes) {
                    held.insert(chunk);
                }
            }
        } else {
            file.set_len(0)?;
            write_manifest(&file, &manifest)?;
        }
        Ok(Self { file, path, manifest, held })
    }
    /// The manifest of what was begun in this file.
    pub(super) fn manifest(path: &Path, id: &BlobId) -> Option<Manifest> {
        let manifest = manifest_of(&File::open(path).ok()?).ok()??;
        Some(manifest).filter(|manifest| manifest.id() == *id)
    }
    /// The blob's name.
    pub fn id(&self) -> BlobId {
        self.manifest.id()
    }
    /// The chunks that are here.
    pub fn held(&self) -> &Chunks {
        &self.held
    }
    /// How many chunks it has.
    pub fn count(&self) -> u32 {
        self.manifest.count()
    }
    /// Writes a chunk; whether it was the one that the manifest names.
    pub fn write(&mut self, chunk: u32, bytes: &[u8]) -> io::Result<bool> {
        let Some((at, _)) = self.manifest.place(chunk).filter(|_| self.manifest.is(chunk, bytes)) else {
            return Ok(false);
        };
        self.file.write_all_at(bytes, at)?;
        self.held.insert(chunk);
        Ok(true)
    }
    pub(super) fn into_parts(self) -> (File, PathBuf, Manifest) {
        (self.file, self.path, self.manifest)
    }
}
