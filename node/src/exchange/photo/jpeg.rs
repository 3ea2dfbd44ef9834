//! JPEG: segments between markers (ITU-T T.81, annex B).
//!
//! | kept | |
//! |---|---|
//! | SOF, DHT, DAC, DQT, DRI, DNL, SOS and its data | the picture |
//! | APP0 `JFIF` | how dense its dots are; its small preview goes |
//! | APP1 `Exif` | which way up it is, written anew; all else in it goes |
//! | APP2 `ICC_PROFILE` | its colours |
//! | APP14 `Adobe` | how its colours are coded |

use super::{BREAKS_OFF, Parts, orientation, take};

const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;

/// What was found on the way.
#[derive(Default)]
struct Found {
    jfif: Option<[u8; 14]>,
    orientation: Option<u8>,
    /// The kept segments, and the data of the scans.
    body: Vec<u8>,
    scans: usize,
}

pub(super) fn clean(bytes: &[u8]) -> Parts {
    let mut found = Found { body: Vec::with_capacity(bytes.len()), ..Found::default() };
    let mut rest = bytes.get(2..).ok_or(BREAKS_OFF)?;
    while let Some(marker) = next_marker(&mut rest) {
        if marker == EOI {
            break;
        }
        // Markers that stand alone: TEM, RSTn and SOI. Outside of a scan they mean nothing.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            continue;
        }
        let length =
            usize::from(u16::from_be_bytes([*rest.first().ok_or(BREAKS_OFF)?, *rest.get(1).ok_or(BREAKS_OFF)?]));
        let segment = take(&mut rest, length)?.get(2..).ok_or("a part of it has no length")?;
        found.segment(marker, segment);
        if marker == SOS {
            let data = scan(&mut rest);
            found.body.extend_from_slice(data);
            found.scans += 1;
        }
    }
    if found.scans == 0 {
        return Err("there is no picture in it");
    }
    Ok(found.together())
}

impl Found {
    fn segment(&mut self, marker: u8, content: &[u8]) {
        match marker {
            0xe0 if content.starts_with(b"JFIF\0") => {
                if let Some(Ok(mut head)) = content.get(..14).map(<[u8; 14]>::try_from) {
                    // The width and height of a preview, which is left out.
                    (head[12], head[13]) = (0, 0);
                    self.jfif.get_or_insert(head);
                }
            }
            0xe1 => {
                if let Some(exif) = content.strip_prefix(b"Exif\0\0") {
                    self.orientation = self.orientation.or_else(|| orientation::read(exif));
                }
            }
            0xe2 if content.starts_with(b"ICC_PROFILE\0") => self.keep(marker, content),
            0xee if content.starts_with(b"Adobe") && content.len() >= 12 => self.keep(marker, &content[..12]),
            // SOF0 to SOF15 without JPG, and DHT and DAC, which lie among them; SOS, DQT, DNL, DRI.
            0xc0..=0xc7 | 0xc9..=0xcf | SOS..=0xdd => self.keep(marker, content),
            _ => {}
        }
    }

    fn keep(&mut self, marker: u8, content: &[u8]) {
        write(&mut self.body, marker, content);
    }

    fn together(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.body.len() + 64);
        out.extend_from_slice(&[0xff, 0xd8]);
        if let Some(jfif) = self.jfif {
            write(&mut out, 0xe0, &jfif);
        }
        if let Some(orientation) = self.orientation {
            let mut exif = b"Exif\0\0".to_vec();
            exif.extend_from_slice(&orientation::write(orientation));
            write(&mut out, 0xe1, &exif);
        }
        out.extend_from_slice(&self.body);
        out.extend_from_slice(&[0xff, EOI]);
        out
    }
}

fn write(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).expect("it came with a length of two bytes, or is short");
    out.extend_from_slice(&[0xff, marker]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(content);
}

/// Goes behind the next marker. Whatever lies before it belongs to nothing, and is passed over.
fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    let at = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff))?;
    let marker = rest[at + 1];
    *rest = &rest[at + 2..];
    Some(marker)
}

/// The coded data of a scan: up to a marker that ends it. Where the file breaks off, what there is.
fn scan<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff | 0xd0..=0xd7);
    let end = rest.windows(2).position(ends).unwrap_or(rest.len());
    let (data, behind) = rest.split_at(end);
    *rest = behind;
    data
}
