//! The write side: resolve a series once, then append batches of columns.

use std::num::NonZeroU64;
use std::sync::Arc;

use wf_model::{FloatHistogram, Labels, Metadata};

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

/// Samples that become visible together, such as those of one scrape. Columns of equal length.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    /// Series of each float sample.
    pub refs: Vec<SeriesRef>,
    /// Time of each float sample, ms.
    pub times_ms: Vec<i64>,
    /// Value of each float sample; a stale marker by its bits.
    pub values: Vec<f64>,
    /// Native histogram samples: series, time in ms, histogram. A storage may not keep them: it says so and counts them.
    pub histograms: Vec<(SeriesRef, i64, Arc<FloatHistogram>)>,
    /// Type, help and unit of series, when new or changed. A storage may not keep them.
    pub metadata: Vec<(SeriesRef, Metadata)>,
}

impl WriteBatch {
    /// Adds a float sample.
    #[inline]
    pub fn push(&mut self, series: SeriesRef, time_ms: i64, value: f64) {
        self.refs.push(series);
        self.times_ms.push(time_ms);
        self.values.push(value);
    }

    /// Empties the batch and keeps its buffers.
    pub fn clear(&mut self) {
        self.refs.clear();
        self.times_ms.clear();
        self.values.clear();
        self.histograms.clear();
        self.metadata.clear();
    }

    /// Returns the number of float samples.
    pub fn len(&self) -> usize {
        self.refs.len()
    }

    /// Returns whether the batch holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.refs.is_empty() && self.histograms.is_empty() && self.metadata.is_empty()
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

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutcome {
    /// Samples stored.
    pub n_appended: usize,
    /// Positions in the float columns that were not stored, ascending, and why.
    pub rejected: Vec<(usize, Rejection)>,
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
}
