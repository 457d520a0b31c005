//! The open chunk of a series of native histograms.

use wf_model::{FloatHistogram, Histogram};
use wf_series::HistogramValue;

use super::series::SampleKind;
use crate::chunk::histogram::{Encoder, Floats, Integers, Kind, first_flag};
use crate::chunk::writer::place;
use crate::chunk::{Encoding, ResetFlag};

/// A chunk aims at this many bytes; at a quarter of it its end is estimated.
pub(crate) const AIM_BYTES: usize = 1024;
/// At this many bytes a chunk ends, wherever it is in time, unless it has too few samples.
const LARGE_BYTES: usize = 2 * AIM_BYTES;
/// A chunk with fewer samples ends only where its range of time does: histograms with very many buckets.
const SAMPLES_MIN: u16 = 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct OpenHistogram {
    data: Data,
    has_estimate: bool,
}

#[derive(Debug)]
enum Data {
    Integers(Encoder<Integers>),
    Floats(Encoder<Floats>),
}

impl OpenHistogram {
    /// Starts a chunk with its first sample. `start` is its start timestamp, if such are kept.
    pub(crate) fn begin(
        flag: Option<ResetFlag>,
        time: i64,
        start: Option<i64>,
        value: &HistogramValue,
    ) -> Self {
        let data = match value {
            HistogramValue::Integer(histogram) => {
                let flag = flag.unwrap_or_else(|| first_flag(histogram.counter_reset_hint));
                Data::Integers(Encoder::begin(flag, time, start, &**histogram))
            }
            HistogramValue::Float(histogram) => {
                let flag = flag.unwrap_or_else(|| first_flag(histogram.counter_reset_hint));
                Data::Floats(Encoder::begin(flag, time, start, &**histogram))
            }
        };
        Self { data, has_estimate: false }
    }

    /// Appends a sample, unless the chunk is to end before it: then it returns what is known about a reset, if anything.
    pub(crate) fn push(
        &mut self,
        time: i64,
        start: i64,
        value: &HistogramValue,
        is_full: bool,
    ) -> Result<(), Option<ResetFlag>> {
        let placed = match (&mut self.data, value) {
            (Data::Integers(encoder), HistogramValue::Integer(histogram)) => {
                place(encoder, time, start, histogram, is_full)
            }
            (Data::Floats(encoder), HistogramValue::Float(histogram)) => {
                place(encoder, time, start, histogram, is_full)
            }
            (Data::Integers(_) | Data::Floats(_), _) => return Err(None),
        };
        match placed {
            Ok(None) => Ok(()),
            Ok(Some(flag)) => Err(Some(flag)),
            // Only if our own bytes were damaged in memory: a new chunk keeps what comes.
            Err(_) => Err(None),
        }
    }

    /// Returns, once, the share of the chunk that a quarter-full one has filled.
    pub(crate) fn take_estimate(&mut self) -> Option<f64> {
        let n_bytes = self.bytes().len();
        if self.has_estimate || n_bytes < AIM_BYTES / 4 {
            return None;
        }
        self.has_estimate = true;
        Some(AIM_BYTES as f64 / n_bytes as f64)
    }

    /// Returns whether the chunk ends before a sample at `time`, given its estimated end and that of its range.
    pub(crate) fn is_cut_due(&self, time: i64, estimated_end: i64, range_end: i64) -> bool {
        (time >= estimated_end || self.bytes().len() >= LARGE_BYTES)
            && (self.n_samples() >= SAMPLES_MIN || time >= range_end)
    }

    pub(crate) fn n_samples(&self) -> u16 {
        match &self.data {
            Data::Integers(encoder) => encoder.n_samples(),
            Data::Floats(encoder) => encoder.n_samples(),
        }
    }

    pub(crate) fn kind(&self) -> SampleKind {
        match &self.data {
            Data::Integers(_) => SampleKind::Histogram,
            Data::Floats(_) => SampleKind::FloatHistogram,
        }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        match &self.data {
            Data::Integers(encoder) => encoder.encoding(),
            Data::Floats(encoder) => encoder.encoding(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Integers(encoder) => encoder.bytes(),
            Data::Floats(encoder) => encoder.bytes(),
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self.data {
            Data::Integers(encoder) => encoder.into_bytes(),
            Data::Floats(encoder) => encoder.into_bytes(),
        }
    }

    /// Returns whether `value` is the newest sample once more, however its empty buckets are spelled.
    pub(crate) fn is_newest(&self, value: &HistogramValue) -> bool {
        match (&self.data, value) {
            (Data::Integers(encoder), HistogramValue::Integer(value)) => {
                value.is_stale() == encoder.newest().is_stale()
                    && (value.is_stale() || is_same(Integers::into_float(encoder.newest()), value.to_float()))
            }
            (Data::Floats(encoder), HistogramValue::Float(value)) => {
                value.is_stale() == encoder.newest().is_stale()
                    && (value.is_stale() || is_same(encoder.newest(), FloatHistogram::clone(value)))
            }
            (Data::Integers(_) | Data::Floats(_), _) => false,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let own = match &self.data {
            Data::Integers(encoder) => encoder.heap_bytes(),
            Data::Floats(encoder) => encoder.heap_bytes(),
        };
        size_of::<Self>() + own
    }
}

fn is_same(mut a: FloatHistogram, mut b: FloatHistogram) -> bool {
    a.compact();
    b.compact();
    a.equals(&b)
}

/// Returns the marker of staleness of a series whose newest sample is of this kind; `None` for floats.
pub(crate) fn stale_marker(kind: SampleKind) -> Option<HistogramValue> {
    match kind {
        SampleKind::Float => None,
        SampleKind::Histogram => Some(HistogramValue::Integer(Histogram::stale().into())),
        SampleKind::FloatHistogram => Some(HistogramValue::Float(FloatHistogram::stale().into())),
    }
}
