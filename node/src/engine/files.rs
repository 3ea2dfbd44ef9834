//! Files: which may be served, which are wanted, and what becomes of one that came or went (§5).

use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{BlobId, DeviceId, SpaceId};
use staffroom_protocol::record::Fields;
use staffroom_protocol::record::field::{BlobRef, Value};
use staffroom_protocol::replica::Known;
use tokio::sync::oneshot;

use super::desk::Desk;
use super::names::{failed, record, school_name, space_name};
use crate::api::{Code, Failure, FileInfo};
use crate::home::random;
use crate::store::Snapshot;

/// How many wanted files of one space are told at a time.
const WANTED: usize = 1_000;

/// A file to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// The space in which a record shows it.
    pub space: SpaceId,
    /// The file.
    pub blob: BlobId,
    /// Its length, as the record says it.
    pub bytes: u64,
}

/// Something about files.
pub enum BlobCommand {
    /// Whether a device may be given a file of a space: it belongs there, and we know the file there.
    MayServe(SpaceId, BlobId, DeviceId, oneshot::Sender<bool>),
    /// The files that this node is to fetch by itself.
    /// Each with the most bytes that it may turn out to have.
    Wanted(oneshot::Sender<Vec<(Want, u64)>>),
    /// A file is here, whole and durable, from these devices.
    Fetched(Want, Vec<DeviceId>, oneshot::Sender<Result<(), Fault>>),
    /// A fetch ended before all of the file was here.
    GivenUp(Want),
    /// A device was given all of a file.
    Served(SpaceId, BlobId, DeviceId),
    /// What is here of a file is damaged: it was moved aside, and is to be fetched again.
    Damaged(BlobId),
    /// Nothing seemed to name these files: where that is so, they go.
    LeftOver(Vec<BlobId>),
}

impl Desk {
    pub(super) fn blob(&mut self, command: BlobCommand) {
        match command {
            BlobCommand::MayServe(space, blob, device, answer) => {
                let _ = answer.send(self.may_serve(&space, &blob, &device));
            }
            BlobCommand::Wanted(answer) => {
                let _ = answer.send(self.wanted().unwrap_or_default());
            }
            BlobCommand::Fetched(want, from, answer) => {
                let result = self.fetched(want, &from);
                self.later(answer, result, |fault| Err(fault.clone()));
            }
            BlobCommand::GivenUp(want) => self.given_up(&want),
            BlobCommand::Served(space, blob, device) => self.holds(space, blob, &device),
            BlobCommand::Damaged(blob) => self.damaged(blob),
            BlobCommand::LeftOver(blobs) => {
                if let Err(fault) = blobs.iter().try_for_each(|blob| self.left_over(blob)) {
                    tracing::warn!(%fault, "files that no record names stay");
                }
            }
        }
    }

    fn may_serve(&self, space: &SpaceId, blob: &BlobId, device: &DeviceId) -> bool {
        let Ok(held) = self.replica.space(space) else { return false };
        let refused = self.replica.refuses(space, device, super::wall_clock());
        let belongs = held.durable_charter().school_of(device).is_some() && !refused;
        let known = self.snapshots.take().and_then(|snapshot| Catalogue(&snapshot).known_blob(space, blob));
        belongs && matches!(known, Ok(Some(_)))
    }

    fn wanted(&self) -> Result<Vec<(Want, u64)>, Fault> {
        let snapshot = self.snapshots.take()?;
        let mut wanted = Vec::new();
        // From somewhere else each time: ids that nobody has keep the others from nothing.
        let from = BlobId(random().unwrap_or_default());
        for (space, _) in self.replica.spaces() {
            let most = self.policy.most(&space_name(&self.replica, *space).name);
            let before = wanted.len();
            Catalogue(&snapshot).wanted_blobs(space, &from, &mut |blob, bytes| {
                if bytes <= most {
                    wanted.push((Want { space: *space, blob, bytes }, most));
                }
                wanted.len() - before < WANTED
            })?;
        }
        // The small ones first: the most files soonest.
        wanted.sort_by_key(|(want, _)| want.bytes);
        Ok(wanted)
    }

    fn fetched(&mut self, want: Want, from: &[DeviceId]) -> Result<(), Fault> {
        // The record that showed it may have been erased while it came.
        if !self.is_shown(&want)? {
            self.replica.drop_file(&want.blob)?;
            self.drops = true;
            return Err(Fault::Blob(want.blob));
        }
        self.replica.know_blob(want.space, want.blob, want.bytes, Known::Fetched)?;
        for device in from {
            self.holds(want.space, want.blob, device);
        }
        Ok(())
    }
    /// A file that nothing names goes, unless a record came to name it.
    fn left_over(&mut self, blob: &BlobId) -> Result<(), Fault> {
        if Catalogue(&self.replica.reader()).uses(blob, None)?.is_empty() {
            self.replica.drop_file(blob)?;
            self.drops = true;
        }
        Ok(())
    }
    fn is_shown(&self, want: &Want) -> Result<bool, Fault> {
        let snapshot = self.snapshots.take()?;
        Ok(!Catalogue(&snapshot).uses(&want.blob, Some(&want.space))?.is_empty())
    }
    /// What came of a file that was not fetched to its end is kept as long as something shows it.
    fn given_up(&self, want: &Want) {
        if matches!(self.is_shown(want), Ok(false))
            && let Err(error) = self.blobs.give_up(&want.space, &want.blob)
        {
            tracing::warn!(%error, blob = %want.blob.short(), "what came of a file is still there");
        }
    }

