//! Native histograms as queries see them: what aggregating many reveals, and how observations spread inside buckets.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::{self, Bucket, CounterResetHint, Incompatible, Outcome};

/// What an aggregation of histograms has seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) bounds_reconciled: bool,
    reset: bool,
    not_reset: bool,
}

impl Seen {
    fn look(&mut self, histogram: &FloatHistogram) {
        self.reset |= histogram.counter_reset_hint == CounterResetHint::Reset;
        self.not_reset |= histogram.counter_reset_hint == CounterResetHint::NotReset;
    }

    fn note(&mut self, outcome: Outcome) {
        self.bounds_reconciled |= outcome.bounds_reconciled;
    }

    /// Returns whether both reset and not-reset hints were seen.
    pub(crate) fn conflicting_resets(&self) -> bool {
        self.reset && self.not_reset
    }
}

/// A running sum that remembers what it has seen.
#[derive(Clone, Debug)]
pub(crate) struct HistogramSum(histogram::HistogramSum);

impl HistogramSum {
    pub(crate) fn new(first: &FloatHistogram, seen: &mut Seen) -> Self {
        seen.look(first);
        Self(histogram::HistogramSum::new(first))
    }

    pub(crate) fn add(&mut self, other: &FloatHistogram, seen: &mut Seen) -> Result<(), Incompatible> {
        seen.look(other);
        seen.note(self.0.add(other)?);
        Ok(())
    }

    pub(crate) fn finish(self) -> FloatHistogram {
        compacted(self.0.finish())
    }
}

/// A running mean that remembers what it has seen.
#[derive(Clone, Debug)]
pub(crate) struct HistogramMean(histogram::HistogramMean);

impl HistogramMean {
    pub(crate) fn new(first: &FloatHistogram, seen: &mut Seen) -> Self {
        seen.look(first);
        Self(histogram::HistogramMean::new(first))
    }

    pub(crate) fn add(&mut self, other: &FloatHistogram, seen: &mut Seen) -> Result<(), Incompatible> {
        seen.look(other);
        seen.note(self.0.add(other)?);
        Ok(())
    }

    pub(crate) fn finish(self) -> FloatHistogram {
        compacted(self.0.finish())
    }
}

fn compacted(mut histogram: FloatHistogram) -> FloatHistogram {
    histogram.compact();
    histogram
}

/// Replaces an unknown hint by what a comparison with the histogram before says.
pub(crate) fn resolve_unknown_hint(histogram: &mut Arc<FloatHistogram>, previous: &FloatHistogram) {
    if histogram.counter_reset_hint == CounterResetHint::Unknown {
        let is_reset = histogram.detect_reset(previous);
        let hint = if is_reset { CounterResetHint::Reset } else { CounterResetHint::NotReset };
        Arc::make_mut(histogram).counter_reset_hint = hint;
    }
}

/// Returns all buckets in ascending order. When only one side of zero is populated, the observations of the zero bucket
/// are taken to lie on that side.
pub(crate) fn buckets_by_side(histogram: &FloatHistogram) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = histogram.buckets().collect();
    if histogram.is_custom() {
        return buckets;
    }
    let has_negative = !histogram.negative_buckets.is_empty();
    let has_positive = !histogram.positive_buckets.is_empty();
    let straddles_zero = |bucket: &&mut Bucket| bucket.lower <= 0.0 && bucket.upper >= 0.0;
    if let Some(zero) = buckets.iter_mut().find(straddles_zero) {
        match (has_negative, has_positive) {
            (false, true) => zero.lower = 0.0,
            (true, false) => zero.upper = 0.0,
            (true, true) | (false, false) => {}
        }
    }
    buckets
}
