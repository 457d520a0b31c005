//! Where tokens end, found eight bytes at a time.
//!
//! Names and values are short: a call into a search of wide registers costs more than it saves there, a byte at a time costs
//! several instructions each. So eight bytes are judged at once in a plain word, each by its own high bit. Longer texts
//! (quoted values, lines) are searched by `memchr`.
//!
//! # Invariants
//! - Every function equals the one of the same name in [`scalar`], which is its definition, on any bytes.

use std::ops::RangeInclusive;

const HIGH_BITS: u64 = splat(0x80);

/// What may stand in an identifier beside letters, digits and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colon {
    /// Nothing: label names.
    Refused,
    /// `:`, as in names of metrics.
    Allowed,
}

/// What ends a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blank {
    /// A space or the line's end.
    Space,
    /// The same, or a tab.
    SpaceOrTab,
}

/// The definitions, byte by byte; they also read what is left behind the last whole word.
pub(super) mod scalar {
    use super::{Blank, Colon};

    /// Whether `byte` may stand in an identifier, behind its first byte.
    pub(in crate::parse) fn is_identifier(byte: u8, colon: Colon) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_' || (byte == b':' && colon == Colon::Allowed)
    }

    /// Whether `byte` ends a number.
    pub(in crate::parse) fn is_end(byte: u8, blank: Blank) -> bool {
        matches!(byte, b' ' | b'\n') || (byte == b'\t' && blank == Blank::SpaceOrTab)
    }

    pub(in crate::parse) fn identifier_len(text: &[u8], colon: Colon) -> usize {
        text.iter().position(|byte| !is_identifier(*byte, colon)).unwrap_or(text.len())
    }

    pub(in crate::parse) fn number_len(text: &[u8], blank: Blank) -> usize {
        text.iter().position(|byte| is_end(*byte, blank)).unwrap_or(text.len())
    }
}

/// Returns how many bytes at the front of `text` may stand in an identifier.
#[inline]
pub(super) fn identifier_len(text: &[u8], colon: Colon) -> usize {
    // The colon is the digits' neighbour.
    let digits = match colon {
        Colon::Refused => b'0'..=b'9',
        Colon::Allowed => b'0'..=b':',
    };
    let is_inside = |word: u64| {
        let letters = lanes_in(word | splat(0x20), b'a'..=b'z');
        letters | lanes_in(word, digits.clone()) | lanes_equal(word, b'_')
    };
    search(text, |word| !is_inside(word) & HIGH_BITS, |rest| scalar::identifier_len(rest, colon))
}

/// Returns the length of the number at the front of `text`: up to a blank or the line's end.
#[inline]
pub(super) fn number_len(text: &[u8], blank: Blank) -> usize {
    // Bytes up to the space: subtracting what comes behind it borrows there, and the lowest lane that does tells the
    // truth. Other control characters are rare; the definition passes over them.
    let may_end = |word: u64| word.wrapping_sub(splat(b' ' + 1)) & !word & HIGH_BITS;
    let near = search(text, may_end, |_| 0);
    near + scalar::number_len(text.get(near..).unwrap_or_default(), blank)
}

/// Returns the position of the first byte whose lane `find` marks; behind the last whole word `find_in_rest` decides.
#[inline]
fn search(text: &[u8], find: impl Fn(u64) -> u64, find_in_rest: impl Fn(&[u8]) -> usize) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (idx, bytes) in words.iter().enumerate() {
        let found = find(u64::from_le_bytes(*bytes));
        if found != 0 {
            return idx * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    words.len() * 8 + find_in_rest(rest)
}

/// Returns a word whose eight bytes are `byte`.
const fn splat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Marks the lanes that are in `range`, which is of ASCII. No lane carries into the next: 0x7f and 0x80 are 0xff.
#[inline]
fn lanes_in(word: u64, range: RangeInclusive<u8>) -> u64 {
    let low = word & !HIGH_BITS;
    let is_from = low + splat(0x80 - range.start());
    let is_beyond = low + splat(0x7f - range.end());
    is_from & !is_beyond & !word & HIGH_BITS
}

/// Marks the lanes that are `byte`.
#[inline]
fn lanes_equal(word: u64, byte: u8) -> u64 {
    let differs = word ^ splat(byte);
    !(((differs & !HIGH_BITS) + !HIGH_BITS) | differs) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COLONS: [Colon; 2] = [Colon::Refused, Colon::Allowed];
    const BLANKS: [Blank; 2] = [Blank::Space, Blank::SpaceOrTab];

    fn assert_equal(text: &[u8]) {
        for colon in COLONS {
            assert_eq!(identifier_len(text, colon), scalar::identifier_len(text, colon), "{text:?}");
        }
        for blank in BLANKS {
            assert_eq!(number_len(text, blank), scalar::number_len(text, blank), "{text:?}");
        }
    }

    #[test]
    fn every_byte_in_every_lane_is_judged_as_by_the_definition() {
        for byte in 0..=u8::MAX {
            for filler in [b'a', b'0', b'_', byte] {
                for place in 0..24 {
                    let mut text = [filler; 24];
                    text[place] = byte;
                    [place, place + 1, 24].iter().for_each(|len| assert_equal(&text[..*len]));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever the bytes are: words and single bytes find the same ends.
        #[test]
        fn words_and_single_bytes_agree_on_random_bytes(text: Vec<u8>) {
            assert_equal(&text);
        }

        /// As above on texts whose ends are far apart.
        #[test]
        fn words_and_single_bytes_agree_on_names_and_numbers(text in "[a-zA-Z_:0-9+.e-]{0,40}[ \t\n{=\"é]?[a-z0-9]{0,20}") {
            assert_equal(text.as_bytes());
        }
    }
}
