//! WebP: chunks of RIFF (RFC 9649, section 2).

use super::{Parts, orientation, take, take_array};

/// The flags of `VP8X` that say that there is Exif or XMP.
const EXIF: u8 = 0x08;
const XMP: u8 = 0x04;
/// What stands before the chunks of a frame.
const FRAME_HEAD: usize = 16;

pub(super) fn clean(bytes: &[u8]) -> Parts {
    let mut rest = bytes.strip_prefix(b"RIFF").ok_or("it is no WebP")?;
    let length = u32::from_le_bytes(take_array(&mut rest)?);
    // What lies behind the length that it says is no part of the picture.
    let mut rest = take(&mut rest, usize::try_from(length).map_err(|_| "it is too long")?)?;
    take(&mut rest, 4)?;
    let (mut body, mut orientation, mut flags_at, mut pictures) = (b"WEBP".to_vec(), None, None, 0);
    while !rest.is_empty() {
        let (name, data) = chunk(&mut rest)?;
        match &name {
            b"VP8X" if data.len() == 10 && flags_at.is_none() => {
                flags_at = Some(body.len() + 8);
                write(&mut body, name, data);
            }
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ICCP" => {
                pictures += usize::from(name.starts_with(b"VP8"));
                write(&mut body, name, data);
            }
            b"ANMF" => {
                pictures += 1;
                write(&mut body, name, &frame(data)?);
            }
            b"EXIF" => {
                // Some programs write the six bytes that only JPEG has.
                let exif = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
                orientation = orientation.or_else(|| orientation::read(exif));
            }
            _ => {}
        }
    }
    if pictures == 0 {
        return Err("there is no picture in it");
    }
    if let Some(at) = flags_at {
        body[at] &= !(EXIF | XMP);
        if let Some(orientation) = orientation {
            body[at] |= EXIF;
            write(&mut body, *b"EXIF", &orientation::write(orientation));
        }
    }
    let mut out = b"RIFF".to_vec();
    out.extend_from_slice(&u32::try_from(body.len()).expect("not longer than what was read").to_le_bytes());
    out.append(&mut body);
    Ok(out)
}

/// A frame of an animation, without chunks that no picture needs.
fn frame(data: &[u8]) -> Parts {
    let mut rest = data;
    let mut out = take(&mut rest, FRAME_HEAD)?.to_vec();
    while !rest.is_empty() {
        let (name, data) = chunk(&mut rest)?;
        if matches!(&name, b"VP8 " | b"VP8L" | b"ALPH") {
            write(&mut out, name, data);
        }
    }
    Ok(out)
}

fn chunk<'a>(rest: &mut &'a [u8]) -> Parts<([u8; 4], &'a [u8])> {
    let name = take_array(rest)?;
    let length = u32::from_le_bytes(take_array(rest)?);
    let data = take(rest, usize::try_from(length).map_err(|_| "a part of it is too long")?)?;
    if data.len() % 2 == 1 && !rest.is_empty() {
        take(rest, 1)?;
    }
    Ok((name, data))
}

fn write(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    out.extend_from_slice(&name);
    out.extend_from_slice(&u32::try_from(data.len()).expect("not longer than what was read").to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
}
