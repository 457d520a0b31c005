//! `deriv`, `predict_linear` and `double_exponential_smoothing`: trends over the floats of a window.

use super::sweep::Sweep;
use super::{Kernel, Notes, Output};
use crate::engine::column::Column;
use crate::engine::compensated;
use crate::engine::result::SampleValue;
use crate::engine::scalar::Scalar;
use crate::engine::window::{SampleSlice, Window};

/// Remarks on histograms beside floats; returns whether there are enough floats to go on.
fn has_trend(window: &Window<'_>, notes: &mut Notes<'_>) -> bool {
    if !window.floats.is_empty() && !window.histograms.is_empty() {
        notes.ignored_histograms();
    }
    window.floats.len() >= 2
}

/// Least squares through the samples: slope per second and value at `intercept_ms`.
fn linear_regression(samples: &SampleSlice<'_, f64>, intercept_ms: i64) -> (f64, f64) {
    let first = samples.values[0];
    if samples.values.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let (mut sums, mut lost) = ([0.0; 4], [0.0; 4]);
    for (time_ms, y) in samples.times_ms.iter().zip(samples.values) {
        let x = (time_ms - intercept_ms) as f64 / 1000.0;
        compensated::add_each([x, *y, x * y, x * x], &mut sums, &mut lost);
    }
    let n = samples.len() as f64;
    let [x, y, xy, xx] = std::array::from_fn(|idx| compensated::corrected(sums[idx], lost[idx]));
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

/// `deriv`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deriv;

impl Kernel for Deriv {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        if !has_trend(window, notes) {
            return None;
        }
        // The first sample's time as origin keeps the sums small.
        let (slope, _) = linear_regression(&window.floats, window.floats.times_ms[0]);
        Some(SampleValue::Float(slope))
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        for (step, samples) in sweep.slices().filter(|(_, samples)| samples.len() >= 2) {
            out.set_float(step, linear_regression(&samples, samples.times_ms[0]).0);
        }
        true
    }
}

/// `predict_linear`
#[derive(Clone, Debug)]
pub(crate) struct PredictLinear {
    /// How far to look ahead of the evaluation time, seconds.
    pub(crate) ahead: Scalar,
    /// Evaluation time of each step, which `offset` and `@` do not move.
    pub(crate) grid: crate::engine::grid::Grid,
}

impl Kernel for PredictLinear {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        if !has_trend(window, notes) {
            return None;
        }
        let (slope, intercept) = linear_regression(&window.floats, self.grid.time_ms(window.step));
        Some(SampleValue::Float(slope * self.ahead.at(window.step) + intercept))
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        for (step, samples) in sweep.slices().filter(|(_, samples)| samples.len() >= 2) {
            let (slope, intercept) = linear_regression(&samples, self.grid.time_ms(step));
            out.set_float(step, slope * self.ahead.at(step) + intercept);
        }
        true
    }
}

/// `double_exponential_smoothing`; factors are checked when the operator is built.
#[derive(Clone, Debug)]
pub(crate) struct DoubleExponentialSmoothing {
    pub(crate) smoothing: Scalar,
    pub(crate) trend: Scalar,
}

impl Kernel for DoubleExponentialSmoothing {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        if !has_trend(window, notes) {
            return None;
        }
        let (smoothing, trend_factor) = (self.smoothing.at(window.step), self.trend.at(window.step));
        let values = window.floats.values;
        let (mut previous, mut level, mut trend) = (0.0, values[0], values[1] - values[0]);
        for (idx, value) in values.iter().enumerate().skip(1) {
            if idx > 1 {
                trend = trend_factor * (level - previous) + (1.0 - trend_factor) * trend;
            }
            previous = level;
            level = smoothing * value + (1.0 - smoothing) * (level + trend);
        }
        Some(SampleValue::Float(level))
    }
}
