//! Equality, and whether a counter was reset between two histograms.

use super::arithmetic::Parts;
use super::{CounterResetHint, FloatHistogram};

impl FloatHistogram {
    /// Returns whether both hold the same observations in the same buckets; floats by their bits, hints aside.
    pub fn equals(&self, other: &Self) -> bool {
        let bits = |value: f64| value.to_bits();
        let lists = |a: &[f64], b: &[f64]| a.iter().map(|x| bits(*x)).eq(b.iter().map(|x| bits(*x)));
        self.schema == other.schema
            && bits(self.count) == bits(other.count)
            && bits(self.sum) == bits(other.sum)
            && bits(self.zero_count) == bits(other.zero_count)
            && self.zero_threshold == other.zero_threshold
            && lists(&self.custom_values, &other.custom_values)
            && self.positive_spans == other.positive_spans
            && self.negative_spans == other.negative_spans
            && lists(&self.positive_buckets, &other.positive_buckets)
            && lists(&self.negative_buckets, &other.negative_buckets)
    }

    /// Returns whether a counter was reset between `previous` and this histogram.
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count || self.has_custom_buckets() != previous.has_custom_buckets() {
            return true;
        }
        let (mut new, mut old) = (Parts::of(self), Parts::of(previous));
        if self.has_custom_buckets() {
            new.reconcile(&mut old);
            return lost_any(&old.positive, &new.positive);
        }
        if new.schema > old.schema || new.zero_threshold < old.zero_threshold {
            return true;
        }
        old.widen_zero_to(new.zero_threshold);
        // The new zero bucket ends inside a bucket that was populated: it cannot have grown from the old one.
        if old.zero_threshold != new.zero_threshold || new.zero_count < old.zero_count {
            return true;
        }
        old.reduce_to(new.schema);
        lost_any(&old.positive, &new.positive) || lost_any(&old.negative, &new.negative)
    }
}

/// Whether any bucket of `old` holds less, or nothing, in `new`.
fn lost_any(old: &[(i32, f64)], new: &[(i32, f64)]) -> bool {
    old.iter().any(|(index, count)| {
        let found = new.binary_search_by_key(index, |(index, _)| *index).ok().and_then(|at| new.get(at));
        *count > found.map_or(0.0, |(_, count)| *count)
    })
}
