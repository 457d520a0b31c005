//! Functions over the floats of a window; histograms beside floats are ignored with a remark.

use super::moving::{Extremes, SortedWindow};
use super::sweep::Sweep;
use super::{Kernel, Notes, Output};
use crate::ast::Pos;
use crate::engine::column::Column;
use crate::engine::compensated;
use crate::engine::quantile::{quantile_of, quantile_of_sorted, remark_on_quantile};
use crate::engine::result::SampleValue;
use crate::engine::scalar::Scalar;
use crate::engine::window::{SampleSlice, Window};

/// Which extreme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic {
    Min,
    Max,
    /// Time of the last minimum, seconds.
    MinTime,
    /// Time of the last maximum, seconds.
    MaxTime,
    Stddev,
    Stdvar,
    /// Median absolute deviation.
    Mad,
}

impl Kernel for Statistic {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        let floats = &window.floats;
        if floats.is_empty() {
            return None;
        }
        if !window.histograms.is_empty() {
            notes.ignored_histograms();
        }
        Some(SampleValue::Float(match self {
            Self::Min => extreme(floats, |new, best| new < best).1,
            Self::Max => extreme(floats, |new, best| new > best).1,
            Self::MinTime => extreme(floats, |new, best| new <= best).0 as f64 / 1000.0,
            Self::MaxTime => extreme(floats, |new, best| new >= best).0 as f64 / 1000.0,
            Self::Stddev => variance(floats.values).sqrt(),
            Self::Stdvar => variance(floats.values),
            Self::Mad => median_absolute_deviation(floats.values),
        }))
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        match self {
            Self::Min => sweep_extremes(sweep, |new, best| new < best, |(_, value)| value, out),
            Self::Max => sweep_extremes(sweep, |new, best| new > best, |(_, value)| value, out),
            Self::MinTime => sweep_extremes(sweep, |new, best| new <= best, seconds, out),
            Self::MaxTime => sweep_extremes(sweep, |new, best| new >= best, seconds, out),
            Self::Stddev => sweep_variances(sweep, f64::sqrt, out),
            Self::Stdvar => sweep_variances(sweep, |variance| variance, out),
            Self::Mad => return false,
        }
        true
    }
}

fn seconds((time_ms, _): (i64, f64)) -> f64 {
    time_ms as f64 / 1000.0
}

/// The extreme of every window; where all values are NaN, the last of them as a fresh look would find it.
fn sweep_extremes(
    sweep: &Sweep<'_>,
    beats: impl Fn(f64, f64) -> bool + Copy,
    result: impl Fn((i64, f64)) -> f64,
    out: &mut Column,
) {
    let mut moving = Extremes::default();
    for (step, from, to) in sweep.windows() {
        let best = moving.advance(sweep.values, from, to, beats).unwrap_or(to - 1);
        out.set_float(step, result((sweep.times_ms[best], sweep.values[best])));
    }
}

/// Returns time and value of the sample that beats all others; NaN only when there is nothing else.
fn extreme(samples: &SampleSlice<'_, f64>, beats: impl Fn(f64, f64) -> bool) -> (i64, f64) {
    let mut best = (samples.times_ms[0], samples.values[0]);
    for (time_ms, value) in samples.times_ms.iter().zip(samples.values).skip(1) {
        if beats(*value, best.1) || best.1.is_nan() {
            best = (*time_ms, *value);
        }
    }
    best
}

/// The variance of every window: as long as neighbours have the same number of samples, several side by side.
fn sweep_variances(sweep: &Sweep<'_>, result: impl Fn(f64) -> f64, out: &mut Column) {
    let mut waiting: Vec<(usize, &[f64])> = Vec::with_capacity(LANES);
    let mut finish = |waiting: &mut Vec<(usize, &[f64])>| {
        if let Some(windows) = waiting.first_chunk::<LANES>() {
            let variances = variances(windows.map(|(_, values)| values));
            for ((step, _), variance) in windows.iter().zip(variances) {
                out.set_float(*step, result(variance));
            }
        } else {
            for (step, values) in waiting.iter() {
                out.set_float(*step, result(variance(values)));
            }
        }
        waiting.clear();
    };
    for (step, samples) in sweep.slices() {
        if waiting.first().is_some_and(|(_, values)| values.len() != samples.len()) {
            finish(&mut waiting);
        }
        waiting.push((step, samples.values));
        if waiting.len() == LANES {
            finish(&mut waiting);
        }
    }
    finish(&mut waiting);
}

/// Windows whose variances are computed side by side.
const LANES: usize = 4;

fn variance(values: &[f64]) -> f64 {
    let [variance] = variances([values]);
    variance
}

/// Population variances of equally many values each, by Welford's method, compensated.
fn variances<const N: usize>(windows: [&[f64]; N]) -> [f64; N] {
    let n_values = windows.first().map_or(0, |values| values.len());
    let (mut means, mut lost_means, mut squares, mut lost_squares) = ([0.0; N], [0.0; N], [0.0; N], [0.0; N]);
    let mut count = 0.0;
    for idx in 0..n_values {
        count += 1.0;
        let values = windows.map(|values| values[idx]);
        let deltas: [f64; N] = std::array::from_fn(|lane| values[lane] - (means[lane] + lost_means[lane]));
        compensated::add_each(deltas.map(|delta| delta / count), &mut means, &mut lost_means);
        let terms = |lane: usize| deltas[lane] * (values[lane] - (means[lane] + lost_means[lane]));
        compensated::add_each(std::array::from_fn(terms), &mut squares, &mut lost_squares);
    }
    std::array::from_fn(|lane| (squares[lane] + lost_squares[lane]) / count)
}

fn median_absolute_deviation(values: &[f64]) -> f64 {
    if values.iter().any(|value| value.is_nan()) {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    let median = quantile_of(0.5, &mut sorted);
    for value in &mut sorted {
        *value = (*value - median).abs();
    }
    quantile_of(0.5, &mut sorted)
}

/// `quantile_over_time`
#[derive(Clone, Debug)]
pub(crate) struct QuantileOverTime {
    pub(crate) quantile: Scalar,
    /// Where the quantile is written.
    pub(crate) quantile_pos: Pos,
}

impl Kernel for QuantileOverTime {
    fn window(&self, window: &Window<'_>, notes: &mut Notes<'_>) -> Output {
        if window.floats.is_empty() {
            return None;
        }
        let quantile = self.quantile.at(window.step);
        remark_on_quantile(quantile, self.quantile_pos, notes.remarks);
        if !window.histograms.is_empty() {
            notes.ignored_histograms();
        }
        Some(SampleValue::Float(quantile_of(quantile, &mut window.floats.values.to_vec())))
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        let is_usual = |(step, _, _): (usize, usize, usize)| (0.0..=1.0).contains(&self.quantile.at(step));
        // An unusual quantile calls for a remark.
        if !sweep.bounds.overlap() || !sweep.windows().all(is_usual) {
            return false;
        }
        let mut moving = SortedWindow::default();
        for (step, from, to) in sweep.windows() {
            let sorted = moving.advance(sweep.values, from, to);
            out.set_float(step, quantile_of_sorted(self.quantile.at(step), sorted));
        }
        true
    }
}
