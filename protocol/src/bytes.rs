//! Fixed layouts, little-endian, read and written by hand (2-protocol).
//!
//! What is signed is verified as received: a parsed thing keeps the bytes it came from, and nothing
//! here re-encodes. Reading never allocates more than it was given.

use crate::fault::Fault;

/// Reads a fixed layout from the front of a slice.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`; `what` names the thing in faults.
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }
    pub(crate) fn malformed(&self) -> Fault {
        Fault::Malformed { what: self.what }
    }
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(Fault::Malformed { what: self.what })?;
        self.rest = rest;
        Ok(head)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let what = self.what;
        self.take(N)?.try_into().map_err(|_| Fault::Malformed { what })
    }
    /// An id or key of 32 bytes.
    pub(crate) fn id<T: From<[u8; 32]>>(&mut self) -> Result<T, Fault> {
        self.array::<32>().map(T::from)
    }
    pub(crate) fn u8(&mut self) -> Result<u8, Fault> {
        self.array::<1>().map(|[b]| b)
    }
    pub(crate) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }
    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }
    /// A text behind its length in one byte.
    pub(crate) fn short_text(&mut self) -> Result<&'a str, Fault> {
        let length = usize::from(self.u8()?);
        core::str::from_utf8(self.take(length)?).map_err(|_| Fault::Malformed { what: self.what })
    }
    /// Everything that is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}

/// Writes a fixed layout.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }
    #[must_use]
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    #[must_use]
    pub(crate) fn u8(self, n: u8) -> Self {
        self.bytes(&[n])
    }
    #[must_use]
    pub(crate) fn u16(self, n: u16) -> Self {
        self.bytes(&n.to_le_bytes())
    }
    #[must_use]
    pub(crate) fn u32(self, n: u32) -> Self {
        self.bytes(&n.to_le_bytes())
    }
    #[must_use]
    pub(crate) fn u64(self, n: u64) -> Self {
        self.bytes(&n.to_le_bytes())
    }
    /// A text of at most 255 bytes behind its length; a longer one is cut at a character.
    #[must_use]
    pub(crate) fn short_text(self, text: &str) -> Self {
        let mut end = text.len().min(255);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let length = u8::try_from(end).expect("at most 255");
        self.u8(length).bytes(&text.as_bytes()[..end])
    }
    pub(crate) fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Encodes an unsigned thing compactly (postcard).
pub(crate) fn encode<T: serde::Serialize>(thing: &T) -> Vec<u8> {
    postcard::to_allocvec(thing).expect("writing to memory does not fail")
}

/// Decodes what [`encode`] wrote, of at most so many bytes.
pub(crate) fn decode_within<'de, T: serde::Deserialize<'de>>(
    bytes: &'de [u8],
    what: &'static str,
    most: usize,
) -> Result<T, Fault> {
    if bytes.len() > most {
        return Err(Fault::TooLarge { what, most: most as u64 });
    }
    decode(bytes, what)
}

/// Decodes what [`encode`] wrote: all of it, nothing after it.
pub(crate) fn decode<'de, T: serde::Deserialize<'de>>(bytes: &'de [u8], what: &'static str) -> Result<T, Fault> {
    match postcard::take_from_bytes(bytes) {
        Ok((thing, [])) => Ok(thing),
        _ => Err(Fault::Malformed { what }),
    }
}
