//! Range vectors: decoded samples of a series and the window that slides over them.

use std::sync::Arc;

use wf_model::{FloatHistogram, Labels, is_stale_nan};
use wf_series::{LabelColumn, SampleColumns};

use super::column::histogram_weight;
use super::context::Cx;
use super::error::QueryError;
use super::grid::Grid;
use crate::ast::{Pos, RangeMode};

/// Samples of one type of one series: parallel columns in time order.
#[derive(Clone, Debug)]
pub(crate) struct SampleList<T> {
    pub(crate) times_ms: Vec<i64>,
    pub(crate) values: Vec<T>,
    /// Start timestamps, 0 where unknown; empty when the series has none at all.
    pub(crate) starts_ms: Vec<i64>,
    /// Whether the values are known to be numbers that never drop.
    pub(crate) is_rising: bool,
}

impl<T> Default for SampleList<T> {
    fn default() -> Self {
        Self { times_ms: Vec::new(), values: Vec::new(), starts_ms: Vec::new(), is_rising: false }
    }
}

impl<T> SampleList<T> {
    pub(crate) fn clear(&mut self) {
        self.times_ms.clear();
        self.values.clear();
        self.starts_ms.clear();
        self.is_rising = false;
    }

    pub(crate) fn push(&mut self, time_ms: i64, value: T) {
        self.times_ms.push(time_ms);
        self.values.push(value);
    }

    fn slice(&self, from: usize, to: usize) -> SampleSlice<'_, T> {
        SampleSlice {
            times_ms: &self.times_ms[from..to],
            values: &self.values[from..to],
            starts_ms: if self.starts_ms.is_empty() { &[] } else { &self.starts_ms[from..to] },
        }
    }
}

/// Samples of one series without stale markers, floats and histograms apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub(crate) floats: SampleList<f64>,
    pub(crate) histograms: SampleList<Arc<FloatHistogram>>,
}

impl Samples {
    pub(crate) fn clear(&mut self) {
        self.floats.clear();
        self.histograms.clear();
    }

    /// Takes over decoded columns and drops stale markers. Float series move without copying.
    pub(crate) fn take_from(&mut self, raw: &mut SampleColumns) {
        self.clear();
        let is_rising = is_rising(&raw.values);
        let is_clean = || is_rising || !raw.values.iter().any(|value| is_stale_nan(*value));
        if raw.histograms.is_empty() && is_clean() {
            self.floats.is_rising = is_rising;
            std::mem::swap(&mut self.floats.times_ms, &mut raw.times_ms);
            std::mem::swap(&mut self.floats.values, &mut raw.values);
            std::mem::swap(&mut self.floats.starts_ms, &mut raw.start_times_ms);
            return;
        }
        let has_starts = !raw.start_times_ms.is_empty();
        let mut histograms = raw.histograms.drain(..).peekable();
        for (position, (&time_ms, &value)) in raw.times_ms.iter().zip(&raw.values).enumerate() {
            let histogram = histograms.next_if(|(at, _)| *at == position).map(|(_, histogram)| histogram);
            if is_stale_nan(value) {
                continue;
            }
            let start_ms = raw.start_times_ms.get(position).copied().unwrap_or(0);
            match histogram {
                Some(histogram) => {
                    self.histograms.push(time_ms, histogram);
                    self.histograms.starts_ms.extend(has_starts.then_some(start_ms));
                }
                None => {
                    self.floats.push(time_ms, value);
                    self.floats.starts_ms.extend(has_starts.then_some(start_ms));
                }
            }
        }
    }

    /// Returns what the samples weigh against the sample limit.
    pub(crate) fn weight(&self) -> u64 {
        self.floats.times_ms.len() as u64 + weight_of(&self.histograms.values)
    }
}

