//! The chunk that a series appends to.
//!
//! While values repeat and samples come at a constant step, the chunk is a line: start, step, count; appending compares
//! and counts. The first sample off the line writes the bits that the line stands for and goes on with them. About
//! half of the series of a cluster never leave the line.

mod saved;

use wf_model::TimeRange;
use wf_series::SampleColumns;

use super::open_histogram::OpenHistogram;
use super::series::SampleKind;
use crate::chunk::xor2::{self, Xor2Encoder};
use crate::chunk::{self, ChunkError, Encoding, XorState, xor};

/// `n ≤ 1` samples have no step yet.
#[derive(Debug)]
pub(crate) enum OpenChunk {
    /// No sample; of what kind the newest one of the series was.
    Empty(SampleKind),
    Line {
        step: i64,
        n: u16,
    },
    Bits(Box<Bits>),
    /// As `Bits`, in the other encoding of floats.
    Bits2(Box<Xor2Encoder>),
    Histogram(Box<OpenHistogram>),
}

impl Default for OpenChunk {
    fn default() -> Self {
        Self::Empty(SampleKind::Float)
    }
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
    Encoded(Encoding, Vec<u8>),
}

/// Makes room for one more sample, in steps.
fn make_room(bytes: &mut Vec<u8>, sample_bytes_max: usize) {
    let needed = bytes.len() + sample_bytes_max;
    if needed > bytes.capacity() {
        bytes.reserve_exact(buffer_len(needed) - bytes.len());
    }
}

