//! Reading what schools have, and writing it for others (3-records, "Reading what schools have").
//!
//! ```text
//! a folder ── folder ──▶ markdown ──▶ front_matter ──▶ keys ─┐
//!                            │                               ├─▶ Draft: fields, attachments, warnings
//!                            └──▶ figures (pictures)         │
//! JSON lines ── jsonl ──▶ json ──────────────────────────────┤
//! CSV ────────── csv ────▶ keys ─────────────────────────────┤
//! iCalendar ──── ical ───────────────────────────────────────┘
//! a zip ──────── zip ────▶ a folder
//! an export ◀──▶ export            (records, both ways)
//! $EDITOR ◀──▶ form                (fields, both ways)
//! a document ── reading ──▶ its title and text
//! a picture ── photo ──▶ the picture, without where it was taken
//! ```
//!
//! What is read was written by many hands for other programs. So: what can be understood is, what cannot
//! is kept and said, and one bad file or line is a [`Refusal`] that stops nothing else. Everything read is
//! bounded before it is held. Nothing here signs, stores, prints, or fetches an address.

pub mod csv;
pub mod date;
mod draft;
mod encoding;
pub mod export;
pub mod figures;
pub mod folder;
pub mod form;
pub mod front_matter;
mod html;
pub mod ical;
pub mod import;
pub mod json;
pub mod jsonl;
pub mod keys;
mod lines;
pub mod markdown;
pub mod photo;
pub mod reading;
mod refusal;
mod vocabulary;
mod yaml;
pub mod zip;

pub use draft::{Attachment, Draft, Options};
pub use refusal::{Reason, Refusal};
pub use vocabulary::tidy;
