//! Summaries: quantiles over a sliding window, from a bounded random sample.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wf_exposition::MetricValue;
use wf_model::MetricType;

use super::Cell;

/// A quantile to report, 0..=1: `Objective(0.99)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective(pub f64);

/// The window slides in steps of a fifth of its length, as the Go client's default does.
const WINDOW: Duration = Duration::from_secs(600);
const STEPS: u8 = 5;

/// Values kept per step. With up to `STEPS` times as many in the window a quantile is exact below 512 observations
/// a step; beyond, the rank error is about `sqrt(q * (1 - q) / 2560)`: 1 % at the median, 0.2 % at q = 0.99.
/// 20 KiB a summary at most; a targeted-quantile sketch (CKMS) would save half of it and cost ten times the code.
const RESERVOIR: usize = 512;

/// Quantiles of the observations of the last ten minutes, and the sum and count of all. NaN while the window is empty.
#[derive(Clone, Debug)]
pub struct Summary {
    quantiles: Arc<[f64]>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    sum: f64,
    count: u64,
    /// Oldest first. Never more than `STEPS`.
    steps: VecDeque<Step>,
    /// State of a xorshift generator; the seed is fixed because nothing depends on its secrecy.
    random: u64,
}

#[derive(Debug)]
struct Step {
    started: Instant,
    n_seen: u64,
    values: Vec<f64>,
}

impl Summary {
    /// Makes a summary that no registry knows.
    pub fn new(objectives: &[Objective]) -> Self {
        let mut quantiles: Vec<f64> =
            objectives.iter().map(|objective| objective.0.clamp(0.0, 1.0)).collect();
        quantiles.sort_by(f64::total_cmp);
        let state = State { sum: 0.0, count: 0, steps: VecDeque::new(), random: 0x9e37_79b9_7f4a_7c15 };
        Self { quantiles: quantiles.into(), state: Arc::new(Mutex::new(state)) }
    }

    /// Counts one observation, now.
    pub fn observe(&self, value: f64) {
        self.observe_at(value, Instant::now());
    }

    /// Counts one observation made at `now`, which never goes backwards.
    pub fn observe_at(&self, value: f64, now: Instant) {
        let mut state = self.state.lock();
        state.sum += value;
        state.count += 1;
        if !self.quantiles.is_empty() {
            state.slide(now);
            state.keep(value, now);
        }
    }

    fn read_at(&self, now: Instant) -> MetricValue {
        let mut state = self.state.lock();
        state.slide(now);
        let (sum, count) = (state.sum, state.count);
        let mut values = state.weighted();
        drop(state);
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let quantiles = self.quantiles.iter().map(|quantile| (*quantile, pick(&values, *quantile))).collect();
        MetricValue::Summary { quantiles, sum, count }
    }
}

impl Cell for Summary {
    const KIND: MetricType = MetricType::Summary;

    fn read(&self) -> MetricValue {
        self.read_at(Instant::now())
    }
}

impl State {
    /// Forgets steps that have left the window.
    fn slide(&mut self, now: Instant) {
        while self.steps.front().is_some_and(|step| now.saturating_duration_since(step.started) >= WINDOW) {
            self.steps.pop_front();
        }
    }

    /// Keeps `value` with the chance that leaves a uniform sample of the step (algorithm R).
    fn keep(&mut self, value: f64, now: Instant) {
        let step_length = WINDOW / u32::from(STEPS);
        let is_fresh = |step: &Step| now.saturating_duration_since(step.started) < step_length;
        if !self.steps.back().is_some_and(is_fresh) {
            if self.steps.len() == usize::from(STEPS) {
                self.steps.pop_front();
            }
            self.steps.push_back(Step { started: now, n_seen: 0, values: Vec::new() });
        }
        let random = self.next_random();
        let Some(step) = self.steps.back_mut() else { return };
        step.n_seen += 1;
        if step.values.len() < RESERVOIR {
            step.values.push(value);
        } else if let Ok(idx) = usize::try_from(random % step.n_seen)
            && let Some(slot) = step.values.get_mut(idx)
        {
            *slot = value;
        }
    }

    /// Every kept value with the number of observations it stands for.
    fn weighted(&self) -> Vec<(f64, f64)> {
        let mut values = Vec::new();
        for step in &self.steps {
            let weight = step.n_seen as f64 / step.values.len().max(1) as f64;
            values.extend(step.values.iter().map(|value| (*value, weight)));
        }
        values
    }

    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

/// Returns the smallest value whose rank reaches `quantile`; NaN without values.
fn pick(sorted: &[(f64, f64)], quantile: f64) -> f64 {
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut rank = 0.0;
    for (value, weight) in sorted {
        rank += weight;
        if rank >= quantile * total {
            return *value;
        }
    }
    sorted.last().map_or(f64::NAN, |(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn median(summary: &Summary, now: Instant) -> f64 {
        match summary.read_at(now) {
            MetricValue::Summary { quantiles, .. } => quantiles[0].1,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_small_window_is_exact_and_slides_empty() {
        let (summary, start) = (Summary::new(&[Objective(0.5)]), Instant::now());
        assert!(median(&summary, start).is_nan());
        for value in 1..=101 {
            summary.observe_at(f64::from(value), start);
        }
        assert_eq!(median(&summary, start), 51.0);
        assert!(median(&summary, start + WINDOW).is_nan());
        assert!(matches!(summary.read_at(start + WINDOW), MetricValue::Summary { count: 101, .. }));
    }

    #[test]
    fn memory_is_bounded_and_the_sample_fair() {
        let (summary, start) = (Summary::new(&[Objective(0.5)]), Instant::now());
        for value in 0..100_000_u32 {
            summary.observe_at(f64::from(value), start);
        }
        assert_eq!(summary.state.lock().weighted().len(), RESERVOIR);
        let estimate = median(&summary, start);
        assert!((40_000.0..60_000.0).contains(&estimate), "{estimate}");
    }
}
