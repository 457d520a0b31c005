//! Instant and range selectors: where stored samples enter a query.

use std::sync::Arc;

use wf_model::{FloatHistogram, Labels, TimeRange, is_stale_nan};
use wf_series::{LabelColumn, SampleColumns, Selection};

use super::column::{Column, histogram_weight};
use super::context::Cx;
use super::error::QueryError;
use super::histogram;
use super::operator::VectorOp;
use super::stats::Counter;
use super::window::{SampleSource, Samples, WindowSpec};

/// Whether native histograms come with their buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything that is stored.
    #[default]
    Full,
    /// Only count, sum and reset hints will be looked at; unknown hints are found out by comparison.
    Statistics,
}

/// What an instant selector yields for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yield {
    /// Its value.
    Value,
    /// Its own time, seconds: `timestamp()`.
    Time,
    /// Its start timestamp, seconds: `start_timestamp()`.
    StartTime,
}

/// `name{…}`: at each step the newest sample not older than the lookback, unless it marks staleness.
pub(crate) struct InstantSelector {
    pub(crate) selection: Arc<dyn Selection>,
    /// `range_ms` is the lookback.
    pub(crate) spec: WindowSpec,
    /// What is decoded: no sample outside is looked at.
    pub(crate) range: TimeRange,
    pub(crate) detail: Detail,
    pub(crate) yields: Yield,
}

impl VectorOp for InstantSelector {
    fn len(&self) -> usize {
        self.selection.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.selection.labels(idx)
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.selection.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Column, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        out.reset(self.spec.grid.n_steps);
        let mut raw = cx.take_raw();
        if self.looks_at_newest() {
            self.selection.read_newest(idx, self.range, &mut raw)?;
        } else {
            self.selection.read(idx, self.range, &mut raw)?;
        }
        cx.count_decoded(&raw);
        if self.detail == Detail::Statistics {
            find_out_hints(&mut raw.histograms);
        }
        self.pick(&raw, out, &mut cx.counter);
        cx.give_raw(raw);
        Ok(())
    }
}

impl InstantSelector {
    /// Whether nothing but the newest decoded sample counts: there is one step, and it lies behind all of them. Reset hints
    /// are found out by comparison with the sample before.
    fn looks_at_newest(&self) -> bool {
        self.spec.grid.n_steps == 1
            && self.range.end_ms <= self.spec.end_ms(0)
            && self.detail == Detail::Full
            && self.yields != Yield::StartTime
    }

    /// Fills the column from decoded samples.
    fn pick(&self, raw: &SampleColumns, out: &mut Column, counter: &mut Counter) {
        if raw.histograms.is_empty() && self.yields == Yield::Value && !counter.is_per_step() {
            return self.pick_floats(raw, out, counter);
        }
        let (mut n_seen, mut histogram_idx, mut last_used) = (0, 0, usize::MAX);
        for step in 0..self.spec.grid.n_steps {
            let time_ms = self.spec.end_ms(step);
            while raw.times_ms.get(n_seen).is_some_and(|sample_ms| *sample_ms <= time_ms) {
                n_seen += 1;
            }
            let Some(position) = n_seen.checked_sub(1) else { continue };
            let (sample_ms, value) = (raw.times_ms[position], raw.values[position]);
            if sample_ms <= time_ms.saturating_sub(self.spec.range_ms) || is_stale_nan(value) {
                continue;
            }
            while raw.histograms.get(histogram_idx).is_some_and(|(at, _)| *at < position) {
                histogram_idx += 1;
            }
            let histogram = raw.histograms.get(histogram_idx).filter(|(at, _)| *at == position);
            let weight = histogram.map_or(1, |(_, histogram)| histogram_weight(histogram));
            let is_first_use = last_used != position;
            last_used = position;
            counter.add(&self.spec.grid, step, weight, if is_first_use { weight } else { 0 });
            match (self.yields, histogram) {
                (Yield::Value, Some((_, histogram))) => out.push_histogram(step, Arc::clone(histogram)),
                (Yield::Value, None) => out.set_float(step, value),
                (Yield::Time, _) => out.set_float(step, sample_ms as f64 / 1000.0),
                (Yield::StartTime, _) => {
                    let start_ms = raw.start_times_ms.get(position).copied().unwrap_or(0);
                    out.set_float(step, start_ms as f64 / 1000.0);
                }
            }
        }
    }

