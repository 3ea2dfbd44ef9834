//! Records: what entries mean (3-records).
//!
//! A record is one Automerge document. [`field`] says what a field may hold and how it merges,
//! [`kind`] which fields a kind has.

pub mod field;
pub mod kind;

mod card;
mod force;

pub use card::Card;
pub use field::Fields;
pub use force::{Held, InForce, in_force};
