//! Native histograms with integer counts, as instrumented programs expose them and as most chunks hold them.

use super::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram, Span, sparse};
use crate::sample::{STALE_NAN, is_stale_nan};

/// A native histogram with integer counts. Buckets are stored as differences, which compress best.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Knowledge about resets.
    pub counter_reset_hint: CounterResetHint,
    /// −4..=8 exponential (bucket i ends at 2^(i·2^−schema)), [`CUSTOM_BUCKETS_SCHEMA`] custom bounds.
    pub schema: i32,
    /// Half width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: u64,
    /// All observations.
    pub count: u64,
    /// Sum of the observations; the stale NaN marks staleness.
    pub sum: f64,
    /// Runs of positive buckets.
    pub positive_spans: Vec<Span>,
    /// Runs of negative buckets.
    pub negative_spans: Vec<Span>,
    /// Count of each positive bucket, as difference to the bucket before it in this list.
    pub positive_deltas: Vec<i64>,
    /// Count of each negative bucket, as difference to the bucket before it in this list.
    pub negative_deltas: Vec<i64>,
    /// Upper bounds of custom buckets, strictly ascending, without +Inf; empty for exponential schemas.
    pub custom_values: Vec<f64>,
}

impl Histogram {
    /// Returns the marker of a stale histogram series.
    pub fn stale() -> Self {
        Self { sum: STALE_NAN, ..Self::default() }
    }

    /// Returns whether this is the marker of a stale series.
    pub fn is_stale(&self) -> bool {
        is_stale_nan(self.sum)
    }

    /// Returns whether the bounds are custom (NHCB).
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Returns the form in which queries compute.
    pub fn to_float(&self) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive_buckets: absolute(&self.positive_deltas).map(|count| count as f64).collect(),
            negative_buckets: absolute(&self.negative_deltas).map(|count| count as f64).collect(),
            custom_values: self.custom_values.clone(),
        }
    }

    /// Returns whether all but the hint is equal, floats by their bits. Spans are compared as they are written.
    pub fn equals(&self, other: &Self) -> bool {
        let bits = |a: &[f64], b: &[f64]| a.iter().map(|v| v.to_bits()).eq(b.iter().map(|v| v.to_bits()));
        self.schema == other.schema
            && self.zero_threshold.to_bits() == other.zero_threshold.to_bits()
            && (self.zero_count, self.count) == (other.zero_count, other.count)
            && self.sum.to_bits() == other.sum.to_bits()
            && sparse::are_spans_equal(&self.positive_spans, &other.positive_spans)
            && sparse::are_spans_equal(&self.negative_spans, &other.negative_spans)
            && self.positive_deltas == other.positive_deltas
            && self.negative_deltas == other.negative_deltas
            && bits(&self.custom_values, &other.custom_values)
    }

    /// Lowers the resolution to `schema_max`, if the histogram is exponential and finer: buckets are joined in groups.
    pub fn limit_schema(&mut self, schema_max: i32) {
        if self.is_custom() || self.schema <= schema_max {
            return;
        }
        let shift = self.schema.abs_diff(schema_max).min(31);
        coarsen(&mut self.positive_spans, &mut self.positive_deltas, shift);
        coarsen(&mut self.negative_spans, &mut self.negative_deltas, shift);
        self.schema = schema_max;
    }
}

/// Iterates over absolute counts.
pub(super) fn absolute(deltas: &[i64]) -> impl Iterator<Item = i64> + '_ {
    deltas.iter().scan(0_i64, |count, delta| {
        *count = count.wrapping_add(*delta);
        Some(*count)
    })
}

/// Joins 2^`shift` neighbours each.
fn coarsen(spans: &mut Vec<Span>, deltas: &mut Vec<i64>, shift: u32) {
    let mut merged: Vec<(i32, i64)> = Vec::new();
    for (index, count) in sparse::indices(spans).zip(absolute(deltas)) {
        // Bucket i ends at a power of the base: the group of the ends (n·2^shift − 2^shift, n·2^shift] is n.
        let index = (index.saturating_sub(1) >> shift) + 1;
        match merged.last_mut() {
            Some(last) if last.0 == index => last.1 = last.1.wrapping_add(count),
            _ => merged.push((index, count)),
        }
    }
    *spans = sparse::spans_of_indices(merged.iter().map(|(index, _)| *index));
    let mut before = 0_i64;
    *deltas =
        merged.iter().map(|(_, count)| count.wrapping_sub(std::mem::replace(&mut before, *count))).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_become_absolute_counts() {
        let histogram = Histogram {
            schema: 1,
            count: 12,
            zero_count: 2,
            sum: 3.5,
            positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 3, length: 1 }],
            positive_deltas: vec![1, 2, 3],
            ..Histogram::default()
        };
        let float = histogram.to_float();
        assert_eq!((float.positive_buckets, float.count, float.zero_count), (vec![1.0, 3.0, 6.0], 12.0, 2.0));
    }

    #[test]
    fn a_lower_resolution_joins_neighbours() {
        let mut histogram = Histogram {
            schema: 9,
            positive_spans: vec![Span { offset: 1, length: 4 }, Span { offset: 4, length: 1 }],
            positive_deltas: vec![1, 0, 0, 1, 3],
            negative_spans: vec![Span { offset: -1, length: 2 }],
            negative_deltas: vec![1, 1],
            ..Histogram::default()
        };
        histogram.limit_schema(8);
        assert_eq!(histogram.schema, 8);
        // Buckets 1 to 4 and 9 (counts 1, 1, 1, 2, 5) are 1, 2 and 5 now.
        assert_eq!(histogram.positive_spans, [Span { offset: 1, length: 2 }, Span { offset: 2, length: 1 }]);
        assert_eq!(histogram.positive_deltas, [2, 1, 2]);
        assert_eq!(histogram.negative_spans, [Span { offset: 0, length: 1 }]);
        assert_eq!(histogram.negative_deltas, [3]);
        histogram.limit_schema(8);
        assert_eq!(histogram.schema, 8);
    }
}
