//! `irate` and `idelta`: the change between the last two samples of a window.

use std::sync::Arc;

use wf_model::FloatHistogram;
use wf_model::histogram::CounterResetHint;

use super::rate::{starts_anew, subtract};
use super::sweep::Sweep;
use super::{Kernel, Notes, Output};
use crate::engine::column::Column;
use crate::engine::result::SampleValue;
use crate::engine::window::Window;

/// `irate` when `is_rate`, `idelta` otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InstantRate {
    pub(crate) is_rate: bool,
}

impl Kernel for InstantRate {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        let (floats, histograms) = (&window.floats, &window.histograms);
        if floats.len() + histograms.len() < 2 {
            return None;
        }
        let time_of = |times: &[i64], back: usize| times.len().checked_sub(back).map(|idx| times[idx]);
        let (last_float, before_float) = (time_of(floats.times_ms, 1), time_of(floats.times_ms, 2));
        let (last_histogram, before_histogram) =
            (time_of(histograms.times_ms, 1), time_of(histograms.times_ms, 2));
        // `None` is less than any time: what is missing is never among the last two.
        if before_float > last_histogram {
            self.floats(window)
        } else if before_histogram > last_float {
            self.histograms(window, notes)
        } else {
            notes.mixed_types();
            None
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        for (step, from, to) in sweep.windows().filter(|(_, from, to)| to - from >= 2) {
            debug_assert!(from < to - 1, "two samples");
            let sampled_ms = sweep.times_ms[to - 1] - sweep.times_ms[to - 2];
            let change = self.change(sweep.values[to - 2], sweep.values[to - 1], sampled_ms, false);
            change.into_iter().for_each(|change| out.set_float(step, change));
        }
        true
    }
}

impl InstantRate {
    fn floats(self, window: &Window<'_>) -> Output {
        let samples = window.floats.slice(window.floats.len() - 2, window.floats.len());
        let is_new = starts_anew(&samples, 1);
        let sampled_ms = samples.times_ms[1] - samples.times_ms[0];
        self.change(samples.values[0], samples.values[1], sampled_ms, is_new).map(SampleValue::Float)
    }

    fn change(self, before: f64, last: f64, sampled_ms: i64, is_new: bool) -> Option<f64> {
        if sampled_ms == 0 {
            return None;
        }
        let is_reset = self.is_rate && (last < before || is_new);
        let change = if is_reset { last } else { last - before };
        Some(if self.is_rate { change / (sampled_ms as f64 / 1000.0) } else { change })
    }

    fn histograms(self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        let samples = window.histograms.slice(window.histograms.len() - 2, window.histograms.len());
        let (before, last) = (&samples.values[0], &samples.values[1]);
        let sampled_ms = samples.times_ms[1] - samples.times_ms[0];
        if sampled_ms == 0 {
            return None;
        }
        let is_gauge = |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
        if self.is_rate && (is_gauge(before) || is_gauge(last)) {
            notes.not_a_counter();
        }
        if !(self.is_rate || is_gauge(before) && is_gauge(last)) {
            notes.not_a_gauge();
        }
        let mut change = FloatHistogram::clone(last);
        let is_reset = self.is_rate && (last.detect_reset(before) || starts_anew(&samples, 1));
        if !is_reset {
            subtract(&mut change, before, notes)?;
        }
        change.counter_reset_hint = CounterResetHint::Gauge;
        change.compact();
        if self.is_rate {
            change.divide(sampled_ms as f64 / 1000.0);
        }
        Some(SampleValue::Histogram(Arc::new(change)))
    }
}
