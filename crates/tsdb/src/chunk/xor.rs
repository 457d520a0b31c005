//! The XOR encoding: timestamps as deltas of deltas, values as XOR with the one before.
//!
//! A sample costs two bits while both the scrape interval and the value stand still, which most series do most of
//! the time: the decoder looks for such runs before anything else.
//! # Source
//! `spec/prometheus-core.md` §7.6, `spec/performance-design.md` §8.
#![expect(
    clippy::cast_possible_truncation,
    reason = "a codec narrows on purpose, each time after a range check"
)]

use wf_model::TimeRange;
use wf_series::SampleColumns;

use super::ChunkError;
use super::bits::{BitReader, PEEKED, push_bits};
use crate::encoding::{Cursor, DecodeError, put_uvarint, put_varint};

/// `leading` before any window was written.
const NO_WINDOW: u8 = 0xff;

/// Bytes that one more sample adds at most: 68 bits of time, 77 of value; the first two samples need less.
pub const SAMPLE_BYTES_MAX: usize = 20;

/// Samples that the two-byte header can count.
pub const SAMPLES_MAX: u16 = u16::MAX;

/// The state of an encoder apart from its bytes: 32 bytes, so that a million open chunks stay small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct XorState {
    /// Time of the newest sample, ms.
    pub last_t: i64,
    /// Time between the two newest samples, ms.
    pub last_dt: i64,
    /// Newest value.
    pub last_v: f64,
    /// Samples so far.
    pub n: u16,
    /// Leading zeros of the current window of value bits.
    leading: u8,
    /// Trailing zeros of it.
    trailing: u8,
    /// Unused low bits of the last byte.
    free: u8,
}

impl Default for XorState {
    fn default() -> Self {
        Self { last_t: 0, last_dt: 0, last_v: 0.0, n: 0, leading: NO_WINDOW, trailing: 0, free: 0 }
    }
}

impl XorState {
    /// Appends a sample to `bytes`, which holds exactly what this state wrote before (nothing at first), and keeps the
    /// count in its header. The caller keeps `t` ascending and stops at [`SAMPLES_MAX`].
    /// # Complexity
    /// Constant; grows `bytes` by at most [`SAMPLE_BYTES_MAX`].
    #[inline]
    pub fn append(&mut self, bytes: &mut Vec<u8>, t: i64, v: f64) {
        debug_assert!(self.n < SAMPLES_MAX, "a full chunk is cut, not appended to");
        match self.n {
            0 => {
                bytes.extend_from_slice(&[0, 0]);
                put_varint(bytes, t);
                bytes.extend_from_slice(&v.to_bits().to_be_bytes());
            }
            1 => {
                self.last_dt = t.wrapping_sub(self.last_t);
                put_uvarint(bytes, self.last_dt as u64);
                self.push_value(bytes, v);
            }
            _ => {
                let dt = t.wrapping_sub(self.last_t);
                push_dod(bytes, &mut self.free, dt.wrapping_sub(self.last_dt));
                self.last_dt = dt;
                self.push_value(bytes, v);
            }
        }
        self.last_t = t;
        self.last_v = v;
        self.n = self.n.saturating_add(1);
        if let Some(header) = bytes.first_chunk_mut::<2>() {
            *header = self.n.to_be_bytes();
        }
    }

    /// Bytes of [`XorState::save`].
    pub(crate) const SAVED_BYTES: usize = 11;

    /// Returns what is not to be seen in the chunk's header and its newest sample.
    pub(crate) fn save(&self) -> [u8; Self::SAVED_BYTES] {
        let mut saved = [0; Self::SAVED_BYTES];
        let (dt, window) = saved.split_at_mut(8);
        dt.copy_from_slice(&self.last_dt.to_be_bytes());
        window.copy_from_slice(&[self.leading, self.trailing, self.free]);
        saved
    }

