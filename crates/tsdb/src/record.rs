//! Records: what the write-ahead log says. A type byte, then a body; the log itself sees opaque bytes.
//!
//! Encoders append one complete record to a `Vec<u8>`. [`decode`] looks at the type and returns an iterator over the
//! body that borrows from the bytes: no string, no entry is copied.
//!
//! # Not here: how records are framed (`wal`), whether a histogram makes sense (`wf_model`'s `validate`).
//! Source: `spec/prometheus-core.md` §7.8.

mod histograms;
mod read;
mod write;

pub use histograms::{HistogramEntry, Histograms, HistogramsWriter, histogram_record};
pub use read::{
    ExemplarEntry, Exemplars, LabelPairs, MetadataEntries, MetadataEntry, MmapMarker, MmapMarkers, Record,
    SampleEntry, Samples, SeriesEntries, SeriesEntry, TombstoneEntry, Tombstones, decode,
};
pub use write::{
    ExemplarsWriter, MetadataWriter, MmapMarkersWriter, SamplesWriter, SeriesWriter, StartedSamplesWriter,
    TombstonesWriter,
};

use crate::encoding::DecodeError;

/// First byte of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RecordType {
    /// Labels of new series.
    Series = 1,
    /// Float samples.
    Samples = 2,
    /// Deleted intervals.
    Tombstones = 3,
    /// Exemplars.
    Exemplars = 4,
    /// Out-of-order log: chunks that were written out.
    MmapMarkers = 5,
    /// Type, unit and help of series.
    Metadata = 6,
    /// Integer histograms.
    Histograms = 7,
    /// Float histograms.
    FloatHistograms = 8,
    /// Integer histograms with custom bounds.
    CustomHistograms = 9,
    /// Float histograms with custom bounds.
    CustomFloatHistograms = 10,
    /// Float samples with start timestamps.
    SamplesV2 = 11,
    /// Integer histograms with start timestamps.
    HistogramsV2 = 12,
    /// Float histograms with start timestamps.
    FloatHistogramsV2 = 13,
}

impl RecordType {
    /// Returns the type with this number, if this version knows it.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Series,
            2 => Self::Samples,
            3 => Self::Tombstones,
            4 => Self::Exemplars,
            5 => Self::MmapMarkers,
            6 => Self::Metadata,
            7 => Self::Histograms,
            8 => Self::FloatHistograms,
            9 => Self::CustomHistograms,
            10 => Self::CustomFloatHistograms,
            11 => Self::SamplesV2,
            12 => Self::HistogramsV2,
            13 => Self::FloatHistogramsV2,
            _ => return None,
        })
    }

    /// Returns the number written to files.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Why a record could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// It has no type byte.
    #[error("empty record")]
    Empty,
    /// Its body is damaged.
    #[error("{record:?} record: {source}")]
    Body {
        /// Its type.
        record: RecordType,
        /// What is wrong.
        source: DecodeError,
    },
}

#[cfg(test)]
mod tests;
