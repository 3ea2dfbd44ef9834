//! `share read-file`: the process that looks into a file for another one, under hard limits.
//!
//! Not for people: the node starts it ([`staffroom_node::reader`]), with an empty environment and without a
//! home. So it comes before anything else that a command does.

use std::io;

use clap::Args;
use staffroom_node::reader::child::{self, Job};

use crate::failure::{Done, usage};

/// Read what is in a file, from standard input
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct ReadFile {
    /// What to read out of it: text or thumbnail
    job: String,
}

impl ReadFile {
    pub(super) fn run(&self) -> Done {
        let job =
            Job::named(&self.job).ok_or_else(|| usage(format!("{:?} is nothing to read out of a file", self.job)))?;
        Ok(child::work(job, io::stdin().lock(), io::stdout().lock())?)
    }
}
