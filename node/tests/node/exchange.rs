//! Reading what schools have, from files.

mod corpus;
mod folders;
mod forms;
mod lines;
mod pages;
