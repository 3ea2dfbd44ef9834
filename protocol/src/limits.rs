//! Every bound there is, each with its reason (§7).
//!
//! *Validity* bounds are part of the rules version: every node must apply the same ones, for ever.
//! *Local* bounds delay and never decide what is held.

// Validity.

/// The rules and limits that records made now live under (§2.1 `rules`).
pub const RULES: u16 = 0;
/// The entry layout that this program writes (§2.1 `layout`).
pub const LAYOUT: u32 = 0;
/// Payload of an entry, bytes: above it the entry is not well formed, whatever the rules (§2.1).
pub const ENTRY_PAYLOAD: u32 = 1 << 20;
/// Payload of a valid change, bytes: eight times the longest text, and a batch holds two.
pub const PAYLOAD: usize = 512 << 10;
/// The salt at the start of a payload, bytes: with it goes the means to confirm a guess.
pub const SALT: usize = 16;
/// An author's or a school's name, bytes of UTF-8: fits a full name with titles.
pub const NAME: usize = 200;
/// One text field, bytes of UTF-8: about thirty printed pages; longer belongs in an attachment.
pub const TEXT: usize = 64 << 10;
/// A title, characters: two lines on a phone are 80; real ones reach 100.
pub const TITLE: usize = 300;
/// A line that is not a title, bytes of UTF-8.
pub const LINE: usize = 2_000;
/// Members of a set such as tags.
pub const SET: usize = 50;
/// One member of a set, bytes of UTF-8.
pub const SET_MEMBER: usize = 200;
/// Blobs attached to one record.
pub const BLOBS: usize = 100;
/// One blob, bytes (§5): an hour of film.
pub const BLOB: u64 = 4 << 30;
/// Chunks of the longest blob.
pub const BLOB_CHUNKS: usize = 16 << 10;
/// One chunk of a blob, bytes (§5): large enough that its hash costs nothing, small enough to lose.
pub const CHUNK: usize = 256 << 10;
/// Keys kept under `extra`, from front matter that no field takes.
pub const EXTRA: usize = 50;
/// Records that one collection names.
pub const REFERENCES: usize = 200;
/// The beginning of a text that stands for a title, characters: a line on a screen.
pub const SHORT_TITLE: usize = 60;
/// Operations in one change, counted without expanding runs.
pub const CHANGE_OPERATIONS: u64 = 200_000;
/// Operations in the causal past of a change and itself; each change, each actor that it knows of, and
/// its bytes weigh as so many more (`record::past`), so that a record of tiny changes is bounded too.
pub const RECORD_OPERATIONS: u64 = 1_000_000;
/// What a change weighs beside its operations and bytes: forty thousand small edits fill a record.
pub const CHANGE_WEIGHT: u64 = 16;
/// What a change weighs besides whose hash begins with a zero byte, one in 256: Automerge keeps for each
/// of them which others came before, so that many would cost it their square in memory.
pub const FRAGMENT_WEIGHT: u64 = 1_024;
/// Values that one change puts into one map: a whole collection, which is more than a set or `extra` has.
pub const MAP_VALUES: u64 = 200;
/// Fields that one change sets.
pub const FIELDS: u64 = 200;
/// The highest operation counter: Automerge keeps counters in 32 bits.
pub const OPERATION_COUNTER: u64 = u32::MAX as u64;
/// Bytes of one operation of a charter, cuts excepted.
pub const OPERATION: usize = 4 << 10;
/// Operations by one device in one charter.
pub const DEVICE_OPERATIONS: u64 = 1_000;
/// Live writers of one school in one space.
pub const LIVE_WRITERS: usize = 16;
/// Admissions by one steward between two decisions.
pub const STEWARD_ADMISSIONS: usize = 64;
/// Live admissions in one space.
pub const LIVE_ADMISSIONS: usize = 256;
/// Recovery keys of a school.
pub const RECOVERY_KEYS: usize = 16;
/// Links of one branch of an identity chain.
pub const IDENTITY_LINKS: usize = 1_000;
/// Bytes of the links of one branch: a thousand certificates, or a few devices revoked in full; two
/// branches fit a frame.
pub const IDENTITY_BYTES: usize = 256 << 10;
/// Spaces that one `revoke` lists.
pub const REVOKED_SPACES: usize = 256;
/// Logs that one `revoke` lists: two lives of a store in each space.
pub const REVOKED_LOGS: usize = 512;
/// Earlier states of one identity chain that decisions may rest on: each took a heavier key to leave.
pub const PAST_IDENTITIES: usize = 8;
/// Bytes of one decision.
pub const DECISION: usize = 64 << 10;

// Local.

/// One frame of a session, bytes, as it travels: a batch of 1 MiB that does not compress, and what
/// the frame adds to it.
pub const FRAME: usize = (1 << 20) + (64 << 10);
/// One frame after expansion, bytes: a batch of entries and their payloads.
pub const FRAME_EXPANDED: usize = 4 << 20;
/// Entries in one batch (§4.5).
pub const BATCH_ENTRIES: usize = 256;
/// Bytes of entries in one batch before compression (§4.5): the last entry may go over it.
pub const BATCH_BYTES: usize = 1 << 20;
/// Batches that a sender may have under way before the receiver says that one is durable.
pub const CREDIT: u32 = 4;
/// How far ahead of our clock a received one may be and still advance ours, milliseconds.
pub const CLOCK_AHEAD_MS: u64 = 10 * 60 * 1000;
/// The bytes a joiner may send and receive in one frame before it is admitted (§3.9).
pub const JOIN_FRAME: usize = 4 << 10;
/// Comments and the like that are shown with one record.
pub const ABOUT: usize = 500;
/// Parts in which the charter of a space comes to a joiner: 64 MiB of halves of frames, more than any
/// charter reaches.
pub const JOIN_PARTS: u32 = 128;
/// A part of a charter, with its identity chains, that a device presents which is not known yet, bytes (§3.10).
pub const PRESENTED: usize = 64 << 10;
/// Parts in which the charters of all spaces of a school come to a new device of it.
pub const DEVICE_PARTS: u32 = 1_024;
/// Erasures or receipts in one message: each takes some 300 bytes, so a third of a frame.
pub const ERASURES: usize = 1_024;
/// Marks of erased records in one message: three quarters of a frame.
pub const ERASURE_MARKS: usize = 16_384;
/// Messages in which a peer tells which records it knows to be erased: some 130,000 records, of which a
/// session keeps 48 bytes each until the last has come.
pub const ERASURE_MARK_PARTS: usize = 8;
/// Erasures of one school in one space: more than a school of a hundred staff makes records in ten years;
/// each takes some two kilobytes of memory.
pub const SCHOOL_ERASURES: usize = 50_000;
/// Receipts of one school for one record: as many as it has live writers, one for each device.
pub const RECEIPTS: usize = 16;
/// Addresses that a ticket or a device lists.
pub const ADDRESSES: usize = 16;
/// One address, bytes.
pub const ADDRESS: usize = 256;
/// Chunks that one question asks of a partner.
pub const CHUNKS_ASKED: u32 = 4;
/// Chunks that one partner is asked for and has not sent: 4 MiB, what a fast line holds.
pub const CHUNKS_UNDER_WAY: usize = 16;
