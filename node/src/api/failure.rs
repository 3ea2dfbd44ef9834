//! What went wrong with a request, and the exit codes.

use serde::{Deserialize, Serialize};

/// A request that was not carried out: what is wrong with what, and what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// Sets the exit code.
    pub code: Code,
    /// What is wrong with what.
    pub message: String,
    /// Things to try.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without hints.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hints: Vec::new() }
    }
    /// Adds a thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// What sort of failure it is: the exit codes of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 1.
    Failed,
    /// 2.
    Usage,
    /// 3.
    NotFound,
    /// 4: permission, charter.
    Refused,
    /// 5.
    Conflict,
    /// 6.
    Unreachable,
    /// 7.
    Damaged,
    /// 8.
    PartlyDone,
}

impl Code {
    /// The exit code.
    pub fn exit(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Conflict => 5,
            Self::Unreachable => 6,
            Self::Damaged => 7,
            Self::PartlyDone => 8,
        }
    }
}
