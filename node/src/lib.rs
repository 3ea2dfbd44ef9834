//! A running school: its store, its engine, its network, and the files it reads.
//!
//! ```text
//! command line ─▶ socket ─┐
//!                         ├─▶ engine ─▶ store (redb)
//! partners ────▶ net ─────┘      │
//!                                └─▶ notices: push to partners
//! ```
//!
//! [`Home`] is the folder of a node, [`Node`] the node in it. [`exchange`] reads what schools have:
//! Markdown folders and JSON lines.

pub mod api;
pub mod attaching;
pub mod backup;
pub mod blobs;
pub mod engine;
pub mod exchange;
mod home;
mod left_over;
mod life;
mod mend;
pub mod net;
mod node;
pub mod reader;
pub mod socket;
pub mod store;
mod summed;
mod verify;

pub use home::{Config, Home, NewSchool, SetUp};
pub use node::{Node, Running};