impl Bits {
    fn push(&mut self, time: i64, value: u64) {
        make_room(&mut self.bytes, xor::SAMPLE_BYTES_MAX);
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
            Self::Empty(_) => 0,
            Self::Line { n, .. } => *n,
            Self::Bits(bits) => bits.state.n,
            Self::Bits2(encoder) => encoder.n_samples(),
            Self::Histogram(open) => open.n_samples(),
        }
    }

    /// As [`OpenChunk::n_samples`]; a chunk that takes no floats counts as full.
    pub(crate) fn n_floats(&self) -> u16 {
        match self {
            Self::Histogram(_) => u16::MAX,
            _ => self.n_samples(),
        }
    }

    /// Returns of what kind the newest sample of the series is.
    pub(crate) fn newest_kind(&self) -> SampleKind {
        match self {
            Self::Empty(kind) => *kind,
            Self::Line { .. } | Self::Bits(_) | Self::Bits2(_) => SampleKind::Float,
            Self::Histogram(open) => open.kind(),
        }
    }

    /// Reads the bytes that the next float changes, and returns them as a number without meaning. Who calls this for many
    /// chunks before appending to them waits for their memory once, not once for each.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        match self {
            Self::Bits(bits) => u64::from(bits.state.n) + u64::from(bits.bytes.last().copied().unwrap_or(0)),
            Self::Bits2(encoder) => u64::from(encoder.bytes().last().copied().unwrap_or(0)),
            Self::Empty(_) | Self::Line { .. } | Self::Histogram(_) => 0,
        }
    }

    pub(crate) fn is_large(&self) -> bool {
        match self {
            Self::Bits(bits) => bits.bytes.len() > LARGE_BYTES,
            Self::Bits2(encoder) => encoder.bytes().len() > LARGE_BYTES,
            Self::Empty(_) | Self::Line { .. } | Self::Histogram(_) => false,
        }
    }

    /// Appends a float, which the chunk takes. The series knows the newest one (`last_time`, `last_value`) and the start
    /// of the chunk; a line that ends goes on in the encoding `floats`.
    #[inline]
    pub(crate) fn push(
        &mut self,
        time: i64,
        value: u64,
        (last_time, last_value): (i64, u64),
        start: i64,
        floats: Encoding,
    ) {
        match self {
            Self::Empty(_) => *self = Self::Line { step: 0, n: 1 },
            Self::Line { step, n } if value == last_value && *n == 1 => {
                *step = time.wrapping_sub(last_time);
                *n = 2;
            }
            Self::Line { step, n } if value == last_value && time.wrapping_sub(last_time) == *step => *n += 1,
            Self::Line { step, n } if floats == Encoding::Xor2 => {
                let mut encoder = Xor2Encoder::constant(start, *step, f64::from_bits(last_value), *n);
                encoder.push(time, 0, f64::from_bits(value));
                *self = Self::Bits2(Box::new(encoder));
            }
            Self::Line { step, n } => {
                let mut bits = Bits::from_line(start, *step, *n, last_value);
                bits.push(time, value);
                *self = Self::Bits(Box::new(bits));
            }
            Self::Bits(bits) => bits.push(time, value),
            Self::Bits2(encoder) => {
                make_room(encoder.bytes_mut(), xor2::SAMPLE_BYTES_MAX);
                encoder.push(time, 0, f64::from_bits(value));
            }
            Self::Histogram(_) => debug_assert!(false, "a chunk of histograms was cut before a float"),
        }
    }

    /// Appends a float with a start timestamp, which only XOR2 chunks keep.
    pub(crate) fn push_started(
        &mut self,
        time: i64,
        start_time: i64,
        value: u64,
        last: (i64, u64),
        start: i64,
    ) {
        let value_f64 = f64::from_bits(value);
        match self {
            Self::Empty(_) => *self = Self::Bits2(Box::new(Xor2Encoder::begin(time, start_time, value_f64))),
            Self::Line { step, n } => {
                let mut encoder = Xor2Encoder::constant(start, *step, f64::from_bits(last.1), *n);
                encoder.push(time, start_time, value_f64);
                *self = Self::Bits2(Box::new(encoder));
            }
            Self::Bits2(encoder) => {
                make_room(encoder.bytes_mut(), xor2::SAMPLE_BYTES_MAX);
                encoder.push(time, start_time, value_f64);
            }
            Self::Bits(_) | Self::Histogram(_) => self.push(time, value, last, start, Encoding::Xor2),
        }
    }

    /// Returns the chunk as it goes to a file; `None` when it has no sample.
    pub(crate) fn into_encoded(
        self,
        start: i64,
        last_value: u64,
        floats: Encoding,
    ) -> Option<(Encoding, Vec<u8>)> {
        match self {
            Self::Empty(_) => None,
            Self::Line { step, n } if floats == Encoding::Xor2 => {
                let encoder = Xor2Encoder::constant(start, step, f64::from_bits(last_value), n);
                Some((Encoding::Xor2, encoder.into_bytes()))
            }
            Self::Line { step, n } => {
                Some((Encoding::Xor, Bits::from_line(start, step, n, last_value).bytes))
            }
            Self::Bits(bits) => Some((Encoding::Xor, bits.bytes)),
            Self::Bits2(encoder) => Some((Encoding::Xor2, encoder.into_bytes())),
            Self::Histogram(open) => Some((open.encoding(), open.into_bytes())),
        }
    }

    /// Returns a copy of the chunk as it would go to a file now.
    pub(crate) fn to_encoded(&self, start: i64, last_value: u64) -> Option<(Encoding, Vec<u8>)> {
        match self.view(start, last_value) {
            OpenView::Empty => None,
            OpenView::Line { start, step, n, value } => {
                Some((Encoding::Xor, Bits::from_line(start, step, n, value).bytes))
            }
            OpenView::Encoded(encoding, bytes) => Some((encoding, bytes)),
        }
    }

    pub(crate) fn view(&self, start: i64, last_value: u64) -> OpenView {
        match self {
            Self::Empty(_) => OpenView::Empty,
            Self::Line { step, n } => OpenView::Line { start, step: *step, n: *n, value: last_value },
            Self::Bits(bits) => OpenView::Encoded(Encoding::Xor, bits.bytes.clone()),
            Self::Bits2(encoder) => OpenView::Encoded(Encoding::Xor2, encoder.bytes().to_vec()),
            Self::Histogram(open) => OpenView::Encoded(open.encoding(), open.bytes().to_vec()),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Empty(_) | Self::Line { .. } => 0,
            Self::Bits(bits) => size_of::<Bits>() + bits.bytes.capacity(),
            Self::Bits2(encoder) => size_of::<Xor2Encoder>() + encoder.heap_bytes(),
            Self::Histogram(open) => open.heap_bytes(),
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
            Self::Encoded(encoding, bytes) => chunk::decode(*encoding, bytes, range, out),
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
            is_xor2: bool,
        ) {
            let floats = if is_xor2 { Encoding::Xor2 } else { Encoding::Xor };
            let mut chunk = OpenChunk::default();
            let mut want: Vec<(i64, u64)> = Vec::new();
            let (mut last_time, mut last_value) = (i64::MIN, 0);
            for (step, value) in samples {
                let time = if want.is_empty() { start } else { last_time + step * 15_000 };
                let value = (value as f64 * 0.3).to_bits();
                chunk.push(time, value, (last_time, last_value), start, floats);
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
            let (encoding, bytes) = chunk.into_encoded(start, last_value, floats).unwrap();
            chunk::decode(encoding, &bytes, TimeRange::ALL, &mut out).unwrap();
            prop_assert_eq!(encoding, floats);
            prop_assert_eq!(columns(&out), want);
        }
    }
}
