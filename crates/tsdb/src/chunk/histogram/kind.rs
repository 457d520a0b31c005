//! The two kinds of native histograms: what they are made of, and how each part is written.

use wf_model::histogram::{CounterResetHint, Span};
use wf_model::{FloatHistogram, Histogram, is_stale_nan};
use wf_series::HistogramValue;

use super::layout::Layout;
use crate::chunk::Encoding;
use crate::chunk::column::{Column, CountSteps, Steps, XorFloat};

/// A histogram taken apart, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a, K: Kind> {
    pub(crate) hint: CounterResetHint,
    pub(crate) schema: i32,
    pub(crate) zero_threshold: f64,
    pub(crate) count: CountOf<K>,
    pub(crate) zero_count: CountOf<K>,
    pub(crate) sum: f64,
    pub(crate) positive_spans: &'a [Span],
    pub(crate) negative_spans: &'a [Span],
    pub(crate) positive: &'a [BucketOf<K>],
    pub(crate) negative: &'a [BucketOf<K>],
    pub(crate) custom_values: &'a [f64],
}

pub(crate) type CountOf<K> = <<K as Kind>::Count as Column>::Value;
pub(crate) type BucketOf<K> = <<K as Kind>::Bucket as Column>::Value;

impl<K: Kind> Parts<'_, K> {
    pub(crate) fn is_stale(&self) -> bool {
        is_stale_nan(self.sum)
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            positive_spans: self.positive_spans.to_vec(),
            negative_spans: self.negative_spans.to_vec(),
            custom_values: self.custom_values.to_vec(),
        }
    }
}

/// See the module.
pub(crate) trait Kind: Clone + Copy + std::fmt::Debug + Sized + 'static {
    type Histogram: Clone + std::fmt::Debug;
    /// Count and zero count.
    type Count: Column<Value: PartialOrd>;
    /// Buckets, as the histogram lists them.
    type Bucket: Column<Value: Default>;
    /// What a bucket counts.
    type Absolute: Copy + PartialOrd + Default + std::fmt::Debug;
    const ENCODING: Encoding;
    const ENCODING_STARTED: Encoding;

    fn parts(histogram: &Self::Histogram) -> Parts<'_, Self>;
    /// `totals`: count, zero count, sum.
    fn build(
        hint: CounterResetHint,
        layout: &Layout,
        totals: (CountOf<Self>, CountOf<Self>, f64),
        positive: Vec<BucketOf<Self>>,
        negative: Vec<BucketOf<Self>>,
    ) -> Self::Histogram;
    /// The marker of staleness.
    fn stale(hint: CounterResetHint) -> Self::Histogram;
    fn into_float(histogram: Self::Histogram) -> FloatHistogram;
    fn into_value(histogram: Self::Histogram) -> HistogramValue;
    /// Buckets as listed to what they count.
    fn absolute(buckets: &[BucketOf<Self>]) -> Vec<Self::Absolute>;
    /// What buckets count to how they are listed.
    fn listed(counts: Vec<Self::Absolute>) -> Vec<BucketOf<Self>>;
}

/// Integer counts, buckets listed as differences.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integers;

/// Float counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floats;

impl Kind for Integers {
    type Histogram = Histogram;
    type Count = CountSteps;
    type Bucket = Steps;
    type Absolute = i64;
    const ENCODING: Encoding = Encoding::Histogram;
    const ENCODING_STARTED: Encoding = Encoding::HistogramSt;

    fn parts(histogram: &Histogram) -> Parts<'_, Self> {
        Parts {
            hint: histogram.counter_reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            count: histogram.count,
            zero_count: histogram.zero_count,
            sum: histogram.sum,
            positive_spans: &histogram.positive_spans,
            negative_spans: &histogram.negative_spans,
            positive: &histogram.positive_deltas,
            negative: &histogram.negative_deltas,
            custom_values: &histogram.custom_values,
        }
    }

    fn build(
        hint: CounterResetHint,
        layout: &Layout,
        (count, zero_count, sum): (u64, u64, f64),
        positive_deltas: Vec<i64>,
        negative_deltas: Vec<i64>,
    ) -> Histogram {
        Histogram {
            counter_reset_hint: hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            positive_deltas,
            negative_deltas,
            custom_values: layout.custom_values.clone(),
        }
    }

    fn stale(hint: CounterResetHint) -> Histogram {
        Histogram { counter_reset_hint: hint, ..Histogram::stale() }
    }

    fn into_float(histogram: Histogram) -> FloatHistogram {
        histogram.to_float()
    }

    fn into_value(histogram: Histogram) -> HistogramValue {
        HistogramValue::Integer(histogram.into())
    }

    fn absolute(buckets: &[i64]) -> Vec<i64> {
        let mut count = 0_i64;
        let sums = buckets.iter().map(|delta| {
            count = count.wrapping_add(*delta);
            count
        });
        sums.collect()
    }

    fn listed(counts: Vec<i64>) -> Vec<i64> {
        let mut before = 0_i64;
        counts.into_iter().map(|count| count.wrapping_sub(std::mem::replace(&mut before, count))).collect()
    }
}

impl Kind for Floats {
    type Histogram = FloatHistogram;
    type Count = XorFloat;
    type Bucket = XorFloat;
    type Absolute = f64;
    const ENCODING: Encoding = Encoding::FloatHistogram;
    const ENCODING_STARTED: Encoding = Encoding::FloatHistogramSt;

    fn parts(histogram: &FloatHistogram) -> Parts<'_, Self> {
        Parts {
            hint: histogram.counter_reset_hint,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            count: histogram.count,
            zero_count: histogram.zero_count,
            sum: histogram.sum,
            positive_spans: &histogram.positive_spans,
            negative_spans: &histogram.negative_spans,
            positive: &histogram.positive_buckets,
            negative: &histogram.negative_buckets,
            custom_values: &histogram.custom_values,
        }
    }

    fn build(
        hint: CounterResetHint,
        layout: &Layout,
        (count, zero_count, sum): (f64, f64, f64),
        positive_buckets: Vec<f64>,
        negative_buckets: Vec<f64>,
    ) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: hint,
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            zero_count,
            count,
            sum,
            positive_spans: layout.positive_spans.clone(),
            negative_spans: layout.negative_spans.clone(),
            positive_buckets,
            negative_buckets,
            custom_values: layout.custom_values.clone(),
        }
    }

    fn stale(hint: CounterResetHint) -> FloatHistogram {
        FloatHistogram { counter_reset_hint: hint, ..FloatHistogram::stale() }
    }

    fn into_float(histogram: FloatHistogram) -> FloatHistogram {
        histogram
    }

    fn into_value(histogram: FloatHistogram) -> HistogramValue {
        HistogramValue::Float(histogram.into())
    }

    fn absolute(buckets: &[f64]) -> Vec<f64> {
        buckets.to_vec()
    }

    fn listed(counts: Vec<f64>) -> Vec<f64> {
        counts
    }
}
