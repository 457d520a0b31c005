//! Where buckets begin and end.

use super::sides::unpack;
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram};

/// A bucket with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether the lower bound itself belongs to it.
    pub lower_inclusive: bool,
    /// Whether the upper bound itself belongs to it.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
}

/// Returns the upper bound of exponential bucket `index`: 2^(index · 2^−schema).
pub fn bucket_bound(index: i64, schema: i32) -> f64 {
    // Whole powers of two are exact; only the fraction of the exponent goes through a rounded function.
    let exponent = index as f64 * 2_f64.powi(-schema);
    let whole = exponent.floor();
    let bound = (exponent - whole).exp2() * whole.exp2();
    // The bucket of the largest floats ends with them; only the one above ends at infinity.
    if bound.is_infinite() && exponent <= 1024.0 { f64::MAX } else { bound }
}

impl FloatHistogram {
    /// Returns all buckets in ascending order of value, empty ones included, the zero bucket when it holds anything.
    pub fn buckets(&self) -> Vec<Bucket> {
        let positive = unpack(&self.positive_spans, &self.positive_buckets);
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            return positive.into_iter().map(|(index, count)| self.custom_bucket(index, count)).collect();
        }
        let bound = |index: i32| bucket_bound(i64::from(index), self.schema);
        let exponential = |lower: f64, upper: f64, count: f64| Bucket {
            lower,
            upper,
            lower_inclusive: lower < 0.0,
            upper_inclusive: upper > 0.0,
            count,
        };
        let negative = unpack(&self.negative_spans, &self.negative_buckets);
        let mut buckets: Vec<Bucket> = negative
            .into_iter()
            .rev()
            .map(|(index, count)| exponential(-bound(index), -bound(index - 1), count))
            .collect();
        if self.zero_count != 0.0 {
            let (lower, upper) = (-self.zero_threshold, self.zero_threshold);
            buckets.push(Bucket {
                lower,
                upper,
                lower_inclusive: true,
                upper_inclusive: true,
                count: self.zero_count,
            });
        }
        buckets.extend(
            positive.into_iter().map(|(index, count)| exponential(bound(index - 1), bound(index), count)),
        );
        buckets
    }

    fn custom_bucket(&self, index: i32, count: f64) -> Bucket {
        let bound =
            |index: i32| usize::try_from(index).ok().and_then(|index| self.custom_values.get(index).copied());
        Bucket {
            lower: bound(index - 1).unwrap_or(f64::NEG_INFINITY),
            upper: bound(index).unwrap_or(f64::INFINITY),
            lower_inclusive: index == 0,
            upper_inclusive: true,
            count,
        }
    }
}
