//! What needs several parts of the node.

mod exchange;
mod samples;
mod net;
