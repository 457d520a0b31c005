//! `resets` and `changes`: counts of what happens between neighbouring samples, floats and histograms by time.

use std::sync::Arc;

use wf_model::FloatHistogram;

use super::rate::starts_anew;
use super::sweep::Sweep;
use super::{Kernel, Notes, Output};
use crate::engine::column::Column;
use crate::engine::result::SampleValue;
use crate::engine::window::Window;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// `resets`
    Reset,
    /// `changes`
    Change,
}

/// A sample in the order of time; histograms with their index for start timestamps.
#[derive(Clone, Copy)]
enum Sample<'a> {
    Float(usize, f64),
    Histogram(usize, &'a Arc<FloatHistogram>),
}

impl Kernel for Transition {
    fn window(&self, window: &Window<'_>, _notes: &mut Notes<'_>) -> Output {
        let (floats, histograms) = (&window.floats, &window.histograms);
        if floats.is_empty() && histograms.is_empty() {
            return None;
        }
        if histograms.is_empty() && floats.starts_ms.is_empty() {
            return Some(SampleValue::Float(self.count_floats(floats.values)));
        }
        let (mut float_idx, mut histogram_idx, mut count) = (0, 0, 0_u32);
        let mut previous: Option<Sample<'_>> = None;
        while float_idx < floats.len() || histogram_idx < histograms.len() {
            let is_float_next = histogram_idx >= histograms.len()
                || float_idx < floats.len()
                    && floats.times_ms[float_idx] < histograms.times_ms[histogram_idx];
            let sample = if is_float_next {
                float_idx += 1;
                Sample::Float(float_idx - 1, floats.values[float_idx - 1])
            } else {
                histogram_idx += 1;
                Sample::Histogram(histogram_idx - 1, &histograms.values[histogram_idx - 1])
            };
            if let Some(before) = previous {
                count += u32::from(self.happens(before, sample, window));
            }
            previous = Some(sample);
        }
        Some(SampleValue::Float(f64::from(count)))
    }

    fn sweep(&self, sweep: &Sweep<'_>, out: &mut Column) -> bool {
        self.sweep_floats(sweep, out);
        true
    }
}

impl Transition {
    /// Counts by difference of what happened up to the last and up to the first sample of each window.
    fn sweep_floats(self, sweep: &Sweep<'_>, out: &mut Column) {
        let mut count = 0_u32;
        let mut up_to = vec![0_u32; sweep.values.len()];
        for (idx, pair) in sweep.values.windows(2).enumerate() {
            count += u32::from(self.happens_between_floats(pair[0], pair[1]));
            up_to[idx + 1] = count;
        }
        for (step, from, to) in sweep.windows() {
            out.set_float(step, f64::from(up_to[to - 1] - up_to[from]));
        }
    }

    fn count_floats(self, values: &[f64]) -> f64 {
        let pairs = values.iter().zip(values.iter().skip(1));
        pairs.filter(|(before, value)| self.happens_between_floats(**before, **value)).count() as f64
    }

    fn happens_between_floats(self, before: f64, value: f64) -> bool {
        match self {
            Self::Reset => value < before,
            Self::Change => value != before && !(value.is_nan() && before.is_nan()),
        }
    }

    fn happens(self, before: Sample<'_>, sample: Sample<'_>, window: &Window<'_>) -> bool {
        match (before, sample) {
            (Sample::Float(_, before), Sample::Float(idx, value)) => {
                self.happens_between_floats(before, value)
                    || self == Self::Reset && idx > 0 && starts_anew(&window.floats, idx)
            }
            (Sample::Histogram(_, before), Sample::Histogram(idx, value)) => match self {
                Self::Reset => value.detect_reset(before) || idx > 0 && starts_anew(&window.histograms, idx),
                Self::Change => !value.equals(before),
            },
            _ => true,
        }
    }
}
