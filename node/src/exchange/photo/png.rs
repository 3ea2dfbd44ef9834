//! PNG: chunks (W3C PNG, third edition, sections 5 and 11).

use flate2::Crc;

use super::{Parts, orientation, take, take_array};

/// What a PNG begins with.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What is needed to show a picture: its head, palette, data, transparency, colours, density, frames.
const KEPT: [&[u8; 4]; 21] = [
    b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"mDCv",
    b"cLLI", b"cLLi", b"bKGD", b"hIST", b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT",
];

pub(super) fn clean(bytes: &[u8]) -> Parts {
    let mut rest = bytes.strip_prefix(SIGNATURE).ok_or("it is no PNG")?;
    let mut orientation = None;
    // The head comes first; what says which way up it is stands behind it.
    let (mut head, mut body) = (SIGNATURE.to_vec(), Vec::with_capacity(bytes.len()));
    loop {
        let start = rest;
        let length = u32::from_be_bytes(take_array(&mut rest)?);
        let name: [u8; 4] = take_array(&mut rest)?;
        let data = take(&mut rest, usize::try_from(length).map_err(|_| "a part of it is too long")?)?;
        take(&mut rest, 4)?;
        let whole = &start[..start.len() - rest.len()];
        match &name {
            b"IHDR" if head.len() == SIGNATURE.len() => head.extend_from_slice(whole),
            _ if head.len() == SIGNATURE.len() => return Err("it does not begin as a PNG does"),
            b"IEND" => break,
            b"eXIf" => orientation = orientation.or_else(|| orientation::read(data)),
            name if KEPT.contains(&name) => body.extend_from_slice(whole),
            _ => {}
        }
    }
    if let Some(orientation) = orientation {
        chunk(&mut head, *b"eXIf", &orientation::write(orientation));
    }
    head.append(&mut body);
    chunk(&mut head, *b"IEND", b"");
    Ok(head)
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("what is written anew is short");
    let mut crc = Crc::new();
    crc.update(&name);
    crc.update(data);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&name);
    out.extend_from_slice(data);
    out.extend_from_slice(&crc.sum().to_be_bytes());
}
