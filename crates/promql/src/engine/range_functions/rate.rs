//! `rate`, `increase`, `delta`: the change over a window, extrapolated to its ends.
//!
//! # Source
//! `spec/prometheus-query.md` §2.6.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::CounterResetHint;

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
        let resets = if self.is_counter { resets(sweep.values) } else { Vec::new() };
        let mut rest = resets.as_slice();
        // Regular scrapes lie the same way in every window: what follows from that is computed once.
        let mut lie = Lie::default();
        for (step, from, to) in sweep.windows() {
            if to - from < 2 {
                continue;
            }
            let (first, last) = (sweep.values[from], sweep.values[to - 1]);
            // A reset at the first sample of a window happened before it.
            while let [(at, _), later @ ..] = rest
                && *at <= from
            {
                rest = later;
            }
            let in_window = rest.iter().take_while(|(at, _)| *at < to);
            let change = in_window.fold(last - first, |sum, (_, lost)| sum + lost);
            let end_ms = sweep.spec.end_ms(step);
            let start_ms = end_ms.saturating_sub(sweep.spec.range_ms);
            let (first_ms, last_ms) = (sweep.times_ms[from], sweep.times_ms[to - 1]);
            let gaps = [first_ms - start_ms, last_ms - first_ms, end_ms - last_ms];
            if gaps != lie.gaps || to - from != lie.n_samples {
                lie = Lie::new(gaps, to - from);
            }
            out.set_float(step, change * lie.factor(*self, first, change));
        }
        true
    }

    fn expects_counter(&self) -> bool {
        self.is_counter
    }
}

impl Rate {
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

/// How samples lie in a window, and how far a change between them is extrapolated to its ends. All in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Lie {
    /// From the start of the window to the first sample, to the last, to the end of the window, ms.
    gaps: [i64; 3],
    n_samples: usize,
    sampled: f64,
    to_start: f64,
    to_end: f64,
    window: f64,
    /// Sampled and extrapolated time as a multiple of the sampled.
    share: f64,
    /// The same per second of the window.
    share_per_second: f64,
}

impl Lie {
    fn new(gaps: [i64; 3], n_samples: usize) -> Self {
        let [mut to_start, sampled, mut to_end] = gaps.map(seconds);
        let window = seconds(gaps.iter().sum());
        let between = sampled / (n_samples - 1) as f64;
        let threshold = between * 1.1;
        if to_start >= threshold {
            to_start = between / 2.0;
        }
        if to_end >= threshold {
            to_end = between / 2.0;
        }
        let share = (sampled + to_start + to_end) / sampled;
        Self { gaps, n_samples, sampled, to_start, to_end, window, share, share_per_second: share / window }
    }

    #[inline]
    fn factor(&self, rate: Rate, first: f64, change: f64) -> f64 {
        // A counter was not below zero: going back further than to its zero would say so. It is further away than the
        // start of the window when the first value exceeds the change.
        let may_cross_zero = first < change || self.sampled < self.to_start;
        if rate.is_counter && may_cross_zero && change > 0.0 && first >= 0.0 {
            let to_start = self.to_start.min(self.sampled * (first / change));
            let share = (self.sampled + to_start + self.to_end) / self.sampled;
            return if rate.is_rate { share / self.window } else { share };
        }
        if rate.is_rate { self.share_per_second } else { self.share }
    }
}

fn seconds(span_ms: i64) -> f64 {
    span_ms as f64 / 1000.0
}

/// Returns where values drop: the index of the lower sample and the value before it, which the drop lost.
fn resets(values: &[f64]) -> Vec<(usize, f64)> {
    let never_drops = values.iter().zip(values.iter().skip(1)).all(|(before, value)| value >= before);
    if never_drops {
        return Vec::new();
    }
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
