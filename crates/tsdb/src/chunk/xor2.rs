//! The XOR2 encoding: one prefix for time and value together, a short stale marker, optional start timestamps.
//!
//! ```text
//! chunk = n u16 | start header u8 | varint t0 | v0 64 bit [varint t0 − start]
//!         | uvarint dt | value [start field] | (prefix, value [start field])*
//! prefix = 0 same step, same value · 10 same step, changed · 110+13 · 1110+20 · 11110+64 another step
//!        · 11111 same step, stale
//! value  = 0 same · 10 in the last window · 110 with a window · 111 stale      after prefix 10: 0 in window · 1 with one
//! ```
//! Values are XORed with the last one that was not stale, 0 before the first.
//! # Source
//! `spec/prometheus-core.md` §7.6.

use wf_model::TimeRange;
use wf_model::sample::STALE_NAN_BITS;
use wf_series::SampleColumns;

use super::bits::{BitReader, BitWriter};
use super::column::{Damage, XorFloat};
use super::start_times::{StartReader, StartWriter};
use super::{ChunkError, push_start, varbit};

/// Bytes that one more sample adds at most: 69 bits of time, 78 of value, 72 of start timestamp.
pub const SAMPLE_BYTES_MAX: usize = 30;

/// Writes a chunk.
#[derive(Clone, Debug)]
pub struct Xor2Encoder {
    out: BitWriter,
    n: u16,
    time: i64,
    step: i64,
    /// The last value that was not stale.
    value: XorFloat,
    starts: StartWriter,
}

impl Xor2Encoder {
    /// Starts a chunk with its first sample; `start` is its start timestamp, 0 if it has none.
    pub fn begin(time: i64, start: i64, value: f64) -> Self {
        let mut out = BitWriter::after(vec![0, 0, 0]);
        varbit::push_varint(&mut out, time);
        out.push(value.to_bits(), 64);
        let baseline = if value.to_bits() == STALE_NAN_BITS { 0 } else { value.to_bits() };
        let mut encoder = Self {
            out,
            n: 1,
            time,
            step: 0,
            value: XorFloat::from_bits(baseline),
            starts: StartWriter::default(),
        };
        encoder.starts.push_first(time, start, &mut encoder.out);
        encoder.write_header();
        encoder
    }

    /// Starts a chunk with `n` ≥ 1 samples of one value and step, without start timestamps.
    pub fn constant(start_time: i64, step: i64, value: f64, n: u16) -> Self {
        let mut encoder = Self::begin(start_time, 0, value);
        for idx in 1..i64::from(n) {
            encoder.push(start_time.wrapping_add(step.wrapping_mul(idx)), 0, value);
        }
        encoder
    }

    /// Appends a sample. The caller keeps times ascending and stops at 65,535 samples.
    pub fn push(&mut self, time: i64, start: i64, value: f64) {
        let (previous, step) = (self.time, time.wrapping_sub(self.time));
        let bits = value.to_bits();
        let is_stale = bits == STALE_NAN_BITS;
        if self.n == 1 {
            varbit::push_uvarint(&mut self.out, step.cast_unsigned());
            self.push_value(bits);
        } else if step == self.step {
            let is_same = bits == self.value.bits();
            match (is_stale, is_same) {
                (true, _) => self.out.push(0b11111, 5),
                (false, true) => self.out.push(0, 1),
                (false, false) if self.value.fits_window(bits) => {
                    self.out.push(0b100, 3);
                    self.value.push_in_window(bits, &mut self.out);
                }
                (false, false) => {
                    self.out.push(0b101, 3);
                    self.value.push_with_window(bits, &mut self.out);
                }
            }
        } else {
            self.push_step(step.wrapping_sub(self.step));
            self.push_value(bits);
        }
        self.starts.push_next(self.n, previous, start, &mut self.out);
        (self.time, self.step) = (time, step);
        self.n = self.n.saturating_add(1);
        self.write_header();
    }

    fn push_step(&mut self, change: i64) {
        let low_bits = |n: u32| change.cast_unsigned() & ((1 << n) - 1);
        match change {
            -4_096..=4_095 => self.out.push(0b110 << 13 | low_bits(13), 16),
            -524_288..=524_287 => self.out.push(0b1110 << 20 | low_bits(20), 24),
            _ => {
                self.out.push(0b11110, 5);
                self.out.push(change.cast_unsigned(), 64);
            }
        }
    }

    fn push_value(&mut self, bits: u64) {
        if bits == STALE_NAN_BITS {
            self.out.push(0b111, 3);
        } else if bits == self.value.bits() {
            self.out.push(0, 1);
        } else if self.value.fits_window(bits) {
            self.out.push(0b10, 2);
            self.value.push_in_window(bits, &mut self.out);
        } else {
            self.out.push(0b110, 3);
            self.value.push_with_window(bits, &mut self.out);
        }
    }

