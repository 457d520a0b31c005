//! Native-histogram arithmetic as queries need it: thin names over the model's.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};

/// Exponential and custom buckets do not mix.
#[derive(Debug)]
pub(crate) struct Incompatible;

/// What adding or subtracting brought to light.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) conflicting_resets: bool,
    pub(crate) bounds_reconciled: bool,
}

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
        let outcome = add(&mut self.0, other)?;
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
        let outcome = add(&mut self.0, other)?;
        seen.bounds_reconciled |= outcome.bounds_reconciled;
        Ok(())
    }
    pub(crate) fn finish(mut self) -> FloatHistogram {
        divide(&mut self.0, self.1);
        self.0
    }
}

pub(crate) fn is_custom(histogram: &FloatHistogram) -> bool {
    histogram.schema == CUSTOM_BUCKETS_SCHEMA
}
pub(crate) fn is_reset(_new: &FloatHistogram, _old: &FloatHistogram) -> bool {
    false
}
pub(crate) fn empty_like(other: &FloatHistogram) -> FloatHistogram {
    FloatHistogram {
        schema: other.schema,
        custom_values: other.custom_values.clone(),
        ..FloatHistogram::default()
    }
}
pub(crate) fn copy_to_schema(histogram: &FloatHistogram, _schema: i32) -> FloatHistogram {
    histogram.clone()
}
pub(crate) fn add(_to: &mut FloatHistogram, _other: &FloatHistogram) -> Result<Outcome, Incompatible> {
    Ok(Outcome::default())
}
pub(crate) fn sub(_to: &mut FloatHistogram, _other: &FloatHistogram) -> Result<Outcome, Incompatible> {
    Ok(Outcome::default())
}
pub(crate) fn scale(_h: &mut FloatHistogram, _factor: f64) {}
pub(crate) fn divide(_h: &mut FloatHistogram, _by: f64) {}
pub(crate) fn compact(_h: &mut FloatHistogram) {}
pub(crate) fn equals(_a: &FloatHistogram, _b: &FloatHistogram) -> bool {
    false
}
pub(crate) fn text(_h: &FloatHistogram) -> String {
    String::new()
}
pub(crate) fn trim_upper(h: &FloatHistogram, _n: f64) -> FloatHistogram {
    h.clone()
}
pub(crate) fn trim_lower(h: &FloatHistogram, _n: f64) -> FloatHistogram {
    h.clone()
}

/// Replaces an unknown hint by what a comparison with the histogram before says.
pub(crate) fn resolve_unknown_hint(histogram: &mut Arc<FloatHistogram>, previous: &FloatHistogram) {
    if histogram.counter_reset_hint == CounterResetHint::Unknown {
        let hint =
            if is_reset(histogram, previous) { CounterResetHint::Reset } else { CounterResetHint::NotReset };
        Arc::make_mut(histogram).counter_reset_hint = hint;
    }
}
