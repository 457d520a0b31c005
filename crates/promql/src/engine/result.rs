//! What a query yields.

use std::sync::Arc;

use wf_model::{FloatHistogram, Labels};

use super::annotations::Annotations;
use super::stats::QueryStats;

/// A value, what was remarked on the way, and what it cost.
#[derive(Clone, Debug)]
pub struct QueryResult {
    /// The value.
    pub value: QueryValue,
    /// Warnings and infos.
    pub annotations: Annotations,
    /// Samples and timings.
    pub stats: QueryStats,
}

/// The value of a query.
#[derive(Clone, Debug)]
pub enum QueryValue {
    /// A number (instant queries only; in a range query a scalar becomes a series without labels).
    Scalar {
        /// Evaluation time, ms.
        time_ms: i64,
        /// The number.
        value: f64,
    },
    /// A text (instant queries only).
    String {
        /// Evaluation time, ms.
        time_ms: i64,
        /// The text.
        value: String,
    },
    /// One sample per series (instant queries only). Ordered only by functions and aggregations that order.
    Vector(Vec<InstantSample>),
    /// Samples per series, ordered by labels.
    Matrix(Vec<RangeSeries>),
}

/// A float or a native histogram.
#[derive(Clone, Debug)]
pub enum SampleValue {
    /// A float.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

/// A sample of an instant vector.
#[derive(Clone, Debug)]
pub struct InstantSample {
    /// Identity of the series.
    pub labels: Labels,
    /// Evaluation time, ms.
    pub time_ms: i64,
    /// The value.
    pub value: SampleValue,
}

/// A series of a matrix: floats and histograms are separate lists, each in ascending time order.
#[derive(Clone, Debug, Default)]
pub struct RangeSeries {
    /// Identity of the series.
    pub labels: Labels,
    /// Times of the floats, ms.
    pub times_ms: Vec<i64>,
    /// The floats, parallel to `times_ms`.
    pub values: Vec<f64>,
    /// Native histograms with their times, ms.
    pub histograms: Vec<(i64, Arc<FloatHistogram>)>,
}
