//! The one place where all rules meet: commits local edits, admits remote entries, answers sessions.
//!
//! Everything is *staged* first and seen at once by what is staged after it; [`Replica::flush`] makes
//! it durable in one batch and says what changed. Until then nothing is acknowledged, sent or shown.
//! If the store fails once, the replica stops writing for good: what is durable is known again only
//! after it was opened anew (6-promises, rule 1).

mod blobs;
mod charters;
mod commit;
mod cut;
mod documents;
mod erase;
mod govern;
mod identity;
mod join;
mod mend;
mod record;
mod refusals;
mod restate;
mod rows;
mod space;

use std::collections::{BTreeMap, BTreeSet};

pub use blobs::Known;
pub(crate) use blobs::blob_key;
pub(crate) use charters::read_charters;
pub use commit::{Draft, Edit, EditFault, Settle};
pub use cut::End;
pub use erase::Wiped;
pub(crate) use erase::read_erasures;
pub use mend::{Mended, mend};
pub(crate) use record::{card_of, read_held, source_key};
pub use rows::Overlay;
pub(crate) use rows::{LogRow, Place, RecordRow, read_entry, split_ids};
pub use space::Space;

use crate::charter;
use crate::charter::{Charter, Grown, Missing};
use crate::entropy::Entropy;
use crate::fault::Fault;
use crate::hash;
use crate::id::{BlobId, DeviceId, EntryId, RecordId, SchoolId, SpaceId, WriterId};
use crate::identity::{IdentityChain, SecretKey};
use crate::log::{EntryKind, Verified};
use crate::planted::{self, Planted};
use crate::store::{Batch, Store, Table};
use crate::time::{Clock, Millis};

/// Who this node is: its school, its device, and the secret of this life of its store.
pub struct Local {
    /// The school's identity chain; it certifies the device.
    pub school: IdentityChain,
    /// The device's key.
    pub device: SecretKey,
    /// Writers' keys come from it (§1.4): never in a backup, and never the same for two stores.
    pub life: [u8; 32],
}

impl Local {
    /// The key of this store's writer in a space; of the next ones, after logs that have ended.
    fn writer(&self, space: SpaceId, generation: u32) -> SecretKey {
        let number = generation.to_le_bytes();
        let later = if generation == 0 { &[][..] } else { &number };
        SecretKey::from_seed(&hash::WRITER.hash(&[&self.life, &space.0, later]))
    }
    fn actor(&self) -> charter::Actor<'_> {
        charter::Actor { school: &self.school, device: &self.device }
    }
}

/// What became durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// The charter of a space grew.
    Charter(SpaceId),
    /// A log grew.
    Entries(SpaceId, WriterId),
    /// A record is now something else.
    Record(SpaceId, RecordId),
    /// Something was erased, or somebody gave a receipt for that.
    Erasures(SpaceId),
    /// Words of ours that a cut took away were set again in this record.
    Restated(SpaceId, RecordId),
    /// A record of this space shows a blob that is not known there.
    Wanted(SpaceId),
    /// A blob is known in a space now.
    Blob(SpaceId, BlobId),
}

/// Whether an entry was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// It is staged.
    New,
    /// It was held already.
    Held,
}

/// One school's copy of its spaces.
pub struct Replica<S> {
    store: S,
    me: Local,
    spaces: BTreeMap<SpaceId, Space>,
    staged: Batch,
    notices: BTreeSet<Notice>,
    entropy: Entropy,
    clock: Clock,
    next_log: u32,
    packer: rows::Packer,
    /// Words of ours that a cut took away, until they are set again in the same batch.
    lost_words: Vec<(SpaceId, restate::Words)>,
    /// Schools that this node does not talk to, and until when.
    refusals: BTreeMap<SchoolId, Millis>,
    /// Records of which more is staged than what they are.
    stale: BTreeSet<(SpaceId, RecordId)>,
    documents: documents::Documents,
    wiping: erase::Wiping,
    /// Spaces in which entries of ours came back that partners had put aside.
    came_back: BTreeSet<SpaceId>,
    failed: Option<Fault>,
}

impl<S: Store> Replica<S> {
    /// Opens what a store holds; an empty one holds no space yet.
    pub fn open(store: S, me: Local, entropy: Entropy) -> Result<Self, Fault> {
        let charters = read_charters(&store)?;
        let mut replica = Self {
            store,
            me,
            spaces: BTreeMap::new(),
            staged: Batch::default(),
            notices: BTreeSet::new(),
            entropy,
            clock: Clock::default(),
            next_log: 0,
            packer: rows::Packer::default(),
            lost_words: Vec::new(),
            refusals: BTreeMap::new(),
            stale: BTreeSet::new(),
            documents: documents::Documents::default(),
            wiping: erase::Wiping::default(),
            came_back: BTreeSet::new(),
            failed: None,
        };
        for (space, whole) in charters {
            let mut charter = Charter::empty(space);
            charter.admit(whole)?;
            replica.spaces.insert(space, Space::durable(charter, &replica.me));
        }
        replica.open_refusals()?;
        replica.open_writers()?;
        replica.read_own_identity()?;
        replica.open_forks()?;
        replica.open_logs()?;
        replica.open_erasures()?;
        replica.open_proposals()?;
        replica.retry()?;
        Ok(replica)
    }

