//! Functions over windows with exact edges.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::CounterResetHint;

use super::{Edge, Edges, anchored, smoothed};
use crate::engine::range_functions::changes::Transition;
use crate::engine::range_functions::rate::{add, subtract};
use crate::engine::range_functions::{Kernel, Notes, Output};
use crate::engine::result::SampleValue;
use crate::engine::window::{SampleSlice, Window};

/// `rate`, `increase`, `delta` over an anchored or smoothed window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExtendedRate {
    pub(crate) is_counter: bool,
    pub(crate) is_rate: bool,
    pub(crate) is_smoothed: bool,
}

impl Kernel for ExtendedRate {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        match (window.floats.is_empty(), window.histograms.is_empty()) {
            (true, true) => None,
            (false, false) => {
                notes.mixed_types();
                None
            }
            (false, true) => {
                let edges = self.edges(window.floats.times_ms, window)?;
                let change = self.float_change(window.floats.values, edges);
                Some(SampleValue::Float(if self.is_rate { change / seconds(window) } else { change }))
            }
            (true, false) => {
                let edges = self.edges(window.histograms.times_ms, window)?;
                let mut change = self.histogram_change(window.histograms.values, edges, notes)?;
                if self.is_rate {
                    change.divide(seconds(window));
                }
                Some(SampleValue::Histogram(Arc::new(change)))
            }
        }
    }

    fn expects_counter(&self) -> bool {
        self.is_counter
    }
}

fn seconds(window: &Window<'_>) -> f64 {
    (window.end_ms - window.start_ms) as f64 / 1000.0
}

/// The real samples between the edges: resets happen between neighbours `from..=to`, and perhaps before the right edge.
struct Walk {
    from: usize,
    to: usize,
    /// The right edge lies beyond sample `to`, on the way to the next, and a reset there is not yet accounted for.
    is_open: bool,
}

impl Walk {
    fn new(edges: Edges) -> Self {
        let from = match edges.left {
            Edge::Sample(idx) => idx,
            // The left edge already accounts for a reset on the way to the next sample.
            Edge::Between(idx, _) => idx + 1,
        };
        match edges.right {
            Edge::Sample(to) => Self { from, to, is_open: false },
            Edge::Between(to, _) => Self { from, to, is_open: from <= to },
        }
    }
}

impl ExtendedRate {
    fn edges(self, times_ms: &[i64], window: &Window<'_>) -> Option<Edges> {
        if self.is_smoothed {
            smoothed(times_ms, window.start_ms, window.end_ms)
        } else {
            anchored(times_ms, window.start_ms)
        }
    }

    fn float_change(self, values: &[f64], edges: Edges) -> f64 {
        let at = |edge| match edge {
            Edge::Sample(idx) => values[idx],
            Edge::Between(idx, share) => interpolate(values[idx], values[idx + 1], share, self.is_counter),
        };
        let mut change = at(edges.right) - at(edges.left);
        if self.is_counter {
            let walk = Walk::new(edges);
            for idx in walk.from + 1..=walk.to {
                if values[idx] < values[idx - 1] {
                    change += values[idx - 1];
                }
            }
            if walk.is_open && values[walk.to + 1] < values[walk.to] {
                change += values[walk.to];
            }
        }
        change
    }

    fn histogram_change(
        self,
        values: &[Arc<FloatHistogram>],
        edges: Edges,
        notes: &mut Notes<'_>,
    ) -> Option<FloatHistogram> {
        let first = match edges.left {
            Edge::Sample(idx) | Edge::Between(idx, _) => idx,
        };
        let last = match edges.right {
            Edge::Sample(idx) => idx,
            Edge::Between(idx, _) => idx + 1,
        };
        let used = &values[first..=last];
        if used.iter().any(|histogram| histogram.is_custom() != used[0].is_custom()) {
            notes.mixed_schemas();
            return None;
        }
        self.remark_on_hints(used, notes);
        let mut change = self.histogram_at(values, edges.right, notes)?;
        let left = self.histogram_at(values, edges.left, notes)?;
        subtract(&mut change, &left, notes)?;
        if self.is_counter {
            let walk = Walk::new(edges);
            for idx in walk.from + 1..=walk.to {
                if values[idx].detect_reset(&values[idx - 1]) {
                    add(&mut change, &values[idx - 1], notes)?;
                }
            }
            if walk.is_open && values[walk.to + 1].detect_reset(&values[walk.to]) {
                add(&mut change, &values[walk.to], notes)?;
            }
        }
        change.counter_reset_hint = CounterResetHint::Gauge;
        change.compact();
        Some(change)
    }

