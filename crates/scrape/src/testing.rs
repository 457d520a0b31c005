//! A storage that remembers what it was given, for tests.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use wf_model::{Labels, is_stale_nan};
use wf_series::{
    Acknowledge, AppendError, AppendOutcome, HistogramRejection, HistogramValue, Rejection, SampleSink,
    SeriesRef, WriteBatch,
};

/// A sample as stored: labels, time, bits of the value.
pub(crate) type Stored = (String, i64, u64);

/// A native histogram as stored: labels, time, start, value.
pub(crate) type StoredHistogram = (String, i64, i64, HistogramValue);

#[derive(Debug, Default)]
pub(crate) struct FakeSink {
    inner: Mutex<Inner>,
}

type Series = (Labels, Vec<(i64, f64)>);

#[derive(Debug, Default)]
struct Inner {
    by_labels: BTreeMap<Labels, u64>,
    /// By reference minus one; `None` once forgotten.
    series: Vec<Option<Series>>,
    limit: Option<u64>,
    n_resolved: usize,
    exemplars: Vec<wf_series::Exemplar>,
    histograms: Vec<StoredHistogram>,
    metadata: Vec<String>,
    starts: Vec<(String, i64, i64)>,
    log: Vec<Stored>,
    panics: bool,
    late_from_ms: Option<i64>,
}

impl FakeSink {
    /// Refuses further new series.
    pub(crate) fn set_limit(&self, limit: Option<u64>) {
        self.inner.lock().limit = limit;
    }

    /// Forgets all series, as a head that was cut does with idle ones.
    pub(crate) fn forget_all(&self) {
        let mut inner = self.inner.lock();
        inner.by_labels.clear();
        inner.series.fill(None);
    }

    /// Takes late samples from `late_from_ms` on, and calls older ones too old.
    pub(crate) fn take_late_from(&self, late_from_ms: i64) {
        self.inner.lock().late_from_ms = Some(late_from_ms);
    }

    /// Panics at the next append.
    pub(crate) fn panic_once(&self) {
        self.inner.lock().panics = true;
    }

    /// Exemplars appended so far, in order.
    pub(crate) fn take_exemplars(&self) -> Vec<wf_series::Exemplar> {
        std::mem::take(&mut self.inner.lock().exemplars)
    }

    /// Returns native histograms as stored: labels, time, start, value as queries see it.
    pub(crate) fn take_histograms(&self) -> Vec<StoredHistogram> {
        std::mem::take(&mut self.inner.lock().histograms)
    }

    /// Returns metadata as stored: labels, type, help, unit.
    pub(crate) fn take_metadata(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().metadata)
    }

    /// Returns start timestamps as stored: labels, time, start.
    pub(crate) fn take_starts(&self) -> Vec<(String, i64, i64)> {
        std::mem::take(&mut self.inner.lock().starts)
    }

    pub(crate) fn n_resolved(&self) -> usize {
        self.inner.lock().n_resolved
    }

    /// Everything appended so far, in order; empties the log.
    pub(crate) fn take_log(&self) -> Vec<Stored> {
        std::mem::take(&mut self.inner.lock().log)
    }

    /// Samples of the series that `name` (labels as printed, or the bare metric name) stands for: `12=1.5`, `13=stale`.
    pub(crate) fn samples(&self, name: &str) -> Vec<String> {
        let inner = self.inner.lock();
        let series = inner.series.iter().flatten();
        let wanted = series.filter(|(labels, _)| labels.metric_name() == name || labels.to_string() == name);
        wanted.flat_map(|(_, samples)| samples).map(|(time, value)| show(*time, *value)).collect()
    }
}

fn show(time: i64, value: f64) -> String {
    if is_stale_nan(value) { format!("{time}=stale") } else { format!("{time}={value}") }
}

impl SampleSink for FakeSink {
    fn resolve(&self, labels: &Labels) -> Result<SeriesRef, AppendError> {
        let mut inner = self.inner.lock();
        inner.n_resolved += 1;
        if let Some(known) = inner.by_labels.get(labels) {
            return Ok(SeriesRef::new(*known).expect("references begin at one"));
        }
        let n_series = inner.by_labels.len() as u64;
        if let Some(limit) = inner.limit.filter(|limit| n_series >= *limit) {
            return Err(AppendError::SeriesLimit { n_series, limit, setting: "--limit" });
        }
        inner.series.push(Some((labels.clone(), Vec::new())));
        let raw = inner.series.len() as u64;
        inner.by_labels.insert(labels.clone(), raw);
        Ok(SeriesRef::new(raw).expect("references begin at one"))
    }

    fn late_from_ms(&self) -> Option<i64> {
        self.inner.lock().late_from_ms
    }

    fn is_too_old(&self, _: SeriesRef, time_ms: i64) -> bool {
        self.late_from_ms().is_some_and(|late_from_ms| time_ms < late_from_ms)
    }

    fn append(&self, batch: &WriteBatch, _: Acknowledge) -> Result<AppendOutcome, AppendError> {
        let mut inner = self.inner.lock();
        assert!(!std::mem::take(&mut inner.panics), "asked to panic");
        inner.exemplars.extend(batch.exemplars.iter().map(|(_, exemplar)| exemplar.clone()));
        let mut outcome = AppendOutcome::default();
        let n_starts = batch.start_times_ms.len();
        assert!(n_starts == 0 || n_starts == batch.len(), "start timestamps for all samples or for none");
        let idx_of = |series: SeriesRef| usize::try_from(series.get()).expect("as many as fit in memory") - 1;
        for (position, start_ms) in
            batch.start_times_ms.iter().enumerate().filter(|(_, start_ms)| **start_ms != 0)
        {
            if let Some((labels, _)) = &inner.series[idx_of(batch.refs[position])] {
                let stored = (labels.to_string(), batch.times_ms[position], *start_ms);
                inner.starts.push(stored);
            }
        }
        for (series, metadata) in &batch.metadata {
            if let Some((labels, _)) = &inner.series[idx_of(*series)] {
                let stored =
                    format!("{labels} {} {:?} {:?}", metadata.kind.as_str(), metadata.help, metadata.unit);
                inner.metadata.push(stored);
            }
        }
        for (position, sample) in batch.histograms.iter().enumerate() {
            match &inner.series[idx_of(sample.series)] {
                Some((labels, _)) => {
                    let stored =
                        (labels.to_string(), sample.time_ms, sample.start_time_ms, sample.value.clone());
                    inner.histograms.push(stored);
                }
                None => {
                    let forgotten = HistogramRejection::Sample(Rejection::UnknownSeries);
                    outcome.rejected_histograms.push((position, forgotten));
                }
            }
        }
        for position in 0..batch.len() {
            let (time, value) = (batch.times_ms[position], batch.values[position]);
            let idx = usize::try_from(batch.refs[position].get()).expect("as many as fit in memory") - 1;
            let Some((labels, samples)) = &mut inner.series[idx] else {
                outcome.rejected.push((position, Rejection::UnknownSeries));
                continue;
            };
            match samples.last() {
                Some((last, _)) if *last > time => outcome.rejected.push((position, Rejection::OutOfOrder)),
                Some((last, old)) if *last == time => {
                    if old.to_bits() != value.to_bits() {
                        outcome.rejected.push((position, Rejection::Duplicate));
                    }
                }
                _ => {
                    samples.push((time, value));
                    outcome.n_appended += 1;
                    let stored = (labels.to_string(), time, value.to_bits());
                    inner.log.push(stored);
                }
            }
        }
        Ok(outcome)
    }
}
