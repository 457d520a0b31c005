//! Chunks: up to some hundred samples of one series, compressed.
//!
//! ```text
//! XOR chunk = n_samples u16 | varint t0 | v0 64 bit | uvarint dt | xor v1 | (dod, xor)*   bits from xor v1 on
//! ```
//! [`XorState`] appends, [`xor::decode`] reads back into columns.
//! # Reading order: `bits`, `xor`.
//! # Not here: when a chunk is cut (the head decides), the other encodings (they come with native histograms).
//! Source: `spec/prometheus-core.md` §7.6.

pub mod bits;
pub mod xor;

pub use xor::XorState;

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
    /// This version cannot read the encoding.
    #[error("chunk encoding {0} is not supported")]
    Encoding(u8),
}

/// Decodes the samples inside `range` of a chunk of any supported encoding and appends them to `out`.
/// # Errors
/// See [`ChunkError`]; samples before the damage may have been appended.
pub fn decode(
    encoding: Encoding,
    bytes: &[u8],
    range: wf_model::TimeRange,
    out: &mut wf_series::SampleColumns,
) -> Result<(), ChunkError> {
    match encoding {
        Encoding::Xor => xor::decode(bytes, range, out),
        other @ (Encoding::Histogram
        | Encoding::FloatHistogram
        | Encoding::Xor2
        | Encoding::HistogramSt
        | Encoding::FloatHistogramSt) => Err(ChunkError::Encoding(other.number())),
    }
}
