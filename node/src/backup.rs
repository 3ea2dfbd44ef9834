//! `share backup` and `share restore`: all that is held, in one file, without a key in it.
//!
//! A backup is a store of its own: every table as it was at one moment, beside the running node, but
//! for tickets, whose secrets stay at home. Who restores one types the code of the recovery sheet; with
//! it the new machine is certified under keys of its own, and writes a log of its own. So a backup
//! that is found by somebody lets nobody act for the school, and no restored store forks a log.

use std::fs;
use std::path::{Path, PathBuf};

use staffroom_protocol::Replica;
use staffroom_protocol::entropy::Entropy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::identity::{IdentityChain, Keys, RecoveryCode, Rights, SecretKey};
use staffroom_protocol::replica::Local;
use staffroom_protocol::store::Table;

use crate::api::{BackedUp, Code, Failure};
use crate::home::{Home, random};
use crate::store::{RedbStore, Snapshot};

/// What is not in a backup: secrets of tickets.
const LEFT_OUT: [Table; 3] = [Table::Invitations, Table::DeviceInvitations, Table::Joins];

/// Copies what a snapshot holds into a new file.
pub(crate) fn write(snapshot: &Snapshot, path: &Path) -> Result<BackedUp, Failure> {
    if path.exists() {
        let failure = Failure::new(Code::Refused, format!("{} is there already", path.display()));
        return Err(failure.hint("a backup overwrites nothing: choose another name"));
    }
    let part = part(path);
    let _ = fs::remove_file(&part);
    let kept = Table::ALL.into_iter().filter(|table| !LEFT_OUT.contains(table));
    let copied = snapshot.copy_to(&part, kept).and_then(|copied| {
        drop(copied);
        let file = fs::File::open(&part).map_err(|error| Fault::Store(error.to_string()))?;
        file.sync_all().and_then(|()| fs::rename(&part, path)).map_err(|error| Fault::Store(error.to_string()))
    });
    if let Err(fault) = copied {
        let _ = fs::remove_file(&part);
        return Err(Failure::new(Code::Failed, format!("no backup was made in {}: {fault}", path.display()))
            .hint("look at the folder's permissions and at the free space of the disk"));
    }
    let bytes = fs::metadata(path).map_or(0, |about| about.len());
    let records = snapshot.len(Table::Cards).unwrap_or_default();
    Ok(BackedUp { bytes, records })
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
    let copied = fs::copy(file, &to).and_then(|_| fs::File::open(&to)?.sync_all());
    copied.map_err(|error| {
        let _ = fs::remove_file(&to);
        Failure::new(Code::Failed, format!("{} cannot be copied: {error}", file.display()))
            .hint("look at the free space of the disk")
    })?;
    let chain = enter(home, Local { school: chain, ..blank }, code).map_err(|fault| {
        Failure::new(Code::Failed, format!("the backup was not entered: {fault}"))
            .hint("nothing is set up: the same command may be tried again")
    })?;
    // From here on the home is set up.
    home.write_identity(&chain)?;
    let store = home.open_store()?;
    let snapshot = store.snapshots().take();
    let records = snapshot.and_then(|snapshot| snapshot.len(Table::Cards)).unwrap_or_default();
    Ok(BackedUp { bytes: fs::metadata(&to).map_or(0, |about| about.len()), records })
}

/// Certifies the new device, and enrols its writers. It starts the chain with the recovery key: what
/// was certified after the backup was made, and nobody here knows of, does not freeze it.
fn enter(home: &Home, me: Local, code: &RecoveryCode) -> Result<IdentityChain, Fault> {
    let device = me.device.public();
    let store = home.open_store().map_err(|failure| Fault::Store(failure.message))?;
    let seed = random().map_err(|failure| Fault::Store(failure.message))?;
    let mut replica = Replica::open(store, me, Entropy::from_seed(seed))?;
    replica.change_identity(|chain, _: &SecretKey| {
        let head = chain.head();
        chain.recover(&head, &[&code.recovery(0)], Keys::of(code))?;
        chain.certify(&code.root(0), device, Rights::ALL)
    })?;
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
    let scanned = RedbStore::peek(file, Table::Identities, &mut |_, value| {
        let chain = IdentityChain::parse(value)?;
        if chain.is_under(code) {
            match &mut found {
                Some(held) => drop(held.merge(&chain)?),
                None => found = Some(chain),
            }
        }
        Ok(true)
    });
    scanned.map_err(|fault| no_backup(fault.to_string()))?;
    found.ok_or_else(|| {
        Failure::new(Code::Refused, "this code is not the one of the school in this backup")
            .hint("was a new sheet printed since? Then this backup is older than it: share key recover starts the school again with the new sheet, and partners bring the records back")
    })
}
