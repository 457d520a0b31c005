//! What a rule writes: its samples in one batch, and the ends of series that it gives no more.

use std::collections::HashMap;

use wf_model::{Labels, STALE_NAN};
use wf_promql::engine::SampleValue;
use wf_series::{
    Acknowledge, AppendError, HistogramRejection, HistogramValue, Rejection, SeriesRef, WriteBatch,
};

use crate::environment::Environment;

/// The series a rule wrote at its last evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    series: HashMap<Labels, SeriesRef>,
}

impl Written {
    /// Writes samples, and ends the series of the last evaluation that are not among them.
    /// # Errors
    /// Why nothing, or not everything, was written.
    pub(super) fn write(
        &mut self,
        samples: &[(Labels, SampleValue)],
        time_ms: i64,
        env: &Environment,
    ) -> Result<(), String> {
        let outcome = self.try_write(samples, time_ms, env);
        let outcome = match outcome {
            // Storage forgot a series meanwhile: its number is worth nothing.
            Ok(Some(Rejection::UnknownSeries)) => {
                self.series.clear();
                self.try_write(samples, time_ms, env)
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
        samples: &[(Labels, SampleValue)],
        time_ms: i64,
        env: &Environment,
    ) -> Result<Option<Rejection>, AppendError> {
        let mut batch = WriteBatch::default();
        let mut series = HashMap::with_capacity(samples.len());
        for (labels, value) in samples {
            let known = self.series.get(labels).copied();
            let series_ref = known.map_or_else(|| env.sink.resolve(labels), Ok)?;
            match value {
                SampleValue::Float(value) => batch.push(series_ref, time_ms, *value),
                SampleValue::Histogram(histogram) => {
                    batch.push_histogram(series_ref, time_ms, HistogramValue::Float(histogram.clone()));
                }
            }
            series.insert(labels.clone(), series_ref);
        }
        let n_floats = batch.len();
        let mut gone: Vec<SeriesRef> = self
            .series
            .iter()
            .filter(|(labels, _)| !series.contains_key(labels))
            .map(|(_, id)| *id)
            .collect();
        gone.sort_unstable();
        gone.into_iter().for_each(|series_ref| batch.push(series_ref, time_ms, STALE_NAN));
        if !batch.is_empty() {
            let outcome = env.sink.append(&batch, Acknowledge::Queued)?;
            // Ends of series may be late: somebody else writes them now.
            let floats = outcome.rejected.iter().filter(|(idx, _)| *idx < n_floats).map(|(_, why)| *why);
            let histograms = outcome.rejected_histograms.iter().filter_map(|(_, why)| match why {
                HistogramRejection::Sample(why) => Some(*why),
                HistogramRejection::Invalid(_) => None,
            });
            self.series = series;
            return Ok(floats.chain(histograms).next());
        }
        self.series = series;
        Ok(None)
    }

    /// Forgets the series without ending them.
    pub(super) fn take(&mut self) -> HashMap<Labels, SeriesRef> {
        std::mem::take(&mut self.series)
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
