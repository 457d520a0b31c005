//! `sum_over_time` and its kin that work on floats and histograms, or on any sample at all.

use std::sync::Arc;

use wf_model::FloatHistogram;

use super::moving::MovingSum;
use super::sweep::Sweep;
use super::{Kernel, Notes, Output};
use crate::engine::column::Column;
use crate::engine::compensated::{Mean, Sum};
use crate::engine::histogram::{HistogramMean, HistogramSum, Seen};
use crate::engine::result::SampleValue;
use crate::engine::window::Window;

/// `sum_over_time`, `avg_over_time`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Total {
    Sum,
    Average,
}

impl Kernel for Total {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        match (window.floats.is_empty(), window.histograms.is_empty()) {
            (true, true) => None,
            (false, false) => {
                notes.mixed_types();
                None
            }
            (false, true) => Some(SampleValue::Float(self.floats(window.floats.values))),
            (true, false) => self.histograms(window.histograms.values, notes),
        }
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        if !sweep.bounds.overlap() {
            sweep
                .windows()
                .for_each(|(step, from, to)| out.set_float(step, self.floats(&sweep.values[from..to])));
            return true;
        }
        let mut moving = MovingSum::default();
        for (step, from, to) in sweep.windows() {
            let (sum, lost) = moving.advance(sweep.values, from, to);
            let count = (to - from) as f64;
            out.set_float(
                step,
                match self {
                    _ if !sum.is_finite() => self.floats(&sweep.values[from..to]),
                    Self::Sum => sum + lost,
                    Self::Average => sum / count + lost / count,
                },
            );
        }
        true
    }
}

impl Total {
    fn floats(self, values: &[f64]) -> f64 {
        match self {
            Self::Sum => {
                let mut sum = Sum::default();
                values.iter().for_each(|value| sum.add(*value));
                sum.value()
            }
            Self::Average => {
                let mut mean = Mean::default();
                values.iter().for_each(|value| mean.add(*value));
                mean.value()
            }
        }
    }

    fn histograms(self, values: &[Arc<FloatHistogram>], notes: &mut Notes<'_>) -> Output {
        let (first, rest) = values.split_first()?;
        let mut seen = Seen::default();
        let total = match self {
            Self::Sum => {
                let mut sum = HistogramSum::new(first, &mut seen);
                rest.iter().try_for_each(|histogram| sum.add(histogram, &mut seen)).map(|()| sum.finish())
            }
            Self::Average => {
                let mut mean = HistogramMean::new(first, &mut seen);
                rest.iter().try_for_each(|histogram| mean.add(histogram, &mut seen)).map(|()| mean.finish())
            }
        };
        if seen.bounds_reconciled {
            notes.reconciled("aggregation");
        }
        let Ok(total) = total else {
            notes.mixed_schemas();
            return None;
        };
        if seen.conflicting_resets() {
            notes.conflicting_resets("aggregation");
        }
        Some(SampleValue::Histogram(Arc::new(total)))
    }
}

/// Functions that take any sample as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnySample {
    Count,
    Present,
    First,
    Last,
    FirstTime,
    LastTime,
}

impl Kernel for AnySample {
    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        let seconds = |idx: usize| sweep.times_ms[idx] as f64 / 1000.0;
        for (step, from, to) in sweep.windows() {
            out.set_float(
                step,
                match self {
                    Self::Count => (to - from) as f64,
                    Self::Present => 1.0,
                    Self::First => sweep.values[from],
                    Self::Last => sweep.values[to - 1],
                    Self::FirstTime => seconds(from),
                    Self::LastTime => seconds(to - 1),
                },
            );
        }
        true
    }

    fn window(&self, window: &Window<'_>, _notes: &mut Notes<'_>) -> Output {
        let (floats, histograms) = (&window.floats, &window.histograms);
        let n = floats.len() + histograms.len();
        if n == 0 {
            return None;
        }
        let float = |value| Some(SampleValue::Float(value));
        let seconds = |time_ms: i64| float(time_ms as f64 / 1000.0);
        match self {
            Self::Count => float(n as f64),
            Self::Present => float(1.0),
            Self::First | Self::FirstTime => match (floats.first(), histograms.first()) {
                (Some((time, _)), h)
                    if h.is_none_or(|(h_time, _)| time < h_time) && *self == Self::FirstTime =>
                {
                    seconds(time)
                }
                (Some((time, value)), h) if h.is_none_or(|(h_time, _)| time < h_time) => float(*value),
                (_, Some((time, _))) if *self == Self::FirstTime => seconds(time),
                (_, Some((_, histogram))) => Some(SampleValue::Histogram(Arc::clone(histogram))),
                _ => None,
            },
            Self::Last | Self::LastTime => match (floats.last(), histograms.last()) {
                (Some((time, _)), h)
                    if h.is_none_or(|(h_time, _)| time > h_time) && *self == Self::LastTime =>
                {
                    seconds(time)
                }
                (Some((time, value)), h) if h.is_none_or(|(h_time, _)| time > h_time) => float(*value),
                (_, Some((time, _))) if *self == Self::LastTime => seconds(time),
                (_, Some((_, histogram))) => Some(SampleValue::Histogram(Arc::clone(histogram))),
                _ => None,
            },
        }
    }
}
