//! What a blob consists of.

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::BlobId;
use crate::{hash, limits};

const WHAT: &str = "manifest";

/// The hash by which a manifest names a chunk.
pub fn chunk_hash(bytes: &[u8]) -> [u8; 32] {
    hash::CHUNK.hash(&[bytes])
}

/// A blob's length and the hashes of its chunks, each of [`limits::CHUNK`] bytes but for the last.
///
/// Laid out as the hashes, one after the other, and then the length (8): what stands behind the bytes of a
/// blob in its file names all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    length: u64,
    chunks: Vec<[u8; 32]>,
}

impl Manifest {
    /// Bytes of the manifest of a blob of this length; none for a blob that is too long.
    pub fn size(length: u64) -> Option<usize> {
        Some(usize::try_from(count(length)?).ok()? * 32 + 8)
    }
    /// Reads what [`Self::to_bytes`] wrote: as many hashes as the length takes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let at = bytes.len().checked_sub(8).ok_or(Fault::Malformed { what: WHAT })?;
        let (hashes, length) = bytes.split_at(at);
        let length = Reader::new(length, WHAT).u64()?;
        let size = Self::size(length).ok_or(Fault::TooLarge { what: "blob", most: limits::BLOB })?;
        if size != bytes.len() {
            return Err(Fault::Malformed { what: WHAT });
        }
        let (chunks, _) = hashes.as_chunks::<32>();
        Ok(Self { length, chunks: chunks.to_vec() })
    }
    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::with_capacity(self.chunks.len() * 32 + 8);
        self.chunks.iter().fold(writer, |writer, chunk| writer.bytes(chunk)).u64(self.length).done()
    }
    /// The name of the blob.
    pub fn id(&self) -> BlobId {
        BlobId(hash::MANIFEST.hash(&[&self.to_bytes()]))
    }
    /// The blob's length, bytes.
    pub fn length(&self) -> u64 {
        self.length
    }
    /// How many chunks it has.
    pub fn count(&self) -> u32 {
        u32::try_from(self.chunks.len()).expect("checked against the bound when it was made")
    }
    /// Where a chunk begins in the blob, and its length; none beyond the last.
    pub fn place(&self, chunk: u32) -> Option<(u64, usize)> {
        let begins = u64::from(chunk) * limits::CHUNK as u64;
        let left = self.length.checked_sub(begins).filter(|left| *left > 0)?;
        Some((begins, usize::try_from(left).map_or(limits::CHUNK, |left| left.min(limits::CHUNK))))
    }
    /// Whether these bytes are that chunk.
    pub fn is(&self, chunk: u32, bytes: &[u8]) -> bool {
        let fits = self.place(chunk).is_some_and(|(_, length)| length == bytes.len());
        fits && self.chunks.get(chunk as usize) == Some(&chunk_hash(bytes))
    }
}

/// How many chunks a blob of this length has; none for one that is too long.
fn count(length: u64) -> Option<u32> {
    let count = length.div_ceil(limits::CHUNK as u64);
    if length > limits::BLOB { None } else { u32::try_from(count).ok() }
}

/// Makes a manifest from a blob's bytes, chunk by chunk.
#[derive(Debug, Default)]
pub struct Builder {
    length: u64,
    chunks: Vec<[u8; 32]>,
}

impl Builder {
    /// Takes the next chunk: [`limits::CHUNK`] bytes, or fewer for the last one. An empty one is none.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        if chunk.is_empty() {
            return Ok(());
        }
        let length = self.length.saturating_add(chunk.len() as u64);
        if length > limits::BLOB {
            return Err(Fault::TooLarge { what: "blob", most: limits::BLOB });
        }
        // A chunk behind one that was not full.
        if chunk.len() > limits::CHUNK || !self.length.is_multiple_of(limits::CHUNK as u64) {
            return Err(Fault::Malformed { what: "blob" });
        }
        self.length = length;
        self.chunks.push(chunk_hash(chunk));
        Ok(())
    }
    /// The manifest of what was taken.
    pub fn done(self) -> Manifest {
        Manifest { length: self.length, chunks: self.chunks }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest_of(bytes: &[u8]) -> Manifest {
        let mut builder = Builder::default();
        bytes.chunks(limits::CHUNK).for_each(|chunk| builder.push(chunk).unwrap());
        builder.done()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_manifest_is_read_as_written_and_names_each_chunk(length in 0usize..3 * limits::CHUNK + 2, flip: proptest::sample::Index) {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let manifest = manifest_of(&bytes);
            let laid_out = manifest.to_bytes();
            prop_assert_eq!(Manifest::size(length as u64), Some(laid_out.len()));
            prop_assert_eq!(&Manifest::parse(&laid_out).unwrap(), &manifest);
            for (chunk, part) in (0u32..).zip(bytes.chunks(limits::CHUNK)) {
                prop_assert_eq!(manifest.place(chunk), Some((u64::from(chunk) * limits::CHUNK as u64, part.len())));
                prop_assert!(manifest.is(chunk, part));
                let mut other = part.to_vec();
                let at = flip.index(other.len());
                other[at] ^= 1;
                prop_assert!(!manifest.is(chunk, &other) && !manifest.is(chunk + 1, part) && !manifest.is(chunk, &part[1..]));
            }
            prop_assert_eq!(manifest.place(manifest.count()), None);
            let mut other = laid_out.clone();
            let at = flip.index(other.len());
            other[at] ^= 1;
            prop_assert!(Manifest::parse(&other).is_ok_and(|other| other.id() == manifest.id()).eq(&false));
        }
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(manifest) = Manifest::parse(&bytes) {
                prop_assert_eq!(manifest.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn lengths_are_bounded_and_chunks_are_full() {
        assert_eq!(Manifest::size(limits::BLOB + 1), None);
        assert!(Manifest::parse(&(limits::BLOB + 1).to_le_bytes()).is_err());
        assert!(Manifest::parse(&u64::MAX.to_le_bytes()).is_err());
        assert_eq!(Manifest::size(limits::BLOB).unwrap(), limits::BLOB_CHUNKS * 32 + 8);
        let mut builder = Builder::default();
        builder.push(&[1; 10]).unwrap();
        assert!(builder.push(&[1; 10]).is_err());
        assert!(Builder::default().push(&vec![0; limits::CHUNK + 1]).is_err());
        assert_ne!(manifest_of(&[]).id(), manifest_of(&[0]).id());
    }
}
