//! Counters, gauges and histograms: numbers behind atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use wf_exposition::{Bucket, MetricValue};
use wf_model::MetricType;

use super::Cell;

/// A float behind an atomic. Relaxed order suffices: each number stands for itself.
#[derive(Debug, Default)]
struct AtomicF64(AtomicU64);

impl AtomicF64 {
    fn load(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn store(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    fn add(&self, delta: f64) {
        let update = |bits| Some((f64::from_bits(bits) + delta).to_bits());
        // The closure never refuses, so neither does `fetch_update`.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<CounterInner>);

/// Whole numbers are added with one instruction; the rest needs a compare-and-swap loop.
#[derive(Debug, Default)]
struct CounterInner {
    whole: AtomicU64,
    rest: AtomicF64,
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds a whole number.
    pub fn add(&self, count: u64) {
        self.0.whole.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds a fraction; negative and NaN deltas are ignored, since a counter does not fall.
    pub fn add_f64(&self, delta: f64) {
        if delta > 0.0 {
            self.0.rest.add(delta);
        }
    }

    /// Returns the present value.
    pub fn get(&self) -> f64 {
        self.0.whole.load(Ordering::Relaxed) as f64 + self.0.rest.load()
    }
}

impl Cell for Counter {
    const KIND: MetricType = MetricType::Counter;

    fn read(&self) -> MetricValue {
        MetricValue::Number(self.get())
    }
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicF64>);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value);
    }

    /// Sets 1 or 0.
    pub fn set_bool(&self, value: bool) {
        self.set(f64::from(u8::from(value)));
    }

    /// Sets the present time, in seconds since the Unix epoch.
    pub fn set_to_now(&self) {
        self.set(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
    }

    /// Adds `delta`, which may be negative.
    pub fn add(&self, delta: f64) {
        self.0.add(delta);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Adds one now and takes it away when the returned guard is dropped, panics included.
    pub fn track(&self) -> GaugeGuard {
        self.inc();
        GaugeGuard(self.clone())
    }

    /// Returns the present value.
    pub fn get(&self) -> f64 {
        self.0.load()
    }
}

/// Takes one from its gauge when dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Cell for Gauge {
    const KIND: MetricType = MetricType::Gauge;

    fn read(&self) -> MetricValue {
        MetricValue::Number(self.get())
    }
}

/// A classic histogram with fixed buckets.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramInner>);

#[derive(Debug)]
struct HistogramInner {
    upper_bounds: Box<[f64]>,
    /// Observations per bucket, not cumulative; the last one is `+Inf`.
    counts: Box<[AtomicU64]>,
    sum: AtomicF64,
}

impl Histogram {
    /// Makes a histogram that no registry knows; bounds are sorted, repeats and `+Inf` dropped.
    pub fn new(upper_bounds: &[f64]) -> Self {
        let mut bounds: Vec<f64> = upper_bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(HistogramInner { upper_bounds: bounds.into(), counts, sum: AtomicF64::default() }))
    }

    /// Counts one observation.
    pub fn observe(&self, value: f64) {
        let bucket_idx = self.0.upper_bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(bucket_idx) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.0.sum.add(value);
    }
}

impl Cell for Histogram {
    const KIND: MetricType = MetricType::Histogram;

    /// The count is the sum of the buckets, so the two always agree; the sum may lag by observations in flight.
    fn read(&self) -> MetricValue {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(self.0.upper_bounds.len());
        for (upper_bound, count) in self.0.upper_bounds.iter().zip(&self.0.counts) {
            total += count.load(Ordering::Relaxed);
            buckets.push(Bucket { upper_bound: *upper_bound, cumulative_count: total });
        }
        total += self.0.counts.last().map_or(0, |count| count.load(Ordering::Relaxed));
        MetricValue::Histogram { buckets, sum: self.0.sum.load(), count: total }
    }
}

/// Returns `count` upper bounds, each `factor` times the one before.
pub fn exponential_buckets(start: f64, factor: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |bound| Some(bound * factor)).take(count).collect()
}
