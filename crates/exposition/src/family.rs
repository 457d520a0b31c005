//! Metric families as gathered: the form between whoever measures and whoever writes.

use std::borrow::Cow;

use wf_model::MetricType;

/// Metrics of one name with their declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricFamily {
    /// Name of the family, as exposed (counters include `_total`).
    pub name: Cow<'static, str>,
    /// Help text, not escaped.
    pub help: Cow<'static, str>,
    /// Declared type.
    pub kind: MetricType,
    /// The metrics; label sets are unique.
    pub metrics: Vec<Metric>,
}

/// One metric of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Label pairs in the order they shall be written.
    pub labels: Vec<(Cow<'static, str>, String)>,
    /// The measured value.
    pub value: MetricValue,
    /// Explicit timestamp, ms since the epoch; normally none.
    pub timestamp_ms: Option<i64>,
}

/// Value of a metric by the type of its family.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    /// Counter, gauge, untyped.
    Number(f64),
    /// Cumulative buckets in ascending order of their bound; the `+Inf` bucket is written from `count`.
    Histogram {
        /// Buckets without `+Inf`.
        buckets: Vec<Bucket>,
        /// Sum of observations.
        sum: f64,
        /// Number of observations.
        count: u64,
    },
    /// Quantiles in ascending order.
    Summary {
        /// `(quantile, value)`.
        quantiles: Vec<(f64, f64)>,
        /// Sum of observations.
        sum: f64,
        /// Number of observations.
        count: u64,
    },
}

/// A cumulative bucket: observations ≤ `upper_bound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Inclusive upper bound.
    pub upper_bound: f64,
    /// Observations up to the bound.
    pub cumulative_count: u64,
}

impl MetricFamily {
    /// Starts an empty family.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        help: impl Into<Cow<'static, str>>,
        kind: MetricType,
    ) -> Self {
        Self { name: name.into(), help: help.into(), kind, metrics: Vec::new() }
    }

    /// Adds a number with its labels.
    pub fn push(&mut self, labels: &[(&'static str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned())).collect();
        self.metrics.push(Metric { labels, value: MetricValue::Number(value), timestamp_ms: None });
    }
}
