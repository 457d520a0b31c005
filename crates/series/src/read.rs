//! The read side: select series, then decode them one by one, in any order, from several threads.

use std::sync::Arc;

use wf_model::{FloatHistogram, Labels, Matcher, TimeRange};

/// What a query wants to read.
#[derive(Clone, Debug)]
pub struct SelectRequest<'a> {
    /// All must hold.
    pub matchers: &'a [Matcher],
    /// Only series that may have a sample inside are returned; samples outside may be decoded away.
    pub range: TimeRange,
}

/// Which label names or values are wanted: those of series that satisfy any of the matcher sets; no set, all series.
#[derive(Clone, Debug)]
pub struct LabelQuery<'a> {
    /// Any of these sets.
    pub matcher_sets: &'a [Vec<Matcher>],
    /// Only series that may have a sample inside.
    pub range: TimeRange,
}

/// Why storage could not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SelectError {
    /// Reading failed: the message names file and cause.
    #[error("storage: {0}")]
    Storage(String),
    /// A limit of the storage was hit: the message names it.
    #[error("{0}")]
    Limit(String),
}

/// Samples of one series, decoded: parallel columns in strictly ascending time order.
#[derive(Clone, Debug, Default)]
pub struct SampleColumns {
    /// Times, ms.
    pub times_ms: Vec<i64>,
    /// Values; at the position of a histogram, its `sum` (so that staleness shows by bits).
    pub values: Vec<f64>,
    /// Native histograms by their position in the columns, ascending; empty for float series.
    pub histograms: Vec<(usize, Arc<FloatHistogram>)>,
    /// Start timestamp of each sample, ms, 0 where unknown; empty when no sample has one.
    pub start_times_ms: Vec<i64>,
}

impl SampleColumns {
    /// Returns the number of samples, floats and histograms together.
    pub fn len(&self) -> usize {
        self.times_ms.len()
    }

    /// Returns whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.times_ms.is_empty()
    }

    /// Empties the columns and keeps their buffers.
    pub fn clear(&mut self) {
        self.times_ms.clear();
        self.values.clear();
        self.histograms.clear();
        self.start_times_ms.clear();
    }

    /// Adds a float sample.
    #[inline]
    pub fn push(&mut self, time_ms: i64, value: f64) {
        self.times_ms.push(time_ms);
        self.values.push(value);
    }

    /// Adds a histogram sample.
    pub fn push_histogram(&mut self, time_ms: i64, histogram: Arc<FloatHistogram>) {
        self.push(time_ms, histogram.sum);
        self.histograms.push((self.times_ms.len() - 1, histogram));
    }
}

/// One label of every selected series, as dictionary codes: grouping compares numbers, not strings.
#[derive(Clone, Debug, Default)]
pub struct LabelColumn {
    /// Per series: index into `values`.
    pub codes: Vec<u32>,
    /// Distinct values; `""` stands for an absent label.
    pub values: Vec<Arc<str>>,
}

/// The series a request selected: random access by index, shared between threads.
pub trait Selection: Send + Sync {
    /// Returns the number of series.
    fn len(&self) -> usize;

    /// Returns whether no series was selected.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the labels of series `idx`. Order of series is storage's own; whoever needs sorting sorts.
    fn labels(&self, idx: usize) -> Labels;

    /// Decodes the samples of series `idx` inside `range` into `out`, which is cleared first.
    /// # Errors
    /// [`SelectError::Storage`] when bytes on disk cannot be read or are damaged.
    fn read(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError>;

    /// As [`Selection::read`], for who looks at the newest sample inside `range` alone: older ones may be left out. Storage
    /// that remembers it need not decode what led to it.
    /// # Errors
    /// As [`Selection::read`].
    fn read_newest(&self, idx: usize, range: TimeRange, out: &mut SampleColumns) -> Result<(), SelectError> {
        self.read(idx, range, out)
    }

    /// Returns label `name` of all series as dictionary codes.
    /// # Complexity
    /// The default makes every label set; storage that interns its labels does better.
    fn label_column(&self, name: &str) -> LabelColumn {
        let mut column = LabelColumn::default();
        let mut code_of = std::collections::HashMap::new();
        for idx in 0..self.len() {
            let value: Arc<str> = self.labels(idx).get(name).unwrap_or("").into();
            let next = u32::try_from(column.values.len()).unwrap_or(u32::MAX);
            let code = *code_of.entry(Arc::clone(&value)).or_insert_with(|| {
                column.values.push(value);
                next
            });
            column.codes.push(code);
        }
        column
    }
}

/// The values of a label, ascending; after an error there are no more.
pub type LabelValues = Box<dyn Iterator<Item = Result<String, SelectError>> + Send>;

/// Where queries read: the time series database, several of them merged, or a remote one.
pub trait SeriesSource: Send + Sync {
    /// Selects series. The selection is a snapshot of the storage at this moment.
    /// # Errors
    /// See [`SelectError`].
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError>;

    /// Returns the label names in use, sorted.
    /// # Errors
    /// See [`SelectError`].
    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError>;

    /// Returns the values of label `name`, sorted.
    /// # Errors
    /// See [`SelectError`].
    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError>;

    /// As [`SeriesSource::label_values`], for a reader who takes them one by one: storage that can does not hold them.
    /// # Errors
    /// See [`SelectError`].
    fn each_label_value(&self, name: &str, query: &LabelQuery<'_>) -> Result<LabelValues, SelectError> {
        Ok(Box::new(self.label_values(name, query)?.into_iter().map(Ok)))
    }
}
