//! The buckets of a histogram with their bounds, in ascending order of value.

use super::{FloatHistogram, sparse};

/// How observations are taken to spread inside a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// Evenly: custom buckets and the zero bucket.
    Linear,
    /// Evenly in the logarithm: exponential buckets.
    Exponential,
}

/// A bucket with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Observations inside.
    pub count: f64,
    /// Whether the lower bound itself lies inside.
    pub is_lower_inclusive: bool,
    /// Whether the upper bound itself lies inside.
    pub is_upper_inclusive: bool,
    /// How observations spread inside.
    pub interpolation: Interpolation,
}

impl Bucket {
    /// Returns the number by which the HTTP API tells which bounds lie inside: 0 `(lo,hi]`, 1 `[lo,hi)`, 2 `(lo,hi)`,
    /// 3 `[lo,hi]`.
    pub fn boundary_rule(&self) -> u8 {
        match (self.is_lower_inclusive, self.is_upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }
}

impl FloatHistogram {
    /// Iterates over all buckets in ascending order, empty ones included; the zero bucket only when it is populated.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        let mut negative: Vec<Bucket> = self
            .negative_entries()
            .map(|(index, count)| {
                let (lower, upper) = (-self.bound(index), -self.bound(index.saturating_sub(1)));
                Bucket {
                    lower,
                    upper,
                    count,
                    is_lower_inclusive: true,
                    is_upper_inclusive: false,
                    interpolation: Interpolation::Exponential,
                }
            })
            .collect();
        negative.reverse();
        let zero = (self.zero_count != 0.0).then_some(Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            count: self.zero_count,
            is_lower_inclusive: true,
            is_upper_inclusive: true,
            interpolation: Interpolation::Linear,
        });
        let interpolation = if self.is_custom() { Interpolation::Linear } else { Interpolation::Exponential };
        let positive = self.positive_entries().map(move |(index, count)| Bucket {
            lower: self.bound(index.saturating_sub(1)),
            upper: self.bound(index),
            count,
            // Nothing lies below the first custom bucket.
            is_lower_inclusive: self.is_custom() && index == 0,
            is_upper_inclusive: true,
            interpolation,
        });
        negative.into_iter().chain(zero).chain(positive)
    }

    pub(super) fn positive_entries(&self) -> impl Iterator<Item = (i32, f64)> + '_ {
        sparse::indexed(&self.positive_spans, &self.positive_buckets)
    }

    pub(super) fn negative_entries(&self) -> impl Iterator<Item = (i32, f64)> + '_ {
        sparse::indexed(&self.negative_spans, &self.negative_buckets)
    }

    /// Returns the upper bound of the positive bucket `index`.
    pub(super) fn bound(&self, index: i32) -> f64 {
        if self.is_custom() {
            return match usize::try_from(index) {
                Ok(index) => self.custom_values.get(index).copied().unwrap_or(f64::INFINITY),
                Err(_) => f64::NEG_INFINITY,
            };
        }
        exponential_bound(index, self.schema)
    }
}

/// Returns 2^(index · 2^−schema).
fn exponential_bound(index: i32, schema: i32) -> f64 {
    // Whole powers of two are exact; only the fraction of the exponent goes through a rounded function.
    let exponent = f64::from(index) * 2_f64.powi(-schema);
    let whole = exponent.floor();
    let bound = (exponent - whole).exp2() * whole.exp2();
    // The bucket of the largest floats ends there; only the one above ends at infinity.
    if bound.is_infinite() && exponent <= 1024.0 { f64::MAX } else { bound }
}
