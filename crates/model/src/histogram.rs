//! Native histograms: sparse buckets with exponential or custom bounds.
//!
//! # Source
//! `spec/prometheus-core.md` §1.3, `spec/prometheus-query.md` §2.7.

mod arithmetic;
mod bounds;
mod compare;
mod sides;
#[cfg(test)]
mod tests;
mod text;
mod trim;

pub use arithmetic::{Incompatible, Outcome};
pub use bounds::{Bucket, bucket_bound};

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
    /// Returns whether the buckets have custom bounds.
    pub fn has_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}
