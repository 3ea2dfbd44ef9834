//! What needs several parts of the node.

mod exchange;
mod net;
mod samples;
