//! The write side: resolve a series once, then append batches of columns.

use std::num::NonZeroU64;
use std::sync::Arc;

use wf_model::histogram::HistogramError;
use wf_model::{FloatHistogram, Histogram, Labels, Metadata};

use crate::exemplar::Exemplar;

/// Names a series inside one [`SampleSink`]; never reused while the sink lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesRef(NonZeroU64);

impl SeriesRef {
    /// Wraps a non-zero number; `None` for zero.
    pub fn new(raw: u64) -> Option<Self> {
        NonZeroU64::new(raw).map(Self)
    }

    /// Returns the number, as stored in the write-ahead log.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

/// A native histogram, as it was observed.
#[derive(Clone, Debug)]
pub enum HistogramValue {
    /// With integer counts.
    Integer(Arc<Histogram>),
    /// With float counts.
    Float(Arc<FloatHistogram>),
}

impl HistogramValue {
    /// Returns the form in which queries compute.
    pub fn to_float(&self) -> Arc<FloatHistogram> {
        match self {
            Self::Integer(histogram) => Arc::new(histogram.to_float()),
            Self::Float(histogram) => Arc::clone(histogram),
        }
    }

    /// Returns the sum of observations; the stale NaN marks staleness.
    pub fn sum(&self) -> f64 {
        match self {
            Self::Integer(histogram) => histogram.sum,
            Self::Float(histogram) => histogram.sum,
        }
    }
}

/// One native histogram of a batch.
#[derive(Clone, Debug)]
pub struct HistogramSample {
    /// Its series.
    pub series: SeriesRef,
    /// Its time, ms.
    pub time_ms: i64,
    /// Its start timestamp, ms; 0 where unknown.
    pub start_time_ms: i64,
    /// The histogram.
    pub value: HistogramValue,
}

/// Samples that become visible together, such as those of one scrape. Columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Series of each float sample.
    pub refs: Vec<SeriesRef>,
    /// Time of each float sample, ms.
    pub times_ms: Vec<i64>,
    /// Value of each float sample; a stale marker by its bits.
    pub values: Vec<f64>,
    /// Start timestamp of each float sample, ms, 0 where unknown; empty when no sample has one. A storage may not keep
    /// them.
    pub start_times_ms: Vec<i64>,
    /// Native histogram samples.
    pub histograms: Vec<HistogramSample>,
    /// Exemplars of series. A storage may not keep them.
    pub exemplars: Vec<(SeriesRef, Exemplar)>,
    /// Type, help and unit of series, when new or changed. A storage may not keep them.
    pub metadata: Vec<(SeriesRef, Metadata)>,
}

impl WriteBatch {
    /// Adds a float sample. A batch has start timestamps for all of its samples or for none: see
    /// [`WriteBatch::push_started`].
    #[inline]
    pub fn push(&mut self, series: SeriesRef, time_ms: i64, value: f64) {
        self.refs.push(series);
        self.times_ms.push(time_ms);
        self.values.push(value);
    }

    /// Returns the start timestamp of the float sample at `at`, ms; 0 where unknown.
    pub fn start_time_ms(&self, at: usize) -> i64 {
        self.start_times_ms.get(at).copied().unwrap_or(0)
    }

    /// Adds a float sample with a start timestamp, 0 if it has none; samples pushed without one before get 0.
    pub fn push_started(&mut self, series: SeriesRef, time_ms: i64, start_time_ms: i64, value: f64) {
        self.start_times_ms.resize(self.refs.len(), 0);
        self.start_times_ms.push(start_time_ms);
        self.push(series, time_ms, value);
    }

    /// Adds a native histogram.
    pub fn push_histogram(&mut self, series: SeriesRef, time_ms: i64, value: HistogramValue) {
        self.histograms.push(HistogramSample { series, time_ms, start_time_ms: 0, value });
    }

    /// Empties the batch and keeps its buffers.
    pub fn clear(&mut self) {
        self.refs.clear();
        self.times_ms.clear();
        self.values.clear();
        self.start_times_ms.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.metadata.clear();
    }

    /// Returns the number of float samples.
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// Returns whether the batch holds nothing at all.
    pub fn is_empty(&self) -> bool {
        let Self { refs, times_ms: _, values: _, start_times_ms: _, histograms, exemplars, metadata } = self;
        refs.is_empty() && histograms.is_empty() && exemplars.is_empty() && metadata.is_empty()
    }
}

