//! Erasing for everyone, with receipts (§6); and not showing a record at our school, which is nobody
//! else's business.

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::tz::TimeZone;
use staffroom_protocol::catalogue::Catalogue;
use staffroom_protocol::charter::Body;
use staffroom_protocol::erasure::ErasedBy;
use staffroom_protocol::fault::Fault;
use staffroom_protocol::id::{BlobId, DeviceId, IdPrefix, RecordId, SchoolId, SpaceId};
use staffroom_protocol::record::Card;
use staffroom_protocol::record::field::Value;
use staffroom_protocol::replica::{EditFault, Wiped};
use staffroom_protocol::store::{Read as _, Table};
use staffroom_protocol::time::Millis;

use super::desk::Desk;
use super::lookup::summary;
use super::names::{self, failed, school_name, space_name};
use super::wall_clock;
use crate::api::{Answer, BeforeErasing, Code, ErasingDevice, ErasingSchool, Erasure, Failure, Named};
use crate::store::Snapshot;

/// A rewrite that takes longer than this is not done again at once.
const LONG_MS: u64 = 500;
/// The share of its time that a node gives to rewriting at most: one part in so many.
const SHARE: u64 = 20;
/// The pause before what could not be done is tried again.
const AGAIN_MS: u64 = 60_000;
/// A larger store is not rewritten while the node stops, bytes: that is to take ten seconds at most.
const QUICK: u64 = 200 << 20;

/// When the store is rewritten next, and why it was not.
#[derive(Debug, Default)]
pub(super) struct Wiping {
    not_before: Millis,
    waits: Option<String>,
}

impl Desk {
    /// Makes the bytes of what is erased unreadable, where anything waits for that, and gives the
    /// receipts; durable when it returns.
    pub(super) fn wipe(&mut self) -> Result<(), Fault> {
        let now = wall_clock();
        if core::mem::take(&mut self.drops) && self.replica.unwiped() == 0 {
            if let Some(why) = self.remove_files()? {
                tracing::warn!(why, "tried again at the next start");
            }
            return self.settle();
        }
        // A clock that was set back holds nothing up for long.
        if self.replica.unwiped() == 0
            || (now < self.wiping.not_before && self.wiping.not_before.since(now) < AGAIN_MS * SHARE)
        {
            return Ok(());
        }
        let begun = Instant::now();
        let wiped = match self.remove_files()? {
            None => self.replica.wipe(now)?,
            Some(why) => Wiped::Later(why),
        };
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let pause = if took > LONG_MS { took.saturating_mul(SHARE) } else { 0 };
        self.wiping.not_before = now.plus(pause);
        match wiped {
            Wiped::Nothing => {}
            Wiped::Done(records) => {
                tracing::info!(records, took, "erased from the store's file");
                self.wiping.waits = None;
            }
            Wiped::Later(why) => {
                // Which file a power cut would leave is not known: that is no matter of trying again.
                if let Some(fault) = self.replica.store().failed() {
                    return Err(fault);
                }
                if self.wiping.waits.as_ref() != Some(&why) {
                    tracing::warn!(why, "what was erased is still in the store's file, and no receipt is given");
                }
                self.wiping.waits = Some(why);
                self.wiping.not_before = now.plus(AGAIN_MS);
            }
        }
        self.settle()
    }
    /// Removes the files that went with erased records from the disk; or says why one cannot be.
    fn remove_files(&mut self) -> Result<Option<String>, Fault> {
        let snapshot = self.snapshots.take()?;
        let catalogue = Catalogue(&snapshot);
        let spaces: Vec<SpaceId> = self.replica.spaces().map(|(id, _)| *id).collect();
        for blob in catalogue.dropped_blobs()? {
            let known = spaces.iter().map(|space| catalogue.known_blob(space, &blob)).collect::<Result<Vec<_>, _>>()?;
            if known.iter().all(Option::is_none)
                && let Err(error) = self.blobs.remove(&blob)
            {
                return Ok(Some(format!("a file of it cannot be removed: {error}")));
            }
            self.replica.file_is_gone(&blob)?;
        }
        Ok(None)
    }
    /// The same while the node stops, where that is quick. What is left waits for its next start.
    pub(super) fn wipe_at_the_end(&mut self) -> Result<(), Fault> {
        let bytes = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if bytes < QUICK { self.wipe() } else { Ok(()) }
    }
    /// Why what was erased is still in the store's file.
    pub(super) fn wipe_waits(&self) -> Option<String> {
        self.wiping.waits.clone().filter(|_| self.replica.unwiped() > 0)
    }
}

