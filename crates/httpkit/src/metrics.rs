//! A small registry of metrics about ourselves.
//!
//! [`Registry`] hands out cheap-to-clone handles ([`Counter`], [`Gauge`], [`Histogram`], [`Summary`] and their
//! labelled [`MetricVec`] forms); [`Registry::gather`] reads them all into families that `wf-exposition` writes.
//! Counting is a few atomic instructions; only summaries and the lookup of a labelled child take a short lock.
//!
//! # Invariants
//! - The number of label values is the type's `N`, so a child cannot be asked for with the wrong number of values.
//! - `gather` returns families sorted by name, their metrics in order of label values. Families that several parts
//!   registered under one name and type are merged; one whose type contradicts an earlier one is left out.
//! # Reading order: this file, `cells` (atomics), `summary` (quantiles), `labelled`.
//! # Not here: text (see `wf_exposition::text`), numbers about the process (see [`crate::process`]).

mod cells;
mod labelled;
mod summary;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use wf_exposition::{Metric, MetricFamily, MetricLabels, MetricValue};
use wf_model::MetricType;

pub use cells::{Counter, Gauge, Histogram, exponential_buckets};
pub use labelled::MetricVec;
pub use summary::{Objective, Summary};

/// Counters that differ in the values of `N` labels.
pub type CounterVec<const N: usize> = MetricVec<Counter, N>;
/// Gauges that differ in the values of `N` labels.
pub type GaugeVec<const N: usize> = MetricVec<Gauge, N>;
/// Histograms that differ in the values of `N` labels.
pub type HistogramVec<const N: usize> = MetricVec<Histogram, N>;
/// Summaries that differ in the values of `N` labels.
pub type SummaryVec<const N: usize> = MetricVec<Summary, N>;

/// Upper bounds of a histogram whose user names none: seconds of network requests.
pub const DEFAULT_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Something with a value at the moment of gathering.
pub trait Cell: Clone + Send + Sync + 'static {
    /// Type of families made of this cell.
    const KIND: MetricType;
    /// Reads the value.
    fn read(&self) -> MetricValue;
}

type Collector = Box<dyn Fn(&mut Vec<MetricFamily>) + Send + Sync>;

/// A set of metrics. Clones share it.
#[derive(Clone, Default)]
pub struct Registry {
    collectors: Arc<Mutex<Vec<Arc<Collector>>>>,
}

impl Registry {
    /// Starts an empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a counter. By convention `name` ends in `_total`.
    pub fn counter(&self, name: impl Into<Cow<'static, str>>, help: &'static str) -> Counter {
        self.single(name.into(), help, Counter::default())
    }

    /// Registers a gauge.
    pub fn gauge(&self, name: impl Into<Cow<'static, str>>, help: &'static str) -> Gauge {
        self.single(name.into(), help, Gauge::default())
    }

    /// Registers a histogram with these ascending upper bounds; `+Inf` is implied.
    pub fn histogram(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        upper_bounds: &[f64],
    ) -> Histogram {
        self.single(name.into(), help, Histogram::new(upper_bounds))
    }

    /// Registers a summary over a sliding window of ten minutes; without objectives it has only sum and count.
    pub fn summary(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        objectives: &[Objective],
    ) -> Summary {
        self.single(name.into(), help, Summary::new(objectives))
    }

    /// Registers counters labelled by `label_names`.
    pub fn counter_vec<const N: usize>(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        label_names: [&'static str; N],
    ) -> CounterVec<N> {
        self.labelled(name.into(), help, label_names, Counter::default)
    }

    /// Registers gauges labelled by `label_names`.
    pub fn gauge_vec<const N: usize>(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        label_names: [&'static str; N],
    ) -> GaugeVec<N> {
        self.labelled(name.into(), help, label_names, Gauge::default)
    }

    /// Registers histograms labelled by `label_names`.
    pub fn histogram_vec<const N: usize>(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        label_names: [&'static str; N],
        upper_bounds: &[f64],
    ) -> HistogramVec<N> {
        let bounds = upper_bounds.to_vec();
        self.labelled(name.into(), help, label_names, move || Histogram::new(&bounds))
    }

    /// Registers summaries labelled by `label_names`.
    pub fn summary_vec<const N: usize>(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        label_names: [&'static str; N],
        objectives: &[Objective],
    ) -> SummaryVec<N> {
        let objectives = objectives.to_vec();
        self.labelled(name.into(), help, label_names, move || Summary::new(&objectives))
    }

    /// Registers a callback that appends families whenever somebody gathers. It runs without any lock held.
    pub fn collect(&self, collect: impl Fn(&mut Vec<MetricFamily>) + Send + Sync + 'static) {
        self.collectors.lock().push(Arc::new(Box::new(collect)));
    }

    /// Registers a gauge whose value is computed when gathered.
    pub fn gauge_fn(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.number_fn(name.into(), help, MetricType::Gauge, value);
    }

    /// Registers a counter whose value is computed when gathered.
    pub fn counter_fn(
        &self,
        name: impl Into<Cow<'static, str>>,
        help: &'static str,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.number_fn(name.into(), help, MetricType::Counter, value);
    }

    /// Reads everything: families sorted by name, without duplicates.
    pub fn gather(&self) -> Vec<MetricFamily> {
        // Callbacks run without the lock, so that they may take their own locks in any order.
        let collectors: Vec<_> = self.collectors.lock().clone();
        let mut families = Vec::with_capacity(collectors.len());
        for collect in &collectors {
            collect(&mut families);
        }
        merge_by_name(families)
    }

    fn single<T: Cell>(&self, name: Cow<'static, str>, help: &'static str, cell: T) -> T {
        let shared = cell.clone();
        self.collect(move |families| {
            let mut family = MetricFamily::new(name.clone(), help, T::KIND);
            family.metrics.push(Metric {
                labels: MetricLabels::default(),
                value: shared.read(),
                timestamp_ms: None,
            });
            families.push(family);
        });
        cell
    }

    fn labelled<T: Cell, const N: usize>(
        &self,
        name: Cow<'static, str>,
        help: &'static str,
        label_names: [&'static str; N],
        make: impl Fn() -> T + Send + Sync + 'static,
    ) -> MetricVec<T, N> {
        let children = MetricVec::new(label_names, make);
        let shared = children.clone();
        self.collect(move |families| {
            let mut family = MetricFamily::new(name.clone(), help, T::KIND);
            shared.read_into(&mut family.metrics);
            families.push(family);
        });
        children
    }

    fn number_fn(
        &self,
        name: Cow<'static, str>,
        help: &'static str,
        kind: MetricType,
        value: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        self.collect(move |families| {
            let mut family = MetricFamily::new(name.clone(), help, kind);
            family.push(&[], value());
            families.push(family);
        });
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry({} collectors)", self.collectors.lock().len())
    }
}

/// Sorts families by name and folds those of one name into the first of them.
pub fn merge_by_name(mut families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    families.sort_by(|a, b| a.name.cmp(&b.name));
    let mut merged: Vec<MetricFamily> = Vec::with_capacity(families.len());
    for family in families {
        match merged.last_mut() {
            Some(last) if last.name == family.name => {
                if last.kind == family.kind {
                    last.metrics.extend(family.metrics);
                } else {
                    tracing::error!(name = %family.name, "two metrics of different types share a name");
                }
            }
            _ => merged.push(family),
        }
    }
    merged
}
