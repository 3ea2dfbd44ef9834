//! Reads what is in files, in a process of its own.
//!
//! ```text
//! text, thumbnail ─▶ kept? ──yes──────────────────────────────▶ answer
//!                      │ no
//!                      ▼            bytes, each chunk checked
//!          this program once more ◀──────────────────────────── blob
//!          (limits, then reading)
//!                      │  one line of JSON, then bytes
//!                      ▼
//!                 kept, answered
//! ```
//!
//! Whoever writes to a cluster chooses the files that every other school's node reads. Some are made to make
//! a program fall over, loop, or fill the memory. The process that reads ([`child`]) has little memory, little
//! time, no way to open or write a file, and gets the bytes and nothing else: no keys, no home, no environment.
//! Whatever becomes of it, the caller has an answer within [`Job::patience`], and the node goes on.
//!
//! A file always says the same, so answers are kept, also that there is none; not those that a busy machine
//! may have caused.

pub mod child;

use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use staffroom_protocol::id::BlobId;

use crate::blobs::{Blob, Blobs, Made, NotRead};
use crate::exchange::reading::thumbnail::{self, Thumbnail};
use crate::exchange::reading::{self, NoText, Reading};
use child::{Answer, Job, Output};

/// The verb by which this program reads a file; the name of the job follows.
pub const VERB: &str = "read-file";
/// The longest answer, bytes: the text as JSON, or a small picture.
const LONGEST_ANSWER: u64 = 4 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The file is not here, or not whole.
    #[error(transparent)]
    NotHeld(NotRead),
    /// The file has nothing of the kind, or it cannot be read out of it.
    #[error("{0}")]
    Nothing(String),
    /// This time it did not work: the machine was too busy, or no process could be started.
    #[error("{0}")]
    Failed(String),
}

/// Reads files of a home; one at a time, however many ask.
#[derive(Debug, Clone)]
pub struct Reader {
    blobs: Blobs,
    program: PathBuf,
    turn: Arc<Mutex<()>>,
}

impl Reader {
    /// For the files of a home. `program` is `share`, of this same build.
    pub fn new(blobs: Blobs, program: impl Into<PathBuf>) -> Self {
        Self { blobs, program: program.into(), turn: Arc::default() }
    }

    /// The title and text of a document.
    pub fn text(&self, id: &BlobId) -> Result<Reading, NoAnswer> {
        match self.answer(Job::Text, id)? {
            (Answer::Text(reading), _) => Ok(reading),
            other => Err(no_answer(other.0)),
        }
    }

    /// A small picture of a picture.
    pub fn thumbnail(&self, id: &BlobId) -> Result<Thumbnail, NoAnswer> {
        match self.answer(Job::Thumbnail, id)? {
            (Answer::Thumbnail { width, height, png }, bytes) => {
                Ok(Thumbnail { width, height, media_type: child::media_type(png), bytes })
            }
            other => Err(no_answer(other.0)),
        }
    }

    fn answer(&self, job: Job, id: &BlobId) -> Result<(Answer, Vec<u8>), NoAnswer> {
        let blob = self.blobs.open(id).map_err(NoAnswer::NotHeld)?;
        let made = match job {
            Job::Text => Made::Text,
            Job::Thumbnail => Made::Thumbnail,
        };
        if let Some(kept) = self.blobs.kept(made, id).as_deref().and_then(child::parse) {
            return Ok(kept);
        }
        if let Some(why) = not_worth_trying(job, &blob)? {
            return Err(NoAnswer::Nothing(why));
        }
        let bytes = self.run(job, blob)?;
        let parsed = child::parse(&bytes).ok_or_else(|| NoAnswer::Failed("the reader answered nonsense".to_owned()))?;
        if let Err(error) = self.blobs.keep(made, id, &bytes) {
            tracing::warn!(%error, blob = %id.short(), "what was read out of a file is not kept");
        }
        Ok(parsed)
    }

    /// Has another process read it; gives what that said, or what became of it.
    fn run(&self, job: Job, blob: Blob) -> Result<Vec<u8>, NoAnswer> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: io::Error| NoAnswer::Failed(format!("no process to read it could be started: {error}"));
        let mut child = Command::new(&self.program)
            .args([VERB, job.name()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let (send, answered) = mpsc::channel();
        let pipes = (child.stdin.take(), child.stdout.take());
        let (Some(mut to), Some(from)) = pipes else { return Err(failed(io::ErrorKind::BrokenPipe.into())) };
        let feeding = std::thread::spawn(move || {
            let fed = feed(&blob, &mut to);
            drop(to);
            let mut answer = Vec::new();
            let read = from.take(LONGEST_ANSWER + 1).read_to_end(&mut answer);
            // The one who asked may have given up.
            let _ = send.send((fed, read.map(|_| answer)));
        });
        let answer = answered.recv_timeout(job.patience());
        let status = end(&mut child, answer.is_err()).map_err(failed)?;
        // Its pipes are closed: this ends.
        let _ = feeding.join();
        let Ok((fed, answer)) = answer else {
            return Err(NoAnswer::Failed("reading it took too long".to_owned()));
        };
        fed.map_err(NoAnswer::NotHeld)?;
        match answer {
            Ok(bytes) if status.success() && bytes.len() as u64 <= LONGEST_ANSWER => Ok(bytes),
            _ => Ok(Output::bytes(&Answer::Nothing(broke_off(status).to_owned()), b"")),
        }
    }
}

/// Gives the process the file. That it does not take all of it is its own affair.
fn feed(blob: &Blob, to: &mut impl io::Write) -> Result<(), NotRead> {
    for chunk in 0..blob.manifest().count() {
        let bytes = blob.chunk(chunk)?;
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.flush();
    Ok(())
}

/// Waits for a process that has closed its output, or ends one that took too long.
fn end(child: &mut Child, too_long: bool) -> io::Result<ExitStatus> {
    if too_long {
        child.kill()?;
    }
    child.wait()
}

/// What a process died of, in words for people.
fn broke_off(status: ExitStatus) -> &'static str {
    /// The number of SIGKILL, by which the system ends what goes on after its time.
    const KILLED: i32 = 9;
    /// The number of SIGXCPU.
    const TIME: i32 = 24;
    match status.signal() {
        Some(TIME | KILLED) => "reading it took too long",
        Some(_) => "reading it took too much memory, or more than the reader can follow",
        None => "the reader could not follow it",
    }
}

/// Why no process is needed to know that there is nothing.
fn not_worth_trying(job: Job, blob: &Blob) -> Result<Option<String>, NoAnswer> {
    let length = blob.manifest().length();
    if length > job.longest() {
        return Ok(Some(format!("it is longer than {} MiB", job.longest() >> 20)));
    }
    let head = if length == 0 { Vec::new() } else { blob.chunk(0).map_err(NoAnswer::NotHeld)? };
    let worth = match job {
        Job::Text => reading::may_have_text(&head),
        Job::Thumbnail => thumbnail::may_have_one(&head),
    };
    let why = match job {
        Job::Text => NoText::UnknownFormat.to_string(),
        Job::Thumbnail => thumbnail::NoThumbnail::UnknownFormat.to_string(),
    };
    Ok((!worth).then_some(why))
}

fn no_answer(answer: Answer) -> NoAnswer {
    match answer {
        Answer::Nothing(why) => NoAnswer::Nothing(why),
        Answer::Text(_) | Answer::Thumbnail { .. } => NoAnswer::Failed("the reader answered nonsense".to_owned()),
    }
}
