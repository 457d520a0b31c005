//! Sums and means of many histograms, with the rounding errors carried along (Kahan, Neumaier).

use super::layout::{Incompatible, Layout};
use super::{FloatHistogram, Outcome};

/// A running sum.
#[derive(Clone, Debug)]
pub struct HistogramSum {
    sum: FloatHistogram,
    /// What rounding lost, in the layout of `sum`.
    lost: FloatHistogram,
}

impl HistogramSum {
    /// Begins with `first`.
    pub fn new(first: &FloatHistogram) -> Self {
        let lost = FloatHistogram { counter_reset_hint: first.counter_reset_hint, ..first.empty_like() };
        Self { sum: first.clone(), lost }
    }

    /// Adds one.
    /// # Errors
    /// [`Incompatible`]; then nothing has changed.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Outcome, Incompatible> {
        let layout = Layout::common(&self.sum, other)?;
        let (hint, other_hint) = (self.sum.counter_reset_hint, other.counter_reset_hint);
        self.sum.fit(&layout);
        self.lost.fit(&layout);
        let mut other = other.fitted(&layout).into_owned();
        self.sum.cover(&other)?;
        self.lost.cover(&self.sum)?;
        other.cover(&self.sum)?;
        let mut addends = Vec::with_capacity(3 + other.positive_buckets.len() + other.negative_buckets.len());
        other.each_count(|count| addends.push(*count));
        let mut lost = Vec::with_capacity(addends.len());
        self.lost.each_count(|count| lost.push(*count));
        let mut pairs = lost.iter_mut().zip(&addends);
        self.sum.each_count(|sum| {
            if let Some((lost, addend)) = pairs.next() {
                add_compensated(sum, lost, *addend);
            }
        });
        let mut lost = lost.iter();
        self.lost.each_count(|count| *count = lost.next().copied().unwrap_or(0.0));
        self.sum.counter_reset_hint = hint.after_adding(other_hint);
        let conflicting_resets = hint.conflicts_with(other_hint);
        Ok(Outcome { conflicting_resets, bounds_reconciled: layout.is_bounds_mismatch })
    }

    /// Returns the sum.
    pub fn finish(mut self) -> FloatHistogram {
        let mut lost = Vec::new();
        self.lost.each_count(|count| lost.push(*count));
        let mut lost = lost.into_iter();
        self.sum.each_count(|count| {
            let corrected = *count + lost.next().unwrap_or(0.0);
            // Once a sum is infinite its error is meaningless.
            if count.is_finite() {
                *count = corrected;
            }
        });
        self.sum
    }

    fn is_overflowed_by(&self, other: &FloatHistogram) -> bool {
        let overflows = |a: f64, b: f64| a.is_finite() && b.is_finite() && (a + b).is_infinite();
        overflows(self.sum.count, other.count) || overflows(self.sum.sum, other.sum)
    }
}

/// A running mean: a sum until that would overflow, then incremental.
#[derive(Clone, Debug)]
pub struct HistogramMean {
    total: HistogramSum,
    /// Whether `total` is a mean already.
    is_incremental: bool,
    n: f64,
}

impl HistogramMean {
    /// Begins with `first`.
    pub fn new(first: &FloatHistogram) -> Self {
        Self { total: HistogramSum::new(first), is_incremental: false, n: 1.0 }
    }

    /// Takes in one more.
    /// # Errors
    /// [`Incompatible`]; then nothing has changed.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Outcome, Incompatible> {
        if !self.is_incremental && self.total.is_overflowed_by(other) {
            self.is_incremental = true;
            self.total.sum.divide(self.n);
            self.total.lost.divide(self.n);
        }
        if !self.is_incremental {
            let outcome = self.total.add(other)?;
            self.n += 1.0;
            return Ok(outcome);
        }
        // mean · (n/(n+1)) + other/(n+1) never leaves the range of its inputs.
        let n = self.n + 1.0;
        let mut share = other.clone();
        share.divide(n);
        let before = self.total.clone();
        self.total.sum.scale(self.n / n);
        self.total.lost.scale(self.n / n);
        match self.total.add(&share) {
            Ok(outcome) => {
                self.n = n;
                Ok(outcome)
            }
            Err(incompatible) => {
                self.total = before;
                Err(incompatible)
            }
        }
    }

    /// Returns the mean.
    pub fn finish(self) -> FloatHistogram {
        let mut mean = self.total.finish();
        if !self.is_incremental {
            mean.divide(self.n);
        }
        mean
    }
}

fn add_compensated(sum: &mut f64, lost: &mut f64, addend: f64) {
    let total = *sum + addend;
    *lost = if total.is_infinite() {
        0.0
    } else if sum.abs() >= addend.abs() {
        *lost + ((*sum - total) + addend)
    } else {
        *lost + ((addend - total) + *sum)
    };
    *sum = total;
}