/// The record that a shortened id means; where it was erased, that is said, and nothing else of it.
pub(super) fn record(desk: &Desk, snapshot: &Snapshot, asked: &str) -> Result<RecordId, Failure> {
    names::record(snapshot, asked).map_err(|failure| {
        let erased = erased_like(desk, asked).ok().flatten();
        erased.and_then(|id| told(desk, snapshot, id)).unwrap_or(failure)
    })
}
/// The erased record that a shortened id means.
fn erased_like(desk: &Desk, asked: &str) -> Result<Option<RecordId>, Failure> {
    let prefix = IdPrefix::parse(asked).ok().filter(|_| !asked.is_empty());
    match prefix.map(|prefix| desk.replica.erased_like(&prefix)).unwrap_or_default()[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Failure::new(Code::Usage, format!("{asked:?} begins more than one id of an erased record"))
            .hint("type a few letters more")),
    }
}
/// The letters of an id that people are told.
fn short(id: &RecordId) -> String {
    id.to_string()[..6].to_owned()
}
/// That a record was erased, by whom and when.
fn told(desk: &Desk, snapshot: &Snapshot, id: RecordId) -> Option<Failure> {
    let (space, by) = desk.replica.erased(&id)?;
    let short = short(&id);
    let who = match by {
        ErasedBy::School(school, clock) => {
            let name = school_name(snapshot, &space, &school).name;
            let at = i64::try_from(clock.millis().0).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
            let at = at.map(|at| at.to_zoned(TimeZone::system()).strftime(" on %-d %B %Y").to_string());
            format!("by {name}{}", at.unwrap_or_default())
        }
        ErasedBy::Decision(decision) => {
            format!("by a decision of {}, {}", space_name(&desk.replica, space).name, decision.short())
        }
    };
    let failure = Failure::new(Code::NotFound, format!("record {short} was erased {who}"));
    Some(failure.hint(format!("share erase {short} --status shows who has erased it")))
}

/// What a person should know first: nothing is erased yet.
pub(super) fn look(desk: &Desk, asked: &str) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(desk, &snapshot, asked)?;
    let card = Catalogue(&snapshot).card(&id).map_err(failed)?;
    let card = card.ok_or_else(|| Failure::new(Code::NotFound, format!("record {asked} is not here in full yet")))?;
    let files = files(&card);
    let (mut same_files, mut adapted) = (Vec::new(), Vec::new());
    for space in desk.replica.spaces().map(|(space, _)| *space) {
        let visited = Catalogue(&snapshot).newest(&space, &mut |other| {
            if other.id != id && other.line("based_on") == id.to_string() {
                adapted.push(other);
            } else if other.id != id && !files.is_disjoint(&self::files(&other)) {
                same_files.push(other);
            }
            true
        });
        visited.map_err(failed)?;
    }
    let own = card.school == desk.replica.school();
    let told = |cards: Vec<Card>| cards.into_iter().map(|card| summary(desk, &snapshot, card)).collect();
    let (same_files, adapted) = (told(same_files), told(adapted));
    let record = summary(desk, &snapshot, card);
    Ok(Answer::BeforeErasing(Box::new(BeforeErasing { record, own, same_files, adapted })))
}
/// The files that a record has.
fn files(card: &Card) -> BTreeSet<BlobId> {
    let blobs = |value: &Value| if let Value::Blobs(blobs) = value { blobs.clone() } else { Vec::new() };
    card.fields.values().flat_map(blobs).map(|blob| blob.id).collect()
}

/// Erases a record of our school's, for everyone and for good.
pub(super) fn erase(desk: &mut Desk, asked: &str) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let id = match names::record(&snapshot, asked) {
        Ok(id) => id,
        // What does not show may be erased all the same, by its whole id; and once more changes nothing.
        Err(failure) => match (erased_like(desk, asked)?, asked.parse()) {
            (Some(erased), _) => erased,
            (None, Ok(whole)) => whole,
            (None, Err(_)) => return Err(failure),
        },
    };
    if Catalogue(&snapshot).card(&id).map_err(failed)?.is_some_and(|card| card.kind == "school") {
        return Err(Failure::new(
            Code::Refused,
            "a school's profile stays as long as the school belongs: partners find it by that",
        )
        .hint(format!("share edit {} changes what it says", short(&id))));
    }
    desk.replica.erase(&id, wall_clock()).map_err(|fault| match fault {
        EditFault::NoSuchRecord => Failure::new(Code::NotFound, format!("there is no record {asked:?} here"))
            .hint("share list shows what there is"),
        EditFault::NotOwner(owner) => {
            let space = Catalogue(&snapshot).card(&id).ok().flatten().map(|card| card.space).unwrap_or_default();
            let name = school_name(&snapshot, &space, &owner).name;
            Failure::new(Code::Refused, format!("record {} belongs to {name}: only that school erases it", short(&id)))
                .hint(format!("ask {name} to erase it"))
                .hint(format!("share erase {} --propose has the stewards of the cluster decide", short(&id)))
                .hint(format!("share hide {} takes it out of sight here", short(&id)))
        }
        EditFault::Refused(fault) => failed(fault),
        other => Failure::new(Code::Failed, other.to_string()),
    })?;
    status_of(desk, id)
}

