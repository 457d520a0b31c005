//! Which samples are taken: in order, late, or not at all. Fixed while one batch is judged.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use wf_series::{HistogramValue, Rejection};

use super::Head;
use super::series::{NO_TIME, Series, Verdict};

/// What to do with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Append it to the open chunk.
    InOrder,
    /// Store it among the late samples.
    Late,
    /// The newest sample once more, bit by bit: nothing to do.
    Repeated,
    /// Refuse it.
    Rejected(Rejection),
}

/// Limits for the samples of one batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Before it nothing is in order, ms.
    pub(crate) oldest: i64,
    /// After it nothing is taken, ms.
    pub(crate) newest: i64,
    /// Late samples are taken from here on, ms; `None`: not at all.
    pub(crate) late_from: Option<i64>,
}

impl Bounds {
    /// Judges a float.
    /// # Source
    /// `spec/prometheus-core.md` §7.7, the rules of appending.
    #[inline]
    pub(crate) fn judge(&self, series: &Series, time_ms: i64, value: f64) -> Judgement {
        self.judge_by(time_ms, || series.judge(time_ms, value))
    }

    /// Judges a valid native histogram.
    pub(crate) fn judge_histogram(&self, series: &Series, time_ms: i64, value: &HistogramValue) -> Judgement {
        self.judge_by(time_ms, || series.judge_histogram(time_ms, value))
    }

    #[inline]
    fn judge_by(&self, time_ms: i64, in_order: impl FnOnce() -> Verdict) -> Judgement {
        if time_ms > self.newest {
            return Judgement::Rejected(Rejection::OutOfBounds);
        }
        let verdict = if time_ms < self.oldest { None } else { Some(in_order()) };
        let reason = match verdict {
            Some(Verdict::InOrder) => return Judgement::InOrder,
            Some(Verdict::Repeated) => return Judgement::Repeated,
            Some(Verdict::Duplicate) => return Judgement::Rejected(Rejection::Duplicate),
            Some(Verdict::OutOfOrder) => Rejection::OutOfOrder,
            None => Rejection::OutOfBounds,
        };
        match self.late_from {
            None => Judgement::Rejected(reason),
            Some(late_from) if time_ms < late_from => Judgement::Rejected(Rejection::TooOld),
            Some(_) => Judgement::Late,
        }
    }
}

/// The time of day, as it was last told, and what has passed since.
#[derive(Debug)]
pub(crate) struct Clock {
    begun: Instant,
    /// Time of day when the clock began, ms.
    begun_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new(now_ms: i64) -> Self {
        Self { begun: Instant::now(), begun_ms: AtomicI64::new(now_ms) }
    }

    /// Sets the clock, also back.
    pub(crate) fn set(&self, now_ms: i64) {
        self.begun_ms.store(now_ms.saturating_sub(self.passed_ms()), Ordering::Relaxed);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.begun_ms.load(Ordering::Relaxed).saturating_add(self.passed_ms())
    }

    fn passed_ms(&self) -> i64 {
        i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

impl Head {
    /// Returns the bounds for a batch that begins now.
    pub(crate) fn bounds(&self) -> Bounds {
        let newest_of_all = self.max_time();
        let before = |distance_ms: i64| match newest_of_all {
            NO_TIME => NO_TIME,
            newest => newest.saturating_sub(distance_ms),
        };
        let late_window_ms = self.late_window_ms.load(Ordering::Relaxed);
        let newest = self.options.max_future_ms.map(|ahead_ms| self.clock.now_ms().saturating_add(ahead_ms));
        Bounds {
            oldest: before(self.options.chunk_range_ms / 2).max(self.min_valid.load(Ordering::Relaxed)),
            newest: newest.unwrap_or(i64::MAX),
            late_from: (late_window_ms > 0).then(|| before(late_window_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_from_what_it_was_told() {
        let clock = Clock::new(5_000);
        assert!((5_000..6_000).contains(&clock.now_ms()));
        clock.set(1_000);
        assert!((1_000..2_000).contains(&clock.now_ms()));
    }
}