    /// Does the same for values that are all floats: each goes at once to all the steps that see it.
    fn pick_floats(&self, raw: &SampleColumns, out: &mut Column, counter: &mut Counter) {
        let n_steps = self.spec.grid.n_steps;
        let (mut step, mut n_seen, mut n_filled, mut n_read) = (0, 0, 0, 0);
        while step < n_steps {
            let time_ms = self.spec.end_ms(step);
            while raw.times_ms.get(n_seen).is_some_and(|sample_ms| *sample_ms <= time_ms) {
                n_seen += 1;
            }
            let next = raw.times_ms.get(n_seen).map_or(n_steps, |next_ms| self.step_at(step, *next_ms));
            if let Some(position) = n_seen.checked_sub(1) {
                let (sample_ms, value) = (raw.times_ms[position], raw.values[position]);
                let gone_ms = sample_ms.saturating_add(self.spec.range_ms);
                // Mostly the next sample comes before this one is too old.
                let is_lasting = next.checked_sub(1).is_some_and(|last| self.spec.end_ms(last) < gone_ms);
                let end = if is_lasting { next } else { self.step_at(step, gone_ms) };
                if end > step && !is_stale_nan(value) {
                    out.fill_floats(step..end, value);
                    (n_filled, n_read) = (n_filled + (end - step) as u64, n_read + 1);
                }
            }
            step = next;
        }
        counter.add(&self.spec.grid, 0, n_filled, n_read);
    }

    /// Returns the first step from `from` on that is not before a time; there may be fewer steps.
    #[inline]
    fn step_at(&self, from: usize, time_ms: i64) -> usize {
        let distance_ms = time_ms.saturating_sub(self.spec.end_ms(from));
        let step_ms = self.spec.grid.step_ms;
        // Mostly it is this step or the next one: a division takes as long as all the rest.
        if distance_ms <= 0 {
            from
        } else if self.spec.at_ms.is_some() {
            // All steps look at the same time.
            self.spec.grid.n_steps
        } else if distance_ms <= step_ms {
            from + 1
        } else {
            let n_steps = (distance_ms - 1) / step_ms + 1;
            from.saturating_add(usize::try_from(n_steps).unwrap_or(usize::MAX)).min(self.spec.grid.n_steps)
        }
    }
}

/// `name{…}[range]`: the samples of the selected series.
pub(crate) struct SelectedSamples {
    pub(crate) selection: Arc<dyn Selection>,
    /// What is decoded.
    pub(crate) range: TimeRange,
    pub(crate) detail: Detail,
    /// Whether functions may see start timestamps.
    pub(crate) with_starts: bool,
}

impl SampleSource for SelectedSamples {
    fn len(&self) -> usize {
        self.selection.len()
    }

    fn labels(&self, idx: usize) -> Labels {
        self.selection.labels(idx)
    }

    fn drops_name(&self, _idx: usize) -> bool {
        false
    }

    fn label_column(&self, name: &str) -> LabelColumn {
        self.selection.label_column(name)
    }

    fn read(&self, idx: usize, out: &mut Samples, cx: &mut Cx<'_>) -> Result<(), QueryError> {
        let mut raw = cx.take_raw();
        self.selection.read(idx, self.range, &mut raw)?;
        cx.count_decoded(&raw);
        if self.detail == Detail::Statistics {
            find_out_hints(&mut raw.histograms);
        }
        if !self.with_starts {
            raw.start_times_ms.clear();
        }
        out.take_from(&mut raw);
        cx.give_raw(raw);
        Ok(())
    }
}

/// Replaces unknown reset hints by what a comparison with the histogram before says.
fn find_out_hints(histograms: &mut [(usize, Arc<FloatHistogram>)]) {
    let mut previous: Option<Arc<FloatHistogram>> = None;
    for (_, histogram) in histograms {
        let stored = Arc::clone(histogram);
        if let Some(previous) = &previous {
            histogram::resolve_unknown_hint(histogram, previous);
        }
        previous = (!is_stale_nan(stored.sum)).then_some(stored);
    }
}
