//! `rate`, `increase`, `delta`: the change over a window, extrapolated to its ends.
//!
//! # Source
//! `spec/prometheus-query.md` §2.6.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::CounterResetHint;

use super::lie::{Lie, seconds};
use super::sweep::Sweep;
use super::{Kernel, Notes, Output};
use crate::engine::column::Column;
use crate::engine::result::SampleValue;
use crate::engine::window::{SampleSlice, Window};

/// The three functions differ in two respects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Drops of the value are resets.
    pub(crate) is_counter: bool,
    /// The change is divided by the seconds of the window.
    pub(crate) is_rate: bool,
}

impl Kernel for Rate {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        match (window.floats.is_empty(), window.histograms.is_empty()) {
            (true, true) => None,
            (false, false) => {
                notes.mixed_types();
                None
            }
            (false, true) => self.floats(window, notes).map(SampleValue::Float),
            (true, false) => self.histograms(window, notes).map(SampleValue::Histogram),
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        out.floats.clone_from(&sweep.bounds.with_two);
        if sweep.is_rising || !self.is_counter {
            self.sweep_without_resets(sweep, out);
        } else {
            self.sweep_with_resets(sweep, out);
        }
        true
    }

    fn extrapolates(&self) -> bool {
        true
    }

    fn expects_counter(&self) -> bool {
        self.is_counter
    }
}

impl Rate {
    fn sweep_without_resets(self, sweep: &Sweep<'_>, out: &mut Column) {
        let (Some(lowest), Some(highest)) = (sweep.values.first(), sweep.values.last()) else { return };
        if sweep.is_rising && lowest == highest && lowest.is_finite() {
            // Nearly half of all counters stand still. The column is zero already.
            return;
        }
        for (steps, lie, windows) in sweep.alike() {
            for (rate, (from, to)) in out.values[steps].iter_mut().zip(windows) {
                let first = sweep.values[*from];
                let change = sweep.values[to - 1] - first;
                *rate = change * lie.factor(self, first, change);
            }
        }
    }

    fn sweep_with_resets(self, sweep: &Sweep<'_>, out: &mut Column) {
        let resets = resets(sweep.values);
        let mut rest = resets.as_slice();
        for (steps, lie, windows) in sweep.alike() {
            for (rate, (from, to)) in out.values[steps].iter_mut().zip(windows) {
                let (first, last) = (sweep.values[*from], sweep.values[to - 1]);
                // A reset at the first sample of a window happened before it.
                while let [(at, _), later @ ..] = rest
                    && at <= from
                {
                    rest = later;
                }
                let in_window = rest.iter().take_while(|(at, _)| at < to);
                let change = in_window.fold(last - first, |sum, (_, lost)| sum + lost);
                *rate = change * lie.factor(self, first, change);
            }
        }
    }

    fn floats(self, window: &Window<'_>, notes: &mut Notes<'_>) -> Option<f64> {
        let samples = &window.floats;
        let start = self.usable_start(samples, window);
        let (first, last) = (*samples.values.first()?, *samples.values.last()?);
        if samples.len() < 2 && start.is_none() {
            return None;
        }
        let mut change = last - first;
        let has_starts = !samples.starts_ms.is_empty();
        if self.is_counter {
            for idx in 1..samples.len() {
                let (previous, value) = (samples.values[idx - 1], samples.values[idx]);
                if value < previous || has_starts && starts_anew(samples, idx) {
                    change += previous;
                }
            }
            if has_starts {
                remark_on_overlaps(samples, notes);
            }
        }
        if start.is_some() {
            change += first;
        }
        let extrapolation = self.extrapolate(samples.times_ms, window, start, first, change)?;
        Some(change * extrapolation)
    }

    fn histograms(self, window: &Window<'_>, notes: &mut Notes<'_>) -> Option<Arc<FloatHistogram>> {
        let samples = &window.histograms;
        let start = self.usable_start(samples, window);
        if samples.len() < 2 && start.is_none() {
            return None;
        }
        let first = samples.values.first()?;
        if self.is_counter && !samples.starts_ms.is_empty() {
            remark_on_overlaps(samples, notes);
        }
        let mut change = if samples.len() == 1 {
            let mut only = FloatHistogram::clone(first);
            if self.is_counter && first.counter_reset_hint == CounterResetHint::Gauge {
                notes.not_a_counter();
            }
            only.counter_reset_hint = CounterResetHint::Gauge;
            only
        } else {
            let mut change = histogram_change(samples, self.is_counter, notes)?;
            if start.is_some() {
                change.add(first).ok()?;
                change.counter_reset_hint = CounterResetHint::Gauge;
            }
            change
        };
        let extrapolation = self.extrapolate(samples.times_ms, window, start, first.count, change.count)?;
        change.scale(extrapolation);
        Some(Arc::new(change))
    }

    /// Returns the start timestamp of the first sample if it lies inside the window: the counter was zero then.
    fn usable_start<T>(self, samples: &SampleSlice<'_, T>, window: &Window<'_>) -> Option<i64> {
        let first_ms = *samples.times_ms.first()?;
        let start_ms = samples.start_ms(0);
        (self.is_counter && start_ms != 0 && start_ms > window.start_ms && start_ms < first_ms)
            .then_some(start_ms)
    }

