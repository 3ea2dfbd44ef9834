//! The rules of Staffroom: what every node must agree on, and nothing else.
//!
//! No clock, socket, disk, thread or random number: time and randomness come in as arguments, so
//! that a thousand schools run in one process from one seed. The crate reads top down as the life of
//! a change.
//!
//! A person saves a form. Their school's node turns it into an Automerge change ([`record`]), puts it
//! into an [entry](log::Entry) of its writer's log and signs it. The [charter](charter::Charter) of
//! the space says that this writer may write, because its school was admitted and enrolled it with a
//! device that its [identity chain](identity::IdentityChain) certifies. The [`Replica`] does all that,
//! stages it, and makes it durable in the [store]. Then it travels: a [session](sync::Session)
//! with each partner sends what the partner lacks, and the partner's replica asks the same questions
//! of every entry before it holds it.
//!
//! ```text
//! identity   who may write            keys, schools, devices
//!    ↓
//! log        what they sign           entries, frontier
//!    ↓
//! charter    who belongs              decisions, operations, resolve, tickets
//!    ↓
//! record     what it means            kinds, fields, reader, merge, view
//!    ↓
//! erasure    what must be gone        proofs, receipts
//!    ↓
//! store      where it rests           tables, batches
//!    ↓
//! catalogue  reading it back          lists, records, histories
//! replica    where all of it meets    commits, admits; the only writer
//!    ↓
//! sync       how it travels           messages, codec, session
//! blob       files beside it          manifest, transfer
//! verify     whether it is sound      every chain, signature, hash
//! ```

pub mod blob;
mod bytes;
pub mod catalogue;
pub mod charter;
pub mod entropy;
pub mod erasure;
pub mod fault;
mod hash;
pub mod id;
pub mod identity;
pub mod limits;
pub mod log;
#[doc(hidden)]
pub mod planted;
pub mod record;
pub mod replica;
pub mod store;
pub mod sync;
pub mod time;
pub mod verify;

pub use replica::Replica;
