//! `share backup` and `share restore`: all that is held, in one file, without a key in it.
//!
//! A backup is a store of its own: every table as it was at one moment, beside the running node, with the
//! files that are held, but for tickets, whose secrets stay at home. Who restores one types the code of the recovery sheet; with
//! it the new machine is certified under keys of its own, and writes a log of its own. So a backup
//! that is found by somebody lets nobody act for the school, and no restored store forks a log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use staffroom_protocol::Replica;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{BlobId, SpaceId};
use staffroom_protocol::identity::{IdentityChain, Keys, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::replica::Local;
use staffroom_protocol::store::{Batch, Read as _, Store as _, Table};

use crate::api::{BackedUp, Code, Failure};
use crate::blobs::{self, Blobs};
use crate::home::{Home, random};
use crate::store::{RedbStore, Snapshot};

/// Chunks of files of one transaction.
const CHUNKS: usize = 64;

/// What is not in a backup: secrets of tickets.
const LEFT_OUT: [Table; 3] = [Table::Invitations, Table::DeviceInvitations, Table::Joins];

/// The tables that are copied one by one: files are beside them.
fn kept() -> impl Iterator<Item = Table> {
    Table::ALL.into_iter().filter(|table| !LEFT_OUT.contains(table) && *table != Table::Files)
}

/// Copies what a snapshot holds, and the files that it knows, into a new file.
pub(crate) fn write(snapshot: &Snapshot, blobs: &Blobs, path: &Path) -> Result<BackedUp, Failure> {
    if path.exists() {
        let failure = Failure::new(Code::Refused, format!("{} is there already", path.display()));
        return Err(failure.hint("a backup overwrites nothing: choose another name"));
    }
    let part = part(path);
    let _ = fs::remove_file(&part);
    let failed = |error: io::Error| Fault::Store(error.to_string());
    // Opened before anything is written: so its sync tells of whatever failed until then, also while the
    // store in it was closed.
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&part).map_err(failed);
    let copied = file.and_then(|file| {
        let files = snapshot.copy_to(&part, kept()).and_then(|mut to| copy_files(snapshot, blobs, &mut to))?;
        file.sync_all().map_err(failed)?;
        // A store that was not closed as it should be is opened by no restore.
        drop(RedbStore::peek(&part)?);
        name(&part, path).map_err(failed)?;
        Ok(files)
    });
    let (files, missing) = copied.map_err(|fault| {
        let _ = fs::remove_file(&part);
        Failure::new(Code::Failed, format!("no backup was made in {}: {fault}", path.display()))
            .hint("look at the folder's permissions and at the free space of the disk")
    })?;
    let bytes = fs::metadata(path).map_or(0, |about| about.len());
    let records = snapshot.len(Table::Cards).unwrap_or_default();
    Ok(BackedUp { bytes, records, files, missing })
}

/// Copies every file that is known and sound; how many, and how many are not. What is not, a partner has.
fn copy_files(snapshot: &Snapshot, blobs: &Blobs, to: &mut RedbStore) -> Result<(u64, u64), Fault> {
    let mut known = BTreeSet::new();
    Catalogue(snapshot).known_blobs(&mut |_, blob, _| {
        known.insert(blob);
        true
    })?;
    let mut missing = 0;
    for id in &known {
        let Ok(blob) = blobs.open(id) else {
            missing += 1;
            continue;
        };
        let mut batch = Batch::default();
        for chunk in 0..blob.manifest().count() {
            let Ok(bytes) = blob.chunk(chunk) else {
                missing += 1;
                break;
            };
            batch.put(Table::Files, file_key(id, chunk), bytes);
            if batch.len() >= CHUNKS {
                to.commit(core::mem::take(&mut batch))?;
            }
        }
        to.commit(batch)?;
    }
    Ok((known.len() as u64 - missing, missing))
}

fn file_key(blob: &BlobId, chunk: u32) -> Vec<u8> {
    [&blob.0[..], &chunk.to_be_bytes()].concat()
}

/// A file of a backup, chunk by chunk.
struct FileOf<'a> {
    backup: &'a Snapshot,
    blob: BlobId,
    next: u32,
    chunk: io::Cursor<Vec<u8>>,
}

impl io::Read for FileOf<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.chunk.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        let next = self.backup.get(Table::Files, &file_key(&self.blob, self.next)).map_err(io::Error::other)?;
        let Some(next) = next else { return Ok(0) };
        (self.next, self.chunk) = (self.next + 1, io::Cursor::new(next));
        self.chunk.read(buffer)
    }
}

