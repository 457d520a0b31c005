//! Adding, subtracting and scaling histograms of different resolution.

use super::sides::{Buckets, merge, pack, regroup, unpack};
use super::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, bucket_bound};

/// Exponential and custom buckets do not mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential and custom buckets cannot be combined")]
pub struct Incompatible;

/// What combining brought to light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One was known to be reset, the other not to be.
    pub conflicting_resets: bool,
    /// Custom bounds differed and only the common ones were kept.
    pub bounds_reconciled: bool,
}

/// The buckets of a histogram, unpacked.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: f64,
    pub(super) positive: Buckets,
    pub(super) negative: Buckets,
    pub(super) bounds: Vec<f64>,
}

impl Parts {
    pub(super) fn of(histogram: &FloatHistogram) -> Self {
        Self {
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count,
            positive: unpack(&histogram.positive_spans, &histogram.positive_buckets),
            negative: unpack(&histogram.negative_spans, &histogram.negative_buckets),
            bounds: histogram.custom_values.clone(),
        }
    }

    pub(super) fn store(self, histogram: &mut FloatHistogram) {
        histogram.schema = self.schema;
        histogram.zero_threshold = self.zero_threshold;
        histogram.zero_count = self.zero_count;
        (histogram.positive_spans, histogram.positive_buckets) = pack(&self.positive);
        (histogram.negative_spans, histogram.negative_buckets) = pack(&self.negative);
        histogram.custom_values = self.bounds;
    }

    /// Halves the resolution until `schema`: bucket i of the finer one goes to ⌈i / 2^d⌉.
    pub(super) fn reduce_to(&mut self, schema: i32) {
        if self.schema == CUSTOM_BUCKETS_SCHEMA || schema >= self.schema {
            return;
        }
        // More than 31 halvings put every bucket into 0 or 1 already.
        let steps = self.schema.saturating_sub(schema).clamp(0, 31);
        let rename = |index: i32| (index.saturating_sub(1) >> steps) + 1;
        self.positive = regroup(&self.positive, rename);
        self.negative = regroup(&self.negative, rename);
        self.schema = schema;
    }

    /// Raises the zero threshold to at least `threshold`, moving what lies below into the zero bucket. A populated bucket
    /// that would be cut moves whole, and takes the threshold to its outer bound.
    pub(super) fn widen_zero_to(&mut self, threshold: f64) {
        while self.zero_threshold < threshold {
            self.zero_threshold = threshold;
            for side in [&mut self.positive, &mut self.negative] {
                let schema = self.schema;
                let inside = |index: i32, limit: f64| bucket_bound(i64::from(index) - 1, schema) < limit;
                let n_moved =
                    side.iter().take_while(|(index, _)| inside(*index, self.zero_threshold)).count();
                for (index, count) in side.drain(..n_moved) {
                    self.zero_count += count;
                    let outer = bucket_bound(i64::from(index), schema);
                    if count != 0.0 && outer > self.zero_threshold {
                        self.zero_threshold = outer;
                    }
                }
            }
            // The negative side may have raised it above positive buckets: look again.
            let has_more = self
                .positive
                .first()
                .into_iter()
                .chain(self.negative.first())
                .any(|(index, _)| bucket_bound(i64::from(*index) - 1, self.schema) < self.zero_threshold);
            if has_more {
                let reached = self.zero_threshold;
                self.zero_threshold = self.zero_threshold.next_down();
                self.widen_zero_to(reached);
            }
        }
    }