/// What the stewards of a cluster decide who erase a record, whosever it is; and which cluster.
pub(super) fn proposed(desk: &Desk, asked: &str) -> Result<(SpaceId, Body), Failure> {
    let id = record(desk, &desk.snapshot()?, asked)?;
    let genesis = desk.replica.genesis_of(&id).map_err(failed)?;
    let (space, writer, seq) =
        genesis.ok_or_else(|| Failure::new(Code::NotFound, format!("record {asked} is not here in full yet")))?;
    if Some(space) == desk.replica.own_space() {
        return Err(Failure::new(Code::Refused, "in the school's own space there is nobody to ask")
            .hint(format!("share erase {}", short(&id))));
    }
    Ok((space, Body::Erase(id, writer, seq)))
}

/// Who has erased a record.
pub(super) fn status(desk: &Desk, asked: &str) -> Result<Answer, Failure> {
    let Some(id) = erased_like(desk, asked)? else {
        let id = names::record(&desk.snapshot()?, asked)?;
        return Err(Failure::new(Code::NotFound, format!("record {} is not erased", short(&id))));
    };
    status_of(desk, id)
}
fn status_of(desk: &Desk, id: RecordId) -> Result<Answer, Failure> {
    let erased = desk.replica.erased(&id);
    let (space, by) = erased.ok_or_else(|| Failure::new(Code::NotFound, "that record is not erased"))?;
    let held = desk.replica.space(&space).map_err(failed)?;
    let snapshot = desk.snapshot()?;
    let receipts: Vec<_> = held.erasures().receipts(&id).collect();
    let mut schools: BTreeSet<SchoolId> = held.charter().resolved().members.keys().copied().collect();
    schools.extend(receipts.iter().map(|receipt| receipt.school));
    let of_school = |school: SchoolId| {
        let chain = held.charter().identities().get(&school);
        let mut devices: BTreeSet<DeviceId> =
            chain.map(|chain| chain.devices().into_keys().collect()).unwrap_or_default();
        devices.extend(receipts.iter().filter(|receipt| receipt.school == school).map(|receipt| receipt.device));
        let device = |device: DeviceId| ErasingDevice {
            device,
            here: device == desk.replica.device(),
            erased: receipts.iter().find(|r| r.school == school && r.device == device).map(|receipt| receipt.at.0),
            last_heard: desk.links.peers.get(&device).and_then(|peer| peer.last_heard).map(|at| at.0),
        };
        let devices: Vec<ErasingDevice> = devices.into_iter().map(device).collect();
        let erased = !devices.is_empty() && devices.iter().all(|device| device.erased.is_some());
        ErasingSchool { school: school_name(&snapshot, &space, &school), erased, devices }
    };
    let schools: Vec<ErasingSchool> = schools.into_iter().map(of_school).collect();
    let (by, at, decision) = match by {
        ErasedBy::School(school, clock) => {
            (Some(school_name(&snapshot, &space, &school)), Some(clock.millis().0), None)
        }
        ErasedBy::Decision(decision) => (None, None, Some(decision)),
    };
    let complete = schools.iter().all(|school| school.erased);
    let (space, waits) = (space_name(&desk.replica, space), desk.wipe_waits());
    Ok(Answer::Erasure(Box::new(Erasure { id, space, by, decision, at, complete, waits, schools })))
}

/// Does not show a record at our school, or shows it again.
pub(super) fn hide(desk: &mut Desk, asked: &str, hidden: bool) -> Result<Answer, Failure> {
    let snapshot = desk.snapshot()?;
    let id = record(desk, &snapshot, asked)?;
    desk.replica.hide(&id, hidden).map_err(failed)?;
    let card = Catalogue(&snapshot).card(&id).map_err(failed)?;
    let title = card.map(|card| card.line("title").to_owned()).unwrap_or_default();
    Ok(Answer::Hidden { record: Named { id, name: title }, hidden })
}
/// Whether a record is not shown at our school: lists and search leave it out.
pub(super) fn is_hidden(snapshot: &Snapshot, record: &RecordId) -> bool {
    snapshot.get(Table::Hidden, &record.0).is_ok_and(|row| row.is_some())
}
