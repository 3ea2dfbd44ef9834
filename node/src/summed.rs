//! Small files with a sum on their last line: one in which a byte changed on the disk is found to be
//! damaged, and never believed.
//!
//! A file of before has no such line. It is taken as it is, once, and written anew with one.

/// What begins the last line.
const MARK: &[u8] = b"\nsum: ";
/// Digits of a sum.
const DIGITS: usize = 32;
/// Bytes of the last line, with what ends the line before it.
const LINE: usize = MARK.len() + DIGITS + 1;

/// What a file was found to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Its sum holds.
    Whole(&'a [u8]),
    /// It has no sum.
    Plain(&'a [u8]),
    /// Its sum does not hold.
    Damaged,
}

/// These bytes with their sum.
pub(crate) fn sealed(bytes: &[u8]) -> Vec<u8> {
    [bytes, MARK, &digits(bytes), b"\n"].concat()
}

/// The bytes of a file without its sum, looked at.
pub(crate) fn opened(file: &[u8]) -> Found<'_> {
    let Some(at) = file.len().checked_sub(LINE).filter(|at| file[*at..].starts_with(MARK)) else {
        // Cut off somewhere in its last line, or changed there.
        let traces = file.windows(4).any(|part| part == b"sum:");
        return if traces { Found::Damaged } else { Found::Plain(file) };
    };
    let (bytes, line) = file.split_at(at);
    if line == [MARK, &digits(bytes), b"\n"].concat() { Found::Whole(bytes) } else { Found::Damaged }
}

fn digits(bytes: &[u8]) -> [u8; DIGITS] {
    let hash = blake3::derive_key("staffroom 2026 sum of a small file v1", bytes);
    let mut digits = [0; DIGITS];
    for (digit, nibble) in digits.iter_mut().zip(hash.iter().flat_map(|byte| [byte >> 4, byte & 15])) {
        *digit = b"0123456789abcdef"[usize::from(nibble)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_that_changes_is_found_and_any_end_that_is_cut_off_is_found_or_harmless() {
        let text = br#"{"place":"machine/77","signed":[]}"#;
        let file = sealed(text);
        assert_eq!(opened(&file), Found::Whole(text));
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut other = file.clone();
                other[at] ^= 1 << bit;
                // What is taken for a file of before is not what such a file has: nobody reads it as one.
                match opened(&other) {
                    Found::Whole(_) => panic!("byte {at} changed"),
                    Found::Plain(left) => assert!(left.len() > text.len()),
                    Found::Damaged => {}
                }
            }
            assert!(!matches!(opened(&file[..at]), Found::Whole(_)));
        }
        assert_eq!(opened(b""), Found::Plain(b""));
    }
}