    fn open_logs(&mut self) -> Result<(), Fault> {
        let mut logs = Vec::new();
        self.store.scan(Table::Logs, &[], &[], &mut |key, value| {
            let (space, writer) = split_ids(key)?;
            logs.push((SpaceId(space), WriterId(writer), LogRow::read(value)?));
            Ok(true)
        })?;
        for (space, writer, row) in logs {
            self.next_log = self.next_log.max(row.log + 1);
            if let Some(space) = self.spaces.get_mut(&space) {
                space.restore_log(writer, row);
            }
        }
        // Our clock goes on after our own last entries.
        for space in self.spaces.values() {
            let writer = space.own_writer();
            if let Some(place) = space.last_place(&writer) {
                let last = read_entry(&self.store, place)?;
                self.clock.observe(last.header().clock, last.header().clock.millis());
            }
        }
        Ok(())
    }

    /// Who this node is.
    pub fn school(&self) -> SchoolId {
        self.me.school.school()
    }
    /// The school's identity chain.
    pub fn identity(&self) -> &IdentityChain {
        &self.me.school
    }
    /// This node's device.
    pub fn device(&self) -> DeviceId {
        self.me.device.public()
    }
    /// The spaces that are held.
    pub fn spaces(&self) -> impl Iterator<Item = (&SpaceId, &Space)> {
        self.spaces.iter()
    }
    /// One space.
    pub fn space(&self, id: &SpaceId) -> Result<&Space, Fault> {
        self.spaces.get(id).ok_or(Fault::NoSuchSpace)
    }
    /// What is durable, to read from.
    pub fn store(&self) -> &S {
        &self.store
    }
    /// Gives the store back, without what was staged: what a crash leaves.
    pub fn into_store(self) -> S {
        self.store
    }
    /// The school's own space: without a name, with nobody else in it.
    pub fn own_space(&self) -> Option<SpaceId> {
        let own = |space: &Space| {
            let resolved = space.charter().resolved();
            resolved.name.is_empty() && resolved.members.keys().eq([&self.school()])
        };
        self.spaces.iter().find(|(_, space)| own(space)).map(|(id, _)| *id)
    }

    /// Makes all that is staged durable, or fails for good. Says what changed.
    pub fn flush(&mut self) -> Result<Vec<Notice>, Fault> {
        self.check()?;
        for space in core::mem::take(&mut self.came_back) {
            self.restate(space)?;
        }
        self.freshen()?;
        self.finish_erasing()?;
        if !self.staged.is_empty() {
            let batch = core::mem::take(&mut self.staged);
            if let Err(fault) = self.store.commit(batch) {
                self.failed = Some(fault.clone());
                return Err(fault);
            }
        }
        for space in self.spaces.values_mut() {
            space.became_durable();
        }
        self.wiping.became_durable();
        Ok(core::mem::take(&mut self.notices).into_iter().collect())
    }
    /// Whether something waits for [`Self::flush`].
    pub fn is_staged(&self) -> bool {
        !self.staged.is_empty()
    }
    fn check(&self) -> Result<(), Fault> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Takes in parts of a charter (§3); gives back what was new. Where this school has come to be
    /// one that writes, this store's writer is enrolled.
    pub fn admit_charter(&mut self, space: SpaceId, offered: Missing) -> Result<Grown, Fault> {
        self.check()?;
        let grown = self.space_mut(space)?.charter_mut().admit(offered)?;
        self.stage_charter(space, &grown)?;
        self.adopt_from(&grown.new)?;
        Ok(grown)
    }

    /// Holds an entry that came without its payload where its record is erased, or was: nobody has it then.
    /// Any other may contradict what is held, and is not taken by itself, since nothing would fetch the
    /// payload later.
    pub fn admit_bare(&mut self, entry: &Verified, now: Millis) -> Result<Admitted, Fault> {
        self.check()?;
        let header = entry.header();
        let space = self.space(&header.space)?;
        let (id, writer) = (header.space, header.writer);
        let next = space.staged_frontier().next(&writer);
        let whole = header.kind == EntryKind::Erase && header.length == 0;
        if (whole || space.may_be_bare(&header.record)) && header.seq <= next {
            return self.admit(entry.clone(), now);
        }
        if matches!(space.end(&writer), End::Fork(seq) if header.seq >= seq) {
            return Err(Fault::Forked(writer));
        }
        if header.seq < next {
            let place = space.place(&writer, header.seq).ok_or(Fault::Chain { what: "entry" })?;
            let held = read_entry(&self.reader(), place)?;
            match space.end(&writer) {
                _ if held.id() == entry.id() => return Ok(Admitted::Held),
                End::Open if writer == space.own_writer() => return Err(Fault::OwnLog(writer)),
                // Below a fork that is known, it proves a lower one.
                End::Open | End::Fork(_) => return Err(self.contradict(&held, entry)?),
                // Of a log that was ended, one of two histories is held, and not up to its end: which of
                // them leads there is seen when it is fetched anew.
                End::Cut(cut) if next < cut.next => {
                    self.put_aside(id, writer, 0)?;
                    return Err(Fault::AboveCut(writer));
                }
                End::Cut(_) => return Err(Fault::AboveCut(writer)),
                End::NotEnrolled => {}
            }
        }
        Err(Fault::Withheld(entry.id()))
    }

