//! The store's file in blocks, each with a sum: a byte that flips on the disk is found when it is read.
//!
//! redb keeps checksums of its pages and looks at them only when it repairs a file; what it reads
//! otherwise it believes. So it is given a file in which nothing can be believed wrongly: each block of
//! 4 KiB that it writes lies on the disk behind a sum of its bytes and its number, and is given back
//! only where that holds.
//!
//! ```text
//! 0      the head: magic (8), sum (8), length (8), redb's first block (4096)
//! 8192   the head again
//! 16384  block 1: sum (8), bytes (4096);  block 2: sum, bytes;  …
//! ```
//!
//! **After a crash.** A block and its sum go to the disk in one write, and redb never writes over a block
//! that a durable commit still needs: one that was torn is one that nothing refers to. The exception is
//! redb's first block, where it notes which commit counts. It uses 320 bytes of it, which with the sum lie
//! in one sector of 512 bytes, and the block lies there twice: the first copy that holds is the one that
//! counts, and either of two that differ is one that redb could have left. The length in the head is one
//! that was synced before: a file that is shorter was cut by somebody else.
//!
//! What this does not find: a disk that lost a write and still has the sound block of before.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::ops::{Bound, Deref};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use super::damage::Damage;

/// What redb reads and writes at once, bytes.
pub(super) const BLOCK: usize = 4096;
const SUM: usize = 8;
/// A block with its sum.
const STRIDE: usize = SUM + BLOCK;
const MAGIC: [u8; 8] = *b"staffrm1";
/// Bytes of a head before redb's first block.
const LEAD: usize = 24;
/// Where the second head lies; the blocks begin at twice that.
const SECOND: u64 = 8192;
/// How many blocks are read or written by one call: it bounds what is held in memory besides.
const AT_ONCE: usize = 64;

/// Whether this is how a store's file begins that was written before blocks had sums.
pub(super) fn is_plain(beginning: &[u8]) -> bool {
    beginning.starts_with(b"redb\x1a\x0a\xa9\x0d\x0a")
}

/// What `number` and the bytes of a block come to.
fn sum(number: u64, bytes: &[u8]) -> [u8; SUM] {
    let mut key = *b"staffroom 2026 block of a store.";
    key[24..].copy_from_slice(&number.to_le_bytes());
    let hash = blake3::keyed_hash(&key, bytes);
    *hash.as_bytes().first_chunk().expect("a hash is longer")
}

/// Where a block lies, the first one aside.
fn place(number: u64) -> u64 {
    2 * SECOND + (number - 1) * STRIDE as u64
}

/// The pieces of a range of bytes: of each the block, where it begins in it, and which of the bytes.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let (number, start) = (at / BLOCK as u64, usize::try_from(at % BLOCK as u64).expect("less than a block"));
        let left = length - done;
        let piece =
            if number > 0 && start == 0 && left >= BLOCK { left / BLOCK * BLOCK } else { left.min(BLOCK - start) };
        done += piece;
        (piece > 0).then_some((number, start, done - piece..done))
    })
}
/// What redb has in its first block, and how long the file was when that was synced last.
#[derive(Clone)]
struct Head {
    bytes: Box<[u8; BLOCK]>,
    length: u64,
}

impl Head {
    fn new() -> Self {
        Self { bytes: Box::new([0; BLOCK]), length: 0 }
    }
    fn to_bytes(&self) -> Vec<u8> {
        let body = [&self.length.to_le_bytes()[..], &self.bytes[..]].concat();
        [&MAGIC[..], &sum(0, &body), &body].concat()
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (kept, body) = rest.split_first_chunk::<SUM>()?;
        let (length, block) = body.split_first_chunk::<8>()?;
        let sound = *magic == MAGIC && *kept == sum(0, body);
        let head = Self { bytes: Box::new(block.try_into().ok()?), length: u64::from_le_bytes(*length) };
        sound.then_some(head)
    }
}

/// A file of blocks with their sums, for redb: a handle, of which there may be several.
pub(super) struct Pages<B>(Arc<Blocks<B>>);