    fn remark_on_hints(self, used: &[Arc<FloatHistogram>], notes: &mut Notes<'_>) {
        let is_gauge =
            |histogram: &Arc<FloatHistogram>| histogram.counter_reset_hint == CounterResetHint::Gauge;
        if self.is_counter && used.iter().any(is_gauge) {
            notes.not_a_counter();
        }
        let are_ends_gauges = used.first().is_none_or(is_gauge) && used.last().is_none_or(is_gauge);
        if !self.is_counter && !are_ends_gauges {
            notes.not_a_gauge();
        }
    }

    fn histogram_at(
        self,
        values: &[Arc<FloatHistogram>],
        edge: Edge,
        notes: &mut Notes<'_>,
    ) -> Option<FloatHistogram> {
        match edge {
            Edge::Sample(idx) => Some(FloatHistogram::clone(&values[idx])),
            Edge::Between(idx, share) => {
                interpolate_histogram(&values[idx], &values[idx + 1], share, self.is_counter, notes)
            }
        }
    }
}

/// Returns the value at a share of the way from `before` to `after`; a counter that drops began again at zero.
pub(crate) fn interpolate(before: f64, after: f64, share: f64, is_counter: bool) -> f64 {
    let from = if is_counter && after < before { 0.0 } else { before };
    from + (after - from) * share
}

/// Returns the histogram at a share of the way from `before` to `after`, of the same kind of buckets.
pub(crate) fn interpolate_histogram(
    before: &FloatHistogram,
    after: &FloatHistogram,
    share: f64,
    is_counter: bool,
    notes: &mut Notes<'_>,
) -> Option<FloatHistogram> {
    let mut result = after.clone();
    if is_counter && after.detect_reset(before) {
        result.scale(share);
        return Some(result);
    }
    subtract(&mut result, before, notes)?;
    result.scale(share);
    add(&mut result, before, notes)?;
    result.counter_reset_hint = after.counter_reset_hint;
    Some(result)
}

/// `resets` and `changes` over an anchored window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExtendedTransition(pub(crate) Transition);

impl Kernel for ExtendedTransition {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        let n_before = |times: &[i64]| times.partition_point(|time| *time <= window.start_ms);
        let (floats_before, histograms_before) =
            (n_before(window.floats.times_ms), n_before(window.histograms.times_ms));
        if floats_before == window.floats.len() && histograms_before == window.histograms.len() {
            return None;
        }
        // The anchor is the newest sample before the window, of whichever type; nothing before it counts.
        let time_before = |times: &[i64], n: usize| n.checked_sub(1).map(|idx| times[idx]);
        let float_anchor = time_before(window.floats.times_ms, floats_before);
        let histogram_anchor = time_before(window.histograms.times_ms, histograms_before);
        let floats = from_anchor(window.floats, floats_before, float_anchor > histogram_anchor);
        let histograms = from_anchor(window.histograms, histograms_before, histogram_anchor > float_anchor);
        self.0.window(&Window { floats, histograms, ..*window }, notes)
    }
}

fn from_anchor<T>(samples: SampleSlice<'_, T>, n_before: usize, has_anchor: bool) -> SampleSlice<'_, T> {
    samples.slice(n_before - usize::from(has_anchor), samples.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_between_edges_counts_once() {
        let rate = ExtendedRate { is_counter: true, is_rate: false, is_smoothed: true };
        let check = |values: &[f64], start: i64, end: i64, want: f64| {
            let times: Vec<i64> = (0..).step_by(60).take(values.len()).collect();
            let edges = smoothed(&times, start, end).unwrap();
            assert!((rate.float_change(values, edges) - want).abs() < 1e-9, "{values:?} {start}..{end}");
        };
        check(&[9.0, 8.0, 5.0, 4.0], 15, 135, 12.0);
        check(&[10.0, 5.0], 15, 45, 2.5);
        check(&[1.0, 2.0, 3.0], 30, 90, 1.0);
    }
}
