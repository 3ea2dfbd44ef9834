//! Text as Windows programs save it: UTF-16, and the code page 1252 of Western Europe.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

/// What stands in Windows-1252 where Latin-1 has control characters.
const CODE_PAGE_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Bytes as text: UTF-8, or else Windows-1252, which every sequence of bytes can be.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(|byte| code_page_1252(*byte)).collect()),
    }
}

fn code_page_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => CODE_PAGE_1252[usize::from(byte) - 0x80],
        _ => char::from(byte),
    }
}

/// Which byte of two comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// Reads UTF-16 as UTF-8. What is no character is replaced by the sign for that.
pub(super) struct Utf16<R> {
    input: R,
    order: Order,
    /// UTF-8 that was not asked for yet.
    out: Vec<u8>,
    given: usize,
    /// A first half of a pair.
    half: Option<u16>,
}

impl Utf16<()> {
    /// Whether a text that begins like this is UTF-16: it says so, or every second byte is zero.
    pub(super) fn order(head: &[u8]) -> Option<Order> {
        match head {
            [0xff, 0xfe, ..] => return Some(Order::Little),
            [0xfe, 0xff, ..] => return Some(Order::Big),
            _ => {}
        }
        let start = head.get(..8)?;
        let zeros = |parity: usize| start.iter().skip(parity).step_by(2).all(|byte| *byte == 0);
        match (zeros(0), zeros(1)) {
            (false, true) => Some(Order::Little),
            (true, false) => Some(Order::Big),
            _ => None,
        }
    }
}

impl<R: BufRead> Utf16<R> {
    pub(super) fn new(input: R, order: Order) -> Self {
        Self { input, order, out: Vec::new(), given: 0, half: None }
    }

    /// Decodes some more; nothing at the end.
    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.given = 0;
        let mut units = Vec::with_capacity(4_096);
        units.extend(self.half.take());
        while units.len() < 4_096 {
            let mut pair = [0; 2];
            match read_up_to(&mut self.input, &mut pair)? {
                2 => units.push(match self.order {
                    Order::Little => u16::from_le_bytes(pair),
                    Order::Big => u16::from_be_bytes(pair),
                }),
                _ => break,
            }
        }
        // A pair may be parted here; at the very end nothing follows, and the half is replaced.
        if units.len() > 1 {
            self.half = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        }
        for c in char::decode_utf16(units) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }
}

/// Reads two bytes, or fewer at the end.
fn read_up_to(input: &mut impl Read, pair: &mut [u8; 2]) -> io::Result<usize> {
    let mut have = 0;
    while have < 2 {
        match input.read(&mut pair[have..]) {
            Ok(0) => break,
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

impl<R: BufRead> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.out.len() {
            self.fill()?;
        }
        let rest = &self.out[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn code_page_1252_is_read() {
        assert_eq!(text(b"caf\xe9 \x80 5 \x96 6 \x93x\x94"), "café € 5 – 6 “x”");
        assert_eq!(text("café".as_bytes()), "café");
    }

    proptest! {
        #[test]
        fn any_text_comes_through_utf16(words in "\\PC{1,4}( \\PC|\r\n){0,3000}", big: bool) {
            let order = if big { Order::Big } else { Order::Little };
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let wide: Vec<u8> = words.encode_utf16().flat_map(bytes).collect();
            let mut read = String::new();
            Utf16::new(&wide[..], order).read_to_string(&mut read).expect("from memory");
            prop_assert_eq!(read, words);
        }

        #[test]
        fn any_bytes_are_read_as_utf16(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut read = String::new();
            Utf16::new(&bytes[..], Order::Little).read_to_string(&mut read).expect("it is always text");
        }
    }
}
