//! All windows of a series at once: kernels that carry something from window to window instead of starting over.
//!
//! Only for plain windows over floats without start timestamps, which is nearly all there is; anything else goes window
//! by window. Both ways give the same results, up to the rounding of compensated sums.

use std::ops::Range;

use super::Kernel;
use super::lie::Lie;
use crate::engine::column::{Column, StepSet};
use crate::engine::stats::Counter;
use crate::engine::window::{SampleList, SampleSlice, WindowSpec};

/// Where each window begins and ends, and what else follows from the times of the samples alone: series that were
/// scraped together share it, and storage hands them out one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    spec: Option<WindowSpec>,
    times_ms: Vec<i64>,
    /// By step: indices of the first sample and of the one after the last.
    windows: Vec<(usize, usize)>,
    /// Samples that steps look at, and those of them that are looked at for the first time.
    counts: (u64, u64),
    /// Steps whose window holds a sample, and those whose window holds two.
    pub(crate) with_any: StepSet,
    pub(crate) with_two: StepSet,
    /// How samples lie in the windows of two samples and more, for as many steps in a row as they lie alike.
    lies: Vec<(Range<usize>, Lie)>,
}

impl Bounds {
    /// Finds the windows of all steps, unless they are those of the series before.
    fn find(&mut self, times_ms: &[i64], spec: &WindowSpec) {
        if self.spec == Some(*spec) && self.times_ms == times_ms {
            return;
        }
        self.spec = Some(*spec);
        self.times_ms.clear();
        self.times_ms.extend_from_slice(times_ms);
        self.windows.clear();
        self.with_any.reset(spec.grid.n_steps);
        self.with_two.reset(spec.grid.n_steps);
        self.counts = (0, 0);
        let (mut from, mut to) = (0, 0);
        for step in 0..spec.grid.n_steps {
            let end_ms = spec.end_ms(step);
            let after_ms = end_ms.saturating_sub(spec.range_ms);
            let seen = to;
            while to < times_ms.len() && times_ms[to] <= end_ms {
                to += 1;
            }
            while from < to && times_ms[from] <= after_ms {
                from += 1;
            }
            self.windows.push((from, to));
            self.counts.0 += (to - from) as u64;
            self.counts.1 += (to - seen.max(from)) as u64;
            if to > from {
                self.with_any.insert(step);
            }
            if to - from >= 2 {
                self.with_two.insert(step);
            }
        }
        self.lies.clear();
    }

    /// Finds how samples lie in the windows, unless that is known.
    fn find_lies(&mut self) {
        let Some(spec) = self.spec.filter(|_| self.lies.is_empty()) else { return };
        let mut last: Option<(Range<usize>, Lie)> = None;
        for (step, (from, to)) in self.windows.iter().enumerate() {
            if to - from < 2 {
                continue;
            }
            let end_ms = spec.end_ms(step);
            let start_ms = end_ms.saturating_sub(spec.range_ms);
            let (first_ms, last_ms) = (self.times_ms[*from], self.times_ms[to - 1]);
            let gaps = [first_ms - start_ms, last_ms - first_ms, end_ms - last_ms];
            match &mut last {
                Some((steps, lie)) if steps.end == step && lie.is_of(gaps, to - from) => steps.end += 1,
                _ => self.lies.extend(last.replace((step..step + 1, Lie::new(gaps, to - from)))),
            }
        }
        self.lies.extend(last);
    }

    /// Counts what the windows look at.
    fn count(&self, spec: &WindowSpec, counter: &mut Counter) {
        if !counter.is_per_step() {
            return counter.add(&spec.grid, 0, self.counts.0, self.counts.1);
        }
        let mut seen = 0;
        for (step, (from, to)) in self.windows.iter().enumerate() {
            counter.add(&spec.grid, step, (to - from) as u64, (to - seen.max(*from)) as u64);
            seen = *to;
        }
    }

    /// Returns whether windows share so many samples that carrying a state along pays.
    pub(crate) fn overlap(&self) -> bool {
        let last = self.windows.last().map_or(0, |(_, to)| *to);
        self.counts.0 > 4 * last as u64
    }
}

/// Windows of a few range functions: an expression has several, and looks at series of each in turn.
#[derive(Debug, Default)]
pub(crate) struct BoundsCache {
    known: [Bounds; 4],
    next: usize,
}

impl BoundsCache {
    /// Returns the windows of a series with samples at `times_ms`.
    fn of(&mut self, times_ms: &[i64], spec: &WindowSpec) -> &mut Bounds {
        let found = self.known.iter().position(|bounds| bounds.spec == Some(*spec));
        let idx = found.unwrap_or_else(|| {
            self.next = (self.next + 1) % self.known.len();
            self.next
        });
        let bounds = &mut self.known[idx];
        bounds.find(times_ms, spec);
        bounds
    }

    /// Computes all windows of a series at once if the kernel knows how; returns whether that is done.
    pub(crate) fn sweep(
        &mut self,
        (kernel, spec): (&dyn Kernel, &WindowSpec),
        floats: &SampleList<f64>,
        counter: &mut Counter,
        out: &mut Column,
    ) -> bool {
        let bounds = self.of(&floats.times_ms, spec);
        if kernel.extrapolates() {
            bounds.find_lies();
        }
        let sweep =
            Sweep { times_ms: &floats.times_ms, values: &floats.values, is_rising: floats.is_rising, bounds };
        let is_done = kernel.sweep(&sweep, out);
        if is_done {
            bounds.count(spec, counter);
        }
        is_done
    }
}

/// A series and its windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep<'a> {
    pub(crate) times_ms: &'a [i64],
    pub(crate) values: &'a [f64],
    /// Whether no value is known to lie below the one before, or to be NaN.
    pub(crate) is_rising: bool,
    pub(crate) bounds: &'a Bounds,
}

impl<'a> Sweep<'a> {
    /// Returns the windows that are not empty: step, first sample, sample after the last.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let windows = self.bounds.windows.iter().enumerate();
        windows.filter(|(_, (from, to))| from < to).map(|(step, (from, to))| (step, *from, *to))
    }

    /// Returns the samples of the windows that are not empty, with their step.
    pub(crate) fn slices(&self) -> impl Iterator<Item = (usize, SampleSlice<'a, f64>)> + 'a {
        let (times, values) = (self.times_ms, self.values);
        self.windows().map(move |(step, from, to)| {
            let (times_ms, values) = (&times[from..to], &values[from..to]);
            (step, SampleSlice { times_ms, values, starts_ms: &[] })
        })
    }

    /// Returns the windows of two samples and more, as many in a row as lie alike; only for kernels that extrapolate.
    pub(crate) fn alike(&self) -> impl Iterator<Item = (Range<usize>, &'a Lie, &'a [(usize, usize)])> + 'a {
        let bounds = self.bounds;
        bounds.lies.iter().map(|(steps, lie)| (steps.clone(), lie, &bounds.windows[steps.clone()]))
    }
}
