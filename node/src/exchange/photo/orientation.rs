//! Which way up a picture is: the one thing of Exif that is kept.
//!
//! Source: Exif 3.0 (CIPA DC-008), 4.6.2 and 4.6.5, tag 0x0112; TIFF 6.0, section 2.

/// The tag *Orientation*.
const TAG: u16 = 0x0112;
/// The type of a value that is two bytes long.
const SHORT: u16 = 3;

/// The orientation that Exif says (a TIFF header and what follows), from 2 to 8; nothing where it says none,
/// or that the picture is the right way up.
pub(super) fn read(exif: &[u8]) -> Option<u8> {
    let little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let two: [u8; 2] = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let four: [u8; 4] = exif.get(4..8)?.try_into().ok()?;
    let first = if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
    let first = usize::try_from(first).ok()?;
    let entries = usize::from(short(first)?);
    let mut at = first.checked_add(2)?;
    for _ in 0..entries {
        if short(at)? == TAG {
            let value = short(at.checked_add(8)?).filter(|_| short(at + 2) == Some(SHORT))?;
            return u8::try_from(value).ok().filter(|value| (2..=8).contains(value));
        }
        at = at.checked_add(12)?;
    }
    None
}

/// Exif that says nothing but this.
pub(super) fn write(orientation: u8) -> [u8; 26] {
    let mut exif = *b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    exif[19] = orientation;
    exif
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is_needed() {
        for orientation in 2..=8 {
            assert_eq!(read(&write(orientation)), Some(orientation));
        }
        for other in [0, 1, 9, 255] {
            assert_eq!(read(&write(other)), None, "{other}");
        }
        let whole = write(6);
        for length in 0..20 {
            assert_eq!(read(&whole[..length]), None, "cut at {length}");
        }
    }
}