impl<B> Clone for Pages<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Deref for Pages<B> {
    type Target = Blocks<B>;
    fn deref(&self) -> &Blocks<B> {
        &self.0
    }
}

/// The file behind it.
pub(super) struct Blocks<B> {
    inner: B,
    head: Mutex<Head>,
    /// How long redb takes it to be, now and at the last sync.
    length: AtomicU64,
    synced: AtomicU64,
    damage: Arc<Damage>,
}

impl<B> fmt::Debug for Pages<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Pages").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<B: StorageBackend> Pages<B> {
    fn new(inner: B, head: Head, length: u64, damage: Arc<Damage>) -> Self {
        let (length, synced) = (AtomicU64::new(length), AtomicU64::new(head.length));
        Self(Arc::new(Blocks { inner, head: Mutex::new(head), length, synced, damage }))
    }
    /// Over a file that is empty, or is one of these. One that is damaged where it begins, or was cut
    /// short, is noted as that and refused.
    pub(super) fn open(inner: B, damage: Arc<Damage>) -> io::Result<Self> {
        let (head, length, sound) = Self::look(&inner)?;
        if !sound {
            return Err(damage.found(0));
        }
        Ok(Self::new(inner, head, length, damage))
    }
    /// The same of a file that is damaged: as much of it as is there, to read from.
    pub(super) fn open_damaged(inner: B) -> io::Result<Self> {
        let (head, length, _) = Self::look(&inner)?;
        let length = length.max(head.length);
        Ok(Self::new(inner, head, length, Arc::default()))
    }
    fn look(inner: &B) -> io::Result<(Head, u64, bool)> {
        let there = inner.len()?;
        let length = match there.checked_sub(2 * SECOND) {
            Some(blocks) => BLOCK as u64 + blocks / STRIDE as u64 * BLOCK as u64,
            None => 0,
        };
        if there == 0 {
            return Ok((Head::new(), 0, true));
        }
        let copies = [0, SECOND].map(|at| {
            let mut bytes = vec![0; LEAD + BLOCK];
            inner.read(at, &mut bytes).ok().and_then(|()| Head::read(&bytes))
        });
        let head = copies.into_iter().flatten().next();
        let sound = head.as_ref().is_some_and(|head| head.length <= length);
        Ok((head.unwrap_or_else(Head::new), length, sound))
    }
}

