//! Selectors with exact edges: `m smoothed`, and the raw samples of `m[5m] anchored`.

use std::sync::Arc;

use wf_model::histogram::CounterResetHint;
use wf_model::{FloatHistogram, Labels};
use wf_series::{LabelColumn, Selection};

use super::functions::{interpolate, interpolate_histogram};
use super::{Edge, anchored, between, smoothed};
use crate::ast::{Pos, RangeMode};
use crate::engine::column::Column;
use crate::engine::context::Cx;
use crate::engine::error::QueryError;
use crate::engine::operator::VectorOp;
use crate::engine::range_functions::Notes;
use crate::engine::result::RangeSeries;
use crate::engine::window::{Samples, Window, WindowSpec, slide};

/// `m smoothed`: the value at the step, interpolated between the samples around it.
pub(crate) struct SmoothedSelector {
    pub(crate) selection: Arc<dyn Selection>,
    /// Windows that reach one lookback to either side of the step.
    pub(crate) spec: WindowSpec,
    pub(crate) pos: Pos,
}

impl VectorOp for SmoothedSelector {
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
        let mut samples = cx.take_samples();
        self.selection.read(idx, self.spec.sample_range(), &mut raw)?;
        cx.count_decoded(&raw);
        samples.take_from(&mut raw);
        cx.give_raw(raw);
        let labels = self.selection.labels(idx);
        let mut seen_until_ms = i64::MIN;
        let counter = &mut cx.counter;
        let mut notes = Notes { remarks: &mut cx.remarks, pos: self.pos, name: labels.metric_name() };
        let done: Result<(), std::convert::Infallible> = slide(&samples, &self.spec, |window| {
            smooth(window, out, &mut notes);
            counter.add(&self.spec.grid, window.step, window.weight(), window.weight_after(seen_until_ms));
            seen_until_ms = window.end_ms + self.spec.extra_after_ms;
            Ok(())
        });
        let Ok(()) = done;
        cx.give_samples(samples);
        Ok(())
    }
}

fn smooth(window: &Window<'_>, out: &mut Column, notes: &mut Notes<'_>) {
    let (floats, histograms) = (&window.floats, &window.histograms);
    let last_until = |times: &[i64]| times.partition_point(|time| *time <= window.end_ms).checked_sub(1);
    if !floats.is_empty() && !histograms.is_empty() {
        notes.mixed_types();
    } else if let Some(idx) = last_until(floats.times_ms) {
        let value = match between(floats.times_ms, idx, window.end_ms) {
            Edge::Sample(idx) => floats.values[idx],
            Edge::Between(idx, share) => {
                interpolate(floats.values[idx], floats.values[idx + 1], share, false)
            }
        };
        out.set_float(window.step, value);
    } else if let Some(idx) = last_until(histograms.times_ms) {
        match between(histograms.times_ms, idx, window.end_ms) {
            Edge::Sample(idx) if histograms.times_ms[idx] == window.end_ms => {
                out.push_histogram(window.step, Arc::clone(&histograms.values[idx]));
            }
            Edge::Sample(idx) => {
                let mut carried = FloatHistogram::clone(&histograms.values[idx]);
                carried.counter_reset_hint = CounterResetHint::Unknown;
                out.push_histogram(window.step, Arc::new(carried));
            }
            Edge::Between(idx, share) => {
                let (before, after) = (&histograms.values[idx], &histograms.values[idx + 1]);
                if before.is_custom() != after.is_custom() {
                    notes.mixed_schemas();
                    return;
                }
                let is_gauge =
                    |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
                let is_counter = !(is_gauge(before) && is_gauge(after));
                if let Some(value) = interpolate_histogram(before, after, share, is_counter, notes) {
                    out.push_histogram(window.step, Arc::new(value));
                }
            }
        }
    }
}

/// Writes what `m[5m] anchored` or `smoothed` is by itself: the edges, stamped at the ends of the range, and the
/// samples strictly inside.
/// # Errors
/// When there are native histograms.
pub(crate) fn raw_window(
    samples: &Samples,
    spec: &WindowSpec,
    mode: RangeMode,
    out: &mut RangeSeries,
) -> Result<(), QueryError> {
    slide(samples, spec, |window| {
        if !window.histograms.is_empty() {
            return Err(QueryError::Execution(
                "anchored and smoothed range selectors without a function do not support native histograms"
                    .into(),
            ));
        }
        let (times, values) = (window.floats.times_ms, window.floats.values);
        let edges = match mode {
            RangeMode::Smoothed => smoothed(times, window.start_ms, window.end_ms),
            RangeMode::Anchored | RangeMode::Plain => anchored(times, window.start_ms),
        };
        let Some(edges) = edges else { return Ok(()) };
        let at = |edge| match edge {
            Edge::Sample(idx) => values[idx],
            Edge::Between(idx, share) => interpolate(values[idx], values[idx + 1], share, false),
        };
        out.times_ms.push(window.start_ms);
        out.values.push(at(edges.left));
        for (time, value) in times.iter().zip(values) {
            if window.start_ms < *time && *time < window.end_ms {
                out.times_ms.push(*time);
                out.values.push(*value);
            }
        }
        out.times_ms.push(window.end_ms);
        out.values.push(at(edges.right));
        Ok(())
    })
}