    /// Holds an entry, if it may be held (§2.2): its writer is enrolled, it continues its log, and it
    /// is not above a cut. Never asks for its payload, genesis or dependencies.
    pub fn admit(&mut self, entry: Verified, now: Millis) -> Result<Admitted, Fault> {
        self.check()?;
        let header = entry.header();
        let (id, writer) = (header.space, header.writer);
        let space = self.space(&id)?;
        match space.end(&writer) {
            End::NotEnrolled => return Err(Fault::NotEnrolled(writer)),
            End::Cut(cut) if header.seq >= cut.next => return Err(Fault::AboveCut(writer)),
            End::Fork(seq) if header.seq >= seq => {
                self.take_returned(&entry)?;
                return Err(Fault::Forked(writer));
            }
            _ => {}
        }
        let next = space.staged_frontier().next(&writer);
        if header.seq < next {
            let place = space.place(&writer, header.seq).ok_or(Fault::Chain { what: "entry" })?;
            let held = read_entry(&self.reader(), place)?;
            if held.id() != entry.id() {
                if writer == space.own_writer() {
                    return self.admit_other_life(entry, held.header().prev, now);
                }
                return Err(self.contradict(&held, &entry)?);
            }
            let erased = self.space(&id)?.is_erased(&header.record);
            if let Some(payload) = entry.payload().filter(|_| held.payload().is_none() && !erased) {
                self.staged.put(Table::Payloads, place.key(), self.packer.pack(payload.as_bytes()));
                self.restage_record(id, header.record)?;
            }
            return Ok(Admitted::Held);
        }
        if header.seq > next {
            return Err(Fault::Chain { what: "entry" });
        }
        let continues = header.prev == space.staged_frontier().head(&writer);
        match space.end(&writer) {
            // Of a log that was ended, another history is held than the one that leads to its end: it
            // is fetched anew.
            End::Cut(cut) if !continues || (header.seq + 1 == cut.next && entry.id() != cut.head) => {
                self.put_aside(id, writer, 0)?;
                return Err(Fault::AboveCut(writer));
            }
            _ if !continues => return Err(Fault::Chain { what: "entry" }),
            // We did not write it, or lost it: whoever did may write on there.
            _ if writer == space.own_writer() => self.yield_log(id, next)?,
            _ => {}
        }
        self.clock.observe(header.clock, now);
        self.stage_entry(&entry)?;
        Ok(Admitted::New)
    }

    /// An entry of our own log that contradicts what we wrote: another life of this store wrote there
    /// first, as far as partners know. Ours gives way, and nobody hears of two histories (§1.4).
    fn admit_other_life(&mut self, entry: Verified, prev: EntryId, now: Millis) -> Result<Admitted, Fault> {
        let header = entry.header();
        if header.prev != prev {
            return Err(Fault::OwnLog(header.writer));
        }
        self.yield_log(header.space, header.seq)?;
        self.admit(entry, now)
    }

    /// Reads single keys through what is staged; scans see what is durable only.
    pub fn reader(&self) -> Overlay<'_, S> {
        Overlay { staged: &self.staged, store: &self.store }
    }
    fn space_mut(&mut self, id: SpaceId) -> Result<&mut Space, Fault> {
        self.spaces.get_mut(&id).ok_or(Fault::NoSuchSpace)
    }

    /// Stages an entry that may be held, and what its record is with it.
    fn stage_entry(&mut self, entry: &Verified) -> Result<(), Fault> {
        let header = entry.header();
        let fresh = self.next_log;
        let erased = self.space(&header.space)?.is_erased(&header.record) && !planted::is(Planted::ErasureIgnored);
        let bare;
        let entry = if erased {
            bare = entry.clone().without_payload();
            &bare
        } else {
            entry
        };
        let space = self.space_mut(header.space)?;
        let place = space.append(header.writer, entry.id(), fresh);
        let row = space.log_row(&header.writer);
        self.next_log = self.next_log.max(place.log + 1);
        let key = place.key();
        self.staged.put(Table::Headers, key, entry.signed_bytes());
        if let Some(payload) = entry.payload() {
            let packed = self.packer.pack(payload.as_bytes());
            self.staged.put(Table::Payloads, key, packed);
        }
        self.staged.put(Table::Logs, rows::join_ids(&header.space.0, &header.writer.0), row.to_bytes());
        self.notices.insert(Notice::Entries(header.space, header.writer));
        self.stage_record(entry, place)
    }
}
