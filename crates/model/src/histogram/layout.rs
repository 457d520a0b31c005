//! The layout on which two histograms meet: the lower resolution, the wider zero bucket, the bounds in common.
//!
//! Fitting a histogram to a layout only adds counts up, so it works alike on counts and on their rounding errors.

use super::{FloatHistogram, sparse};

/// Exponential and custom buckets do not combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms with exponential and with custom buckets cannot be combined")]
pub struct Incompatible;

/// Everything but the counts.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    schema: i32,
    zero_threshold: f64,
    custom_values: Vec<f64>,
    /// Whether the custom bounds differed.
    pub(super) is_bounds_mismatch: bool,
}

impl Layout {
    /// Returns the finest layout that both can be fitted to.
    pub(super) fn common(a: &FloatHistogram, b: &FloatHistogram) -> Result<Self, Incompatible> {
        if a.is_custom() != b.is_custom() {
            return Err(Incompatible);
        }
        if a.is_custom() {
            let is_bounds_mismatch = a.custom_values != b.custom_values;
            let custom_values = match is_bounds_mismatch {
                true => {
                    a.custom_values.iter().copied().filter(|bound| b.custom_values.contains(bound)).collect()
                }
                false => a.custom_values.clone(),
            };
            return Ok(Self { schema: a.schema, zero_threshold: 0.0, custom_values, is_bounds_mismatch });
        }
        let zero_threshold = common_zero_threshold(a, b);
        let schema = a.schema.min(b.schema);
        Ok(Self { schema, zero_threshold, custom_values: Vec::new(), is_bounds_mismatch: false })
    }

    /// Returns whether `histogram` has this layout already.
    pub(super) fn is_of(&self, histogram: &FloatHistogram) -> bool {
        self.schema == histogram.schema
            && self.zero_threshold == histogram.zero_threshold
            && self.custom_values == histogram.custom_values
    }
}

/// Raises the smaller threshold to the larger until neither cuts a populated bucket.
fn common_zero_threshold(a: &FloatHistogram, b: &FloatHistogram) -> f64 {
    let mut threshold = a.zero_threshold.max(b.zero_threshold);
    // Each round moves to the outer bound of a bucket, so there are at most as many rounds as buckets.
    loop {
        let widened = a.widened_zero_threshold(b.widened_zero_threshold(threshold));
        if widened <= threshold {
            return threshold;
        }
        threshold = widened;
    }
}

impl FloatHistogram {
    /// Returns `threshold`, or the outer bound of the populated bucket that it would cut.
    pub(super) fn widened_zero_threshold(&self, threshold: f64) -> f64 {
        if threshold <= self.zero_threshold {
            return threshold;
        }
        let outer_bound = |(index, count): (i32, f64)| {
            let is_cut = count != 0.0
                && self.bound(index.saturating_sub(1)) < threshold
                && self.bound(index) > threshold;
            is_cut.then(|| self.bound(index))
        };
        self.positive_entries()
            .chain(self.negative_entries())
            .filter_map(outer_bound)
            .fold(threshold, f64::max)
    }

    /// Brings the counts to `layout`, which must be [`Layout::common`] of this histogram and some other.
    pub(super) fn fit(&mut self, layout: &Layout) {
        if layout.is_of(self) {
            return;
        }
        if self.is_custom() {
            self.fit_custom_bounds(&layout.custom_values);
            return;
        }
        self.widen_zero_bucket(layout.zero_threshold);
        self.reduce_to_schema(layout.schema);
    }

    /// Moves the buckets that begin below `threshold` into the zero bucket.
    pub(super) fn widen_zero_bucket(&mut self, threshold: f64) {
        if threshold <= self.zero_threshold {
            return;
        }
        let is_inside = |entry: &(i32, f64)| self.bound(entry.0.saturating_sub(1)) < threshold;
        let (folded, positive): (Vec<_>, Vec<_>) = self.positive_entries().partition(is_inside);
        let (folded_negative, negative): (Vec<_>, Vec<_>) = self.negative_entries().partition(is_inside);
        self.zero_count += folded.iter().chain(&folded_negative).map(|(_, count)| count).sum::<f64>();
        self.zero_threshold = threshold;
        (self.positive_spans, self.positive_buckets) = sparse::spans_of(&positive);
        (self.negative_spans, self.negative_buckets) = sparse::spans_of(&negative);
    }

    /// Merges buckets until the resolution is that of `schema`; a finer or a custom schema changes nothing.
    pub fn reduce_to_schema(&mut self, schema: i32) {
        if self.is_custom() || schema >= self.schema {
            return;
        }
        // From schema 8 to −4 are 12 steps; more than 31 would merge everything anyway.
        let n_steps = self.schema.saturating_sub(schema).clamp(0, 31);
        let coarser = |index: i32| (index.saturating_sub(1) >> n_steps) + 1;
        let positive = sparse::remap(self.positive_entries(), coarser);
        let negative = sparse::remap(self.negative_entries(), coarser);
        (self.positive_spans, self.positive_buckets) = sparse::spans_of(&positive);
        (self.negative_spans, self.negative_buckets) = sparse::spans_of(&negative);
        self.schema = schema;
    }

    /// Moves each custom bucket to the first of `bounds` that is not below its own upper bound.
    fn fit_custom_bounds(&mut self, bounds: &[f64]) {
        let wider = |index: i32| {
            let upper = self.bound(index);
            i32::try_from(bounds.partition_point(|bound| *bound < upper)).unwrap_or(i32::MAX)
        };
        let positive = sparse::remap(self.positive_entries(), wider);
        (self.positive_spans, self.positive_buckets) = sparse::spans_of(&positive);
        self.custom_values = bounds.to_vec();
    }
}
