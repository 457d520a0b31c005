//! Native histograms on their way to storage: custom buckets from classic ones, and how fine they may be.
//!
//! # Source
//! `spec/prometheus-core.md` §1.3 and §6, `native_histogram_bucket_limit` and `min_bucket_factor`.

use std::sync::Arc;

use wf_exposition::protobuf::NativeValue;
use wf_model::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint, HistogramError, SCHEMA_STORED_MAX, Span};
use wf_model::{FloatHistogram, Histogram};
use wf_series::HistogramValue;

use crate::config::HistogramSettings;
use crate::error::ScrapeError;

/// Coarsest resolution that a histogram is lowered to.
const SCHEMA_REDUCED_MIN: i32 = -4;

/// Largest whole number up to which every one is a float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Holds histograms to the resolution that the job wants.
#[derive(Clone, Debug)]
pub(super) struct Reducer {
    schema_max: i32,
    n_buckets_max: usize,
    /// The first histogram that did not fit.
    error: Option<ScrapeError>,
}

impl Reducer {
    pub(super) fn new(settings: &HistogramSettings) -> Self {
        let n_buckets_max = match usize::try_from(settings.n_buckets_max) {
            Ok(limit @ 1..) => limit,
            _ => usize::MAX,
        };
        Self { schema_max: schema_of_factor(settings.bucket_factor_min), n_buckets_max, error: None }
    }

    /// Returns what shall be stored of an exposed histogram. One with too many buckets fails the scrape, but not
    /// before the page is read to its end: see [`Reducer::result`].
    /// # Errors
    /// When the histogram contradicts itself.
    pub(super) fn reduce(&mut self, value: NativeValue) -> Result<HistogramValue, HistogramError> {
        let (value, n_buckets) = match value {
            NativeValue::Integer(mut histogram) => {
                histogram.validate()?;
                histogram.limit_schema(self.schema_max);
                let count = |h: &Histogram| h.positive_deltas.len() + h.negative_deltas.len();
                while count(&histogram) > self.n_buckets_max && is_reducible(histogram.schema) {
                    histogram.limit_schema(histogram.schema - 1);
                }
                let n_buckets = count(&histogram);
                (HistogramValue::Integer(Arc::new(histogram)), n_buckets)
            }
            NativeValue::Float(mut histogram) => {
                histogram.validate()?;
                if histogram.schema > self.schema_max {
                    histogram.reduce_to_schema(self.schema_max);
                }
                let count = |h: &FloatHistogram| h.positive_buckets.len() + h.negative_buckets.len();
                while count(&histogram) > self.n_buckets_max && is_reducible(histogram.schema) {
                    histogram.reduce_to_schema(histogram.schema - 1);
                }
                let n_buckets = count(&histogram);
                (HistogramValue::Float(Arc::new(histogram)), n_buckets)
            }
        };
        if n_buckets > self.n_buckets_max {
            let limit = self.n_buckets_max;
            self.error.get_or_insert(ScrapeError::BucketLimit { n_buckets, limit });
        }
        Ok(value)
    }

    /// Tells whether all histograms of the page fitted.
    pub(super) fn result(&self) -> Result<(), ScrapeError> {
        self.error.clone().map_or(Ok(()), Err)
    }
}

fn is_reducible(schema: i32) -> bool {
    schema > SCHEMA_REDUCED_MIN
}

/// Returns the finest schema whose buckets grow by `factor` at least.
fn schema_of_factor(factor: f64) -> i32 {
    if factor <= 1.0 || factor.is_nan() {
        return SCHEMA_STORED_MAX;
    }
    let schemas = (SCHEMA_REDUCED_MIN..=SCHEMA_STORED_MAX).rev();
    let growth = |schema: i32| 2_f64.powi(-schema).exp2();
    schemas.into_iter().find(|schema| growth(*schema) >= factor).unwrap_or(SCHEMA_REDUCED_MIN)
}

/// A classic histogram, gathered from its series.
#[derive(Clone, Debug, Default)]
pub(super) struct ClassicHistogram {
    /// `(upper bound, cumulative count)` in ascending order; `+Inf` may be missing.
    pub(super) buckets: Vec<(f64, f64)>,
    pub(super) count: Option<f64>,
    pub(super) sum: f64,
    pub(super) is_gauge: bool,
}

