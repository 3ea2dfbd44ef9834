//! LEB128 numbers as Automerge writes them: minimal, at most 64 bits.

use super::Void;

/// A cursor over bytes that nobody has checked.
#[derive(Debug, Clone, Copy)]
pub(in crate::record) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(in crate::record) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
    pub(in crate::record) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
    pub(in crate::record) fn rest(&self) -> &'a [u8] {
        self.rest
    }
    pub(in crate::record) fn byte(&mut self) -> Result<u8, Void> {
        let (first, rest) = self.rest.split_first().ok_or(Void::EndsEarly)?;
        self.rest = rest;
        Ok(*first)
    }
    /// The next `count` bytes.
    pub(in crate::record) fn take(&mut self, count: u64) -> Result<&'a [u8], Void> {
        let count = usize::try_from(count).map_err(|_| Void::EndsEarly)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Void::EndsEarly)?;
        self.rest = rest;
        Ok(taken)
    }
    pub(in crate::record) fn array<const N: usize>(&mut self) -> Result<[u8; N], Void> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Void::EndsEarly)?;
        self.rest = rest;
        Ok(*taken)
    }
    pub(in crate::record) fn unsigned(&mut self) -> Result<u64, Void> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Void::Number);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(Void::Number) } else { Ok(value) };
            }
            shift += 7;
        }
    }
    pub(in crate::record) fn signed(&mut self) -> Result<i64, Void> {
        let mut value = 0i64;
        let mut shift = 0;
        let mut before = 0u8;
        loop {
            let byte = self.byte()?;
            // The tenth byte holds the sign alone.
            if shift == 63 && byte != 0 && byte != 0x7f {
                return Err(Void::Number);
            }
            value |= i64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                let sign_only = (byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 != 0);
                if shift > 7 && sign_only {
                    return Err(Void::Number);
                }
                return Ok(if shift < 64 && byte & 0x40 != 0 { value | (-1 << shift) } else { value });
            }
            before = byte;
        }
    }
}

/// Appends an unsigned number.
pub(in crate::record) fn write_unsigned(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let byte = low_seven(value);
        value >>= 7;
        if value == 0 {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// Appends a signed number.
pub(in crate::record) fn write_signed(mut value: i64, out: &mut Vec<u8>) {
    loop {
        let byte = low_seven(value.cast_unsigned());
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

/// How many bytes [`write_unsigned`] appends.
pub(in crate::record) fn unsigned_length(value: u64) -> u64 {
    u64::from((64 - value.leading_zeros()).div_ceil(7).max(1))
}

/// How many bytes [`write_signed`] appends.
pub(in crate::record) fn signed_length(value: i64) -> u64 {
    let magnitude = if value < 0 { !value } else { value };
    u64::from((65 - magnitude.leading_zeros()).div_ceil(7))
}

fn low_seven(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit in a byte")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_length() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
    }

    proptest! {
        #[test]
        fn any_number_survives(value in any_length()) {
            let mut out = Vec::new();
            write_signed(value, &mut out);
            prop_assert_eq!(out.len() as u64, signed_length(value));
            prop_assert_eq!(Reader::new(&out).signed(), Ok(value));
            let mut out = Vec::new();
            write_unsigned(value.cast_unsigned(), &mut out);
            prop_assert_eq!(out.len() as u64, unsigned_length(value.cast_unsigned()));
            prop_assert_eq!(Reader::new(&out).unsigned(), Ok(value.cast_unsigned()));
        }

        #[test]
        fn any_bytes_that_are_read_are_what_would_be_written(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.unsigned() {
                let mut out = Vec::new();
                write_unsigned(value, &mut out);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.signed() {
                let mut out = Vec::new();
                write_signed(value, &mut out);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - reader.rest().len()]);
            }
        }
    }
}
