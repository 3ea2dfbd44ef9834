//! The rules of Staffroom.

pub mod id;
pub mod limits;
pub mod record;
pub mod time;