impl<B: StorageBackend> Blocks<B> {
    fn head(&self) -> MutexGuard<'_, Head> {
        // It is whole at every moment.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// How long redb takes it to be, bytes.
    pub(super) fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }
    /// redb's first block as it is now.
    pub(super) fn first(&self) -> [u8; BLOCK] {
        *self.head().bytes
    }
    /// How many of the two heads on the disk do not hold.
    pub(super) fn damaged_heads(&self) -> usize {
        // Nobody writes them meanwhile.
        let _head = self.head();
        let mut bytes = vec![0; LEAD + BLOCK];
        let mut holds = |at| self.inner.read(at, &mut bytes).is_ok() && Head::read(&bytes).is_some();
        [0, SECOND].into_iter().filter(|at| !holds(*at)).count()
    }

    /// Writes the heads anew, whole, where one of them does not hold.
    pub(super) fn mend_heads(&self) -> io::Result<()> {
        if self.damaged_heads() == 0 || self.length() == 0 {
            return Ok(());
        }
        self.write_head(&self.head(), BLOCK)?;
        self.inner.sync_data()
    }

    /// Fills `out` with whole blocks from `number` on, if all of them hold; else names the first that
    /// does not.
    pub(super) fn blocks(&self, number: u64, out: &mut [u8]) -> Result<(), u64> {
        let mut single = [0; STRIDE];
        let mut several = Vec::new();
        for (numbers, out) in (number..).step_by(AT_ONCE).zip(out.chunks_mut(AT_ONCE * BLOCK)) {
            let count = out.len() / BLOCK;
            let buffer = if count == 1 {
                &mut single[..]
            } else {
                several.resize(count * STRIDE, 0);
                &mut several[..]
            };
            self.inner.read(place(numbers), buffer).map_err(|_| numbers)?;
            for ((number, kept), out) in (numbers..).zip(buffer.chunks(STRIDE)).zip(out.chunks_mut(BLOCK)) {
                let (kept, bytes) = kept.split_at(SUM);
                if kept != sum(number, bytes) {
                    return Err(number);
                }
                out.copy_from_slice(bytes);
            }
        }
        Ok(())
    }
    fn put_blocks(&self, number: u64, bytes: &[u8]) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(AT_ONCE.min(bytes.len() / BLOCK) * STRIDE);
        for (numbers, bytes) in (number..).step_by(AT_ONCE).zip(bytes.chunks(AT_ONCE * BLOCK)) {
            buffer.clear();
            for (number, block) in (numbers..).zip(bytes.chunks(BLOCK)) {
                buffer.extend_from_slice(&sum(number, block));
                buffer.extend_from_slice(block);
            }
            self.inner.write(place(numbers), &buffer)?;
        }
        Ok(())
    }
    /// A block that may never have been written: then it is empty.
    fn block_or_empty(&self, number: u64) -> io::Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        if self.blocks(number, &mut block).is_ok() {
            return Ok(block);
        }
        let mut raw = [0; STRIDE];
        self.inner.read(place(number), &mut raw)?;
        if raw.iter().all(|byte| *byte == 0) { Ok([0; BLOCK]) } else { Err(self.damage.found(number)) }
    }

    /// Writes both heads, up to `end` of redb's first block: what is behind is as it was.
    fn write_head(&self, head: &Head, end: usize) -> io::Result<()> {
        let bytes = head.to_bytes();
        for at in [0, SECOND] {
            self.inner.write(at, &bytes[..LEAD + end])?;
        }
        Ok(())
    }

    fn within(&self, offset: u64, length: usize) -> io::Result<()> {
        let end = offset.checked_add(length as u64);
        if end.is_some_and(|end| end <= self.length()) {
            return Ok(());
        }
        Err(self.damage.found(offset / BLOCK as u64))
    }
}

impl<B: StorageBackend> StorageBackend for Pages<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.length())
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.within(offset, out.len())?;
        for (number, start, piece) in pieces(offset, out.len()) {
            let out = &mut out[piece];
            if number == 0 {
                out.copy_from_slice(&self.head().bytes[start..start + out.len()]);
            } else if out.len().is_multiple_of(BLOCK) {
                self.blocks(number, out).map_err(|number| self.damage.found(number))?;
            } else {
                let mut block = [0; BLOCK];
                self.blocks(number, &mut block).map_err(|number| self.damage.found(number))?;
                out.copy_from_slice(&block[start..start + out.len()]);
            }
        }
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        for (number, start, piece) in pieces(offset, data.len()) {
            let data = &data[piece];
            if number == 0 {
                let mut head = self.head();
                head.bytes[start..start + data.len()].copy_from_slice(data);
                head.length = self.synced.load(Ordering::Acquire);
                self.write_head(&head, start + data.len())?;
            } else if data.len().is_multiple_of(BLOCK) {
                self.put_blocks(number, data)?;
            } else {
                let mut block = self.block_or_empty(number)?;
                block[start..start + data.len()].copy_from_slice(data);
                self.put_blocks(number, &block)?;
            }
        }
        Ok(())
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        if !length.is_multiple_of(BLOCK as u64) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a store's file is of whole blocks"));
        }
        let mut head = self.head();
        if length < head.length {
            // The head says so first: a file that is shorter than it says was cut by somebody else.
            head.length = length;
            self.synced.store(length, Ordering::Release);
            self.write_head(&head, 0)?;
            self.inner.sync_data()?;
        }
        self.inner.set_len(if length == 0 { 0 } else { place(length / BLOCK as u64) })?;
        self.length.store(length, Ordering::Release);
        Ok(())
    }
    fn sync_data(&self) -> io::Result<()> {
        let length = self.length();
        self.inner.sync_data()?;
        self.synced.store(length, Ordering::Release);
        Ok(())
    }
    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}