    /// Restores the state that wrote `chunk`, from what [`XorState::save`] returned and the newest sample.
    /// # Errors
    /// When such a state cannot be.
    pub(crate) fn load(saved: &[u8], chunk: &[u8], last_t: i64, last_v: f64) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(saved);
        let last_dt = cursor.i64()?;
        let (leading, trailing, free) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let is_window = leading == NO_WINDOW || (leading < 32 && trailing < 64 && leading + trailing < 64);
        let n = Cursor::new(chunk).u16()?;
        if free > 7 || !is_window || n == 0 {
            return Err(DecodeError::OutOfRange);
        }
        Ok(Self { last_t, last_dt, last_v, n, leading, trailing, free })
    }

    /// Starts a chunk with `n` ≥ 1 samples of value `v` at `t0`, `t0 + dt`, …: what a series that never changed holds.
    /// # Complexity
    /// Constant time and a fill of `n / 4` bytes.
    pub fn constant(bytes: &mut Vec<u8>, t0: i64, dt: i64, v: f64, n: u16) -> Self {
        bytes.clear();
        let mut state = Self::default();
        state.append(bytes, t0, v);
        if n < 2 {
            return state;
        }
        state.append(bytes, t0.wrapping_add(dt), v);
        // After the second sample seven bits are free: its value took one. Each further sample is two zero bits.
        let n_bits = 2 * u32::from(n - 2);
        let overflow = n_bits.saturating_sub(u32::from(state.free));
        let n_bytes = overflow.div_ceil(8);
        bytes.resize(bytes.len() + n_bytes as usize, 0);
        state.free = (u32::from(state.free) + n_bytes * 8 - n_bits) as u8;
        state.n = n;
        state.last_t = t0.wrapping_add(dt.wrapping_mul(i64::from(n) - 1));
        if let Some(header) = bytes.first_chunk_mut::<2>() {
            *header = n.to_be_bytes();
        }
        state
    }

    fn push_value(&mut self, bytes: &mut Vec<u8>, v: f64) {
        let xor = v.to_bits() ^ self.last_v.to_bits();
        let mut push = |value: u64, n_bits: u32| push_bits(bytes, &mut self.free, value, n_bits);
        if xor == 0 {
            return push(0, 1);
        }
        // Five bits hold the leading zeros.
        let leading = xor.leading_zeros().min(31) as u8;
        let trailing = xor.trailing_zeros() as u8;
        if self.leading != NO_WINDOW && leading >= self.leading && trailing >= self.trailing {
            push(0b10, 2);
            let n_bits = 64 - u32::from(self.leading) - u32::from(self.trailing);
            return push(xor >> self.trailing, n_bits);
        }
        let n_bits = 64 - u32::from(leading) - u32::from(trailing);
        // 64 significant bits are written as 0: a value that changed has at least one.
        push(0b11 << 11 | u64::from(leading) << 6 | u64::from(n_bits & 63), 13);
        push(xor >> trailing, n_bits);
        (self.leading, self.trailing) = (leading, trailing);
    }
}

/// Appends a delta of deltas.
#[inline]
pub(crate) fn push_dod(bytes: &mut Vec<u8>, free: &mut u8, dod: i64) {
    let mut push = |value: u64, n_bits: u32| push_bits(bytes, free, value, n_bits);
    match dod {
        0 => push(0, 1),
        -8_191..=8_192 => push(0b10 << 14 | low_bits(dod, 14), 16),
        -65_535..=65_536 => push(0b110 << 17 | low_bits(dod, 17), 20),
        -524_287..=524_288 => push(0b1110 << 20 | low_bits(dod, 20), 24),
        _ => {
            push(0b1111, 4);
            push(dod as u64, 64);
        }
    }
}

fn low_bits(value: i64, n_bits: u32) -> u64 {
    value as u64 & ((1 << n_bits) - 1)
}

/// Returns the number of samples that the header promises.
/// # Errors
/// [`ChunkError::Header`] when there is no header.
pub fn n_samples(bytes: &[u8]) -> Result<u16, ChunkError> {
    Ok(Cursor::new(bytes).u16()?)
}

/// Decodes the samples inside `range` and appends them to `out`.
/// # Errors
/// See [`ChunkError`]; samples before the damage may have been appended.
/// # Complexity
/// Linear in the samples up to the end of `range`.
pub fn decode(bytes: &[u8], range: TimeRange, out: &mut SampleColumns) -> Result<(), ChunkError> {
    decode_first(bytes, n_samples(bytes)?, range, out)
}