/// When `append` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// Once the batch is queued for the log: scrapes, which are repeated anyway.
    Queued,
    /// Once the batch reached the operating system by write(2): requests that get a 2xx.
    Written,
}

/// Why one sample of a batch was not stored. The rest of the batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejection {
    /// Older than the newest sample of its series.
    OutOfOrder,
    /// Same time as the newest sample of its series, another value.
    Duplicate,
    /// Older than storage accepts at all.
    OutOfBounds,
    /// Older than the out-of-order window.
    TooOld,
    /// The series was dropped meanwhile: resolve its labels again.
    UnknownSeries,
}

/// Why a native histogram was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistogramRejection {
    /// As any sample.
    Sample(Rejection),
    /// It contradicts itself.
    Invalid(HistogramError),
}

/// Why an exemplar was not stored. That never fails a scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExemplarRejection {
    /// Older than the newest exemplar of its series.
    OutOfOrder,
    /// Its labels exceed [`crate::exemplar::LABEL_RUNES_MAX`].
    LabelsTooLong,
    /// The series is not in storage: resolve its labels again.
    UnknownSeries,
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutcome {
    /// Float samples stored.
    pub n_appended: usize,
    /// Positions in the float columns that were not stored, ascending, and why.
    pub rejected: Vec<(usize, Rejection)>,
    /// Native histograms stored.
    pub n_histograms: usize,
    /// Positions in [`WriteBatch::histograms`] that were not stored, ascending, and why.
    pub rejected_histograms: Vec<(usize, HistogramRejection)>,
    /// Exemplars stored; those equal to the newest of their series are passed over silently.
    pub n_exemplars: usize,
    /// Positions in [`WriteBatch::exemplars`] that were not stored, ascending, and why.
    pub rejected_exemplars: Vec<(usize, ExemplarRejection)>,
}

/// Why a series or a batch was refused as a whole. Nothing of it was stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// A label set without labels cannot name a series.
    #[error("a series needs at least one label")]
    EmptyLabels,
    /// New series are refused while memory is at its bound; known series go on.
    #[error(
        "new series refused: {n_series} active series reach the limit of {limit}; raise {setting} or drop labels with many values"
    )]
    SeriesLimit {
        /// Series in memory now.
        n_series: u64,
        /// The bound.
        limit: u64,
        /// Name of the setting that moves the bound.
        setting: &'static str,
    },
    /// New series are refused while the memory for series is at its bound; known series go on.
    #[error(
        "new series refused: {n_series} active series take {memory_bytes} bytes of memory, the limit is {limit_bytes}; raise {setting} or drop labels with many values"
    )]
    MemoryLimit {
        /// Series in memory now.
        n_series: u64,
        /// What they take, bytes.
        memory_bytes: u64,
        /// The bound, bytes.
        limit_bytes: u64,
        /// Name of the setting that moves the bound.
        setting: &'static str,
    },
    /// The write-ahead log cannot be written (disk full, I/O error): storage accepts nothing until it can.
    #[error("write-ahead log: {message}")]
    Log {
        /// The cause, as the operating system reports it.
        message: String,
    },
    /// Storage is closed.
    #[error("storage is shut down")]
    Closed,
}

/// Where samples go: the time series database, or a queue to a remote one.
pub trait SampleSink: Send + Sync {
    /// Returns the reference of the series with these labels, creating it if need be.
    /// # Errors
    /// [`AppendError::EmptyLabels`], [`AppendError::SeriesLimit`], [`AppendError::MemoryLimit`], [`AppendError::Closed`].
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError>;

    /// Stores a batch; readers see all of it or nothing.
    /// # Errors
    /// [`AppendError::Log`] and [`AppendError::Closed`]; single bad samples are reported in the outcome instead.
    fn append(&self, batch: &WriteBatch, acknowledge: Acknowledge) -> Result<AppendOutcome, AppendError>;

    /// Returns the time in ms from which on late samples are taken; `None` when there is no window for them. Only samples
    /// before it can be [too old](SampleSink::is_too_old).
    fn late_from_ms(&self) -> Option<i64> {
        None
    }

    /// Returns whether [`SampleSink::append`] would refuse a sample of this time, ms, as [`Rejection::TooOld`]: who stores
    /// all or nothing asks before.
    fn is_too_old(&self, _series: SeriesRef, _time_ms: i64) -> bool {
        false
    }
}
