//! What a moving window carries along: the extreme, the sum or the order of its values.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::engine::compensated;

/// The extreme of a moving window: candidates that no later value beats, best first.
///
/// NaN is never a candidate, so an empty queue means that there is nothing else.
#[derive(Debug, Default)]
pub(crate) struct Extremes {
    candidates: VecDeque<usize>,
    next: usize,
}

impl Extremes {
    /// Moves to the window `from..to`, which must not begin or end before the last one. `beats(a, b)` tells whether a
    /// later value `a` replaces `b`.
    /// Returns the index of the extreme.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        values: &[f64],
        from: usize,
        to: usize,
        beats: impl Fn(f64, f64) -> bool,
    ) -> Option<usize> {
        for idx in self.next.max(from)..to {
            let value = values[idx];
            if value.is_nan() {
                continue;
            }
            while self.candidates.back().is_some_and(|last| beats(value, values[*last])) {
                self.candidates.pop_back();
            }
            self.candidates.push_back(idx);
        }
        self.next = to;
        while self.candidates.front().is_some_and(|first| *first < from) {
            self.candidates.pop_front();
        }
        self.candidates.front().copied()
    }
}

/// The compensated sum of a moving window, without ever subtracting: what leaves cannot poison what stays.
///
/// The window is cut in two: `suffixes` holds the sums from each sample of the older part to its end, `newer` the sum of
/// the rest. When the older part is used up, the rest becomes the older part: two additions per sample.
#[derive(Debug, Default)]
pub(crate) struct MovingSum {
    /// Index of the first sample of `newer`.
    cut: usize,
    /// By distance from `cut`, nearest first: sum and lost part of the samples from there to `cut`.
    suffixes: Vec<(f64, f64)>,
    newer: (f64, f64),
    next: usize,
}

impl MovingSum {
    /// Moves to the window `from..to` and returns sum and lost part of its values.
    #[inline]
    pub(crate) fn advance(&mut self, values: &[f64], from: usize, to: usize) -> (f64, f64) {
        if from >= self.cut {
            self.cut = to;
            self.suffixes.clear();
            let mut total = (0.0, 0.0);
            for value in values[from..to].iter().rev() {
                total = compensated::add(*value, total.0, total.1);
                self.suffixes.push(total);
            }
            self.newer = (0.0, 0.0);
        } else {
            for value in &values[self.next..to] {
                self.newer = compensated::add(*value, self.newer.0, self.newer.1);
            }
        }
        self.next = to;
        let (sum, lost) = self.suffixes[self.cut - from - 1];
        let (sum, lost) = compensated::add(self.newer.0, sum, lost);
        (sum, lost + self.newer.1)
    }
}

/// The values of a moving window in order, NaN first.
#[derive(Debug, Default)]
pub(crate) struct SortedWindow {
    sorted: Vec<f64>,
    from: usize,
    to: usize,
}

impl SortedWindow {
    /// Moves to the window `from..to` and returns its values in order.
    pub(crate) fn advance(&mut self, values: &[f64], from: usize, to: usize) -> &[f64] {
        if from >= self.to {
            self.sorted.clear();
            self.sorted.extend_from_slice(&values[from..to]);
            self.sorted.sort_unstable_by(order);
        } else {
            for value in &values[self.from..from] {
                if let Ok(position) = self.sorted.binary_search_by(|probe| order(probe, value)) {
                    self.sorted.remove(position);
                }
            }
            for value in &values[self.to..to] {
                let position = self.sorted.partition_point(|probe| order(probe, value).is_lt());
                self.sorted.insert(position, *value);
            }
        }
        (self.from, self.to) = (from, to);
        &self.sorted
    }
}

/// The order of quantiles: NaN counts as the smallest number.
pub(crate) fn order(a: &f64, b: &f64) -> Ordering {
    b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => -100.0..100.0_f64,
            2 => (0..3_i32).prop_map(f64::from),
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(1e300),
        ]
    }

    proptest! {
        /// What is carried along is what a fresh look at the window finds.
        #[test]
        fn moving_windows_see_what_a_fresh_look_sees(
            values in prop::collection::vec(value(), 1..60), width in 1..20_usize, stride in 1..9_usize,
        ) {
            let (mut least, mut last_greatest) = (Extremes::default(), Extremes::default());
            let (mut sum, mut sorted) = (MovingSum::default(), SortedWindow::default());
            for end in (1..=values.len()).step_by(stride) {
                let start = end.saturating_sub(width);
                let window = &values[start..end];
                let got = least.advance(&values, start, end, |a, b| a < b).map(|idx| values[idx]);
                let want = window.iter().copied().filter(|value| !value.is_nan()).reduce(f64::min);
                prop_assert_eq!(got, want);
                let got = last_greatest.advance(&values, start, end, |a, b| a >= b);
                let want = want.and_then(|_| {
                    let most = window.iter().copied().reduce(f64::max)?;
                    window.iter().rposition(|value| *value == most).map(|idx| idx + start)
                });
                prop_assert_eq!(got, want);
                let (total, lost) = sum.advance(&values, start, end);
                let fresh = window.iter().fold((0.0, 0.0), |(s, l), v| compensated::add(*v, s, l));
                let (got, want) = (total + lost, fresh.0 + fresh.1);
                let is_close = (got - want).abs() <= 1e-9 * want.abs().max(1.0);
                prop_assert!(is_close || got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(), "{got} {want}");
                let mut want = window.to_vec();
                want.sort_unstable_by(order);
                let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(sorted.advance(&values, start, end)), bits(&want));
            }
        }
    }
}
