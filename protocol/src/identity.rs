//! Who may write: keys, schools, the devices that act for them (§1).
//!
//! A [`School`](crate::id::SchoolId) is the hash of its [`Inception`]; its [`IdentityChain`] says
//! which devices act for it and with which [`Rights`].
//!
//! | file | |
//! |---|---|
//! | `keys` | ed25519, a domain for each use |
//! | `inception` | what a school begins with; the recovery code that its keys come from |
//! | `link` | one signed step, as laid out |
//! | `revocation` | what of a revoked device stands |
//! | `standing` | what the links so far amount to; whether the next may be signed as it is |
//! | `branch` | which of several branches counts |
//! | `chain` | all of it as held |

mod branch;
mod chain;
mod inception;
mod keys;
mod link;
mod revocation;
mod standing;

pub use chain::IdentityChain;
pub use inception::{Inception, Keys, RecoveryCode};
pub(crate) use keys::verify;
pub use keys::{Domain, PublicKey, SecretKey, Signature};
pub use link::{Link, Rights, Signer, Step};
pub use revocation::Revocation;