impl ClassicHistogram {
    /// Returns the histogram with custom buckets that holds the same; `None` when its counts contradict each other.
    pub(super) fn to_custom(&self) -> Option<NativeValue> {
        let mut bounds: Vec<f64> = Vec::new();
        let mut counts = Vec::new();
        let mut below = 0.0;
        for (bound, cumulative) in &self.buckets {
            if *bound == f64::INFINITY || bounds.last().is_some_and(|last| last == bound) {
                continue;
            }
            // Not ascending, not a number, or less than before.
            let is_next = bounds.last().is_none_or(|last| bound > last) && bound.is_finite();
            if !is_next || *cumulative < below {
                return None;
            }
            bounds.push(*bound);
            counts.push(cumulative - below);
            below = *cumulative;
        }
        let infinite = self.buckets.iter().find(|(bound, _)| *bound == f64::INFINITY);
        let count = infinite.map(|(_, count)| *count).or(self.count).unwrap_or(below);
        if count < below || count.is_nan() {
            return None;
        }
        counts.push(count - below);
        let spans = vec![Span { offset: 0, length: u32::try_from(counts.len()).ok()? }];
        let hint = if self.is_gauge { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
        let is_whole = |count: &f64| count.fract() == 0.0 && *count < EXACT_MAX;
        if !counts.iter().chain([&count]).all(is_whole) {
            return Some(NativeValue::Float(FloatHistogram {
                counter_reset_hint: hint,
                schema: CUSTOM_BUCKETS_SCHEMA,
                count,
                sum: self.sum,
                positive_spans: spans,
                positive_buckets: counts,
                custom_values: bounds,
                ..FloatHistogram::default()
            }));
        }
        let mut before = 0;
        let deltas = counts.iter().map(|count| {
            let count = whole(*count);
            count - std::mem::replace(&mut before, count)
        });
        Some(NativeValue::Integer(Histogram {
            counter_reset_hint: hint,
            schema: CUSTOM_BUCKETS_SCHEMA,
            count: whole(count).unsigned_abs(),
            sum: self.sum,
            positive_spans: spans,
            positive_deltas: deltas.collect(),
            custom_values: bounds,
            ..Histogram::default()
        }))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the caller has checked that it is whole and below 2^53")]
fn whole(count: f64) -> i64 {
    count as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_factor_is_the_finest_schema_that_grows_as_fast() {
        assert_eq!(schema_of_factor(0.0), 8);
        assert_eq!(schema_of_factor(1.0), 8);
        assert_eq!(schema_of_factor(1.002), 8);
        assert_eq!(schema_of_factor(1.1), 2, "2^(1/4) is 1.19, 2^(1/8) is 1.09");
        assert_eq!(schema_of_factor(2.0), 0);
        assert_eq!(schema_of_factor(4.0), -1);
        assert_eq!(schema_of_factor(65_536.0), -4);
        assert_eq!(schema_of_factor(1e9), -4);
    }

    fn exponential(schema: i32, n_buckets: u32) -> NativeValue {
        let mut positive_deltas = vec![0; n_buckets as usize];
        positive_deltas[0] = 1;
        NativeValue::Integer(Histogram {
            schema,
            count: u64::from(n_buckets),
            positive_spans: vec![Span { offset: 1, length: n_buckets }],
            positive_deltas,
            ..Histogram::default()
        })
    }

    #[test]
    fn histograms_lose_resolution_until_they_fit() {
        let settings = HistogramSettings { n_buckets_max: 5, ..HistogramSettings::default() };
        let mut reducer = Reducer::new(&settings);
        let HistogramValue::Integer(reduced) = reducer.reduce(exponential(3, 16)).unwrap() else {
            panic!("integer")
        };
        assert_eq!((reduced.schema, reduced.positive_deltas.len()), (1, 4));
        assert!(reducer.result().is_ok());
        reducer.reduce(exponential(-4, 16)).unwrap();
        let error = reducer.result().unwrap_err().to_string();
        assert_eq!(error, "histogram bucket limit exceeded (buckets: 16, native_histogram_bucket_limit: 5)");
    }

    #[test]
    fn classic_buckets_become_custom_ones() {
        let mut classic = ClassicHistogram {
            buckets: vec![(0.5, 1.0), (1.0, 1.0), (2.5, 4.0), (f64::INFINITY, 6.0)],
            count: Some(6.0),
            sum: 7.5,
            is_gauge: false,
        };
        let Some(NativeValue::Integer(custom)) = classic.to_custom() else { panic!("integer counts") };
        custom.validate().unwrap();
        assert_eq!((custom.count, custom.sum, custom.custom_values), (6, 7.5, vec![0.5, 1.0, 2.5]));
        assert_eq!(custom.positive_deltas, [1, -1, 3, -1]);
        classic.buckets[1].1 = 0.5;
        assert!(classic.to_custom().is_none(), "a cumulative count cannot fall");
        classic.buckets[1].1 = 1.5;
        let Some(NativeValue::Float(custom)) = classic.to_custom() else { panic!("float counts") };
        custom.validate().unwrap();
        assert_eq!(custom.positive_buckets, [1.0, 0.5, 2.5, 2.0]);
        let empty = ClassicHistogram { count: Some(3.0), ..ClassicHistogram::default() };
        let Some(NativeValue::Integer(custom)) = empty.to_custom() else { panic!("integer counts") };
        custom.validate().unwrap();
        assert_eq!((custom.count, custom.positive_deltas), (3, vec![3]));
    }
}