/// Returns whether the values are numbers that never drop: counters nearly always.
fn is_rising(values: &[f64]) -> bool {
    // Without a branch per value the compiler compares several at once.
    let is_pair_rising = |pairs: (&[f64], &[f64])| {
        pairs.0.iter().zip(pairs.1).fold(true, |so_far, (before, value)| so_far & (value >= before))
    };
    let Some((first, later)) = values.split_first() else { return true };
    let blocks = values.chunks(RISING_BLOCK).zip(later.chunks(RISING_BLOCK));
    !first.is_nan() && blocks.into_iter().all(is_pair_rising)
}

/// Values that are compared before a drop among them is noticed.
const RISING_BLOCK: usize = 64;

/// Returns what histograms weigh against the sample limit.
pub(crate) fn weight_of(histograms: &[Arc<FloatHistogram>]) -> u64 {
    histograms.iter().map(|histogram| histogram_weight(histogram)).sum()
}

/// A part of a [`SampleList`].
#[derive(Debug)]
pub(crate) struct SampleSlice<'a, T> {
    pub(crate) times_ms: &'a [i64],
    pub(crate) values: &'a [T],
    pub(crate) starts_ms: &'a [i64],
}

impl<T> Clone for SampleSlice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SampleSlice<'_, T> {}

impl<'a, T> SampleSlice<'a, T> {
    pub(crate) fn len(&self) -> usize {
        self.times_ms.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times_ms.is_empty()
    }

    /// Returns time and value of the last sample.
    pub(crate) fn last(&self) -> Option<(i64, &'a T)> {
        Some((*self.times_ms.last()?, self.values.last()?))
    }

    /// Returns time and value of the first sample.
    pub(crate) fn first(&self) -> Option<(i64, &'a T)> {
        Some((*self.times_ms.first()?, self.values.first()?))
    }

    /// Returns the start timestamp of a sample, 0 where unknown.
    pub(crate) fn start_ms(&self, idx: usize) -> i64 {
        self.starts_ms.get(idx).copied().unwrap_or(0)
    }

    /// Returns the samples from `from` up to but excluding `to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Self {
        Self {
            times_ms: &self.times_ms[from..to],
            values: &self.values[from..to],
            starts_ms: if self.starts_ms.is_empty() { &[] } else { &self.starts_ms[from..to] },
        }
    }
}

/// What a range function sees at one step: the samples with `start_ms < time <= end_ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub(crate) floats: SampleSlice<'a, f64>,
    pub(crate) histograms: SampleSlice<'a, Arc<FloatHistogram>>,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step: usize,
}

impl Window<'_> {
    /// Returns what the samples of the window weigh.
    pub(crate) fn weight(&self) -> u64 {
        self.floats.len() as u64 + weight_of(self.histograms.values)
    }

    /// Returns what the samples after `time_ms` weigh.
    pub(crate) fn weight_after(&self, time_ms: i64) -> u64 {
        // New samples are few and at the end.
        let n_new = |times: &[i64]| times.iter().rev().take_while(|time| **time > time_ms).count();
        let histograms = self.histograms.values;
        let n_histograms = n_new(self.histograms.times_ms);
        n_new(self.floats.times_ms) as u64 + weight_of(&histograms[histograms.len() - n_histograms..])
    }
}

/// Where windows lie on a grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowSpec {
    pub(crate) grid: Grid,
    pub(crate) range_ms: i64,
    pub(crate) offset_ms: i64,
    pub(crate) at_ms: Option<i64>,
    /// How far before the window samples are visible too (`anchored`, `smoothed`).
    pub(crate) extra_before_ms: i64,
    /// How far after the window samples are visible too (`smoothed`).
    pub(crate) extra_after_ms: i64,
}

impl WindowSpec {
    /// Returns the end of the window at a step, ms.
    #[inline]
    pub(crate) fn end_ms(&self, step: usize) -> i64 {
        self.at_ms.unwrap_or_else(|| self.grid.time_ms(step)).saturating_sub(self.offset_ms)
    }

