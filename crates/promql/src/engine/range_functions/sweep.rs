//! All windows of a series at once: kernels that carry something from window to window instead of starting over.
//!
//! Only for plain windows over floats without start timestamps, which is nearly all there is; anything else goes window
//! by window. Both ways give the same results, up to the rounding of compensated sums.

use crate::engine::stats::Counter;
use crate::engine::window::{SampleList, WindowSpec};

/// Where each window begins and ends: indices of its first sample and of the one after its last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) windows: Vec<(usize, usize)>,
}

impl Bounds {
    /// Finds the windows of all steps.
    pub(crate) fn find(&mut self, times_ms: &[i64], spec: &WindowSpec) {
        self.windows.clear();
        let (mut from, mut to) = (0, 0);
        for step in 0..spec.grid.n_steps {
            let end_ms = spec.end_ms(step);
            let after_ms = end_ms.saturating_sub(spec.range_ms);
            while to < times_ms.len() && times_ms[to] <= end_ms {
                to += 1;
            }
            while from < to && times_ms[from] <= after_ms {
                from += 1;
            }
            self.windows.push((from, to));
        }
    }

    /// Counts what the windows look at.
    pub(crate) fn count(&self, spec: &WindowSpec, counter: &mut Counter) {
        let mut seen = 0;
        for (step, (from, to)) in self.windows.iter().enumerate() {
            counter.add(&spec.grid, step, (to - from) as u64, (to - seen.max(*from)) as u64);
            seen = *to;
        }
    }

    /// Returns whether windows share so many samples that carrying a state along pays.
    pub(crate) fn overlap(&self) -> bool {
        let looked_at: usize = self.windows.iter().map(|(from, to)| to - from).sum();
        let last = self.windows.last().map_or(0, |(_, to)| *to);
        looked_at > 4 * last
    }
}

/// A series and its windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sweep<'a> {
    pub(crate) times_ms: &'a [i64],
    pub(crate) values: &'a [f64],
    pub(crate) bounds: &'a Bounds,
    pub(crate) spec: &'a WindowSpec,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(floats: &'a SampleList<f64>, bounds: &'a Bounds, spec: &'a WindowSpec) -> Self {
        Self { times_ms: &floats.times_ms, values: &floats.values, bounds, spec }
    }

    /// Returns the windows that are not empty: step, first sample, sample after the last.
    pub(crate) fn windows(&self) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
        let windows = self.bounds.windows.iter().enumerate();
        windows.filter(|(_, (from, to))| from < to).map(|(step, (from, to))| (step, *from, *to))
    }
}
