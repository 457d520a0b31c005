//! When counters began: start timestamps from `_created` lines and protobuf, and what is stored of them.
//!
//! # Source
//! `spec/prometheus-core.md` §1.4.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use wf_exposition::{Entry, Format, Parser, SeriesText};
use wf_model::{FloatHistogram, Histogram, METRIC_NAME, MetricType};
use wf_series::{HistogramSample, HistogramValue, SeriesRef};
use xxhash_rust::xxh3::Xxh3;

use super::{Ingest, NO_SLOT, Origin};

/// The `_created` lines of one OpenMetrics page.
#[derive(Debug, Default)]
pub(super) struct PageStarts {
    /// Start in ms by the hash of the metric: family name and labels without `le` and `quantile`.
    by_metric: HashMap<u64, i64, foldhash::fast::RandomState>,
    /// Families that have such lines.
    families: HashSet<String, foldhash::fast::RandomState>,
}

impl PageStarts {
    /// Walks the page once, up to its first fault, which the second walk reports.
    #[expect(clippy::cast_possible_truncation, reason = "float to integer saturates")]
    pub(super) fn read(page: &[u8]) -> Self {
        let mut starts = Self::default();
        if memchr::memmem::find(page, b"_created").is_none() {
            return starts;
        }
        let mut parser = Parser::new(Format::OpenMetrics, page);
        let mut family = String::new();
        while let Ok(entry) = parser.next_entry() {
            match entry {
                Entry::Eof => break,
                Entry::Type(name, _) => family = name.into_owned(),
                Entry::Sample(sample)
                    if has_starts(sample.series.kind())
                        && base_name(&sample.series, "_created").is_some_and(|base| base == family) =>
                {
                    let start_ms = (sample.value * 1000.0) as i64;
                    starts.by_metric.insert(hash_of(&sample.series, &family), start_ms);
                    starts.families.insert(family.clone());
                }
                _ => {}
            }
        }
        starts
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_metric.is_empty()
    }

    /// Returns whether the line is such a one: it is no sample then.
    pub(super) fn is_created_line(&self, series: &SeriesText<'_>) -> bool {
        !self.is_empty()
            && has_starts(series.kind())
            && base_name(series, "_created").is_some_and(|base| self.families.contains(&base))
    }

    /// Returns the start of the metric that `series` belongs to.
    pub(super) fn of(&self, series: &SeriesText<'_>) -> Option<i64> {
        if self.is_empty() || !has_starts(series.kind()) {
            return None;
        }
        let suffixes = ["_total", "_bucket", "_count", "_sum", ""];
        let mut families = suffixes.into_iter().filter_map(|suffix| base_name(series, suffix));
        let family = families.find(|family| self.families.contains(family))?;
        self.by_metric.get(&hash_of(series, &family)).copied()
    }
}

fn has_starts(kind: MetricType) -> bool {
    matches!(kind, MetricType::Counter | MetricType::Histogram | MetricType::Summary)
}

fn base_name(series: &SeriesText<'_>, suffix: &str) -> Option<String> {
    let (_, name) = series.labels().find(|(label, _)| label == METRIC_NAME)?;
    name.strip_suffix(suffix).map(str::to_owned)
}

fn hash_of(series: &SeriesText<'_>, family: &str) -> u64 {
    let is_shared = |name: &str| !matches!(name, METRIC_NAME | "le" | "quantile");
    let mut labels: Vec<_> = series.labels().filter(|(name, _)| is_shared(name)).collect();
    labels.sort_unstable();
    let mut hasher = Xxh3::new();
    hasher.update(family.as_bytes());
    for (name, value) in &labels {
        for text in [name, value] {
            hasher.update(&[0xff]);
            hasher.update(text.as_bytes());
        }
    }
    hasher.digest()
}

/// The start for which each series has got its zero: it gets one for each start.
#[derive(Debug, Default)]
pub(super) struct StartMemory {
    known: HashMap<SeriesRef, Known, foldhash::fast::RandomState>,
    epoch: u32,
}

#[derive(Debug)]
struct Known {
    start_time_ms: i64,
    seen: u32,
}

impl StartMemory {
    pub(super) fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Forgets series that are gone from the page.
    pub(super) fn settle(&mut self) {
        let epoch = self.epoch;
        self.known.retain(|_, known| known.seen == epoch);
    }

    fn is_news(&mut self, series: SeriesRef, start_time_ms: i64) -> bool {
        let known = Known { start_time_ms, seen: self.epoch };
        self.known.insert(series, known).is_none_or(|before| before.start_time_ms != start_time_ms)
    }
}

impl Ingest<'_> {
    /// Puts a float into the batch that began counting at the first of `times`, ms, and has the second.
    pub(super) fn push_started(&mut self, series: SeriesRef, origin: Origin, times: (i64, i64), value: f64) {
        let (start_time_ms, time_ms) = times;
        if self.wants_zero(series, start_time_ms, time_ms) {
            // Storage refuses it silently where the series goes on from before.
            self.scratch.batch.push(series, start_time_ms, 0.0);
            self.scratch.origins.push(Origin { slot: NO_SLOT, start: 0 });
        }
        if self.settings.start_times.store {
            self.scratch.batch.push_started(series, time_ms, start_time_ms, value);
        } else {
            self.scratch.batch.push(series, time_ms, value);
        }
        self.scratch.origins.push(origin);
    }

    /// As [`Ingest::push_started`], for a native histogram whose start may be unknown.
    pub(super) fn push_histogram(
        &mut self,
        series: SeriesRef,
        origin: Origin,
        times: (Option<i64>, i64),
        value: HistogramValue,
    ) {
        let (start_time_ms, time_ms) = times;
        let start_time_ms = start_time_ms.filter(|_| self.settings.start_times.are_read()).unwrap_or(0);
        if start_time_ms != 0 && self.wants_zero(series, start_time_ms, time_ms) {
            let zero = zero_like(&value);
            self.scratch.batch.push_histogram(series, start_time_ms, zero);
            self.scratch.histogram_origins.push(Origin { slot: NO_SLOT, start: 0 });
        }
        let start_time_ms = if self.settings.start_times.store { start_time_ms } else { 0 };
        let sample = HistogramSample { series, time_ms, start_time_ms, value };
        self.scratch.batch.histograms.push(sample);
        self.scratch.histogram_origins.push(origin);
    }

    fn wants_zero(&mut self, series: SeriesRef, start_time_ms: i64, time_ms: i64) -> bool {
        self.settings.start_times.inject_zero
            && start_time_ms < time_ms
            && self.memory.starts.is_news(series, start_time_ms)
    }
}

/// Returns a histogram without observations, of the same layout.
fn zero_like(value: &HistogramValue) -> HistogramValue {
    match value {
        HistogramValue::Integer(value) => HistogramValue::Integer(Arc::new(Histogram {
            counter_reset_hint: value.counter_reset_hint,
            schema: value.schema,
            zero_threshold: value.zero_threshold,
            custom_values: value.custom_values.clone(),
            ..Histogram::default()
        })),
        HistogramValue::Float(value) => HistogramValue::Float(Arc::new(FloatHistogram::empty_like(value))),
    }
}
