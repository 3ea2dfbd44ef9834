//! A partner that lies: a peer built on the project's crates that may send anything.
//!
//! ```text
//!   Behaviour ──▶ steps(view) ──▶ [Step]      pure: no socket, no clock
//!                                   │
//!              ┌────────────────────┴──────────────────┐
//!          wire: libp2p, real nodes            simulator: virtual time
//! ```
//!
//! A liar has keys of its own and a replica that was filled honestly, so its lies stand on what is
//! true: the next place of a log, the head of a charter. A [`Behaviour`] says what it sends of the list
//! of "a bad partner" (6-promises); who runs it says what must come of it. What belongs to a socket
//! alone (a byte now and then, never reading, thousands of streams) is begun here and drawn out in
//! [`wire`].
//!
//! Another behaviour is a variant, its line in [`Behaviour::steps`], and a line in the tests that says
//! what must come of it.

mod changes;
mod charters;
mod entries;
mod erasing;
pub mod files;
mod frames;
mod keys;
mod member;
pub mod wire;

use staffroom_protocol::store::Store;

pub use changes::orphan;
pub use charters::two_decisions;
pub use frames::View;
pub use keys::Keys;
pub use member::Member;

/// One thing that a liar does on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Sends a frame, with its length before it.
    Frame(Vec<u8>),
    /// Sends bytes as they are.
    Raw(Vec<u8>),
    /// Waits until the other end has settled all batches of entries that were sent, or has ended.
    Settle,
}

/// What a liar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// An entry of a writer that no charter enrols.
    UnknownWriter,
    /// A valid entry, but for one bit of its signature.
    FlippedSignature,
    /// An entry in another school's log, signed with its own key.
    AnothersLog,
    /// A record whose change names the actor of another writer.
    AnothersActor,
    /// An entry of its own that was signed for another space.
    OtherSpace,
    /// A valid entry, dated to the first second of 1970.
    BackDated,
    /// A valid entry, dated a hundred years from now.
    FarClock,
    /// Entries far above the end of its log, whose predecessors nobody has.
    MissingParents,
    /// What a school wrote after its removal, once as it is and once back-dated; another one, that
    /// belongs, passes it on.
    AfterItsRemoval,
    /// Two entries with one seq.
    TwoOfOneSeq,
    /// Valid entries without end, each as small as one may be, each a record.
    TinyRecords(usize),
    /// The same, all about one record that nobody began.
    TinyChanges(usize),
    /// Changes of a record of its own that Automerge would not survive, as many as that.
    MadChanges(u8),
    /// A profile whose name has HTML, a right-to-left override, a bell and a NUL.
    HostileName,
    /// A profile whose name has a megabyte.
    MegabyteName,
    /// An entry whose payload is longer than one may be.
    MegabytePayload,
    /// An erasure of another school's record, rightly signed by itself.
    ErasesAnothers,
    /// An erasure of another school's record under that school's name.
    ForgesErasure,
    /// A thousand receipts for what nobody erased, and once more.
    FalseReceipts,
    /// Marks of erased records without end.
    EndlessMarks,
    /// It erases a record of its own, and then sends it with all that it says.
    ErasedAgain,
    /// Erasures of records that nobody ever made, as many as that.
    EmptyErasures(usize),
    /// The charter as it was at the founding, told as all there is.
    OldCharter,
    /// A proposal to make itself a steward.
    ProposesItself,
    /// A decision that makes it a steward, complete with its own vote.
    DecidesAlone,
    /// It admits a school, without being a steward.
    AdmitsAFriend,
    /// Two operations of its device at one place.
    TwoOperations,
    /// A frame of four gigabytes, as its length says.
    HugeLength,
    /// A message before the Hello.
    NoHello,
    /// A frame that is none.
    Nonsense,
    /// More batches than it was given credit for.
    MoreThanItsCredit,
    /// Asks again and again for all of the charter.
    AsksForEver,
    /// Says how far it is, and begins a frame that it never ends.
    Drip,
    /// Says that it has nothing, so that it is sent everything.
    NeverReads,
}

impl Behaviour {
    /// What it sends on a stream about the space of `view`.
    pub fn steps<S: Store>(self, view: &View<'_, S>) -> Vec<Step> {
        let lie = match self {
            Self::UnknownWriter => entries::unknown_writer(view),
            Self::FlippedSignature => entries::flipped_signature(view),
            Self::AnothersLog => entries::anothers_log(view),
            Self::AnothersActor => entries::anothers_actor(view),
            Self::OtherSpace => entries::other_space(view),
            Self::BackDated => entries::dated(view, 0),
            Self::FarClock => entries::dated(view, view.now().0 + entries::CENTURY_MS),
            Self::MissingParents => entries::missing_parents(view, 2_000),
            Self::AfterItsRemoval => entries::too_late(view),
            Self::TwoOfOneSeq => entries::two_of_one_seq(view),
            Self::TinyRecords(count) => entries::tiny_records(view, count),
            Self::TinyChanges(count) => entries::tiny_changes(view, count),
            Self::MadChanges(count) => changes::mad(view, count),
            Self::HostileName => entries::profile(view, entries::HOSTILE_NAME),
            Self::MegabyteName => entries::profile(view, &"Northgate ".repeat(100_000)),
            Self::MegabytePayload => entries::profile(view, &"Northgate ".repeat(110_000)),
            Self::ErasesAnothers => erasing::erases_anothers(view),
            Self::ForgesErasure => erasing::forges(view),
            Self::FalseReceipts => erasing::false_receipts(view),
            Self::EndlessMarks => erasing::endless_marks(),
            Self::ErasedAgain => erasing::erased_again(view),
            Self::EmptyErasures(count) => erasing::empty_erasures(view, count),
            Self::OldCharter => return charters::old(view),
            Self::ProposesItself => charters::proposes_itself(view),
            Self::DecidesAlone => charters::decides_alone(view),
            Self::AdmitsAFriend => charters::admits_a_friend(view),
            Self::TwoOperations => charters::two_operations(view),
            Self::HugeLength => vec![Step::Raw(u32::MAX.to_le_bytes().to_vec())],
            Self::NoHello => return vec![frames::frontier_of_nothing()],
            Self::Nonsense => vec![Step::Frame(b"\x04\x00\xff\xff\xff\xff\xff\xff".to_vec())],
            Self::MoreThanItsCredit => vec![frames::batch(Vec::new()); 400],
            Self::AsksForEver => frames::questions(view, 5_000),
            Self::Drip => vec![Step::Raw(vec![0, 2, 0, 0])],
            Self::NeverReads => return vec![view.hello_of([0; 32]), frames::frontier_of_nothing()],
        };
        [vec![view.hello()], lie].concat()
    }
}
