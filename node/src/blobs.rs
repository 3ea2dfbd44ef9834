//! Files on disk: named by their manifest's hash, written once, checked on read (§5).
//!
//! ```text
//! blobs/ab/abcd…        the bytes of a blob, then its manifest
//! blobs/incoming/…      what is being written; abcd….part is being fetched
//! cache/…               what was made out of blobs: texts, small pictures
//! ```
//!
//! A file gets its name only after all its bytes are durable, so what has a name is whole. Its manifest lies
//! behind its bytes and hashes to the name: whoever reads a chunk checks it before anybody sees it. Of a
//! fetch that was broken off nothing but the file itself is trusted: each chunk of it that the manifest
//! knows is kept. Nothing here knows which record, space or school a file belongs to.

mod cache;
mod file;
mod partial;
mod tidy;

use std::fs::{self, File};
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use staffroom_protocol::blob::{Builder, Manifest};
use staffroom_protocol::id::{BlobId, SpaceId};
use staffroom_protocol::limits;

pub use cache::Made;
pub use file::{Blob, NotRead};
pub use partial::Partial;

/// What stays free on the disk whatever is fetched, bytes: room for the store to go on.
const RESERVE: u64 = 256 << 20;

/// What the system counts a file's room in, bytes.
const BLOCK: u64 = 512;

/// Why a file was not added.
#[derive(Debug, thiserror::Error)]
pub enum NotAdded {
    /// It is longer than a blob may be.
    #[error("is longer than {} GiB", limits::BLOB >> 30)]
    TooLong,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It cannot be stored.
    #[error("cannot be stored: {0}")]
    NotStored(io::Error),
}

/// The files of a home.
#[derive(Debug, Clone)]
pub struct Blobs(PathBuf);

/// Called with the number of bytes that were dealt with since the last call.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

impl Blobs {
    /// Those in this folder, which need not be there yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Adds what `from` gives; durable when this returns. What is here already is not written again.
    pub fn add(&self, mut from: impl Read, progress: Progress<'_>) -> Result<Manifest, NotAdded> {
        let new = self.new_file().map_err(NotAdded::NotStored)?;
        let manifest = copy(&mut from, &new.file, progress)?;
        self.name(new, &manifest).map_err(NotAdded::NotStored)?;
        Ok(manifest)
    }
    /// Adds a file: first looks whether it is here, so that a large one is not written twice.
    pub fn add_file(&self, path: &Path, progress: Progress<'_>) -> Result<Manifest, NotAdded> {
        let mut file = File::open(path).map_err(NotAdded::Unreadable)?;
        if !self.0.exists() {
            return self.add(file, progress);
        }
        let manifest = copy(&mut file, io::sink(), &mut |_| {})?;
        // Read to its end: one that has rotted is written anew.
        let here = self.open(&manifest.id()).and_then(|here| here.copy_to(&mut io::sink(), &mut |_| {}));
        if here.is_ok() {
            self.renew(&self.path(&manifest.id())).map_err(NotAdded::NotStored)?;
            progress(manifest.length());
            return Ok(manifest);
        }
        file.seek(SeekFrom::Start(0)).map_err(NotAdded::Unreadable)?;
        self.add(file, progress)
    }

    /// Opens a blob. That it is whole was settled when it was written; each chunk is checked when it is read.
    pub fn open(&self, id: &BlobId) -> Result<Blob, NotRead> {
        Blob::open(&self.path(id), id)
    }
    /// Takes up, or begins, a blob that is being fetched for a space: what came in one says nothing in
    /// another.
    pub fn partial(&self, space: &SpaceId, manifest: Manifest) -> io::Result<Partial> {
        let path = self.part(&manifest.id(), space);
        // Of a file with holes, what is here takes no further room.
        let here = fs::metadata(&path).map_or(0, |part| part.blocks().saturating_mul(BLOCK));
        self.has_room(manifest.length().saturating_sub(here))?;
        self.make_folder(&self.incoming())?;
        Partial::open(path, manifest)
    }
    /// The manifest of a blob whose fetch was broken off, if it was begun.
    pub fn begun(&self, space: &SpaceId, id: &BlobId) -> Option<Manifest> {
        Partial::manifest(&self.part(id, space), id)
    }
    /// Removes what was fetched of a blob for a space.
    pub fn give_up(&self, space: &SpaceId, id: &BlobId) -> io::Result<()> {
        remove(&self.part(id, space))
    }
    /// Gives a blob that was fetched its name; durable when this returns.
    pub fn finish(&self, partial: Partial) -> io::Result<()> {
        if partial.held().len() != partial.count() {
            return Err(io::Error::other("not all of it was fetched"));
        }
        let (file, path, manifest) = partial.into_parts();
        // What could not be made durable is not believed, however well it reads: it is removed.
        self.name(New { path, file, keep: false }, &manifest)
    }
    /// Removes a blob, what was fetched of it and what was made out of it; durable when this returns.
    pub fn remove(&self, id: &BlobId) -> io::Result<()> {
        remove(&self.path(id))?;
        let name = id.to_string();
        for folder in [self.incoming(), self.0.join("damaged")] {
            for path in list(&folder)? {
                if path.file_name().is_some_and(|found| found.to_string_lossy().starts_with(&name)) {
                    remove(&path)?;
                }
            }
        }
        self.forget(id)
    }
    /// Moves a damaged blob aside, so that it can be fetched again: nothing that could not be read is
    /// deleted. Nothing where it is gone, or sound by now.
    pub fn set_aside(&self, id: &BlobId) -> io::Result<Option<PathBuf>> {
        let read = self.open(id).and_then(|blob| blob.copy_to(&mut io::sink(), &mut |_| {}));
        if !matches!(read, Err(NotRead::Damaged(_))) {
            return Ok(None);
        }
        let aside = self.0.join("damaged");
        self.make_folder(&aside)?;
        let place = |number: u32| aside.join(if number == 1 { id.to_string() } else { format!("{id}.{number}") });
        let to = (1..=u32::MAX).map(place).find(|path| !path.exists()).unwrap_or_else(|| place(1));
        fs::rename(self.path(id), &to)?;
        sync_folder(&aside)?;
        Ok(Some(to))
    }

