//! The process that reads: limits first, then the file from standard input, then the answer.

use std::io::{self, Read, Write};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use serde::{Deserialize, Serialize};

use crate::exchange::photo;
use crate::exchange::reading::{self, Reading, thumbnail};

/// The version of what is read out of files. What an older program kept is made again.
const MADE_BY: u32 = 1;

/// What is to be read out of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Its title and text.
    Text,
    /// A small picture of it.
    Thumbnail,
}

impl Job {
    /// The job of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Text, Self::Thumbnail].into_iter().find(|job| job.name() == name)
    }
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Thumbnail => "thumbnail",
        }
    }
    /// The longest file that it is done with, bytes.
    pub(super) fn longest(self) -> u64 {
        match self {
            Self::Text => reading::LONGEST,
            Self::Thumbnail => photo::LONGEST,
        }
    }
    /// How long whoever asks waits for an answer: more than the time on a processor, as others use it too.
    pub fn patience(self) -> Duration {
        Duration::from_secs(3 * self.seconds())
    }
    /// The time on a processor: a book of a thousand pages takes one second, a photo two.
    fn seconds(self) -> u64 {
        match self {
            Self::Text => 10,
            Self::Thumbnail => 15,
        }
    }
    /// How much memory: the file twice, what it unfolds to, and the program itself.
    fn memory(self) -> u64 {
        match self {
            Self::Text => 512 << 20,
            Self::Thumbnail => 1 << 30,
        }
    }

    /// From here on this process cannot do more than the job: not write or open a file, not start another,
    /// not leave its memory behind.
    fn limit(self) -> io::Result<()> {
        let limits = [
            (Resource::As, self.memory()),
            (Resource::Cpu, self.seconds()),
            (Resource::Core, 0),
            (Resource::Fsize, 0),
            (Resource::Nofile, 3),
            (Resource::Nproc, 0),
        ];
        for (resource, most) in limits {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
        }
        // Whoever works at the machine goes first; where that cannot be had, the limits do.
        let _ = nice(10);
        Ok(())
    }
}

/// What the process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A text.
    Text(Reading),
    /// A small picture, whose bytes follow.
    Thumbnail {
        /// Its width, pixels.
        width: u32,
        /// Its height, pixels.
        height: u32,
        /// Whether it is a PNG; else a JPEG.
        png: bool,
    },
    /// There is none, and why.
    Nothing(String),
}

/// A line of JSON; bytes may follow.
#[derive(Serialize, Deserialize)]
pub(super) struct Output {
    made_by: u32,
    answer: Answer,
}

impl Output {
    pub(super) fn bytes(answer: &Answer, rest: &[u8]) -> Vec<u8> {
        let output = Self { made_by: MADE_BY, answer: answer.clone() };
        let mut bytes = serde_json::to_vec(&output).expect("an answer has no maps and nothing that can fail");
        bytes.push(b'\n');
        bytes.extend_from_slice(rest);
        bytes
    }
}

/// An answer and the bytes behind it; nothing where it is none, or another version's.
pub(super) fn parse(bytes: &[u8]) -> Option<(Answer, Vec<u8>)> {
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let output: Output = serde_json::from_slice(&bytes[..line]).ok()?;
    (output.made_by == MADE_BY).then(|| (output.answer, bytes[line + 1..].to_vec()))
}

pub(super) fn media_type(png: bool) -> &'static str {
    if png { "image/png" } else { "image/jpeg" }
}

/// Does a job: limits itself for good, reads `input` to its end, writes the answer. Without limits it reads
/// nothing.
pub fn work(job: Job, input: impl Read, mut output: impl Write) -> io::Result<()> {
    job.limit()?;
    let mut bytes = Vec::new();
    input.take(job.longest() + 1).read_to_end(&mut bytes)?;
    output.write_all(&answer(job, &bytes))?;
    output.flush()
}

fn answer(job: Job, bytes: &[u8]) -> Vec<u8> {
    let nothing = |why: String| Output::bytes(&Answer::Nothing(why), b"");
    match job {
        Job::Text => match reading::read(bytes) {
            Ok(reading) => Output::bytes(&Answer::Text(reading), b""),
            Err(why) => nothing(why.to_string()),
        },
        Job::Thumbnail => match thumbnail::make(bytes) {
            Ok(small) => {
                let png = small.media_type == media_type(true);
                let about = Answer::Thumbnail { width: small.width, height: small.height, png };
                Output::bytes(&about, &small.bytes)
            }
            Err(why) => nothing(why.to_string()),
        },
    }
}
