//! What needs several parts of the node.

mod exchange;
mod history;
mod net;
mod samples;
mod store;