/// As [`decode`], but reads the first `n` samples whatever the header says: a reader that may not see the newest ones
/// of an open chunk, or read its header while it changes, knows how many it may.
/// # Errors
/// As [`decode`].
pub fn decode_first(
    bytes: &[u8],
    n: u16,
    range: TimeRange,
    out: &mut SampleColumns,
) -> Result<(), ChunkError> {
    if n == 0 {
        return Ok(());
    }
    let mut cursor = Cursor::new(bytes);
    cursor.u16()?;
    let first = Newest { t: cursor.varint()?, dt: 0, bits: cursor.u64()? };
    // Two bits a sample is the least: a header that promises more than the bytes can hold reserves nothing.
    let n_reserve = usize::from(n).min(bytes.len() * 4);
    let n_before = out.times_ms.len();
    out.times_ms.resize(n_before + n_reserve, 0);
    out.values.resize(n_before + n_reserve, 0.0);
    let mut sink = Sink {
        range,
        times_ms: out.times_ms.get_mut(n_before..).unwrap_or_default(),
        values: out.values.get_mut(n_before..).unwrap_or_default(),
        n_filled: 0,
    };
    let outcome = decode_into(&mut sink, first, n, cursor);
    let n_filled = sink.n_filled;
    out.times_ms.truncate(n_before + n_filled);
    out.values.truncate(n_before + n_filled);
    outcome
}

/// Decodes what follows the first sample: the hottest loop of a query.
fn decode_into(
    sink: &mut Sink<'_>,
    mut newest: Newest,
    n: u16,
    mut cursor: Cursor<'_>,
) -> Result<(), ChunkError> {
    if !sink.put(&newest) || n == 1 {
        return Ok(());
    }
    newest.dt = cursor.uvarint()? as i64;
    let mut bits = BitReader::new(cursor.rest());
    let mut window = Window { n_bits: 64, trailing: 0 };
    let mut left = n - 1;
    // The second sample has its delta in the header.
    let mut n_used = 0;
    let mut word = bits.peek();
    loop {
        newest.t = newest.t.wrapping_add(newest.dt);
        let Some(xor) = read_xor(&mut bits, word, n_used, &mut window) else {
            return Err(ChunkError::BadWindow { at: n - left });
        };
        newest.bits ^= xor;
        if bits.is_past_end() {
            return Err(ChunkError::Truncated { at: n - left, n_samples: n });
        }
        left -= 1;
        if !sink.put(&newest) {
            return Ok(());
        }
        word = bits.peek();
        while left > 0 && word >> 62 == 0 {
            let n_real = bits.n_left().min(PEEKED as usize) as u32;
            let n_run = left.min((word.leading_zeros().min(n_real) / 2) as u16);
            if n_run == 0 {
                return Err(ChunkError::Truncated { at: n - left, n_samples: n });
            }
            bits.pass(2 * u32::from(n_run));
            left -= n_run;
            if !sink.put_run(&mut newest, n_run) {
                return Ok(());
            }
            word = bits.peek();
        }
        if left == 0 {
            return Ok(());
        }
        n_used = 1;
        if word >> 63 == 1 {
            let dod = if word >> 60 == 0b1111 {
                bits.pass(4);
                let dod = bits.pass_value(64) as i64;
                (n_used, word) = (0, bits.peek());
                dod
            } else {
                short_dod(word, &mut n_used)
            };
            newest.dt = newest.dt.wrapping_add(dod);
        }
    }
}

/// The newest sample while decoding.
#[derive(Clone, Copy)]
struct Newest {
    t: i64,
    dt: i64,
    bits: u64,
}

/// Where samples go: slots for all that may come, filled from the front.
struct Sink<'a> {
    range: TimeRange,
    times_ms: &'a mut [i64],
    values: &'a mut [f64],
    n_filled: usize,
}

