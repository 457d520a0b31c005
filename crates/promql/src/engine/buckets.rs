//! The buckets of a native histogram with their bounds, in ascending order of value.
//!
//! # Source
//! `spec/prometheus-query.md` §2.7.

use wf_model::FloatHistogram;
use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, Span};

/// How values spread inside a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Evenly: custom buckets and the zero bucket.
    Linear,
    /// Evenly in the logarithm: exponential buckets.
    Exponential,
}

/// A bucket; `lower` and `upper` are its bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: f64,
    pub(crate) shape: Shape,
}

/// Returns all buckets, the zero bucket included when it is populated.
pub(crate) fn ascending(histogram: &FloatHistogram) -> Vec<Bucket> {
    let mut buckets =
        Vec::with_capacity(histogram.positive_buckets.len() + histogram.negative_buckets.len() + 1);
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        let bounds = &histogram.custom_values;
        let bound = |index: i64| usize::try_from(index).ok().and_then(|index| bounds.get(index).copied());
        for (index, count) in indexed(&histogram.positive_spans, &histogram.positive_buckets) {
            let lower = bound(index - 1).unwrap_or(f64::NEG_INFINITY);
            let upper = bound(index).unwrap_or(f64::INFINITY);
            buckets.push(Bucket { lower, upper, count, shape: Shape::Linear });
        }
        return buckets;
    }
    for (index, count) in indexed(&histogram.negative_spans, &histogram.negative_buckets) {
        let (lower, upper) = (-bound(index, histogram.schema), -bound(index - 1, histogram.schema));
        buckets.push(Bucket { lower, upper, count, shape: Shape::Exponential });
    }
    buckets.reverse();
    if histogram.zero_count != 0.0 {
        buckets.push(zero_bucket(histogram));
    }
    for (index, count) in indexed(&histogram.positive_spans, &histogram.positive_buckets) {
        let (lower, upper) = (bound(index - 1, histogram.schema), bound(index, histogram.schema));
        buckets.push(Bucket { lower, upper, count, shape: Shape::Exponential });
    }
    buckets
}

/// Returns the zero bucket; when only one side is populated, its values are taken to lie on that side.
fn zero_bucket(histogram: &FloatHistogram) -> Bucket {
    let has_negative = !histogram.negative_buckets.is_empty();
    let has_positive = !histogram.positive_buckets.is_empty();
    Bucket {
        lower: if has_positive && !has_negative { 0.0 } else { -histogram.zero_threshold },
        upper: if has_negative && !has_positive { 0.0 } else { histogram.zero_threshold },
        count: histogram.zero_count,
        shape: Shape::Linear,
    }
}

/// Returns index and count of every bucket that the spans cover.
pub(crate) fn indexed<'a>(spans: &'a [Span], counts: &'a [f64]) -> impl Iterator<Item = (i64, f64)> + 'a {
    let indices = spans.iter().scan(0_i64, |next, span| {
        let start = *next + i64::from(span.offset);
        *next = start + i64::from(span.length);
        Some(start..*next)
    });
    indices.flatten().zip(counts.iter().copied())
}

/// Returns the upper bound of exponential bucket `index`: 2^(index · 2^−schema).
pub(crate) fn bound(index: i64, schema: i32) -> f64 {
    let exponent = index as f64 * 2_f64.powi(-schema);
    let bound = exponent.exp2();
    // The bucket of the largest floats ends there; only the one above ends at infinity.
    if bound.is_infinite() && exponent <= 1024.0 { f64::MAX } else { bound }
}