    fn write_header(&mut self) {
        if let Some(header) = self.out.bytes.first_chunk_mut::<3>() {
            let [high, low] = self.n.to_be_bytes();
            *header = [high, low, self.starts.header()];
        }
    }

    /// Returns the number of samples.
    pub fn n_samples(&self) -> u16 {
        self.n
    }

    /// Returns the chunk so far.
    pub fn bytes(&self) -> &[u8] {
        &self.out.bytes
    }

    /// Returns the buffer, to make room in it.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.out.bytes
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.out.bytes.capacity()
    }

    /// Returns the chunk.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out.bytes
    }
}

/// Decodes the samples inside `range` and appends them to `out`.
/// # Errors
/// See [`ChunkError`]; samples before the damage may have been appended.
pub fn decode(bytes: &[u8], range: TimeRange, out: &mut SampleColumns) -> Result<(), ChunkError> {
    let n_samples = super::xor::n_samples(bytes)?;
    if n_samples == 0 {
        return Ok(());
    }
    let Some((header, body)) = bytes.split_first_chunk::<3>() else {
        return Err(ChunkError::Header(crate::encoding::DecodeError::Truncated));
    };
    let mut reader = Reader::new(BitReader::new(body), header[2]);
    for at in 0..n_samples {
        reader.advance(at).map_err(|damage| match damage {
            Damage::Truncated => ChunkError::Truncated { at, n_samples },
            Damage::BadWindow => ChunkError::BadWindow { at },
        })?;
        if reader.time > range.end_ms {
            break;
        }
        if reader.time >= range.start_ms {
            let value = if reader.is_stale { STALE_NAN_BITS } else { reader.value.bits() };
            out.push(reader.time, f64::from_bits(value));
            push_start(out, reader.starts.start);
        }
    }
    Ok(())
}

/// The newest sample while decoding.
struct Reader<'a> {
    bits: BitReader<'a>,
    time: i64,
    step: i64,
    value: XorFloat,
    is_stale: bool,
    starts: StartReader,
}

impl<'a> Reader<'a> {
    fn new(bits: BitReader<'a>, header: u8) -> Self {
        let value = XorFloat::from_bits(0);
        Self { bits, time: 0, step: 0, value, is_stale: false, starts: StartReader::new(header) }
    }

    fn advance(&mut self, at: u16) -> Result<(), Damage> {
        let previous = self.time;
        match at {
            0 => {
                self.time = varbit::read_varint(&mut self.bits).ok_or(Damage::Truncated)?;
                let bits = self.bits.take(64).ok_or(Damage::Truncated)?;
                self.is_stale = bits == STALE_NAN_BITS;
                self.value = XorFloat::from_bits(if self.is_stale { 0 } else { bits });
                return self.starts.read_first(self.time, &mut self.bits);
            }
            1 => {
                let step = varbit::read_uvarint(&mut self.bits).ok_or(Damage::Truncated)?;
                self.step = step.cast_signed();
                self.read_value()?;
            }
            _ => self.read_joint()?,
        }
        self.time = previous.wrapping_add(self.step);
        self.starts.read_next(at, previous, &mut self.bits)
    }

    /// Reads a joint prefix and what it announces.
    fn read_joint(&mut self) -> Result<(), Damage> {
        let bits = &mut self.bits;
        let n_ones = (!bits.peek()).leading_zeros().min(5);
        bits.skip((n_ones + 1).min(5)).ok_or(Damage::Truncated)?;
        self.is_stale = n_ones == 5;
        let n_bits = match n_ones {
            0 | 5 => return Ok(()),
            1 => {
                return if bits.take(1).ok_or(Damage::Truncated)? == 0 {
                    self.value.read_in_window(bits)
                } else {
                    self.value.read_with_window(bits)
                };
            }
            2 => 13,
            3 => 20,
            _ => 64,
        };
        let raw = bits.take(n_bits).ok_or(Damage::Truncated)?;
        // Two's complement: the sign is the top bit read.
        let change = (raw << (64 - n_bits)).cast_signed() >> (64 - n_bits);
        self.step = self.step.wrapping_add(change);
        self.read_value()
    }

    fn read_value(&mut self) -> Result<(), Damage> {
        let bits = &mut self.bits;
        let n_ones = (!bits.peek()).leading_zeros().min(3);
        bits.skip((n_ones + 1).min(3)).ok_or(Damage::Truncated)?;
        self.is_stale = n_ones == 3;
        match n_ones {
            0 | 3 => Ok(()),
            1 => self.value.read_in_window(bits),
            _ => self.value.read_with_window(bits),
        }
    }
}

#[cfg(test)]
mod tests;
