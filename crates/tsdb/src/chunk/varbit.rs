//! Integers in a stream of bits: a prefix of ones says how many bits follow.
//!
//! ```text
//! 0 · 10+3 · 110+6 · 1110+9 · 11110+12 · 111110+18 · 1111110+25 · 11111110+56 · 11111111+64
//! ```
//! Signed numbers of n bits range from −(2^(n−1) − 1) to 2^(n−1), one off two's complement.
//! # Source
//! `spec/prometheus-core.md` §7.6.

use super::bits::{BitReader, BitWriter};
use crate::encoding::{VARINT_BYTES_MAX, put_uvarint, put_varint};

/// Bits that follow the prefix of this many ones.
const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

/// Appends a signed number.
pub fn push_int(out: &mut BitWriter, value: i64) {
    let fits = |width: u32| match width {
        0 => value == 0,
        64 => true,
        _ => -((1_i64 << (width - 1)) - 1) <= value && value <= 1 << (width - 1),
    };
    push(out, value.cast_unsigned(), fits);
}

/// Appends an unsigned number.
pub fn push_uint(out: &mut BitWriter, value: u64) {
    push(out, value, |width| width == 64 || value >> width == 0);
}

fn push(out: &mut BitWriter, value: u64, fits: impl Fn(u32) -> bool) {
    let mut prefix = 0_u64;
    for (n_ones, width) in (0_u32..).zip(WIDTHS) {
        if fits(width) {
            match n_ones {
                0 => out.push(0, 1),
                8 => out.push(0xff, 8),
                _ => out.push(prefix << 1, n_ones + 1),
            }
            if width > 0 {
                out.push(value & (u64::MAX >> (64 - width)), width);
            }
            return;
        }
        prefix = prefix << 1 | 1;
    }
}

/// Reads a signed number; `None` when the bits end before it does.
pub fn read_int(bits: &mut BitReader<'_>) -> Option<i64> {
    let (raw, width) = read(bits)?;
    let raw = raw.cast_signed();
    let is_negative = (1..64).contains(&width) && raw > 1 << (width - 1);
    Some(if is_negative { raw - (1 << width) } else { raw })
}

/// Reads an unsigned number; `None` when the bits end before it does.
pub fn read_uint(bits: &mut BitReader<'_>) -> Option<u64> {
    read(bits).map(|(raw, _)| raw)
}

fn read(bits: &mut BitReader<'_>) -> Option<(u64, u32)> {
    let n_ones = (!bits.peek()).leading_zeros().min(8);
    bits.skip(if n_ones == 8 { 8 } else { n_ones + 1 })?;
    let width = *WIDTHS.get(n_ones as usize)?;
    let raw = if width == 0 { 0 } else { bits.take(width)? };
    Some((raw, width))
}

/// Appends a signed LEB128 number, whose bytes need not start at a byte's border.
pub fn push_varint(out: &mut BitWriter, value: i64) {
    let mut bytes = Vec::with_capacity(VARINT_BYTES_MAX);
    put_varint(&mut bytes, value);
    out.push_bytes(&bytes);
}

/// Appends an unsigned LEB128 number, whose bytes need not start at a byte's border.
pub fn push_uvarint(out: &mut BitWriter, value: u64) {
    let mut bytes = Vec::with_capacity(VARINT_BYTES_MAX);
    put_uvarint(&mut bytes, value);
    out.push_bytes(&bytes);
}

/// Reads a signed LEB128 number; `None` when it is cut off or exceeds 64 bits.
pub fn read_varint(bits: &mut BitReader<'_>) -> Option<i64> {
    let raw = read_uvarint(bits)?;
    Some((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
}

/// Reads an unsigned LEB128 number; `None` when it is cut off or exceeds 64 bits.
pub fn read_uvarint(bits: &mut BitReader<'_>) -> Option<u64> {
    let mut value = 0_u64;
    for idx in 0..VARINT_BYTES_MAX {
        let byte = bits.take(8)?;
        if idx == VARINT_BYTES_MAX - 1 && byte > 1 {
            return None;
        }
        value |= (byte & 0x7f) << (7 * idx);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(push: impl Fn(&mut BitWriter)) -> Vec<u8> {
        let mut out = BitWriter::default();
        push(&mut out);
        out.bytes
    }

    #[test]
    fn prefixes_are_those_of_the_format() {
        assert_eq!(written(|out| push_int(out, 0)), [0b0000_0000]);
        assert_eq!(written(|out| push_int(out, 4)), [0b1010_0000], "10 100");
        assert_eq!(written(|out| push_int(out, -3)), [0b1010_1000], "10 101");
        assert_eq!(written(|out| push_int(out, 5)), [0b1100_0010, 0b1000_0000], "110 000101");
        assert_eq!(written(|out| push_int(out, -32)), [0b1110_1111, 0b0000_0000], "1110 111100000");
        assert_eq!(written(|out| push_uint(out, 7)), [0b1011_1000], "10 111");
        assert_eq!(written(|out| push_uint(out, 8)), [0b1100_0100, 0], "110 001000");
        assert_eq!(written(|out| push_int(out, i64::MIN))[..2], [0xff, 0x80]);
    }

    #[test]
    fn every_edge_of_a_range_round_trips() {
        let edges = WIDTHS.into_iter().filter(|width| (1..64).contains(width)).flat_map(|width| {
            let top = 1_i64 << (width - 1);
            [top - 1, top, top + 1, -top, -(top - 1), -(top + 1), (1 << width) - 1, 1 << width]
        });
        for value in edges.chain([0, i64::MIN, i64::MAX]) {
            let bytes = written(|out| push_int(out, value));
            assert_eq!(read_int(&mut BitReader::new(&bytes)), Some(value));
            let bytes = written(|out| push_uint(out, value.cast_unsigned()));
            assert_eq!(read_uint(&mut BitReader::new(&bytes)), Some(value.cast_unsigned()));
        }
    }

    proptest! {
        #[test]
        fn numbers_round_trip_at_any_bit(shift in 1_u32..8, values: Vec<(i64, u64, i64)>) {
            let mut out = BitWriter::default();
            out.push(0, shift);
            for (int, uint, varint) in &values {
                push_int(&mut out, *int);
                push_uint(&mut out, *uint);
                push_varint(&mut out, *varint);
            }
            let mut bits = BitReader::new(&out.bytes);
            bits.take(shift).unwrap();
            for (int, uint, varint) in values {
                prop_assert_eq!(read_int(&mut bits), Some(int));
                prop_assert_eq!(read_uint(&mut bits), Some(uint));
                prop_assert_eq!(read_varint(&mut bits), Some(varint));
            }
        }
    }
}
