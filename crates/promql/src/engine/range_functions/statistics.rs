//! Functions over the floats of a window; histograms beside floats are ignored with a remark.

use super::{Kernel, Notes, Output, Prospect};
use crate::ast::Pos;
use crate::engine::compensated;
use crate::engine::quantile::{quantile_of, remark_on_quantile};
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
    fn window(&self, window: &Window<'_>, _prospect: Prospect, notes: &mut Notes<'_>) -> Output {
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

/// Population variance by Welford's method, compensated.
fn variance(values: &[f64]) -> f64 {
    let (mut count, mut mean, mut lost_mean, mut squares, mut lost_squares) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - (mean + lost_mean);
        (mean, lost_mean) = compensated::add(delta / count, mean, lost_mean);
        (squares, lost_squares) =
            compensated::add(delta * (value - (mean + lost_mean)), squares, lost_squares);
    }
    (squares + lost_squares) / count
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
    fn window(&self, window: &Window<'_>, _prospect: Prospect, notes: &mut Notes<'_>) -> Output {
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
}