    /// Visits the name of every blob that is here.
    pub fn all(&self, visit: &mut dyn FnMut(BlobId)) -> io::Result<()> {
        for folder in list(&self.0)? {
            if folder.file_name().is_some_and(|name| name.len() == 2) {
                for path in list(&folder)? {
                    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
                    name.into_iter().for_each(&mut *visit);
                }
            }
        }
        Ok(())
    }
    /// Whether so many bytes may be written without filling the disk.
    pub fn has_room(&self, bytes: u64) -> io::Result<()> {
        let place = if self.0.exists() { &self.0 } else { self.0.parent().unwrap_or(&self.0) };
        if free_space(place)? < bytes.saturating_add(RESERVE) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        let name = id.to_string();
        self.0.join(&name[..2]).join(name)
    }
    fn incoming(&self) -> PathBuf {
        self.0.join("incoming")
    }
    fn part(&self, id: &BlobId, space: &SpaceId) -> PathBuf {
        self.incoming().join(format!("{id}.{}.part", space.short()))
    }
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // The name of a new folder has to be as durable as what is put in it.
        sync_folder(folder.parent().unwrap_or(folder))?;
        self.0.parent().map_or(Ok(()), sync_folder)
    }
    fn new_file(&self) -> io::Result<New> {
        self.make_folder(&self.incoming())?;
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = self.incoming().join(format!("{}.new", staffroom_protocol::id::to_text(&random)));
        let file = fs::OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(&path)?;
        Ok(New { path, file, keep: false })
    }
    /// Gives a written file its manifest and its name.
    fn name(&self, mut new: New, manifest: &Manifest) -> io::Result<()> {
        let to = self.path(&manifest.id());
        partial::write_manifest(&new.file, manifest)?;
        // After a sync that failed nobody knows what the disk has of a file, whatever reading it gives.
        new.file.sync_all().inspect_err(|_| new.keep = false)?;
        let folder = to.parent().unwrap_or(&self.0);
        self.make_folder(folder)?;
        fs::rename(&new.path, &to)?;
        new.keep = true;
        // What has a name counts as durable: where that is not so, it loses it again.
        self.keep_name(&to).inspect_err(|_| drop(fs::remove_file(&to)))
    }
    /// Makes a file that is here as good as one that was stored just now: nobody takes it for left over.
    fn renew(&self, named: &Path) -> io::Result<()> {
        File::options().append(true).open(named)?.set_modified(SystemTime::now())?;
        // Who gave it its name may have been killed before that was durable.
        self.keep_name(named)
    }
    /// Makes the name of a file durable.
    fn keep_name(&self, named: &Path) -> io::Result<()> {
        sync_folder(named.parent().unwrap_or(&self.0))
    }
}