impl Sink<'_> {
    /// Keeps the sample if it is inside; returns whether later ones may be.
    #[inline(always)]
    fn put(&mut self, newest: &Newest) -> bool {
        if newest.t > self.range.end_ms {
            return false;
        }
        // Written even before the range, where the next one takes its place: no branch to be mispredicted.
        if let (Some(time), Some(value)) =
            (self.times_ms.get_mut(self.n_filled), self.values.get_mut(self.n_filled))
        {
            (*time, *value) = (newest.t, f64::from_bits(newest.bits));
            self.n_filled += usize::from(newest.t >= self.range.start_ms);
        }
        true
    }

    /// Steps `n` times with unchanged delta and value.
    #[inline]
    fn put_run(&mut self, newest: &mut Newest, n: u16) -> bool {
        if n >= LONG_RUN && self.put_long_run(newest, n) {
            return true;
        }
        for _ in 0..n {
            newest.t = newest.t.wrapping_add(newest.dt);
            if !self.put(newest) {
                return false;
            }
        }
        true
    }

    /// As [`Sink::put_run`], all at once; false, and nothing done, when some of the samples may be outside.
    fn put_long_run(&mut self, newest: &mut Newest, n: u16) -> bool {
        let (first, dt) = (newest.t.wrapping_add(newest.dt), newest.dt);
        let last = newest.t.wrapping_add(dt.wrapping_mul(i64::from(n)));
        // Times that wrap, or stand still, come from damaged bytes.
        let is_inside = first >= self.range.start_ms && last <= self.range.end_ms && dt > 0 && first <= last;
        let slots = self.n_filled..self.n_filled + usize::from(n);
        let slots = (self.times_ms.get_mut(slots.clone()), self.values.get_mut(slots));
        let (true, (Some(times), Some(values))) = (is_inside, slots) else { return false };
        values.fill(f64::from_bits(newest.bits));
        for (time, step) in times.iter_mut().zip(0..) {
            *time = first.wrapping_add(dt.wrapping_mul(step));
        }
        self.n_filled += usize::from(n);
        newest.t = last;
        true
    }
}

/// Samples of a run for which preparing a fill pays.
const LONG_RUN: u16 = 8;

/// The bits of a value that change.
struct Window {
    n_bits: u32,
    trailing: u32,
}

/// Reads a delta of deltas of 14, 17 or 20 bits from the top of `word`.
#[inline(always)]
fn short_dod(word: u64, n_used: &mut u32) -> i64 {
    let n_prefix = (!word).leading_zeros() + 1;
    let n_bits = 8 + 3 * n_prefix;
    *n_used = n_prefix + n_bits;
    // The range is one off two's complement: 2^(n-1) itself is positive.
    let raw = (word << n_prefix >> (64 - n_bits)).wrapping_sub(1);
    ((raw << (64 - n_bits)) as i64 >> (64 - n_bits)) + 1
}

/// Reads the XOR of a value with the one before, behind `n_used` bits, 24 at most, of the `word` that `bits` peeks;
/// `None` when it has more bits than a value.
#[inline(always)]
fn read_xor(bits: &mut BitReader<'_>, word: u64, n_used: u32, window: &mut Window) -> Option<u64> {
    let control = word << n_used;
    if control >> 63 == 0 {
        bits.pass(n_used + 1);
        return Some(0);
    }
    let mut n_used = n_used + 2;
    if control >> 62 == 0b11 {
        let raw = (control >> 51) as u32 & 0x7ff;
        window.n_bits = if raw & 63 == 0 { 64 } else { raw & 63 };
        window.trailing = 64_u32.checked_sub((raw >> 6) + window.n_bits)?;
        n_used += 11;
    }
    if n_used + window.n_bits <= PEEKED {
        bits.pass(n_used + window.n_bits);
        return Some(word << n_used >> (64 - window.n_bits) << window.trailing);
    }
    bits.pass(n_used);
    Some(bits.pass_value(window.n_bits) << window.trailing)
}

/// Returns the time of the first sample, ms, without decoding the rest.
/// # Errors
/// [`ChunkError::Header`].
pub fn first_time(bytes: &[u8]) -> Result<i64, ChunkError> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u16()? == 0 {
        return Err(DecodeError::Truncated.into());
    }
    Ok(cursor.varint()?)
}

#[cfg(test)]
mod tests;
