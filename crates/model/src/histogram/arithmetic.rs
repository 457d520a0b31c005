//! Sums, differences, multiples.

use std::borrow::Cow;

use super::layout::{Incompatible, Layout};
use super::{CounterResetHint, FloatHistogram, Span, sparse};

/// What combining two histograms brought to light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One said reset, the other not reset.
    pub conflicting_resets: bool,
    /// Custom bounds differed; only those in common were kept.
    pub bounds_reconciled: bool,
}

impl FloatHistogram {
    /// Adds `other`, at the resolution that both have.
    /// # Errors
    /// [`Incompatible`]; then nothing has changed.
    pub fn add(&mut self, other: &Self) -> Result<Outcome, Incompatible> {
        let outcome = self.combine(other, |a, b| a + b)?;
        self.counter_reset_hint = self.counter_reset_hint.after_adding(other.counter_reset_hint);
        Ok(outcome)
    }

    /// Subtracts `other`; a difference is a gauge.
    /// # Errors
    /// [`Incompatible`]; then nothing has changed.
    pub fn sub(&mut self, other: &Self) -> Result<Outcome, Incompatible> {
        let outcome = self.combine(other, |a, b| a - b)?;
        self.counter_reset_hint = CounterResetHint::Gauge;
        Ok(outcome)
    }

    fn combine(
        &mut self,
        other: &Self,
        op: impl Fn(f64, f64) -> f64 + Copy,
    ) -> Result<Outcome, Incompatible> {
        let layout = Layout::common(self, other)?;
        let conflicting_resets = self.counter_reset_hint.conflicts_with(other.counter_reset_hint);
        self.fit(&layout);
        let other = other.fitted(&layout);
        self.count = op(self.count, other.count);
        self.sum = op(self.sum, other.sum);
        self.zero_count = op(self.zero_count, other.zero_count);
        let (spans, counts) = (&mut self.positive_spans, &mut self.positive_buckets);
        combine_side(spans, counts, &other.positive_spans, &other.positive_buckets, op);
        let (spans, counts) = (&mut self.negative_spans, &mut self.negative_buckets);
        combine_side(spans, counts, &other.negative_spans, &other.negative_buckets, op);
        Ok(Outcome { conflicting_resets, bounds_reconciled: layout.is_bounds_mismatch })
    }

    /// Adds empty buckets until the spans cover those of `other`, whose layout must be the same.
    pub(super) fn cover(&mut self, other: &Self) -> Result<(), Incompatible> {
        if self.positive_spans != other.positive_spans || self.negative_spans != other.negative_spans {
            self.combine(other, |count, _| count)?;
        }
        Ok(())
    }

    pub(super) fn fitted(&self, layout: &Layout) -> Cow<'_, Self> {
        if layout.is_of(self) {
            return Cow::Borrowed(self);
        }
        let mut fitted = self.clone();
        fitted.fit(layout);
        Cow::Owned(fitted)
    }

    /// Multiplies all counts and the sum; a negative factor makes a gauge.
    pub fn scale(&mut self, factor: f64) {
        self.each_count(|count| *count *= factor);
        self.become_gauge_below_zero(factor);
    }

    /// Divides all counts and the sum; a negative divisor makes a gauge, and zero leaves no buckets.
    pub fn divide(&mut self, divisor: f64) {
        self.each_count(|count| *count /= divisor);
        self.become_gauge_below_zero(divisor);
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.positive_buckets.clear();
            self.negative_spans.clear();
            self.negative_buckets.clear();
        }
    }

    pub(super) fn each_count(&mut self, mut change: impl FnMut(&mut f64)) {
        change(&mut self.count);
        change(&mut self.sum);
        change(&mut self.zero_count);
        self.positive_buckets.iter_mut().for_each(&mut change);
        self.negative_buckets.iter_mut().for_each(&mut change);
    }

    fn become_gauge_below_zero(&mut self, factor: f64) {
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }
}

impl CounterResetHint {
    /// Returns the hint of a sum.
    pub(super) fn after_adding(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Gauge, _) | (_, Self::Gauge) => Self::Gauge,
            _ => Self::Unknown,
        }
    }

    /// Returns whether one says reset and the other not.
    pub(super) fn conflicts_with(self, other: Self) -> bool {
        matches!((self, other), (Self::Reset, Self::NotReset) | (Self::NotReset, Self::Reset))
    }
}

fn combine_side(
    spans: &mut Vec<Span>,
    counts: &mut Vec<f64>,
    other_spans: &[Span],
    other_counts: &[f64],
    op: impl Fn(f64, f64) -> f64,
) {
    // Histograms of one series mostly share their spans.
    if spans == other_spans && counts.len() == other_counts.len() {
        counts.iter_mut().zip(other_counts).for_each(|(count, other)| *count = op(*count, *other));
        return;
    }
    let mut combined = Vec::with_capacity(counts.len().max(other_counts.len()));
    sparse::join(
        sparse::indexed(spans, counts),
        sparse::indexed(other_spans, other_counts),
        |index, a, b| {
            combined.push((index, op(a, b)));
        },
    );
    (*spans, *counts) = sparse::spans_of(&combined);
}