    /// Returns the closed interval of all sample times any window can see.
    pub(crate) fn sample_range(&self) -> wf_model::TimeRange {
        let start = self.end_ms(0).saturating_sub(self.range_ms).saturating_sub(self.extra_before_ms);
        let end = self.end_ms(self.grid.n_steps.saturating_sub(1)).saturating_add(self.extra_after_ms);
        wf_model::TimeRange { start_ms: start.saturating_add(1), end_ms: end }
    }
}

/// Series whose samples range functions look at: a range selector or a subquery.
pub(crate) trait SampleSource: Send + Sync {
    /// Returns the number of series.
    fn len(&self) -> usize;
    /// Returns the labels of series `idx`.
    fn labels(&self, idx: usize) -> Labels;
    /// Returns whether the name of series `idx` is to be dropped at the end.
    fn drops_name(&self, idx: usize) -> bool;
    /// Returns label `name` of all series as dictionary codes.
    fn label_column(&self, name: &str) -> LabelColumn;
    /// Reads the samples of series `idx` into `out`, which is cleared first.
    fn read(&self, idx: usize, out: &mut Samples, cx: &mut Cx<'_>) -> Result<(), QueryError>;
}

/// A range vector over the steps of a grid.
pub(crate) struct RangeVector {
    pub(crate) source: Box<dyn SampleSource>,
    pub(crate) spec: WindowSpec,
    pub(crate) mode: RangeMode,
    /// Where remarks on the argument point to.
    pub(crate) pos: Pos,
}

/// Walks two indices over one list, window by window.
#[derive(Debug, Default)]
struct Cursor {
    from: usize,
    to: usize,
}

impl Cursor {
    fn advance<'a, T>(
        &mut self,
        list: &'a SampleList<T>,
        after_ms: i64,
        up_to_ms: i64,
    ) -> SampleSlice<'a, T> {
        let times = &list.times_ms;
        while self.to < times.len() && times[self.to] <= up_to_ms {
            self.to += 1;
        }
        while self.from < self.to && times[self.from] <= after_ms {
            self.from += 1;
        }
        list.slice(self.from, self.to)
    }
}

/// Calls `visit` with the window of every step, in step order.
pub(crate) fn slide<E>(
    samples: &Samples,
    spec: &WindowSpec,
    mut visit: impl FnMut(&Window<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut floats, mut histograms) = (Cursor::default(), Cursor::default());
    for step in 0..spec.grid.n_steps {
        let end_ms = spec.end_ms(step);
        let start_ms = end_ms.saturating_sub(spec.range_ms);
        let after_ms = start_ms.saturating_sub(spec.extra_before_ms);
        let up_to_ms = end_ms.saturating_add(spec.extra_after_ms);
        visit(&Window {
            floats: floats.advance(&samples.floats, after_ms, up_to_ms),
            histograms: histograms.advance(&samples.histograms, after_ms, up_to_ms),
            start_ms,
            end_ms,
            step,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_left_open_and_right_closed() {
        let mut samples = Samples::default();
        for time in [0, 10, 20, 30] {
            samples.floats.push(time, 1.0);
        }
        let spec = WindowSpec {
            grid: Grid::new(10, 40, 10),
            range_ms: 20,
            offset_ms: 0,
            at_ms: None,
            extra_before_ms: 0,
            extra_after_ms: 0,
        };
        let mut seen = Vec::new();
        let visited: Result<(), ()> = slide(&samples, &spec, |window| {
            seen.push(window.floats.times_ms.to_vec());
            Ok(())
        });
        assert_eq!(visited, Ok(()));
        assert_eq!(seen, [vec![0, 10], vec![10, 20], vec![20, 30], vec![30]]);
    }

    #[test]
    fn stale_markers_never_reach_a_window() {
        let mut raw = SampleColumns::default();
        raw.push(1, 1.0);
        raw.push(2, wf_model::STALE_NAN);
        raw.push_histogram(3, Arc::default());
        let mut samples = Samples::default();
        samples.take_from(&mut raw);
        assert_eq!((samples.floats.times_ms, samples.histograms.times_ms), (vec![1], vec![3]));
    }
}
