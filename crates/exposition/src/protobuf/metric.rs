//! The message of one metric: labels, time, value, exemplars.

use wf_model::MetricType;

use super::histogram::{self, ProtoHistogram};
use super::wire::{Wire, WireError};

/// One metric of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct ProtoMetric<'a> {
    /// Its labels in the order exposed, without the name.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Explicit time, ms since the epoch.
    pub timestamp_ms: Option<i64>,
    /// Its value.
    pub value: ProtoValue<'a>,
}

/// Value of a metric, by the type of its family. A metric without the message of its type has the default value.
#[derive(Clone, Debug, PartialEq)]
pub enum ProtoValue<'a> {
    /// Counter, gauge, untyped.
    Number {
        /// The number.
        value: f64,
        /// Exemplar of a counter.
        exemplar: Option<ProtoExemplar<'a>>,
        /// When a counter began, ms since the epoch.
        start_time_ms: Option<i64>,
    },
    /// Summary.
    Summary {
        /// Observations.
        count: u64,
        /// Their sum.
        sum: f64,
        /// `(quantile, value)`.
        quantiles: Vec<(f64, f64)>,
        /// When it began, ms since the epoch.
        start_time_ms: Option<i64>,
    },
    /// Histogram, classic, native or both.
    Histogram(Box<ProtoHistogram<'a>>),
}

/// An exemplar as exposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtoExemplar<'a> {
    /// Its labels.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Its value.
    pub value: f64,
    /// Its time, ms since the epoch.
    pub timestamp_ms: Option<i64>,
}

/// Reads a `Metric` of a family of type `kind`.
pub(super) fn read(message: &[u8], kind: MetricType) -> Result<ProtoMetric<'_>, WireError> {
    let (mut labels, mut timestamp_ms, mut value) = (Vec::new(), None, &[][..]);
    let value_field = match kind {
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => 2,
        MetricType::Counter => 3,
        MetricType::Summary => 4,
        MetricType::Unknown => 5,
        MetricType::Histogram | MetricType::GaugeHistogram => 7,
    };
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => labels.push(read_label(field.bytes(number)?)?),
            6 => timestamp_ms = Some(field.int64(number)?).filter(|time| *time != 0),
            _ if number == value_field => value = field.bytes(number)?,
            _ => {}
        }
    }
    let value = match kind {
        MetricType::Summary => read_summary(value)?,
        MetricType::Histogram | MetricType::GaugeHistogram => {
            ProtoValue::Histogram(Box::new(histogram::read(value, kind == MetricType::GaugeHistogram)?))
        }
        _ => read_number(value)?,
    };
    Ok(ProtoMetric { labels, timestamp_ms, value })
}

fn read_label(message: &[u8]) -> Result<(&str, &str), WireError> {
    let mut pair = ("", "");
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => pair.0 = field.text(number)?,
            2 => pair.1 = field.text(number)?,
            _ => {}
        }
    }
    if pair.0.is_empty() {
        return Err(WireError::NoLabelName);
    }
    Ok(pair)
}

/// Reads a `Counter`; gauges and untyped values have no more than its first field.
fn read_number(message: &[u8]) -> Result<ProtoValue<'_>, WireError> {
    let (mut value, mut exemplar, mut start_time_ms) = (0.0, None, None);
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => value = field.double(number)?,
            2 => exemplar = Some(read_exemplar(field.bytes(number)?)?),
            3 => start_time_ms = Some(read_timestamp(field.bytes(number)?)?),
            _ => {}
        }
    }
    Ok(ProtoValue::Number { value, exemplar, start_time_ms })
}

fn read_summary(message: &[u8]) -> Result<ProtoValue<'_>, WireError> {
    let (mut count, mut sum, mut quantiles, mut start_time_ms) = (0, 0.0, Vec::new(), None);
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => count = field.varint(number)?,
            2 => sum = field.double(number)?,
            3 => quantiles.push(read_quantile(field.bytes(number)?)?),
            4 => start_time_ms = Some(read_timestamp(field.bytes(number)?)?),
            _ => {}
        }
    }
    Ok(ProtoValue::Summary { count, sum, quantiles, start_time_ms })
}

fn read_quantile(message: &[u8]) -> Result<(f64, f64), WireError> {
    let mut quantile = (0.0, 0.0);
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => quantile.0 = field.double(number)?,
            2 => quantile.1 = field.double(number)?,
            _ => {}
        }
    }
    Ok(quantile)
}

pub(super) fn read_exemplar(message: &[u8]) -> Result<ProtoExemplar<'_>, WireError> {
    let mut exemplar = ProtoExemplar::default();
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => exemplar.labels.push(read_label(field.bytes(number)?)?),
            2 => exemplar.value = field.double(number)?,
            3 => exemplar.timestamp_ms = Some(read_timestamp(field.bytes(number)?)?),
            _ => {}
        }
    }
    Ok(exemplar)
}

/// Reads a `google.protobuf.Timestamp`, seconds and nanoseconds; returns ms.
pub(super) fn read_timestamp(message: &[u8]) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => seconds = field.int64(number)?,
            2 => nanos = field.int64(number)?,
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
}
