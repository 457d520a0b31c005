//! Metric families as gathered: the form between whoever measures and whoever writes.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

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
    pub labels: MetricLabels,
    /// The measured value.
    pub value: MetricValue,
    /// Explicit timestamp, ms since the epoch; normally none.
    pub timestamp_ms: Option<i64>,
}

/// A label's name and value.
pub type LabelPair = (Cow<'static, str>, String);

/// Label pairs: a metric's own, or shared by metrics of several families about one thing. A host with thousands of devices
/// has dozens of metrics of each.
#[derive(Clone, Debug)]
pub enum MetricLabels {
    /// Of this metric alone.
    Own(Vec<LabelPair>),
    /// Of several.
    Shared(Arc<[LabelPair]>),
}

impl MetricLabels {
    /// Makes labels whose clones share one memory.
    pub fn shared(labels: &[(&'static str, &str)]) -> Self {
        Self::Shared(pairs(labels).collect())
    }

    /// Changes the pairs; shared ones become this metric's own first.
    pub fn edit(&mut self, change: impl FnOnce(&mut Vec<LabelPair>)) {
        let mut own = match std::mem::take(self) {
            Self::Own(own) => own,
            Self::Shared(shared) => shared.to_vec(),
        };
        change(&mut own);
        *self = Self::Own(own);
    }

    /// Returns whether both are one memory, and so equal.
    pub fn is_same(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Shared(a), Self::Shared(b)) if Arc::ptr_eq(a, b))
    }
}

impl Default for MetricLabels {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Deref for MetricLabels {
    type Target = [LabelPair];

    fn deref(&self) -> &[LabelPair] {
        match self {
            Self::Own(own) => own,
            Self::Shared(shared) => shared,
        }
    }
}

impl PartialEq for MetricLabels {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl From<Vec<LabelPair>> for MetricLabels {
    fn from(own: Vec<LabelPair>) -> Self {
        Self::Own(own)
    }
}

impl FromIterator<LabelPair> for MetricLabels {
    fn from_iter<I: IntoIterator<Item = LabelPair>>(own: I) -> Self {
        Self::Own(own.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a MetricLabels {
    type Item = &'a LabelPair;
    type IntoIter = std::slice::Iter<'a, LabelPair>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn pairs(labels: &[(&'static str, &str)]) -> impl ExactSizeIterator<Item = LabelPair> {
    labels.iter().map(|(name, value)| (Cow::Borrowed(*name), (*value).to_owned()))
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
        self.push_with(pairs(labels).collect(), value);
    }

    /// Adds a number with labels that are there already.
    pub fn push_with(&mut self, labels: MetricLabels, value: f64) {
        self.metrics.push(Metric { labels, value: MetricValue::Number(value), timestamp_ms: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_labels_are_one_memory_until_one_is_changed() {
        let shared = MetricLabels::shared(&[("device", "sda")]);
        let mut changed = shared.clone();
        assert!(shared.is_same(&changed) && shared == MetricLabels::Own(shared.to_vec()));
        changed.edit(|labels| labels.push(("path".into(), "x".to_owned())));
        assert_eq!((shared.len(), changed.len()), (1, 2));
        assert!(shared != changed && !MetricLabels::default().is_same(&MetricLabels::default()));
    }
}