    /// Returns the factor from the change between the samples to the change (per second) over the window.
    fn extrapolate(
        self,
        times_ms: &[i64],
        window: &Window<'_>,
        start: Option<i64>,
        first: f64,
        change: f64,
    ) -> Option<f64> {
        let (first_ms, last_ms) = (*times_ms.first()?, *times_ms.last()?);
        let gaps = [first_ms - window.start_ms, last_ms - first_ms, window.end_ms - last_ms];
        let Some(start_ms) = start else {
            return Some(Lie::new(gaps, times_ms.len()).factor(self, first, change));
        };
        // The counter was zero at its start: nothing lies before.
        let sampled = seconds(last_ms - start_ms);
        let between = seconds(gaps[1]) / (times_ms.len() - 1) as f64;
        let mut to_end = if times_ms.len() == 1 { 0.0 } else { seconds(gaps[2]) };
        if to_end >= between * 1.1 {
            to_end = between / 2.0;
        }
        let factor = (sampled + to_end) / sampled;
        Some(if self.is_rate { factor / seconds(window.end_ms - window.start_ms) } else { factor })
    }
}

/// Returns where values drop: the index of the lower sample and the value before it, which the drop lost.
fn resets(values: &[f64]) -> Vec<(usize, f64)> {
    let pairs = values.iter().zip(values.iter().skip(1)).enumerate();
    pairs.filter(|(_, (before, value))| value < before).map(|(idx, (before, _))| (idx + 1, *before)).collect()
}

/// Returns whether the start timestamps of a sample and the one before say that the counter began anew in between.
pub(crate) fn starts_anew<T>(samples: &SampleSlice<'_, T>, idx: usize) -> bool {
    let (start, previous_start) = (samples.start_ms(idx), samples.start_ms(idx - 1));
    let (time, previous_time) = (samples.times_ms[idx], samples.times_ms[idx - 1]);
    if start == 0 || start >= time {
        return false;
    }
    let begins_between = start > previous_time;
    let begins_at_previous = start == previous_time
        && previous_start != 0
        && previous_start != previous_time
        && previous_start <= previous_time;
    begins_between || begins_at_previous
}

fn remark_on_overlaps<T>(samples: &SampleSlice<'_, T>, notes: &mut Notes<'_>) {
    let overlaps = |idx: &usize| {
        let start = samples.start_ms(*idx);
        start != 0 && start < samples.times_ms[idx - 1] && start != samples.start_ms(idx - 1)
    };
    if (1..samples.len()).any(|idx| overlaps(&idx)) {
        notes.overlapping_start_times(1);
    }
}

/// Returns the change between the first and the last of at least two histograms, resets added, as a gauge.
fn histogram_change(
    samples: &SampleSlice<'_, Arc<FloatHistogram>>,
    is_counter: bool,
    notes: &mut Notes<'_>,
) -> Option<FloatHistogram> {
    let (first, last) = (samples.values.first()?, samples.values.last()?);
    let second = samples.values.get(1)?;
    let is_gauge = |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    if is_counter && samples.values.iter().any(|histogram| is_gauge(histogram)) {
        notes.not_a_counter();
    }
    // When a reset follows at once, nothing of the first histogram counts: not even its incompatible buckets.
    let is_first_void = is_counter && (second.detect_reset(first) || starts_anew(samples, 1));
    let empty = second.empty_like();
    let base: &FloatHistogram = if is_first_void { &empty } else { first };
    let is_custom = base.is_custom();
    let mut schema = base.schema.min(last.schema);
    let inner = samples.values.get(1..samples.len() - 1).unwrap_or_default();
    if last.is_custom() != is_custom
        || is_counter && inner.iter().any(|histogram| histogram.is_custom() != is_custom)
    {
        notes.mixed_schemas();
        return None;
    }
    if is_counter {
        schema = inner.iter().fold(schema, |schema, histogram| schema.min(histogram.schema));
    }
    let mut change = FloatHistogram::clone(last);
    change.reduce_to_schema(schema);
    subtract(&mut change, base, notes)?;
    if is_counter {
        let mut previous = base;
        for idx in 1..samples.len() {
            let histogram: &FloatHistogram = &samples.values[idx];
            let is_reset = histogram.detect_reset(previous) || starts_anew(samples, idx);
            if is_reset && !std::ptr::eq(previous, &raw const empty) {
                add(&mut change, previous, notes)?;
            }
            previous = histogram;
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        notes.not_a_gauge();
    }
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact();
    Some(change)
}

/// Subtracts, remarking on bounds; conflicting resets are expected here and handled by the caller.
pub(crate) fn subtract(
    from: &mut FloatHistogram,
    what: &FloatHistogram,
    notes: &mut Notes<'_>,
) -> Option<()> {
    match from.sub(what) {
        Ok(outcome) => {
            if outcome.bounds_reconciled {
                notes.reconciled("subtraction");
            }
            Some(())
        }
        Err(_) => {
            notes.mixed_schemas();
            None
        }
    }
}

/// Adds, remarking on bounds.
pub(crate) fn add(to: &mut FloatHistogram, what: &FloatHistogram, notes: &mut Notes<'_>) -> Option<()> {
    match to.add(what) {
        Ok(outcome) => {
            if outcome.bounds_reconciled {
                notes.reconciled("addition");
            }
            Some(())
        }
        Err(_) => {
            notes.mixed_schemas();
            None
        }
    }
}