    /// Brings two histograms of one kind to a common layout.
    pub(super) fn reconcile(&mut self, other: &mut Self) -> Outcome {
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            let differ = self.bounds != other.bounds;
            if differ {
                let common: Vec<f64> =
                    self.bounds.iter().copied().filter(|bound| other.bounds.contains(bound)).collect();
                self.regroup_to_bounds(&common);
                other.regroup_to_bounds(&common);
            }
            return Outcome { bounds_reconciled: differ, ..Outcome::default() };
        }
        // Each widening may overshoot to a populated bucket's bound, which the other must follow.
        while self.zero_threshold != other.zero_threshold {
            let threshold = self.zero_threshold.max(other.zero_threshold);
            self.widen_zero_to(threshold);
            other.widen_zero_to(threshold);
        }
        let schema = self.schema.min(other.schema);
        self.reduce_to(schema);
        other.reduce_to(schema);
        Outcome::default()
    }

    /// Puts each custom bucket into the first bucket of `bounds` that holds it; the rest go into the last, up to +Inf.
    fn regroup_to_bounds(&mut self, bounds: &[f64]) {
        let own = &self.bounds;
        let target = |index: i32| -> i32 {
            let upper = usize::try_from(index).ok().and_then(|index| own.get(index));
            let position = upper.map_or(bounds.len(), |upper| bounds.partition_point(|bound| bound < upper));
            i32::try_from(position).unwrap_or(i32::MAX)
        };
        self.positive = regroup(&self.positive, target);
        self.bounds = bounds.to_vec();
    }
}

impl FloatHistogram {
    /// Adds `other`. The result has the coarser resolution and the wider zero bucket of the two.
    /// # Errors
    /// When one has exponential buckets and the other custom ones; nothing is changed then.
    pub fn add(&mut self, other: &Self) -> Result<Outcome, Incompatible> {
        let hints = (self.counter_reset_hint, other.counter_reset_hint);
        let outcome = self.combine(other, 1.0)?;
        self.counter_reset_hint = match hints {
            (a, b) if a == b => a,
            (CounterResetHint::Gauge, _) | (_, CounterResetHint::Gauge) => CounterResetHint::Gauge,
            _ => CounterResetHint::Unknown,
        };
        Ok(outcome)
    }

    /// Subtracts `other`; the result is a gauge.
    /// # Errors
    /// As [`add`](Self::add).
    pub fn sub(&mut self, other: &Self) -> Result<Outcome, Incompatible> {
        let outcome = self.combine(other, -1.0)?;
        self.counter_reset_hint = CounterResetHint::Gauge;
        Ok(outcome)
    }

    fn combine(&mut self, other: &Self, sign: f64) -> Result<Outcome, Incompatible> {
        if self.has_custom_buckets() != other.has_custom_buckets() {
            return Err(Incompatible);
        }
        let (mut parts, mut others) = (Parts::of(self), Parts::of(other));
        let mut outcome = parts.reconcile(&mut others);
        parts.positive = merge(&parts.positive, &others.positive, sign);
        parts.negative = merge(&parts.negative, &others.negative, sign);
        parts.zero_count += sign * others.zero_count;
        parts.store(self);
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        use CounterResetHint::{NotReset, Reset};
        let hints = (self.counter_reset_hint, other.counter_reset_hint);
        outcome.conflicting_resets = matches!(hints, (Reset, NotReset) | (NotReset, Reset));
        Ok(outcome)
    }

    /// Multiplies every count and the sum; a negative factor makes a gauge.
    pub fn scale(&mut self, factor: f64) {
        let counts = [&mut self.zero_count, &mut self.count, &mut self.sum].into_iter();
        for count in counts.chain(&mut self.positive_buckets).chain(&mut self.negative_buckets) {
            *count *= factor;
        }
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Divides every count and the sum; a negative divisor makes a gauge, zero leaves no buckets.
    pub fn divide(&mut self, divisor: f64) {
        let counts = [&mut self.zero_count, &mut self.count, &mut self.sum].into_iter();
        for count in counts.chain(&mut self.positive_buckets).chain(&mut self.negative_buckets) {
            *count /= divisor;
        }
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.negative_spans.clear();
            self.positive_buckets.clear();
            self.negative_buckets.clear();
        }
        if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
    }

    /// Removes empty buckets; what remains is laid out in the fewest spans.
    pub fn compact(&mut self) {
        let mut parts = Parts::of(self);
        parts.positive.retain(|(_, count)| *count != 0.0);
        parts.negative.retain(|(_, count)| *count != 0.0);
        parts.store(self);
    }

    /// Reduces the resolution to `schema`; finer or custom schemas are left as they are.
    pub fn reduce_to_schema(&mut self, schema: i32) {
        let mut parts = Parts::of(self);
        parts.reduce_to(schema);
        parts.store(self);
    }
}
