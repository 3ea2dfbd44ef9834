//! Reading what schools have, from files.

mod archives;
mod calendars;
mod corpus;
mod exports;
mod folders;
mod forms;
mod lines;
mod pages;
mod tables;
