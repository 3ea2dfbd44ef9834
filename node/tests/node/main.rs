//! What needs several parts of the node.

mod documents;
mod exchange;
mod history;
mod net;
mod photos;
mod samples;
mod store;