    /// Notes that a device's school holds a file.
    fn holds(&mut self, space: SpaceId, blob: BlobId, device: &DeviceId) {
        let school = self.replica.space(&space).ok().and_then(|space| space.durable_charter().school_of(device));
        let school = school.filter(|school| *school != self.replica.school());
        if let Some(Err(fault)) = school.map(|school| self.replica.note_holder(space, blob, school)) {
            tracing::warn!(%fault, "who holds a file was not noted");
        }
    }

    fn damaged(&mut self, blob: BlobId) {
        // It may have been added or fetched again since.
        if self.blobs.open(&blob).is_ok() {
            return;
        }
        let spaces: Vec<SpaceId> = self.replica.spaces().map(|(id, _)| *id).collect();
        for space in spaces {
            let known = self.snapshots.take().and_then(|snapshot| Catalogue(&snapshot).known_blob(&space, &blob));
            if let Ok(Some(_)) = known
                && let Err(fault) = self.replica.forget_blob(space, blob)
            {
                tracing::warn!(%fault, blob = %blob.short(), "a damaged file is still counted as held");
            }
        }
    }

    /// Whether the files that a record is to show, and did not show `before`, are here.
    pub(super) fn are_here(&self, fields: &Fields, before: &Fields) -> Result<(), Failure> {
        let shown = |fields: &Fields| files(fields).map(|file| file.id).collect::<Vec<_>>();
        let before = shown(before);
        for file in files(fields).filter(|file| !before.contains(&file.id)) {
            let here = self.blobs.open(&file.id);
            if !here.is_ok_and(|blob| blob.manifest().length() == file.bytes) {
                let message = format!("the file {:?} is not held here", file.name);
                return Err(Failure::new(Code::NotFound, message)
                    .hint("share get fetches it from a partner; a file of your own is published again"));
            }
        }
        Ok(())
    }
    /// Our own staff attached what these fields show and `before` did not: it is known there from now on.
    pub(super) fn attach(&mut self, space: SpaceId, fields: &Fields, before: &Fields) -> Result<(), Fault> {
        let before: Vec<BlobId> = files(before).map(|file| file.id).collect();
        for file in files(fields).filter(|file| !before.contains(&file.id)) {
            if Catalogue(&self.replica.reader()).known_blob(&space, &file.id)?.is_some() {
                continue;
            }
            self.replica.know_blob(space, file.id, file.bytes, Known::Attached)?;
        }
        Ok(())
    }
}

/// The files that fields show.
pub(super) fn files(fields: &Fields) -> impl Iterator<Item = &BlobRef> {
    fields.values().flat_map(|value| match value {
        Value::Blobs(blobs) => &blobs[..],
        _ => &[],
    })
}

/// What is known of the files of a record.
pub(super) fn told(snapshot: &Snapshot, space: &SpaceId, fields: &Fields) -> Result<Vec<FileInfo>, Failure> {
    let catalogue = Catalogue(snapshot);
    let told = |file: &BlobRef| {
        let held = catalogue.known_blob(space, &file.id)?.is_some();
        let holders = catalogue.holders(space, &file.id)?;
        let partners = holders.iter().map(|school| school_name(snapshot, space, school)).collect();
        Ok(FileInfo { file: file.clone(), held, partners })
    };
    files(fields).map(|file| told(file).map_err(failed)).collect()
}

/// The files of a record, and the space that it is in; with `asked`, that one.
pub(super) fn of_record(desk: &Desk, id: &str, asked: Option<&str>) -> Result<(SpaceId, Vec<FileInfo>), Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(&snapshot, id)?;
    let card = Catalogue(&snapshot).card(&id).map_err(failed)?;
    let card = card.ok_or_else(|| Failure::new(Code::NotFound, "this record is not here in full yet"))?;
    let mut files = told(&snapshot, &card.space, &card.fields)?;
    let short = id.short();
    if files.is_empty() {
        return Err(Failure::new(Code::NotFound, format!("record {} has no files", &short[..6])));
    }
    if let Some(asked) = asked {
        let named = |file: &FileInfo| file.file.name == asked;
        let begins = |file: &FileInfo| asked.len() >= 4 && file.file.id.to_string().starts_with(&asked.to_lowercase());
        let by_name = files.iter().any(named);
        files.retain(|file| if by_name { named(file) } else { begins(file) });
        if files.is_empty() {
            return Err(Failure::new(Code::NotFound, format!("record {} has no file {asked:?}", &short[..6]))
                .hint(format!("share show {} lists its files", &short[..6])));
        }
    }
    Ok((card.space, files))
}
