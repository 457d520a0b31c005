//! Chunks: up to some hundred samples of one series, compressed.
//!
//! ```text
//! XOR chunk = n_samples u16 | varint t0 | v0 64 bit | uvarint dt | xor v1 | (dod, xor)*   bits from xor v1 on
//! ```
//! [`decode`] reads a chunk of any encoding into columns, [`samples`] into a list that loses nothing, from which
//! [`Writer`] makes chunks again. [`XorState`] is the appender of the hot path.
//! # Reading order: `bits`, `xor`, `varbit`, `column`, `histogram`, `xor2`, `start_times`, `sample`, `writer`.
//! # Not here: when the open chunk of a series is cut (the head decides).
//! Source: `spec/prometheus-core.md` §7.6.

pub mod bits;
pub(crate) mod column;
pub mod histogram;
mod sample;
pub(crate) mod start_times;
pub mod varbit;
pub(crate) mod writer;
pub mod xor;
pub mod xor2;

pub use histogram::ResetFlag;
pub use sample::{Sample, Value, samples};
pub use writer::{EncodedChunk, Writer};
pub use xor::XorState;

use wf_series::SampleColumns;

use self::histogram::{Floats, Integers};

/// How the bytes of a chunk are to be read. The numbers are those of Prometheus's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// Floats, Gorilla style.
    Xor = 1,
    /// Native histograms with integer buckets.
    Histogram = 2,
    /// Native histograms with float buckets.
    FloatHistogram = 3,
    /// Floats, joint prefixes, optional start timestamps.
    Xor2 = 4,
    /// Integer histograms with start timestamps.
    HistogramSt = 5,
    /// Float histograms with start timestamps.
    FloatHistogramSt = 6,
}

impl Encoding {
    /// Returns the encoding with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Xor,
            2 => Self::Histogram,
            3 => Self::FloatHistogram,
            4 => Self::Xor2,
            5 => Self::HistogramSt,
            6 => Self::FloatHistogramSt,
            _ => return None,
        })
    }

    /// Returns the number written to files.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Why a chunk could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes end before the samples that the header promises.
    #[error("chunk ends at sample {at} of {n_samples}")]
    Truncated {
        /// Sample in which the bytes end.
        at: u16,
        /// Samples promised.
        n_samples: u16,
    },
    /// Leading zeros and significant bits of a value exceed 64.
    #[error("chunk has a value of more than 64 bits at sample {at}")]
    BadWindow {
        /// The sample.
        at: u16,
    },
    /// A first timestamp or delta is not a varint.
    #[error("chunk header: {0}")]
    Header(#[from] crate::encoding::DecodeError),
    /// The part of a histogram chunk that all its samples share makes no sense.
    #[error("layout of a histogram chunk: {0}")]
    Layout(&'static str),
    /// Decoded, the chunk would take more memory than any writer makes it.
    #[error("chunk claims too much memory when decoded")]
    TooLarge,
}

/// Decodes the samples inside `range` of a chunk of any encoding and appends them to `out`; histograms as float ones.
/// # Errors
/// See [`ChunkError`]; samples before the damage may have been appended.
pub fn decode(
    encoding: Encoding,
    bytes: &[u8],
    range: wf_model::TimeRange,
    out: &mut SampleColumns,
) -> Result<(), ChunkError> {
    let decoded = match encoding {
        Encoding::Xor => xor::decode(bytes, range, out),
        Encoding::Xor2 => xor2::decode(bytes, range, out),
        Encoding::Histogram => histogram::decode::<Integers>(bytes, false, range, out),
        Encoding::FloatHistogram => histogram::decode::<Floats>(bytes, false, range, out),
        Encoding::HistogramSt => histogram::decode::<Integers>(bytes, true, range, out),
        Encoding::FloatHistogramSt => histogram::decode::<Floats>(bytes, true, range, out),
    };
    if !out.start_times_ms.is_empty() {
        // Chunks without start timestamps follow such with them.
        out.start_times_ms.resize(out.times_ms.len(), 0);
    }
    decoded
}

/// Returns the number of samples that the header of a chunk promises.
/// # Errors
/// [`ChunkError::Header`] when there is no header.
pub fn n_samples(encoding: Encoding, bytes: &[u8]) -> Result<u16, ChunkError> {
    match encoding {
        Encoding::HistogramSt | Encoding::FloatHistogramSt => histogram::n_samples(bytes, true),
        Encoding::Xor | Encoding::Xor2 | Encoding::Histogram | Encoding::FloatHistogram => {
            xor::n_samples(bytes)
        }
    }
}

/// Sets the start timestamp of the sample pushed last; the column comes into being with the first one that is known.
#[inline]
pub(crate) fn push_start(out: &mut SampleColumns, start: i64) {
    if start != 0 || !out.start_times_ms.is_empty() {
        out.start_times_ms.resize(out.times_ms.len(), 0);
        if let Some(last) = out.start_times_ms.last_mut() {
            *last = start;
        }
    }
}
