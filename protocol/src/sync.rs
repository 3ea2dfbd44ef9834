//! How changes travel: one session for each pair of nodes and space (§4).
//!
//! ```text
//! Hello ──▶ equal? ── yes ──────────────────────────────────────────────────────▶ in step
//!             │ charter differs    │ erasures differ            │ frontier differs
//!             ▼                    ▼                            ▼
//!         Positions ─▶ Charter ─▶ ErasureMarks ─▶ Erasures ─▶ Frontier ─▶ Entries ⇄ Held ─▶ in step
//! ```
//!
//! A [`Session`] is a machine: it takes an [`Input`] and a replica, and says what to do as
//! [`Output`]s. It reads no clock and holds no socket. It ends once, with a reason.

mod codec;
mod device;
mod join;
mod message;
mod session;

pub use codec::{decode, encode};
pub use device::{DeviceAsk, SpacePart};
pub use join::{Join, Joined, Reveal};
pub use message::{Hello, Mark, Message, Run};
pub use session::{Ended, Input, Output, Session, Standing};
