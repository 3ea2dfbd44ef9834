//! What is said on a stream about a blob, each a frame.

use crate::bytes::{Reader, Writer};
use crate::fault::Fault;
use crate::id::{BlobId, SpaceId};
use crate::limits;

use super::Manifest;

/// Asks for a blob of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The space in which it belongs to a record.
    pub space: SpaceId,
    /// The blob.
    pub blob: BlobId,
    /// Whether the manifest is wanted too.
    pub manifest: bool,
}

impl Ask {
    /// Bytes of one.
    pub const SIZE: usize = 65;

    /// Its bytes: space 32, blob 32, whether the manifest is wanted 1.
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::with_capacity(Self::SIZE).bytes(&self.space.0).bytes(&self.blob.0).u8(u8::from(self.manifest)).done()
    }
    /// Reads one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, "question for a blob");
        let ask = Self { space: reader.id()?, blob: reader.id()?, manifest: reader.u8()? == 1 };
        reader.end()?;
        Ok(ask)
    }
}

/// The answer to [`Ask`]. What does not exist and what may not be seen are the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not here.
    NotHere,
    /// Here; with the manifest where it was wanted.
    Here(Option<Manifest>),
}

impl Found {
    /// The most bytes of one.
    pub const MOST: usize = 1 + limits::BLOB_CHUNKS * 32 + 8;

    /// Its bytes: 0, or 1 and the manifest.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::NotHere => vec![0],
            Self::Here(manifest) => {
                let manifest = manifest.as_ref().map(Manifest::to_bytes).unwrap_or_default();
                Writer::with_capacity(manifest.len() + 1).u8(1).bytes(&manifest).done()
            }
        }
    }
    /// Reads the answer about a blob: a manifest has to be its own.
    pub fn parse(bytes: &[u8], blob: &BlobId) -> Result<Self, Fault> {
        match bytes {
            [0] => Ok(Self::NotHere),
            [1] => Ok(Self::Here(None)),
            [1, manifest @ ..] => {
                let manifest = Manifest::parse(manifest)?;
                if manifest.id() == *blob { Ok(Self::Here(Some(manifest))) } else { Err(Fault::Blob(*blob)) }
            }
            _ => Err(Fault::Malformed { what: "answer about a blob" }),
        }
    }
}

/// Asks for chunks, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Get {
    /// The first.
    pub first: u32,
    /// How many, at most [`limits::CHUNKS_ASKED`].
    pub count: u32,
}

impl Get {
    /// Bytes of one.
    pub const SIZE: usize = 8;

    /// Its bytes: first 4, count 4.
    pub fn to_bytes(self) -> Vec<u8> {
        Writer::with_capacity(Self::SIZE).u32(self.first).u32(self.count).done()
    }
    /// Reads one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(bytes, "question for chunks");
        let get = Self { first: reader.u32()?, count: reader.u32()? };
        reader.end()?;
        let most = u64::from(limits::CHUNKS_ASKED);
        if get.count > limits::CHUNKS_ASKED {
            Err(Fault::TooLarge { what: "question for chunks", most })
        } else {
            Ok(get)
        }
    }
}

/// A chunk as it travels: 1 and its bytes; 0 where it cannot be had.
pub fn chunk_frame(chunk: Option<&[u8]>) -> Vec<u8> {
    let chunk = chunk.map_or((0, &[][..]), |bytes| (1, bytes));
    Writer::with_capacity(chunk.1.len() + 1).u8(chunk.0).bytes(chunk.1).done()
}

/// The chunk in a frame; none where it cannot be had.
pub fn read_chunk_frame(frame: &[u8]) -> Result<Option<&[u8]>, Fault> {
    match frame {
        [0] => Ok(None),
        [1, bytes @ ..] => Ok(Some(bytes)),
        _ => Err(Fault::Malformed { what: "chunk" }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blob::Builder;

    proptest! {
        #[test]
        fn what_is_said_is_read_as_it_was_said(space: [u8; 32], blob: [u8; 32], manifest: bool, first: u32, count in 0..=limits::CHUNKS_ASKED, bytes: Vec<u8>) {
            let ask = Ask { space: space.into(), blob: blob.into(), manifest };
            prop_assert_eq!(Ask::parse(&ask.to_bytes()), Ok(ask));
            let get = Get { first, count };
            prop_assert_eq!(Get::parse(&get.to_bytes()), Ok(get));
            let (full, none) = (chunk_frame(Some(&bytes)), chunk_frame(None));
            prop_assert_eq!(read_chunk_frame(&full), Ok(Some(&bytes[..])));
            prop_assert_eq!(read_chunk_frame(&none), Ok(None));
        }
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, blob: [u8; 32]) {
            let _ = (Ask::parse(&bytes), Get::parse(&bytes), read_chunk_frame(&bytes));
            if let Ok(Found::Here(Some(manifest))) = Found::parse(&bytes, &blob.into()) {
                prop_assert_eq!(manifest.id(), BlobId(blob));
            }
        }
    }

    #[test]
    fn a_manifest_of_another_blob_is_refused() {
        let mut builder = Builder::default();
        builder.push(b"worksheet").unwrap();
        let manifest = builder.done();
        let found = Found::Here(Some(manifest.clone()));
        assert_eq!(Found::parse(&found.to_bytes(), &manifest.id()), Ok(found.clone()));
        assert_eq!(Found::parse(&found.to_bytes(), &BlobId([1; 32])), Err(Fault::Blob(BlobId([1; 32]))));
        assert_eq!(Found::parse(&Found::NotHere.to_bytes(), &manifest.id()), Ok(Found::NotHere));
    }
}
