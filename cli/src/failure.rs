//! What went wrong, what to try, and which exit code that is.
//!
//! Failures come from the node ([`Failure`]) or are made here; either way they end in one place,
//! [`report`](crate::output::Output::report). A command that has already printed what it refused ends
//! with a bare exit code ([`Ended::With`]).

use std::io;

use staffroom_node::api::{Code, Failure};
use staffroom_node::exchange::{Reason, Refusal};
use staffroom_protocol::record::kind::Invalid;

/// Why a command ended before its end, or did not do all of it.
#[derive(Debug)]
pub(crate) enum Ended {
    /// To be told.
    Failed(Failure),
    /// Everything is told already; this is the exit code.
    With(u8),
    /// Whoever read our output has had enough (`share list | head`).
    Unread,
}

/// What commands return.
pub(crate) type Done<T = ()> = Result<T, Ended>;

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        let mut failure = Failure::new(Code::Failed, refusal.to_string());
        failure.hints = refusal.hints;
        Self::Failed(failure)
    }
}

impl From<io::Error> for Ended {
    /// An error of writing to standard output.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        Failure::new(Code::Failed, format!("the output cannot be written: {error}")).into()
    }
}

/// Fields that a record cannot have, with what can be done about them.
pub(crate) fn invalid(invalid: Invalid) -> Failure {
    let told = usage(invalid.to_string());
    Reason::from(invalid).hints().into_iter().fold(told, Failure::hint)
}

/// Wrong usage: exit code 2.
pub(crate) fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, message)
}

/// Something that did not work: exit code 1.
pub(crate) fn failed(message: impl Into<String>) -> Failure {
    Failure::new(Code::Failed, message)
}

/// Something that a later version brings: said plainly, exit code 2.
pub(crate) fn not_yet(what: &str) -> Failure {
    usage(format!("{what}: this version cannot do that yet"))
}

/// An answer of the node that does not fit the question; two versions of the program are at work.
pub(crate) fn unexpected() -> Failure {
    failed("the node answered something else than was asked")
        .hint("is this `share` of the same version as the running node?")
}

/// What clap says, in our words' shape: one line, then what to try.
pub(crate) fn from_clap(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut message = lines.next().unwrap_or("wrong usage").trim_start_matches("error: ").to_owned();
    let mut failure = usage("");
    for line in lines {
        if message.ends_with(':') {
            message = format!("{message} {line}");
        } else {
            failure.hints.push(line.trim_start_matches("tip: ").to_owned());
        }
    }
    Failure { message, ..failure }
}
