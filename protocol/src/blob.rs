//! Files that belong to records: what names them, and how one is fetched from several partners (§5).
//!
//! A blob is named by the hash of its [`Manifest`], which names its chunks; so every chunk can be checked
//! when it comes, from whoever it comes. A [`Transfer`] is a machine: it is told which partners have the
//! blob and what came, and says which chunks to ask of whom. It holds no bytes, socket or clock.
//!
//! ```text
//! Ask: space, blob ──▶  serves only what it knows in that space
//!                  ◀── Found: not here │ here, with the manifest
//! Get: chunks      ──▶
//!                  ◀── each chunk, as it is, or that it cannot be had
//! ```

mod manifest;
mod message;
mod pace;
mod transfer;

pub use manifest::{Builder, Manifest, chunk_hash};
pub use message::{Ask, Found, Get, chunk_frame, read_chunk_frame};
pub use transfer::{Chunks, Dropped, Input, Output, Transfer, Verdict};
