//! The message of a histogram: classic buckets, native buckets, or both.

use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{FloatHistogram, Histogram};

use super::metric::{ProtoExemplar, read_exemplar, read_timestamp};
use super::wire::{Wire, WireError};

/// A histogram as exposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtoHistogram<'a> {
    /// Observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Classic buckets in the order exposed; `+Inf` may be missing.
    pub buckets: Vec<ClassicBucket<'a>>,
    /// Exemplars of the native form.
    pub exemplars: Vec<ProtoExemplar<'a>>,
    /// When it began, ms since the epoch.
    pub start_time_ms: Option<i64>,
    native: Native,
}

/// A classic bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassicBucket<'a> {
    /// Observations up to the bound.
    pub cumulative_count: f64,
    /// Inclusive upper bound.
    pub upper_bound: f64,
    /// Exemplar of the bucket.
    pub exemplar: Option<ProtoExemplar<'a>>,
}

/// The native form.
#[derive(Clone, Debug)]
pub enum NativeValue {
    /// With integer counts.
    Integer(Histogram),
    /// With float counts.
    Float(FloatHistogram),
}

/// Fields of the native form as they stand in the message.
#[derive(Clone, Debug, Default, PartialEq)]
struct Native {
    is_gauge: bool,
    count: u64,
    count_float: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    negative: Side,
    positive: Side,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

pub(super) fn read(message: &[u8], is_gauge: bool) -> Result<ProtoHistogram<'_>, WireError> {
    let mut histogram = ProtoHistogram::default();
    let mut native = Native { is_gauge, ..Native::default() };
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => native.count = field.varint(number)?,
            2 => histogram.sum = field.double(number)?,
            3 => histogram.buckets.push(read_bucket(field.bytes(number)?)?),
            4 => native.count_float = field.double(number)?,
            5 => native.schema = field.sint32(number)?,
            6 => native.zero_threshold = field.double(number)?,
            7 => native.zero_count = field.varint(number)?,
            8 => native.zero_count_float = field.double(number)?,
            9 => native.negative.spans.push(read_span(field.bytes(number)?)?),
            10 => field.push_sint64(number, &mut native.negative.deltas)?,
            11 => field.push_double(number, &mut native.negative.counts)?,
            12 => native.positive.spans.push(read_span(field.bytes(number)?)?),
            13 => field.push_sint64(number, &mut native.positive.deltas)?,
            14 => field.push_double(number, &mut native.positive.counts)?,
            15 => histogram.start_time_ms = Some(read_timestamp(field.bytes(number)?)?),
            16 => histogram.exemplars.push(read_exemplar(field.bytes(number)?)?),
            _ => {}
        }
    }
    histogram.count = if native.count_float > 0.0 { native.count_float } else { native.count as f64 };
    histogram.native = native;
    Ok(histogram)
}

fn read_bucket(message: &[u8]) -> Result<ClassicBucket<'_>, WireError> {
    let mut bucket = ClassicBucket::default();
    let mut float_count = 0.0;
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => bucket.cumulative_count = field.varint(number)? as f64,
            2 => bucket.upper_bound = field.double(number)?,
            3 => bucket.exemplar = Some(read_exemplar(field.bytes(number)?)?),
            4 => float_count = field.double(number)?,
            _ => {}
        }
    }
    if float_count > 0.0 {
        bucket.cumulative_count = float_count;
    }
    Ok(bucket)
}

fn read_span(message: &[u8]) -> Result<Span, WireError> {
    let mut span = Span { offset: 0, length: 0 };
    let mut wire = Wire::new(message);
    while let Some((number, field)) = wire.next_field()? {
        match number {
            1 => span.offset = field.sint32(number)?,
            2 => span.length = u32::try_from(field.varint(number)?).unwrap_or(u32::MAX),
            _ => {}
        }
    }
    Ok(span)
}

impl ProtoHistogram<'_> {
    /// Returns whether there is a native form: an empty one shows by a span of no length.
    pub fn is_native(&self) -> bool {
        let native = &self.native;
        !native.positive.spans.is_empty()
            || !native.negative.spans.is_empty()
            || native.zero_threshold > 0.0
            || native.zero_count > 0
            || native.zero_count_float > 0.0
    }

    /// Returns the native form, as exposed: it may contradict itself.
    pub fn native(&self) -> NativeValue {
        let native = &self.native;
        let hint = if native.is_gauge { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
        let has_float_buckets = !native.positive.counts.is_empty() || !native.negative.counts.is_empty();
        if native.count_float > 0.0 || native.zero_count_float > 0.0 || has_float_buckets {
            return NativeValue::Float(FloatHistogram {
                counter_reset_hint: hint,
                schema: native.schema,
                zero_threshold: native.zero_threshold,
                zero_count: native.zero_count_float,
                count: self.count,
                sum: self.sum,
                positive_spans: native.positive.spans.clone(),
                negative_spans: native.negative.spans.clone(),
                positive_buckets: native.positive.counts.clone(),
                negative_buckets: native.negative.counts.clone(),
                custom_values: Vec::new(),
            });
        }
        NativeValue::Integer(Histogram {
            counter_reset_hint: hint,
            schema: native.schema,
            zero_threshold: native.zero_threshold,
            zero_count: native.zero_count,
            count: native.count,
            sum: self.sum,
            positive_spans: native.positive.spans.clone(),
            negative_spans: native.negative.spans.clone(),
            positive_deltas: native.positive.deltas.clone(),
            negative_deltas: native.negative.deltas.clone(),
            custom_values: Vec::new(),
        })
    }
}
