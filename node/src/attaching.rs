//! A file of this machine on its way into a record.
//!
//! Pictures are cleaned of the place where they were taken before anything is stored
//! ([`photo`]); one that cannot be cleaned is not stored. All other files are stored as
//! they are. What a file is, its content says, not its name.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use staffroom_protocol::record::field::BlobRef;

use crate::blobs::{Blobs, NotAdded, Progress};
use crate::exchange::photo::{self, Format};
use crate::exchange::{Attachment, Reason, folder};

/// Stores a file; durable when this returns. `progress` counts its bytes.
pub fn store(blobs: &Blobs, attachment: &Attachment, progress: Progress<'_>) -> Result<BlobRef, Reason> {
    if attachment.bytes == 0 {
        return Err(Reason::Empty);
    }
    let unreadable = |error: io::Error| folder::reason(&error);
    let mut file = File::open(&attachment.path).map_err(unreadable)?;
    let added = if is_picture(&mut file).map_err(unreadable)? {
        let mut bytes = Vec::new();
        file.take(photo::LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let cleaned = photo::clean(&bytes).map_err(Reason::Unclean)?;
        progress(bytes.len() as u64);
        drop(bytes);
        blobs.add(&cleaned[..], &mut |_| {})
    } else {
        drop(file);
        blobs.add_file(&attachment.path, progress)
    };
    let manifest = added.map_err(|why| match why {
        NotAdded::Unreadable(error) => folder::reason(&error),
        why => Reason::NotStored(why.to_string()),
    })?;
    Ok(BlobRef {
        id: manifest.id(),
        name: attachment.name.clone(),
        bytes: manifest.length(),
        media_type: attachment.media_type.clone(),
    })
}

fn is_picture(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::new();
    file.by_ref().take(photo::HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(Format::of(&head).is_some())
}
