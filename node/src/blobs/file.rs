//! Reading a blob: each chunk is checked before anybody sees it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use staffroom_protocol::blob::Manifest;
use staffroom_protocol::id::BlobId;
use staffroom_protocol::limits;

use super::Progress;

/// Why a blob was not read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// It is not here.
    #[error("it is not held here")]
    Missing,
    /// What is here is not what its name says.
    #[error("it is damaged on this disk: {0}")]
    Damaged(&'static str),
    /// The disk fails, or where it is copied to does.
    #[error("it cannot be read: {0}")]
    Failed(#[from] io::Error),
}

/// A blob that is here.
#[derive(Debug)]
pub struct Blob {
    file: File,
    manifest: Manifest,
}

impl Blob {
    pub(super) fn open(path: &Path, id: &BlobId) -> Result<Self, NotRead> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NotRead::Missing,
            _ => NotRead::Failed(error),
        })?;
        let manifest = manifest_of(&file)?.filter(|manifest| manifest.id() == *id);
        Ok(Self { file, manifest: manifest.ok_or(NotRead::Damaged("its manifest is not its own"))? })
    }
    /// What it consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// One chunk of it.
    pub fn chunk(&self, chunk: u32) -> Result<Vec<u8>, NotRead> {
        let (at, length) = self.manifest.place(chunk).ok_or(NotRead::Damaged("it has no such chunk"))?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        if self.manifest.is(chunk, &bytes) { Ok(bytes) } else { Err(NotRead::Damaged("a chunk has changed")) }
    }
    /// Reads all of it, from the beginning.
    pub fn reader(self) -> impl io::Read {
        Reader { blob: self, next: 0, chunk: io::Cursor::default() }
    }
    /// Copies all of it.
    pub fn copy_to(&self, to: &mut impl io::Write, progress: Progress<'_>) -> Result<(), NotRead> {
        for chunk in 0..self.manifest.count() {
            let bytes = self.chunk(chunk)?;
            to.write_all(&bytes)?;
            progress(bytes.len() as u64);
        }
        Ok(())
    }
}

/// Reads a blob, chunk by chunk.
struct Reader {
    blob: Blob,
    next: u32,
    chunk: io::Cursor<Vec<u8>>,
}

impl io::Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 || buffer.is_empty() || self.next == self.blob.manifest.count() {
            return Ok(read);
        }
        self.chunk = io::Cursor::new(self.blob.chunk(self.next).map_err(io::Error::other)?);
        self.next += 1;
        self.chunk.read(buffer)
    }
}

/// The manifest behind the bytes of a blob; none where that cannot be one.
pub(super) fn manifest_of(file: &File) -> io::Result<Option<Manifest>> {
    let whole = file.metadata()?.len();
    let mut length = [0; 8];
    let Some(at) = whole.checked_sub(8) else { return Ok(None) };
    file.read_exact_at(&mut length, at)?;
    let length = u64::from_le_bytes(length);
    let Some(size) = Manifest::size(length).filter(|size| length + *size as u64 == whole) else { return Ok(None) };
    debug_assert!(length <= limits::BLOB, "checked by its size");
    let mut manifest = vec![0; size];
    file.read_exact_at(&mut manifest, length)?;
    Ok(Manifest::parse(&manifest).ok())
}
