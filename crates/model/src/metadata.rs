//! What is known about a metric family besides its samples.

/// Type of a metric family. `Unknown` is spelled `untyped` in text format 0.0.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricType {
    /// No type was declared.
    #[default]
    Unknown,
    /// Only goes up, or resets to zero.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
    /// A histogram whose buckets go up and down (OpenMetrics).
    GaugeHistogram,
    /// Quantiles, sum and count.
    Summary,
    /// Constant 1 with information in labels (OpenMetrics).
    Info,
    /// One series per state, 0 or 1 (OpenMetrics).
    StateSet,
}

impl MetricType {
    /// Returns the name as the HTTP API and OpenMetrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

/// Type, help and unit of a metric family; empty strings where not declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Metadata {
    /// Declared type.
    pub kind: MetricType,
    /// Help text, unescaped.
    pub help: String,
    /// Unit (OpenMetrics), such as `seconds`.
    pub unit: String,
}
