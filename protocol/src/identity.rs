//! Who may write: keys, schools, the devices that act for them (§1).
//!
//! A [`School`](crate::id::SchoolId) is the hash of its [`Inception`]; its [`IdentityChain`] says
//! which devices act for it and with which [`Rights`].

mod chain;
mod inception;
mod keys;

pub use chain::{IdentityChain, Link, Rights};
pub use inception::{Inception, RecoveryCode};
pub(crate) use keys::verify;
pub use keys::{Domain, PublicKey, SecretKey, Signature};
