//! How samples lie in a window, and what of the extrapolation to its ends follows from that alone.
//!
//! # Source
//! `spec/prometheus-query.md` §2.6.

use super::rate::Rate;

/// How samples lie in a window, and how far a change between them is extrapolated to its ends. All in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lie {
    /// From the start of the window to the first sample, to the last, to the end of the window, ms.
    gaps: [i64; 3],
    n_samples: usize,
    sampled: f64,
    to_start: f64,
    to_end: f64,
    window: f64,
    /// Sampled and extrapolated time as a multiple of the sampled.
    share: f64,
    /// The same per second of the window.
    share_per_second: f64,
}

impl Lie {
    pub(crate) fn new(gaps: [i64; 3], n_samples: usize) -> Self {
        let [mut to_start, sampled, mut to_end] = gaps.map(seconds);
        let window = seconds(gaps.iter().sum());
        let between = sampled / (n_samples - 1) as f64;
        let threshold = between * 1.1;
        if to_start >= threshold {
            to_start = between / 2.0;
        }
        if to_end >= threshold {
            to_end = between / 2.0;
        }
        let share = (sampled + to_start + to_end) / sampled;
        Self { gaps, n_samples, sampled, to_start, to_end, window, share, share_per_second: share / window }
    }

    /// Returns whether these are the gaps and the number of samples.
    pub(crate) fn is_of(&self, gaps: [i64; 3], n_samples: usize) -> bool {
        self.gaps == gaps && self.n_samples == n_samples
    }

    /// Returns the factor from the change between the samples to the change (per second) over the window.
    #[inline]
    pub(crate) fn factor(&self, rate: Rate, first: f64, change: f64) -> f64 {
        // A counter was not below zero: going back further than to its zero would say so. It is further away than the
        // start of the window when the first value exceeds the change.
        let may_cross_zero = first < change || self.sampled < self.to_start;
        if rate.is_counter && may_cross_zero && change > 0.0 && first >= 0.0 {
            let to_start = self.to_start.min(self.sampled * (first / change));
            let share = (self.sampled + to_start + self.to_end) / self.sampled;
            return if rate.is_rate { share / self.window } else { share };
        }
        if rate.is_rate { self.share_per_second } else { self.share }
    }
}

pub(crate) fn seconds(span_ms: i64) -> f64 {
    span_ms as f64 / 1000.0
}
