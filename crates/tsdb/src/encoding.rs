//! Integers and strings as Prometheus's files write them: big-endian, varints, length-prefixed strings.
//!
//! [`Cursor`] reads with a check on every step, so that damaged bytes end in an error; the `put_` functions append to
//! a `Vec<u8>`. `uvarint` is unsigned LEB128, `varint` its zig-zag form.
#![expect(clippy::cast_possible_truncation, reason = "a codec narrows on purpose, each time after masking")]

/// Longest encoding of a 64-bit varint, bytes.
pub const VARINT_BYTES_MAX: usize = 10;

/// Why bytes could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("bytes end inside a field")]
    Truncated,
    /// A varint does not fit 64 bits.
    #[error("varint exceeds 64 bits")]
    VarintOverflow,
    /// A string is not UTF-8.
    #[error("string is not UTF-8")]
    Utf8,
    /// A field holds what no writer puts there.
    #[error("field is out of its range")]
    OutOfRange,
}

/// Reads fields from the front of a byte slice.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns what has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns how many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Reads `n` bytes.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(n).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// Reads one byte.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Reads a 16-bit number.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads a 32-bit number.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a 64-bit number.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads a signed 64-bit number.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Reads a float by its bits.
    /// # Errors
    /// [`DecodeError::Truncated`].
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.u64().map(f64::from_bits)
    }

    /// Reads an unsigned varint.
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::VarintOverflow`].
    #[inline]
    pub fn uvarint(&mut self) -> Result<u64, DecodeError> {
        // Most numbers of an index are small.
        if let [byte @ ..0x80, rest @ ..] = self.bytes {
            self.bytes = rest;
            return Ok(u64::from(*byte));
        }
        // Longer ones are joined from one load, without a branch for each byte.
        if let Some(word) = self.bytes.first_chunk() {
            let word = u64::from_le_bytes(*word);
            let last_bytes = !word & 0x8080_8080_8080_8080;
            if last_bytes != 0 {
                let n_bits = last_bytes.trailing_zeros() + 1;
                self.bytes = self.bytes.get(n_bits as usize / 8..).unwrap_or_default();
                return Ok(join_sevens(word & (u64::MAX >> (64 - n_bits))));
            }
        }
        self.uvarint_by_bytes()
    }

    /// The rest: at the end of the bytes, and numbers of nine or ten bytes.
    fn uvarint_by_bytes(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for (idx, &byte) in self.bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
            let payload = u64::from(byte & 0x7f);
            // The tenth byte has room for a single bit.
            if idx == VARINT_BYTES_MAX - 1 && byte > 1 {
                return Err(DecodeError::VarintOverflow);
            }
            value |= payload << (7 * idx);
            if byte < 0x80 {
                self.bytes = self.bytes.get(idx + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(DecodeError::Truncated)
    }

    /// Reads a signed (zig-zag) varint.
    /// # Errors
    /// As [`Cursor::uvarint`].
    #[inline]
    pub fn varint(&mut self) -> Result<i64, DecodeError> {
        let raw = self.uvarint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Reads a length as uvarint and that many bytes.
    /// # Errors
    /// As [`Cursor::uvarint`].
    #[inline]
    pub fn uvarint_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.uvarint()?;
        self.take(usize::try_from(len).map_err(|_| DecodeError::Truncated)?)
    }

    /// Reads a length as uvarint and a string of that many bytes.
    /// # Errors
    /// As [`Cursor::uvarint`], and [`DecodeError::Utf8`].
    #[inline]
    pub fn uvarint_str(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.uvarint_bytes()?).map_err(|_| DecodeError::Utf8)
    }
}

/// Joins the low seven bits of each byte, the first byte lowest.
#[inline]
fn join_sevens(bytes: u64) -> u64 {
    let sevens = bytes & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (sevens & 0x007f_007f_007f_007f) | ((sevens & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

/// Appends an unsigned varint.
#[inline]
pub fn put_uvarint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a signed (zig-zag) varint.
#[inline]
pub fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_uvarint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends a 64-bit number.
#[inline]
pub fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a signed 64-bit number.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a float by its bits.
#[inline]
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    put_u64(out, value.to_bits());
}

/// Appends the length as uvarint, then the string.
#[inline]
pub fn put_uvarint_str(out: &mut Vec<u8>, text: &str) {
    put_uvarint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints_are_those_of_leb128() {
        let mut out = Vec::new();
        put_uvarint(&mut out, 300);
        put_varint(&mut out, -2);
        put_varint(&mut out, 2);
        assert_eq!(out, [0xac, 0x02, 0x03, 0x04]);
    }

    #[test]
    fn a_varint_beyond_64_bits_is_refused() {
        let mut nine = [0xff; 10];
        nine[9] = 0x01;
        assert_eq!(Cursor::new(&nine).uvarint(), Ok(u64::MAX));
        nine[9] = 0x02;
        assert_eq!(Cursor::new(&nine).uvarint(), Err(DecodeError::VarintOverflow));
        assert_eq!(Cursor::new(&[0x80; 3]).uvarint(), Err(DecodeError::Truncated));
        assert_eq!(Cursor::new(&[0x80; 20]).uvarint(), Err(DecodeError::VarintOverflow));
    }

    proptest! {
        /// Numbers of any length, cut off anywhere: both ways read the same and stop at the same place.
        #[test]
        fn varints_are_the_same_in_one_load_and_by_bytes(bits in 0u32..64, unsigned: u64, tail: Vec<u8>, cut in 0usize..20) {
            let mut out = Vec::new();
            put_uvarint(&mut out, unsigned >> bits);
            out.extend_from_slice(&tail);
            out.truncate(cut);
            let (mut fast, mut slow) = (Cursor::new(&out), Cursor::new(&out));
            prop_assert_eq!(fast.uvarint(), slow.uvarint_by_bytes());
            prop_assert_eq!(fast.rest(), slow.rest());
        }

        #[test]
        fn fields_round_trip(unsigned: u64, signed: i64, text: String) {
            let mut out = Vec::new();
            put_uvarint(&mut out, unsigned);
            put_varint(&mut out, signed);
            put_uvarint_str(&mut out, &text);
            put_u64(&mut out, unsigned);
            put_i64(&mut out, signed);
            let mut cursor = Cursor::new(&out);
            prop_assert_eq!(cursor.clone().uvarint_by_bytes(), Ok(unsigned));
            prop_assert_eq!(cursor.uvarint(), Ok(unsigned));
            prop_assert_eq!(cursor.varint(), Ok(signed));
            prop_assert_eq!(cursor.uvarint_str(), Ok(text.as_str()));
            prop_assert_eq!(cursor.u64(), Ok(unsigned));
            prop_assert_eq!(cursor.i64(), Ok(signed));
            prop_assert!(cursor.is_empty());
        }
    }
}
