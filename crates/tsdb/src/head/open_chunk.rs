//! The chunk that a series appends to.
//!
//! While values repeat and samples come at a constant step, the chunk is a line: start, step, count; appending compares
//! and counts. The first sample off the line writes the XOR bits that the line stands for and goes on with them. About
//! half of the series of a cluster never leave the line.

mod saved;

use wf_model::TimeRange;
use wf_series::SampleColumns;

use crate::chunk::{ChunkError, XorState, xor};

/// `n ≤ 1` samples have no step yet.
#[derive(Debug, Default)]
pub(crate) enum OpenChunk {
    #[default]
    Empty,
    Line {
        step: i64,
        n: u16,
    },
    Bits(Box<Bits>),
}

#[derive(Debug)]
pub(crate) struct Bits {
    state: XorState,
    bytes: Vec<u8>,
}

/// Buffers grow in these steps, bytes: doubling would leave a quarter of a million half-empty kilobytes.
const BUFFER_BYTES: [usize; 8] = [48, 96, 160, 256, 384, 512, 768, 1024];

/// Returns the size of the buffer for so many bytes.
fn buffer_len(needed: usize) -> usize {
    BUFFER_BYTES.into_iter().find(|size| *size >= needed).unwrap_or(needed)
}

/// A chunk this large takes no further sample; with the largest possible one it stays below 1,024 B.
const LARGE_BYTES: usize = 1005;

/// What a reader takes along: enough to decode without the shard's lock.
#[derive(Clone, Debug)]
pub(crate) enum OpenView {
    Empty,
    Line { start: i64, step: i64, n: u16, value: u64 },
    Bits(Vec<u8>),
}

impl Bits {
    fn push(&mut self, time: i64, value: u64) {
        let needed = self.bytes.len() + xor::SAMPLE_BYTES_MAX;
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(buffer_len(needed) - self.bytes.len());
        }
        self.state.append(&mut self.bytes, time, f64::from_bits(value));
    }

    fn from_line(start: i64, step: i64, n: u16, value: u64) -> Self {
        let mut bytes = Vec::with_capacity(BUFFER_BYTES[0]);
        let state = XorState::constant(&mut bytes, start, step, f64::from_bits(value), n);
        Self { state, bytes }
    }
}

impl OpenChunk {
    pub(crate) fn n_samples(&self) -> u16 {
        match self {
            Self::Empty => 0,
            Self::Line { n, .. } => *n,
            Self::Bits(bits) => bits.state.n,
        }
    }

    pub(crate) fn is_large(&self) -> bool {
        matches!(self, Self::Bits(bits) if bits.bytes.len() > LARGE_BYTES)
    }

    /// Appends a sample. The series knows the newest one (`last_time`, `last_value`) and the start of the chunk.
    pub(crate) fn push(&mut self, time: i64, value: u64, last_time: i64, last_value: u64, start: i64) {
        match self {
            Self::Empty => *self = Self::Line { step: 0, n: 1 },
            Self::Line { step, n } if value == last_value && *n == 1 => {
                *step = time.wrapping_sub(last_time);
                *n = 2;
            }
            Self::Line { step, n } if value == last_value && time.wrapping_sub(last_time) == *step => *n += 1,
            Self::Line { step, n } => {
                let mut bits = Bits::from_line(start, *step, *n, last_value);
                bits.push(time, value);
                *self = Self::Bits(Box::new(bits));
            }
            Self::Bits(bits) => bits.push(time, value),
        }
    }

    /// Returns the chunk as it goes to a file; `None` when it has no sample.
    pub(crate) fn into_encoded(self, start: i64, last_value: u64) -> Option<Vec<u8>> {
        match self {
            Self::Empty => None,
            Self::Line { step, n } => Some(Bits::from_line(start, step, n, last_value).bytes),
            Self::Bits(bits) => Some(bits.bytes),
        }
    }

    pub(crate) fn view(&self, start: i64, last_value: u64) -> OpenView {
        match self {
            Self::Empty => OpenView::Empty,
            Self::Line { step, n } => OpenView::Line { start, step: *step, n: *n, value: last_value },
            Self::Bits(bits) => OpenView::Bits(bits.bytes.clone()),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Empty | Self::Line { .. } => 0,
            Self::Bits(bits) => size_of::<Bits>() + bits.bytes.capacity(),
        }
    }
}

impl OpenView {
    /// Adds the samples inside `range` to `out`.
    /// # Errors
    /// Only if our own encoder wrote nonsense.
    pub(crate) fn decode(&self, range: TimeRange, out: &mut SampleColumns) -> Result<(), ChunkError> {
        match self {
            Self::Empty => Ok(()),
            Self::Line { start, step, n, value } => {
                let mut time = *start;
                for _ in 0..*n {
                    if range.contains(time) {
                        out.push(time, f64::from_bits(*value));
                    }
                    time = time.wrapping_add(*step);
                }
                Ok(())
            }
            Self::Bits(bytes) => xor::decode(bytes, range, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Line or bits, what was pushed is what is read, from the view and from the encoded chunk.
        #[test]
        fn samples_come_back(
            start in -1_000_000i64..2_000_000_000_000,
            samples in prop::collection::vec((1i64..4, 0u64..3), 1..200),
        ) {
            let mut chunk = OpenChunk::Empty;
            let mut want: Vec<(i64, u64)> = Vec::new();
            let (mut last_time, mut last_value) = (i64::MIN, 0);
            for (step, value) in samples {
                let time = if want.is_empty() { start } else { last_time + step * 15_000 };
                let value = (value as f64 * 0.3).to_bits();
                chunk.push(time, value, last_time, last_value, start);
                (last_time, last_value) = (time, value);
                want.push((time, value));
            }
            let mut out = SampleColumns::default();
            chunk.view(start, last_value).decode(TimeRange::ALL, &mut out).unwrap();
            let columns = |out: &SampleColumns| -> Vec<(i64, u64)> {
                out.times_ms.iter().copied().zip(out.values.iter().map(|v| v.to_bits())).collect()
            };
            prop_assert_eq!(&columns(&out), &want);
            prop_assert_eq!(usize::from(chunk.n_samples()), want.len());
            out.clear();
            xor::decode(&chunk.into_encoded(start, last_value).unwrap(), TimeRange::ALL, &mut out).unwrap();
            prop_assert_eq!(columns(&out), want);
        }
    }
}
