//! Lines of a file, bounded, from whatever it is packed in.
//!
//! One line is held at a time, whatever the file's length and however far it expands. A line that is too
//! long is passed over and said; what cannot be unpacked, or holds zero bytes, ends the reading. What
//! Windows programs save as UTF-16 is read where the format is one that they write.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::bufread::MultiGzDecoder;

use super::{
    encoding::Utf16,
    folder::unreadable,
    refusal::{Reason, Refusal},
};

/// How much is looked at to tell what a file is, in bytes.
const FIRST_BLOCK: usize = 64 << 10;

/// The lines of a file, one after the other.
pub(super) struct Lines {
    what: String,
    input: Box<dyn BufRead + Send>,
    read: Arc<AtomicU64>,
    /// Why a file with zero bytes in it is refused.
    binary: Reason,
    /// Lines that were begun.
    line: u64,
    ended: bool,
}

/// A file, opened, and its name as refusals say it.
pub(super) fn file(path: &Path) -> Result<(String, fs::File), Refusal> {
    let what = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let about = fs::metadata(path).map_err(|error| unreadable(&what, &error))?;
    if !about.is_file() {
        return Err(Refusal::new(what, Reason::NotAFile));
    }
    let file = fs::File::open(path).map_err(|error| unreadable(&what, &error))?;
    Ok((what, file))
}

impl Lines {
    /// Reads from anything, unpacked with gzip where it is; `what` names it in refusals, `binary` is why
    /// it is refused where it is no text. UTF-16 is read where `wide`.
    pub(super) fn new(
        what: &str,
        input: impl Read + Send + 'static,
        binary: Reason,
        wide: bool,
    ) -> Result<Self, Refusal> {
        let read = Arc::new(AtomicU64::new(0));
        let mut input = BufReader::with_capacity(FIRST_BLOCK, Counted { input, read: Arc::clone(&read) });
        let head = input.fill_buf().map_err(|error| unreadable(what, &error))?;
        let mut input: Box<dyn BufRead + Send> = if head.starts_with(b"\x1f\x8b") {
            Box::new(BufReader::with_capacity(FIRST_BLOCK, MultiGzDecoder::new(input)))
        } else {
            Box::new(input)
        };
        let head = input.fill_buf().map_err(|error| unpackable(what, &error))?;
        if let Some(order) = Utf16::order(head).filter(|_| wide) {
            input = Box::new(BufReader::with_capacity(FIRST_BLOCK, Utf16::new(input, order)));
        }
        let mut lines = Self { what: what.to_owned(), input, read, binary, line: 0, ended: false };
        let mark = if lines.head()?.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        lines.input.consume(mark);
        Ok(lines)
    }

    /// What comes next, at most some kilobytes.
    pub(super) fn head(&mut self) -> Result<&[u8], Refusal> {
        self.input.fill_buf().map_err(|error| unpackable(&self.what, &error))
    }

    /// How many bytes of the file were read so far, packed ones where it is packed.
    pub(super) fn progress(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The line, counted from 1, that was read last.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Whether nothing more will come.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// A refusal of the line that was read last.
    pub(super) fn refuse(&self, why: Reason) -> Refusal {
        Refusal::new(&self.what, why).at_line(self.line)
    }

    /// Appends the next line to `bytes`, without its line feed; `false` at the end of the file. Of one
    /// that brings `bytes` over `longest`, the rest is passed over.
    pub(super) fn next(&mut self, longest: usize, bytes: &mut Vec<u8>) -> Result<bool, Refusal> {
        if self.ended {
            return Ok(false);
        }
        self.line += 1;
        let (mut long, mut begun) = (false, false);
        loop {
            let block = self.input.fill_buf();
            let block = block.map_err(|error| unpackable(&self.what, &error).at_line(self.line));
            let block = block.inspect_err(|_| self.ended = true)?;
            let end = block.iter().position(|byte| *byte == b'\n');
            let part = &block[..end.unwrap_or(block.len())];
            if part.contains(&0) {
                self.ended = true;
                return Err(self.refuse(self.binary.clone()));
            }
            self.ended = block.is_empty();
            begun |= !self.ended;
            long = long || bytes.len() + part.len() > longest;
            if !long {
                bytes.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() || self.ended {
                return if long { Err(self.refuse(Reason::LineTooLong(longest))) } else { Ok(begun) };
            }
        }
    }
}

fn unpackable(what: &str, error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Refusal::new(what, Reason::BadGzip(error.to_string()))
        }
        _ => unreadable(what, error),
    }
}

/// Counts what is read through it.
struct Counted<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.read.fetch_add(u64::try_from(length).unwrap_or(0), Ordering::Relaxed);
        Ok(length)
    }
}
