//! What a rule writes: its samples in one batch, and the ends of series that it gives no more.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use wf_model::{Labels, STALE_NAN};
use wf_promql::engine::SampleValue;
use wf_series::{
    Acknowledge, AppendError, HistogramRejection, HistogramValue, Rejection, SeriesRef, WriteBatch,
};

use crate::environment::Environment;

/// The series a rule wrote at its last evaluation.
#[derive(Debug, Default)]
pub(super) struct Written {
    series: HashMap<Labels, Entry, RandomState>,
    /// Number of the evaluation at hand.
    round: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    series_ref: SeriesRef,
    /// When a sample of it came last.
    round: u64,
}

/// Two samples are one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SameLabels;

/// Samples beside the series they belong to, as far as these were written before.
type Recalled<'a> = Vec<(&'a (Labels, SampleValue), Option<SeriesRef>)>;

impl Written {
    /// Finds the series of samples without changing anything that is seen from outside.
    /// # Errors
    /// When two samples are one series.
    pub(super) fn recall<'a>(
        &mut self,
        samples: &'a [(Labels, SampleValue)],
    ) -> Result<Recalled<'a>, SameLabels> {
        self.round += 1;
        // Few are new: only they need a set to be told apart.
        let mut fresh: HashSet<&Labels, RandomState> = HashSet::default();
        let mut recalled = Vec::with_capacity(samples.len());
        for sample in samples {
            let known = match self.series.get_mut(&sample.0) {
                Some(entry) if entry.round == self.round => return Err(SameLabels),
                Some(entry) => {
                    entry.round = self.round;
                    Some(entry.series_ref)
                }
                None if fresh.insert(&sample.0) => None,
                None => return Err(SameLabels),
            };
            recalled.push((sample, known));
        }
        Ok(recalled)
    }

    /// Writes samples, and ends the series of the last evaluation that are not among them.
    /// # Errors
    /// Why nothing, or not everything, was written.
    pub(super) fn write(
        &mut self,
        samples: Recalled<'_>,
        time_ms: i64,
        env: &Environment,
    ) -> Result<(), String> {
        let outcome = match self.try_write(&samples, time_ms, env) {
            // Storage forgot a series meanwhile: its number is worth nothing.
            Ok(Some(Rejection::UnknownSeries)) => {
                self.series.clear();
                let forgotten: Recalled<'_> = samples.into_iter().map(|(sample, _)| (sample, None)).collect();
                self.try_write(&forgotten, time_ms, env)
            }
            other => other,
        };
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(rejection)) => Err(words(rejection).to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn try_write(
        &mut self,
        samples: &Recalled<'_>,
        time_ms: i64,
        env: &Environment,
    ) -> Result<Option<Rejection>, AppendError> {
        let mut batch = WriteBatch::default();
        let mut fresh = Vec::new();
        for ((labels, value), known) in samples {
            let series_ref = known.map_or_else(|| env.sink.resolve(labels), Ok)?;
            if known.is_none() {
                fresh.push((labels.clone(), series_ref));
            }
            match value {
                SampleValue::Float(value) => batch.push(series_ref, time_ms, *value),
                SampleValue::Histogram(histogram) => {
                    batch.push_histogram(series_ref, time_ms, HistogramValue::Float(histogram.clone()));
                }
            }
        }
        let n_floats = batch.len();
        let is_gone = |entry: &&Entry| entry.round != self.round;
        let mut gone: Vec<SeriesRef> =
            self.series.values().filter(is_gone).map(|entry| entry.series_ref).collect();
        gone.sort_unstable();
        gone.into_iter().for_each(|series_ref| batch.push(series_ref, time_ms, STALE_NAN));
        if batch.is_empty() {
            return Ok(None);
        }
        let outcome = env.sink.append(&batch, Acknowledge::Queued)?;
        let round = self.round;
        self.series.retain(|_, entry| entry.round == round);
        self.series
            .extend(fresh.into_iter().map(|(labels, series_ref)| (labels, Entry { series_ref, round })));
        // Ends of series may be late: somebody else writes them now.
        let floats = outcome.rejected.iter().filter(|(idx, _)| *idx < n_floats).map(|(_, why)| *why);
        let histograms = outcome.rejected_histograms.iter().filter_map(|(_, why)| match why {
            HistogramRejection::Sample(why) => Some(*why),
            HistogramRejection::Invalid(_) => None,
        });
        Ok(floats.chain(histograms).next())
    }

    /// Forgets the series without ending them.
    pub(super) fn take(&mut self) -> HashMap<Labels, SeriesRef> {
        std::mem::take(&mut self.series)
            .into_iter()
            .map(|(labels, entry)| (labels, entry.series_ref))
            .collect()
    }

    /// Ends series at `time_ms`; one that has a later sample goes on.
    pub(super) fn end(series: HashMap<Labels, SeriesRef>, time_ms: i64, env: &Environment) {
        let mut refs: Vec<SeriesRef> = series.into_values().collect();
        refs.sort_unstable();
        let mut batch = WriteBatch::default();
        refs.into_iter().for_each(|series_ref| batch.push(series_ref, time_ms, STALE_NAN));
        if batch.is_empty() {
            return;
        }
        if let Err(error) = env.sink.append(&batch, Acknowledge::Queued) {
            tracing::warn!(%error, n_series = batch.len(), "the end of series of removed rules could not be stored");
        }
    }
}

fn words(rejection: Rejection) -> &'static str {
    match rejection {
        Rejection::OutOfOrder => "out of order sample",
        Rejection::Duplicate => "duplicate sample for timestamp",
        Rejection::OutOfBounds => "out of bounds",
        Rejection::TooOld => "too old sample",
        Rejection::UnknownSeries => "unknown series",
    }
}
