//! Records: what entries mean (3-records).
//!
//! A record is one Automerge document. [`field`] says what a field may hold and how it merges,
//! [`kind`] which fields a kind has. [`change`] reads one change, which is all that a partner sends;
//! [`past`] whether it fits what it builds on;
//! [`genesis`] goes from fields to a record's first change and back without Automerge; [`document`]
//! is Automerge, for what has been edited since, and [`edit`] makes a change. [`view`] shows a record.

pub mod adapt;
pub mod change;
pub mod document;
pub mod edit;
pub mod field;
pub mod genesis;
pub mod history;
pub mod kind;
pub mod licence;
pub mod past;
pub mod references;
pub mod view;

mod attached;
mod card;
mod force;
mod layout;

pub(crate) use attached::files_named;
pub use card::Card;
pub use document::Document;
pub use field::Fields;
pub(crate) use force::changes;
pub use force::{Held, InForce, NotInForce, in_force};
pub use genesis::write_genesis;
pub use view::View;
