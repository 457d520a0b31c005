//! Start timestamps of counters whose targets tell none (`st-synthesis`).
//!
//! The first sample of such a series is not stored: its time is the start, and what it had counted by then is taken off the
//! samples behind it. Of a counter that was reset everything was counted since; it began a millisecond before, at the
//! latest. Rates stay what they were, raw values do not.
//!
//! # Not here
//! Native histograms: they are stored as they come.
//! # Source
//! `spec/prometheus-core.md` §1.4; the strategy is OpenTelemetry's "subtract initial point".

use std::collections::HashMap;

use wf_exposition::SeriesText;
use wf_model::{METRIC_NAME, MetricType};
use wf_series::SeriesRef;

use super::{Ingest, Origin};

/// What is known of the counters of one target.
#[derive(Debug, Default)]
pub(super) struct SynthesisMemory {
    known: HashMap<SeriesRef, Counter, foldhash::fast::RandomState>,
    epoch: u32,
}

#[derive(Debug)]
struct Counter {
    start_time_ms: i64,
    /// What was counted before the start.
    before: f64,
    newest: f64,
    seen: u32,
}

/// A sample that is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Synthesised {
    start_time_ms: i64,
    value: f64,
}

impl SynthesisMemory {
    pub(super) fn begin(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Forgets series that are gone from the page.
    pub(super) fn settle(&mut self) {
        let epoch = self.epoch;
        self.known.retain(|_, counter| counter.seen == epoch);
    }

    /// Takes note of a sample; returns what to store, `None` for the first.
    fn take(&mut self, series: SeriesRef, time_ms: i64, value: f64) -> Option<Synthesised> {
        let seen = self.epoch;
        let Some(counter) = self.known.get_mut(&series) else {
            let first = Counter { start_time_ms: time_ms, before: value, newest: value, seen };
            self.known.insert(series, first);
            return None;
        };
        if value < counter.newest {
            (counter.start_time_ms, counter.before) = (time_ms.saturating_sub(1), 0.0);
        }
        (counter.newest, counter.seen) = (value, seen);
        Some(Synthesised { start_time_ms: counter.start_time_ms, value: value - counter.before })
    }
}

/// Returns whether a series counts, by the name and type of its family.
fn is_counted(name: &str, family: &str, kind: MetricType) -> bool {
    let Some(suffix) = name.strip_prefix(family) else { return false };
    match kind {
        MetricType::Counter => matches!(suffix, "" | "_total"),
        MetricType::Histogram => matches!(suffix, "_bucket" | "_count" | "_sum"),
        // Quantiles are no counters.
        MetricType::Summary => matches!(suffix, "_count" | "_sum"),
        _ => false,
    }
}

impl Ingest<'_> {
    /// Returns whether a start is made up for a series of a text page.
    pub(super) fn synthesises(&self, series: &SeriesText<'_>) -> bool {
        self.settings.start_times.synthesise
            && series.labels().any(|(label, name)| {
                label == METRIC_NAME && is_counted(&name, &self.synthesis_family, series.kind())
            })
    }

    /// As [`Ingest::synthesises`], for a part of a protobuf family.
    pub(super) fn synthesises_part(&self, suffix: &str, kind: MetricType) -> bool {
        self.settings.start_times.synthesise && is_counted(suffix, "", kind)
    }

    /// Puts a sample with a made-up start into the batch; returns whether it did.
    pub(super) fn push_synthesised(
        &mut self,
        series: SeriesRef,
        origin: Origin,
        time_ms: i64,
        value: f64,
    ) -> bool {
        let taken = self.memory.synthesis.take(series, time_ms, value);
        if let Some(Synthesised { start_time_ms, value }) = taken {
            self.push_started(series, origin, (start_time_ms, time_ms), value);
        }
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_is_the_start_and_a_reset_begins_anew() {
        let mut memory = SynthesisMemory::default();
        let series = SeriesRef::new(1).unwrap();
        memory.begin();
        let mut take = |time_ms, value| {
            memory.take(series, time_ms, value).map(|taken| (taken.start_time_ms, taken.value))
        };
        assert_eq!(take(1_000, 100.0), None);
        assert_eq!(take(2_000, 105.0), Some((1_000, 5.0)));
        assert_eq!(take(3_000, 5.0), Some((2_999, 5.0)));
        assert_eq!(take(4_000, 15.0), Some((2_999, 15.0)));
        // Gone for a scrape, it is a new counter.
        memory.begin();
        memory.settle();
        assert_eq!(memory.take(series, 6_000, 20.0), None);
    }

    #[test]
    fn counters_are_known_by_the_names_and_types_of_their_families() {
        for (name, family, kind) in [
            ("a_total", "a_total", MetricType::Counter),
            ("a_total", "a", MetricType::Counter),
            ("h_bucket", "h", MetricType::Histogram),
            ("s_sum", "s", MetricType::Summary),
        ] {
            assert!(is_counted(name, family, kind), "{name}");
        }
        for (name, family, kind) in [
            ("s", "s", MetricType::Summary),
            ("a_created", "a", MetricType::Counter),
            ("other", "a", MetricType::Counter),
            ("g", "g", MetricType::Gauge),
        ] {
            assert!(!is_counted(name, family, kind), "{name}");
        }
    }
}