/// A file that has no name yet; it is removed again unless it is to be kept.
struct New {
    path: PathBuf,
    file: File,
    keep: bool,
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Copies chunk by chunk, and hashes.
fn copy(from: &mut impl Read, mut to: impl io::Write, progress: Progress<'_>) -> Result<Manifest, NotAdded> {
    let mut builder = Builder::default();
    let mut chunk = Vec::with_capacity(limits::CHUNK);
    loop {
        chunk.clear();
        let read = from.by_ref().take(limits::CHUNK as u64).read_to_end(&mut chunk).map_err(NotAdded::Unreadable)?;
        builder.push(&chunk).map_err(|_| NotAdded::TooLong)?;
        to.write_all(&chunk).map_err(NotAdded::NotStored)?;
        progress(read as u64);
        if read < limits::CHUNK {
            return Ok(builder.done());
        }
    }
}

/// Bytes that are free on the disk of a place.
pub(crate) fn free_space(place: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(place)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// Removes a file that may be there; durable when this returns.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        // Where it is gone already, an earlier call may have failed behind the removal.
        _ => sync_folder(path.parent().unwrap_or(path)),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId([1; 32]);

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at.wrapping_mul(at) % 253).unwrap()).collect()
    }

    fn files(folder: &Path) -> usize {
        list(folder).unwrap().into_iter().map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }

    #[test]
    fn what_is_added_is_read_again_and_written_once() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(home.path().join("blobs"));
        for length in [0, 1, limits::CHUNK - 1, limits::CHUNK, limits::CHUNK + 1, 3 * limits::CHUNK + 7] {
            let bytes = sample(length);
            let mut told = 0;
            let manifest = blobs.add(&bytes[..], &mut |more| told += more).unwrap();
            assert_eq!((manifest.length(), told), (length as u64, length as u64));
            let mut read = Vec::new();
            blobs.open(&manifest.id()).unwrap().copy_to(&mut read, &mut |_| {}).unwrap();
            assert!(read == bytes);
            let before = files(home.path());
            assert_eq!(blobs.add(&bytes[..], &mut |_| {}).unwrap(), manifest);
            let source = home.path().join("source");
            fs::write(&source, &bytes).unwrap();
            assert_eq!(blobs.add_file(&source, &mut |_| {}).unwrap(), manifest);
            fs::remove_file(&source).unwrap();
            assert_eq!(files(home.path()), before);
            let mut seen = Vec::new();
            blobs.all(&mut |id| seen.push(id)).unwrap();
            assert!(seen.contains(&manifest.id()));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(home.path());
        let bytes = sample(limits::CHUNK + 100);
        let id = blobs.add(&bytes[..], &mut |_| {}).unwrap().id();
        let path = blobs.path(&id);
        let sound = fs::read(&path).unwrap();
        for at in (0..sound.len()).step_by(997).chain(sound.len() - 80..sound.len()) {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let read = blobs.open(&id).and_then(|blob| blob.copy_to(&mut io::sink(), &mut |_| {}));
            assert!(matches!(read, Err(NotRead::Damaged(_))), "byte {at}: {read:?}");
        }
        for length in [0, 7, 8, 40, limits::CHUNK, sound.len() - 1] {
            fs::write(&path, &sound[..length]).unwrap();
            assert!(matches!(blobs.open(&id), Err(NotRead::Damaged(_))), "cut at {length}");
        }
        blobs.set_aside(&id).unwrap();
        assert!(matches!(blobs.open(&id), Err(NotRead::Missing)));
    }

    #[test]
    fn a_fetch_is_taken_up_with_what_is_right_of_it() {
        let home = tempfile::tempdir().unwrap();
        let blobs = Blobs::at(home.path());
        let bytes = sample(5 * limits::CHUNK + 3);
        let mut builder = Builder::default();
        bytes.chunks(limits::CHUNK).for_each(|chunk| builder.push(chunk).unwrap());
        let manifest = builder.done();
        let id = manifest.id();
        assert_eq!(blobs.begun(&SPACE, &id), None);
        let mut partial = blobs.partial(&SPACE, manifest.clone()).unwrap();
        let chunk = |n: usize| &bytes[n * limits::CHUNK..bytes.len().min((n + 1) * limits::CHUNK)];
        assert!(partial.write(1, chunk(1)).unwrap() && partial.write(5, chunk(5)).unwrap());
        assert!(!partial.write(2, chunk(1)).unwrap(), "a wrong chunk was written");
        assert!(!partial.write(6, b"").unwrap());
        drop(partial);
        // What was written is flipped on disk: it is not trusted.
        let path = blobs.part(&id, &SPACE);
        let mut on_disk = fs::read(&path).unwrap();
        on_disk[limits::CHUNK + 9] ^= 1;
        fs::write(&path, &on_disk).unwrap();
        assert_eq!(blobs.begun(&SPACE, &id), Some(manifest.clone()));
        let mut partial = blobs.partial(&SPACE, manifest.clone()).unwrap();
        assert_eq!(
            (0..6).map(|n| partial.held().contains(n)).collect::<Vec<_>>(),
            [false, false, false, false, false, true]
        );
        for n in 0..5 {
            assert!(partial.write(n, chunk(n as usize)).unwrap());
        }
        blobs.finish(partial).unwrap();
        let mut read = Vec::new();
        blobs.open(&id).unwrap().copy_to(&mut read, &mut |_| {}).unwrap();
        assert!(read == bytes && blobs.begun(&SPACE, &id).is_none());
        blobs.remove(&id).unwrap();
        blobs.remove(&id).unwrap();
        assert_eq!(files(home.path()), 0);
    }
}
