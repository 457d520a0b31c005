//! The samples of a chunk as a list that loses nothing: what merging, re-encoding and backfilling work on.

use wf_model::TimeRange;
use wf_series::{HistogramValue, SampleColumns};

use super::histogram::{Decoder, Floats, Integers, Kind};
use super::{ChunkError, Encoding};

/// One sample of a series.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its time, ms.
    pub time_ms: i64,
    /// Its start timestamp, ms; 0 where unknown.
    pub start_time_ms: i64,
    /// Its value.
    pub value: Value,
}

/// A float or a native histogram.
#[derive(Clone, Debug)]
pub enum Value {
    /// A float.
    Float(f64),
    /// A native histogram of either kind.
    Histogram(HistogramValue),
}

impl Value {
    /// Returns whether this is a marker of staleness.
    pub fn is_stale(&self) -> bool {
        wf_model::is_stale_nan(match self {
            Self::Float(value) => *value,
            Self::Histogram(histogram) => histogram.sum(),
        })
    }
}

impl Sample {
    /// Returns a float sample without a start timestamp.
    pub fn float(time_ms: i64, value: f64) -> Self {
        Self { time_ms, start_time_ms: 0, value: Value::Float(value) }
    }

    /// Adds the sample to columns; an integer histogram as a float one.
    pub fn push_to(&self, out: &mut SampleColumns) {
        match &self.value {
            Value::Float(value) => out.push(self.time_ms, *value),
            Value::Histogram(histogram) => out.push_histogram(self.time_ms, histogram.to_float()),
        }
        super::push_start(out, self.start_time_ms);
    }
}

/// Decodes the samples inside `range` of a chunk of any encoding, integer histograms as such.
/// # Errors
/// See [`ChunkError`].
pub fn samples(encoding: Encoding, bytes: &[u8], range: TimeRange) -> Result<Vec<Sample>, ChunkError> {
    match encoding {
        Encoding::Xor | Encoding::Xor2 => {
            let mut columns = SampleColumns::default();
            super::decode(encoding, bytes, range, &mut columns)?;
            let starts = columns.start_times_ms.iter().copied().chain(std::iter::repeat(0));
            let floats = columns.times_ms.iter().zip(&columns.values).zip(starts);
            let list = floats.map(|((time_ms, value), start_time_ms)| Sample {
                time_ms: *time_ms,
                start_time_ms,
                value: Value::Float(*value),
            });
            Ok(list.collect())
        }
        Encoding::Histogram => histograms::<Integers>(bytes, false, range),
        Encoding::FloatHistogram => histograms::<Floats>(bytes, false, range),
        Encoding::HistogramSt => histograms::<Integers>(bytes, true, range),
        Encoding::FloatHistogramSt => histograms::<Floats>(bytes, true, range),
    }
}

fn histograms<K: Kind>(bytes: &[u8], has_starts: bool, range: TimeRange) -> Result<Vec<Sample>, ChunkError> {
    let mut decoder = Decoder::<K>::new(bytes, has_starts)?;
    let mut list = Vec::new();
    while let Some(time_ms) = decoder.advance()? {
        if time_ms > range.end_ms {
            break;
        }
        if time_ms >= range.start_ms {
            let start_time_ms = decoder.start();
            let value = Value::Histogram(K::into_value(decoder.histogram()?));
            list.push(Sample { time_ms, start_time_ms, value });
        }
    }
    Ok(list)
}
