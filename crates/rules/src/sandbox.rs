//! A storage in memory that rules can write to: what rule tests and backtests run on.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wf_model::Labels;
use wf_series::memory::MemoryStorage;
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, HistogramRejection, LabelQuery, Rejection, SampleColumns,
    SampleSink, SelectError, SelectRequest, Selection, SeriesRef, SeriesSource, WriteBatch,
};

/// See the module. Samples of a series must come in ascending time order.
#[derive(Debug, Default)]
pub struct Sandbox {
    storage: MemoryStorage,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    by_ref: Vec<Labels>,
    by_labels: HashMap<Labels, SeriesRef>,
}

impl Sandbox {
    /// Wraps a storage with what is in it already.
    pub fn new(storage: MemoryStorage) -> Self {
        Self { storage, names: Mutex::default() }
    }

    /// Returns the storage underneath.
    pub fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn labels(&self, series: SeriesRef) -> Option<Labels> {
        let idx = usize::try_from(series.get()).ok()?.checked_sub(1)?;
        self.names.lock().by_ref.get(idx).cloned()
    }

    /// Adds one sample, unless its series has one as late.
    fn add(
        &self,
        series: SeriesRef,
        time_ms: i64,
        add: impl FnOnce(&mut SampleColumns),
    ) -> Result<(), Rejection> {
        let labels = self.labels(series).ok_or(Rejection::UnknownSeries)?;
        self.storage.update(&labels, |samples| {
            match samples.times_ms.last() {
                Some(last) if *last > time_ms => return Err(Rejection::OutOfOrder),
                Some(last) if *last == time_ms => return Err(Rejection::Duplicate),
                _ => add(samples),
            }
            Ok(())
        })
    }
}

impl SampleSink for Sandbox {
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        if labels.is_empty() {
            return Err(AppendError::EmptyLabels);
        }
        let mut names = self.names.lock();
        if let Some(known) = names.by_labels.get(labels) {
            return Ok(*known);
        }
        names.by_ref.push(labels.clone());
        let series = SeriesRef::new(names.by_ref.len() as u64).ok_or(AppendError::Closed)?;
        names.by_labels.insert(labels.clone(), series);
        Ok(series)
    }

    fn append(&self, batch: &WriteBatch, _: Acknowledge) -> Result<AppendOutcome, AppendError> {
        let mut outcome = AppendOutcome::default();
        let floats = batch.refs.iter().zip(&batch.times_ms).zip(&batch.values).enumerate();
        for (idx, ((series, time_ms), value)) in floats {
            match self.add(*series, *time_ms, |samples| samples.push(*time_ms, *value)) {
                Ok(()) => outcome.n_appended += 1,
                Err(rejection) => outcome.rejected.push((idx, rejection)),
            }
        }
        for (idx, sample) in batch.histograms.iter().enumerate() {
            let (time_ms, histogram) = (sample.time_ms, sample.value.to_float());
            match self.add(sample.series, time_ms, |samples| samples.push_histogram(time_ms, histogram)) {
                Ok(()) => outcome.n_histograms += 1,
                Err(rejection) => {
                    outcome.rejected_histograms.push((idx, HistogramRejection::Sample(rejection)));
                }
            }
        }
        Ok(outcome)
    }
}

impl SeriesSource for Sandbox {
    fn select(&self, request: &SelectRequest<'_>) -> Result<Arc<dyn Selection>, SelectError> {
        self.storage.select(request)
    }

    fn label_names(&self, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.storage.label_names(query)
    }

    fn label_values(&self, name: &str, query: &LabelQuery<'_>) -> Result<Vec<String>, SelectError> {
        self.storage.label_values(name, query)
    }
}
