//! The process that looks into a file for another one, under hard limits.
//!
//! Not for people, so no verb that help shows: this program starts it ([`staffroom_node::reader`]), with an
//! empty environment and without a home. So it comes before anything else that the program does.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use staffroom_node::reader::VERB;
use staffroom_node::reader::child::{self, Job};

/// Does the job, if that is what was asked for: `share read-file JOB`, nothing more and nothing less.
pub(crate) fn done(arguments: &[OsString]) -> Option<ExitCode> {
    let [_, verb, job] = arguments else { return None };
    let job = Job::named(job.to_str().filter(|_| verb == VERB)?)?;
    let worked = child::work(job, io::stdin().lock(), io::stdout().lock());
    Some(if worked.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
