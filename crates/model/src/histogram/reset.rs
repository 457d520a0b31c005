//! Detecting that a counter was reset between two histograms.

use super::layout::Layout;
use super::{CounterResetHint, FloatHistogram, sparse};

impl FloatHistogram {
    /// Returns whether the counter was reset since `previous`. A gauge hint says as little as an unknown one; the sum
    /// may shrink without a reset, so it is never looked at.
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count || self.is_custom() != previous.is_custom() {
            return true;
        }
        if self.is_custom() {
            return self.has_shrunk_in_common_bounds(previous);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        // A threshold inside a populated bucket cannot have grown out of the older histogram.
        if previous.widened_zero_threshold(self.zero_threshold) != self.zero_threshold {
            return true;
        }
        let mut previous = previous.clone();
        previous.widen_zero_bucket(self.zero_threshold);
        previous.reduce_to_schema(self.schema);
        self.zero_count < previous.zero_count || self.has_smaller_bucket(&previous)
    }

    fn has_shrunk_in_common_bounds(&self, previous: &Self) -> bool {
        let Ok(layout) = Layout::common(self, previous) else { return true };
        self.fitted(&layout).has_smaller_bucket(&previous.fitted(&layout))
    }

    fn has_smaller_bucket(&self, previous: &Self) -> bool {
        let mut is_smaller = false;
        let mut compare = |_, now, before| is_smaller |= now < before;
        sparse::join(self.positive_entries(), previous.positive_entries(), &mut compare);
        sparse::join(self.negative_entries(), previous.negative_entries(), &mut compare);
        is_smaller
    }
}
