//! Native-histogram arithmetic as queries need it: thin names over the model's.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::{self, CounterResetHint};

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

/// A running sum that remembers what it saw.
pub(crate) struct HistogramSum(histogram::HistogramSum);

impl HistogramSum {
    pub(crate) fn new(first: &FloatHistogram, seen: &mut Seen) -> Self {
        seen.look(first);
        Self(histogram::HistogramSum::new(first))
    }

    pub(crate) fn add(&mut self, other: &FloatHistogram, seen: &mut Seen) -> Result<(), Incompatible> {
        seen.look(other);
        seen.bounds_reconciled |= self.0.add(other)?.bounds_reconciled;
        Ok(())
    }

    pub(crate) fn finish(self) -> FloatHistogram {
        compacted(self.0.finish())
    }
}

/// A running mean that remembers what it saw.
pub(crate) struct HistogramMean(histogram::HistogramMean);

impl HistogramMean {
    pub(crate) fn new(first: &FloatHistogram, seen: &mut Seen) -> Self {
        seen.look(first);
        Self(histogram::HistogramMean::new(first))
    }

    pub(crate) fn add(&mut self, other: &FloatHistogram, seen: &mut Seen) -> Result<(), Incompatible> {
        seen.look(other);
        seen.bounds_reconciled |= self.0.add(other)?.bounds_reconciled;
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

pub(crate) fn is_custom(histogram: &FloatHistogram) -> bool {
    histogram.is_custom()
}

/// Returns whether a counter was reset between `old` and `new`.
pub(crate) fn is_reset(new: &FloatHistogram, old: &FloatHistogram) -> bool {
    new.detect_reset(old)
}

/// Returns a histogram without observations that combines with `other`.
pub(crate) fn empty_like(other: &FloatHistogram) -> FloatHistogram {
    other.empty_like()
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
