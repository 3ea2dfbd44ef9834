//! GIF: blocks (GIF89a, CompuServe 1990). It has no Exif, but comments, and XMP in blocks of programs.

use super::{Parts, take, take_array};

/// What says how often an animation runs; blocks of other programs go.
const LOOPS: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];

pub(super) fn clean(bytes: &[u8]) -> Parts {
    let mut rest = bytes;
    let mut out = Vec::with_capacity(bytes.len());
    let head: [u8; 13] = take_array(&mut rest)?;
    out.extend_from_slice(&head);
    out.extend_from_slice(take(&mut rest, colours(head[10]))?);
    let mut pictures = 0;
    loop {
        let start = rest;
        match take_array(&mut rest)? {
            [0x2c] => {
                let about: [u8; 9] = take_array(&mut rest)?;
                take(&mut rest, colours(about[8]) + 1)?;
                blocks(&mut rest)?;
                out.extend_from_slice(&start[..start.len() - rest.len()]);
                pictures += 1;
            }
            [0x21] => {
                let [label] = take_array(&mut rest)?;
                let repeats = label == 0xff && LOOPS.contains(&rest.get(1..12).unwrap_or_default());
                blocks(&mut rest)?;
                if label == 0xf9 || repeats {
                    out.extend_from_slice(&start[..start.len() - rest.len()]);
                }
            }
            [0x3b] => break,
            // Some programs leave an empty block between two.
            [0x00] => {}
            _ => return Err("a part of it is of no known kind"),
        }
    }
    if pictures == 0 {
        return Err("there is no picture in it");
    }
    out.push(0x3b);
    Ok(out)
}

/// The length of the colour table that these flags announce, bytes.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Goes behind blocks up to the empty one that ends them.
fn blocks(rest: &mut &[u8]) -> Parts<()> {
    loop {
        let [length] = take_array(rest)?;
        if length == 0 {
            return Ok(());
        }
        take(rest, usize::from(length))?;
    }
}
