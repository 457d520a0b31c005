//! Native histograms: sparse buckets with exponential or custom bounds, and their arithmetic.
//!
//! Two histograms meet on a common layout (schema, zero threshold, custom bounds) that both can be fitted to without
//! inventing resolution; then counts combine bucket by bucket.
//!
//! # Reading order
//! `sparse` (spans and indices), `integer`, `validate`, `buckets` (bounds), `layout`, `arithmetic`, `accumulate`, `reset`,
//! `trim`, `text`.
//! # Source
//! `spec/prometheus-core.md` §1.3, `spec/prometheus-query.md` §2.7.

mod accumulate;
mod arithmetic;
mod buckets;
mod integer;
mod layout;
mod reset;
pub mod sparse;
mod text;
mod trim;
mod validate;

pub use accumulate::{HistogramMean, HistogramSum};
pub use arithmetic::Outcome;
pub use buckets::{Bucket, Interpolation};
pub use integer::Histogram;
pub use layout::Incompatible;
pub use validate::{HistogramError, SCHEMA_STORED_MAX};

/// Schema number of histograms with custom bounds (NHCB).
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// What is known about a counter reset between a histogram and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Compare to find out.
    #[default]
    Unknown,
    /// A reset happened.
    Reset,
    /// No reset happened.
    NotReset,
    /// A gauge: resets have no meaning.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index of the first bucket for the first span; for later ones the gap (≥ 0) to the previous span.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// A native histogram with float counts, the form in which queries compute.
#[derive(Clone, Debug, Default)]
pub struct FloatHistogram {
    /// Knowledge about resets.
    pub counter_reset_hint: CounterResetHint,
    /// −4..=8 exponential (bucket i ends at 2^(i·2^−schema)), [`CUSTOM_BUCKETS_SCHEMA`] custom bounds.
    pub schema: i32,
    /// Half width of the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Sum of the observations; the stale NaN marks staleness.
    pub sum: f64,
    /// Runs of positive buckets.
    pub positive_spans: Vec<Span>,
    /// Runs of negative buckets.
    pub negative_spans: Vec<Span>,
    /// Absolute counts of the positive buckets.
    pub positive_buckets: Vec<f64>,
    /// Absolute counts of the negative buckets.
    pub negative_buckets: Vec<f64>,
    /// Upper bounds of custom buckets, strictly ascending, without +Inf; empty for exponential schemas.
    pub custom_values: Vec<f64>,
}

impl FloatHistogram {
    /// Returns the marker of a stale float histogram series.
    pub fn stale() -> Self {
        Self { sum: crate::sample::STALE_NAN, ..Self::default() }
    }

    /// Returns whether this is the marker of a stale series.
    pub fn is_stale(&self) -> bool {
        crate::sample::is_stale_nan(self.sum)
    }

    /// Returns whether the bounds are custom (NHCB).
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Returns an empty histogram of the same layout.
    pub fn empty_like(&self) -> Self {
        Self {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            custom_values: self.custom_values.clone(),
            ..Self::default()
        }
    }

    /// Returns whether all but the hint is equal, floats by their bits. Empty spans make no difference.
    pub fn equals(&self, other: &Self) -> bool {
        let bits = |a: f64, b: f64| a.to_bits() == b.to_bits();
        let lists = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| bits(*a, *b));
        self.schema == other.schema
            && bits(self.count, other.count)
            && bits(self.sum, other.sum)
            && self.zero_threshold == other.zero_threshold
            && bits(self.zero_count, other.zero_count)
            && lists(&self.custom_values, &other.custom_values)
            && sparse::are_spans_equal(&self.positive_spans, &other.positive_spans)
            && sparse::are_spans_equal(&self.negative_spans, &other.negative_spans)
            && lists(&self.positive_buckets, &other.positive_buckets)
            && lists(&self.negative_buckets, &other.negative_buckets)
    }

    /// Removes empty buckets, so that equal contents have equal spans.
    pub fn compact(&mut self) {
        sparse::compact(&mut self.positive_spans, &mut self.positive_buckets);
        sparse::compact(&mut self.negative_spans, &mut self.negative_buckets);
    }
}

#[cfg(test)]
mod tests;
