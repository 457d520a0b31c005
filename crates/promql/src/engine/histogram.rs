//! Native-histogram arithmetic as queries need it: thin names over the model's.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};

pub(crate) use wf_model::histogram::Incompatible;

/// What an aggregation has seen so far.
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

    /// Returns whether both reset and not-reset hints were seen.
    pub(crate) fn conflicting_resets(&self) -> bool {
        self.reset && self.not_reset
    }
}

pub(crate) struct HistogramSum(FloatHistogram);
impl HistogramSum {
    pub(crate) fn new(first: &FloatHistogram, seen: &mut Seen) -> Self {
        seen.look(first);
        Self(first.clone())
    }
    pub(crate) fn add(&mut self, other: &FloatHistogram, seen: &mut Seen) -> Result<(), Incompatible> {
        seen.look(other);
        let outcome = self.0.add(other)?;
        seen.bounds_reconciled |= outcome.bounds_reconciled;
        Ok(())
    }
    pub(crate) fn finish(self) -> FloatHistogram {
        self.0
    }
}
pub(crate) struct HistogramMean(FloatHistogram, f64);
impl HistogramMean {
    pub(crate) fn new(first: &FloatHistogram, seen: &mut Seen) -> Self {
        seen.look(first);
        Self(first.clone(), 1.0)
    }
    pub(crate) fn add(&mut self, other: &FloatHistogram, seen: &mut Seen) -> Result<(), Incompatible> {
        seen.look(other);
        self.1 += 1.0;
        let outcome = self.0.add(other)?;
        seen.bounds_reconciled |= outcome.bounds_reconciled;
        Ok(())
    }
    pub(crate) fn finish(mut self) -> FloatHistogram {
        self.0.divide(self.1);
        self.0
    }
}

pub(crate) fn is_custom(histogram: &FloatHistogram) -> bool {
    histogram.schema == CUSTOM_BUCKETS_SCHEMA
}
/// Returns whether a counter was reset between `old` and `new`.
pub(crate) fn is_reset(new: &FloatHistogram, old: &FloatHistogram) -> bool {
    new.detect_reset(old)
}

/// Returns a histogram without observations that combines with `other`.
pub(crate) fn empty_like(other: &FloatHistogram) -> FloatHistogram {
    FloatHistogram {
        schema: other.schema,
        custom_values: other.custom_values.clone(),
        ..FloatHistogram::default()
    }
}

/// Returns a copy in a coarser resolution.
pub(crate) fn copy_to_schema(histogram: &FloatHistogram, schema: i32) -> FloatHistogram {
    let mut copy = histogram.clone();
    copy.reduce_to_schema(schema);
    copy
}

/// Replaces an unknown hint by what a comparison with the histogram before says.
pub(crate) fn resolve_unknown_hint(histogram: &mut Arc<FloatHistogram>, previous: &FloatHistogram) {
    if histogram.counter_reset_hint == CounterResetHint::Unknown {
        let hint =
            if is_reset(histogram, previous) { CounterResetHint::Reset } else { CounterResetHint::NotReset };
        Arc::make_mut(histogram).counter_reset_hint = hint;
    }
}