/// Puts the files of a backup into a home: how many, and those that are not whole there.
fn restore_files(backup: &Snapshot, blobs: &Blobs) -> Result<(u64, Vec<BlobId>), Failure> {
    let mut known = BTreeSet::new();
    let scanned = Catalogue(backup).known_blobs(&mut |_, blob, _| {
        known.insert(blob);
        true
    });
    scanned.map_err(|fault| Failure::new(Code::Damaged, fault.to_string()))?;
    let (mut restored, mut missing) = (0, Vec::new());
    for blob in known {
        let file = FileOf { backup, blob, next: 0, chunk: io::Cursor::default() };
        let manifest = blobs.add(file, &mut |_| {}).map_err(|why| {
            Failure::new(Code::Failed, format!("a file of the backup {why}")).hint("look at the free space of the disk")
        })?;
        if manifest.id() == blob {
            restored += 1;
        } else {
            missing.push(blob);
            let _ = blobs.remove(&manifest.id());
        }
    }
    Ok((restored, missing))
}

/// Gives a backup that is durable its name, durable when this returns; where that fails, nothing has it.
fn name(part: &Path, path: &Path) -> io::Result<()> {
    fs::rename(part, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    blobs::sync_folder(folder).inspect_err(|_| drop(fs::remove_file(path)))
}

fn part(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// Sets an empty home up with a backup, for the school whose sheet has this code: a new device with
/// all rights, and a new writer in each space.
pub fn restore(home: &Home, file: &Path, code: &RecoveryCode) -> Result<BackedUp, Failure> {
    let chain = chain_of(file, code)?;
    let blank = home.blank()?;
    let to = home.store_path();
    let backup = RedbStore::peek(file).map_err(|fault| Failure::new(Code::Damaged, fault.to_string()))?;
    backup.copy_to(&to, kept()).map(drop).map_err(|fault| {
        let _ = fs::remove_file(&to);
        Failure::new(Code::Failed, format!("{} cannot be copied: {fault}", file.display()))
            .hint("look at the free space of the disk")
    })?;
    let (files, missing) = restore_files(&backup, &home.blobs())?;
    let chain = enter(home, Local { school: chain, ..blank }, code, &missing).map_err(|fault| {
        Failure::new(Code::Failed, format!("the backup was not entered: {fault}"))
            .hint("nothing is set up: the same command may be tried again")
    })?;
    // From here on the home is set up.
    home.write_identity(&chain)?;
    let store = home.open_store()?;
    let snapshot = store.snapshots().take();
    let records = snapshot.and_then(|snapshot| snapshot.len(Table::Cards)).unwrap_or_default();
    let bytes = fs::metadata(&to).map_or(0, |about| about.len());
    Ok(BackedUp { bytes, records, files, missing: missing.len() as u64 })
}

/// Certifies the new device, and enrols its writers. It starts the chain with the recovery key: what
/// was certified after the backup was made, and nobody here knows of, does not freeze it. Files that are
/// missing are fetched again.
fn enter(home: &Home, me: Local, code: &RecoveryCode, missing: &[BlobId]) -> Result<IdentityChain, Fault> {
    let device = me.device.public();
    let store = home.open_store().map_err(|failure| Fault::Store(failure.message))?;
    let seed = random().map_err(|failure| Fault::Store(failure.message))?;
    let mut replica = Replica::open(store, me, Entropy::from_seed(seed))?;
    replica.change_identity(|chain, _: &SecretKey| {
        let head = chain.head();
        chain.recover(&head, &[&code.recovery(0)], Keys::of(code))?;
        chain.certify(&code.root(0), device, Rights::ALL)
    })?;
    let spaces: Vec<SpaceId> = replica.spaces().map(|(id, _)| *id).collect();
    for (space, blob) in spaces.iter().flat_map(|space| missing.iter().map(move |blob| (*space, *blob))) {
        if Catalogue(replica.store()).known_blob(&space, &blob)?.is_some() {
            replica.forget_blob(space, blob)?;
        }
    }
    replica.flush()?;
    Ok(replica.identity().clone())
}

/// The chain of the school in a backup that this code belongs to.
fn chain_of(file: &Path, code: &RecoveryCode) -> Result<IdentityChain, Failure> {
    if !file.is_file() {
        return Err(Failure::new(Code::NotFound, format!("{}: there is no such file", file.display())));
    }
    let no_backup = |why: String| {
        Failure::new(Code::Failed, format!("{} is no backup that can be read: {why}", file.display()))
            .hint("try an older backup")
    };
    let mut found: Option<IdentityChain> = None;
    let scanned = RedbStore::peek(file).and_then(|backup| {
        backup.scan(Table::Identities, &[], &[], &mut |_, value| {
            let chain = IdentityChain::parse(value)?;
            if chain.is_under(code) {
                match &mut found {
                    Some(held) => drop(held.merge(&chain)?),
                    None => found = Some(chain),
                }
            }
            Ok(true)
        })
    });
    scanned.map_err(|fault| no_backup(fault.to_string()))?;
    found.ok_or_else(|| {
        Failure::new(Code::Refused, "this code is not the one of the school in this backup")
            .hint("was a new sheet printed since? Then this backup is older than it: share key recover starts the school again with the new sheet, and partners bring the records back")
    })
}
