//! Sums that lose no small terms: Kahan's summation in Neumaier's form, as the reference adds.

/// Adds `term` to the compensated sum (`sum`, `lost`) and returns the new one.
#[inline]
pub(crate) fn add(term: f64, sum: f64, lost: f64) -> (f64, f64) {
    let total = sum + term;
    let lost = if total.is_infinite() {
        // A finite correction of an infinite sum would only turn it into NaN.
        0.0
    } else if sum.abs() >= term.abs() {
        lost + ((sum - total) + term)
    } else {
        lost + ((term - total) + sum)
    };
    (total, lost)
}

/// As [`add`] for several sums side by side, each as if alone. There is no branch, so that the processor works on all at
/// once instead of waiting for each addition; and no array is walked by reference, which would keep the sums in memory.
#[inline(always)]
pub(crate) fn add_each<const N: usize>(terms: [f64; N], sums: &mut [f64; N], lost: &mut [f64; N]) {
    let totals: [f64; N] = std::array::from_fn(|idx| sums[idx] + terms[idx]);
    *lost = std::array::from_fn(|idx| {
        let (sum, term, total) = (sums[idx], terms[idx], totals[idx]);
        let (large, small) = if sum.abs() >= term.abs() { (sum, term) } else { (term, sum) };
        let kept = lost[idx] + ((large - total) + small);
        if total.is_infinite() { 0.0 } else { kept }
    });
    *sums = totals;
}

/// Returns a corrected sum; an infinite one needs no correction.
pub(crate) fn corrected(sum: f64, lost: f64) -> f64 {
    if sum.is_infinite() { sum } else { sum + lost }
}

/// A running compensated sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    #[inline]
    pub(crate) fn add(&mut self, term: f64) {
        (self.sum, self.lost) = add(term, self.sum, self.lost);
    }

    /// Returns the corrected sum.
    pub(crate) fn value(&self) -> f64 {
        corrected(self.sum, self.lost)
    }
}

/// A running mean: a plain sum until it would overflow, an incremental mean from then on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    count: f64,
    sum: f64,
    lost: f64,
    /// `sum` and `lost` hold the mean so far instead of the sum.
    is_incremental: bool,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        if !self.is_incremental {
            let (sum, lost) = add(value, self.sum, self.lost);
            if self.count == 1.0 || !sum.is_infinite() {
                (self.sum, self.lost) = (sum, lost);
                return;
            }
            self.is_incremental = true;
            self.sum /= self.count - 1.0;
            self.lost /= self.count - 1.0;
        }
        let shrink = (self.count - 1.0) / self.count;
        (self.sum, self.lost) = add(value / self.count, shrink * self.sum, shrink * self.lost);
    }

    pub(crate) fn value(&self) -> f64 {
        if self.is_incremental {
            corrected(self.sum, self.lost)
        } else {
            self.sum / self.count + self.lost / self.count
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_side_by_side_are_those_alone() {
        let terms = [1e100, 1.0, -1e100, 3.5, f64::INFINITY, 1e-30, f64::NAN, 0.0];
        for rotation in 0..terms.len() {
            let (mut sums, mut lost, mut alone) = ([0.0; 2], [0.0; 2], (0.0, 0.0));
            for idx in 0..terms.len() {
                let term = terms[(idx + rotation) % terms.len()];
                add_each([term, 1.0], &mut sums, &mut lost);
                alone = add(term, alone.0, alone.1);
                assert_eq!((sums[0].to_bits(), lost[0].to_bits()), (alone.0.to_bits(), alone.1.to_bits()));
            }
            assert_eq!(sums[1], 8.0);
        }
    }

    #[test]
    fn small_terms_survive_large_ones() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|term| sum.add(term));
        assert_eq!(sum.value(), 2.0);
    }

    #[test]
    fn a_mean_whose_sum_overflows_stays_finite() {
        let mut mean = Mean::default();
        [1e308, 1e308, 1e308].into_iter().for_each(|value| mean.add(value));
        assert!((mean.value() - 1e308).abs() < 1e293, "{}", mean.value());
        let mut infinite = Mean::default();
        [f64::INFINITY, 0.0, f64::INFINITY].into_iter().for_each(|value| infinite.add(value));
        assert_eq!(infinite.value(), f64::INFINITY);
    }
}
