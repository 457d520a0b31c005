//! The steps at which an expression is evaluated.

/// Evenly spaced instants, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start_ms: i64,
    /// Distance of two steps; 1 for a single step, so that it never divides by zero.
    pub(crate) step_ms: i64,
    pub(crate) n_steps: usize,
}

impl Grid {
    /// Returns the grid of one instant.
    pub(crate) fn instant(time_ms: i64) -> Self {
        Self { start_ms: time_ms, step_ms: 1, n_steps: 1 }
    }

    /// Returns the steps from `start_ms` up to and including `end_ms`; none when the end lies before the start.
    pub(crate) fn new(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        let step_ms = step_ms.max(1);
        let n_steps = if end_ms < start_ms { 0 } else { end_ms.saturating_sub(start_ms) / step_ms + 1 };
        Self { start_ms, step_ms, n_steps: usize::try_from(n_steps).unwrap_or(usize::MAX) }
    }

    /// Returns the time of a step, ms.
    #[inline]
    #[expect(clippy::cast_possible_wrap, reason = "steps are counted from an i64 span")]
    pub(crate) fn time_ms(&self, step: usize) -> i64 {
        self.start_ms + self.step_ms * step as i64
    }
}
