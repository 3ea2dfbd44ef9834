//! What went wrong, and whose fault it is.
//!
//! A [`Fault`] says who is to blame, so that one bad partner harms only itself: a peer's fault ends
//! its session or refuses its item; this node's own ends the work. Codes are stable: they travel.

use crate::id::{BlobId, EntryId, RecordId, SchoolId, SpaceId, WriterId};

/// Who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The peer sent what no honest and correct node sends.
    Peer,
    /// Nobody: what is needed to judge it is not here yet, or was cut. It is offered again.
    Nobody,
    /// This node: its disk or its own state.
    Node,
}

/// Something refused or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are not laid out as what they claim to be.
    #[error("a {what} is not laid out as one")]
    Malformed {
        /// The thing.
        what: &'static str,
    },
    /// More than a bound in [`crate::limits`].
    #[error("a {what} is larger than {most}")]
    TooLarge {
        /// The thing.
        what: &'static str,
        /// The bound.
        most: u64,
    },
    /// A signature that does not hold, or a weak key.
    #[error("the signature of a {what} does not hold")]
    Signature {
        /// The signed thing.
        what: &'static str,
    },
    /// A link that does not continue the chain that is held.
    #[error("a {what} does not continue its chain")]
    Chain {
        /// The kind of chain.
        what: &'static str,
    },
    /// An entry for another space.
    #[error("entry of another space, {0:?}")]
    OtherSpace(SpaceId),
    /// A writer that the charter does not enrol, as far as it is held.
    #[error("writer {0:?} is not enrolled")]
    NotEnrolled(WriterId),
    /// An entry above a cut.
    #[error("entry of writer {0:?} above its cut")]
    AboveCut(WriterId),
    /// An entry above the place where its log forks.
    #[error("entry of writer {0:?} above the fork of its log")]
    Forked(WriterId),
    /// Two entries of one log with the same seq.
    #[error("writer {writer:?} signed two entries with seq {seq}")]
    Fork {
        /// The log.
        writer: WriterId,
        /// Where it forks.
        seq: u64,
    },
    /// A partner holds another history of our own log than we do, signed by us: this store was put back
    /// or copied. Ours gives way as soon as theirs is here.
    #[error("another life of this store wrote in the log of writer {0:?}")]
    OwnLog(WriterId),
    /// A payload that does not match its commitment.
    #[error("the payload of entry {0:?} is not the one it commits to")]
    Payload(EntryId),
    /// An entry without its payload: not taken, since nothing would fetch the payload later.
    #[error("entry {0:?} came without its payload")]
    Withheld(EntryId),
    /// A receipt for a record that nobody has erased, as far as is known here.
    #[error("a receipt for record {0:?}, which nobody has erased")]
    NotErased(RecordId),
    /// A record that was erased for everyone.
    #[error("record {0:?} was erased")]
    Erased(RecordId),
    /// A school that may not do this.
    #[error("school {school:?} has no right to {act}")]
    NoRight {
        /// The school.
        school: SchoolId,
        /// What it tried.
        act: &'static str,
    },
    /// A decision that cannot be made, or a vote that cannot be given, and why.
    #[error("this cannot be decided: {0}")]
    Decision(&'static str),
    /// A proposal lists operations or identities that are not held here: it is voted on when they are.
    #[error("not everything that this proposal lists is here yet")]
    Behind,
    /// A space that does not exist for whoever asks.
    #[error("there is no such space")]
    NoSuchSpace,
    /// A message that the session does not expect now.
    #[error("a {0} message out of turn")]
    OutOfTurn(&'static str),
    /// A message that is answered each time, and came too often.
    #[error("a {0} message came too often")]
    TooOften(&'static str),
    /// Something that took longer to arrive than it may.
    #[error("a {what} came too slowly")]
    Slow {
        /// The thing.
        what: &'static str,
    },
    /// A ticket that admits nobody: used, expired, altered, or never issued. Always the same answer.
    #[error("this ticket does not admit anyone")]
    Ticket,
    /// What came for a blob is not what its name says.
    #[error("what came for file {0:?} is not that file")]
    Blob(BlobId),
    /// The store failed: nothing more is acknowledged.
    #[error("the store failed: {0}")]
    Store(String),
}

impl Fault {
    /// Who is to blame.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NotEnrolled(_)
            | Self::AboveCut(_)
            | Self::Forked(_)
            | Self::Fork { .. }
            | Self::OwnLog(_)
            | Self::Behind
            | Self::NoSuchSpace
            | Self::NotErased(_)
            | Self::Erased(_)
            | Self::Withheld(_) => Blame::Nobody,
            Self::Store(_) => Blame::Node,
            _ => Blame::Peer,
        }
    }
    /// Its number on the wire; never reused.
    pub fn code(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 1,
            Self::TooLarge { .. } => 2,
            Self::Signature { .. } => 3,
            Self::Chain { .. } => 4,
            Self::OtherSpace(_) => 5,
            Self::NotEnrolled(_) => 6,
            Self::AboveCut(_) => 7,
            Self::Fork { .. } => 8,
            Self::Payload(_) => 9,
            Self::NoRight { .. } => 10,
            Self::NoSuchSpace => 11,
            Self::OutOfTurn(_) => 12,
            Self::Ticket => 13,
            Self::Store(_) => 14,
            Self::Withheld(_) => 16,
            Self::Slow { .. } => 15,
            Self::Decision(_) => 17,
            Self::Forked(_) => 18,
            Self::TooOften(_) => 19,
            Self::OwnLog(_) => 20,
            Self::Behind => 21,
            Self::NotErased(_) => 22,
            Self::Erased(_) => 23,
            Self::Blob(_) => 24,
        }
    }
}
