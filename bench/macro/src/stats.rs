//! Few numbers from many: median, quantiles, summaries, ratios.

/// What several runs of one subject gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Half of the runs gave less.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

/// Returns the median; of an even number the mean of the two in the middle; of none `None`. NaN sorts last.
pub fn median(values: &[f64]) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let is_even = sorted.len().is_multiple_of(2);
    Some(if is_even { f64::midpoint(upper, *sorted.get(middle - 1)?) } else { upper })
}

/// Returns the smallest value that at least `q` (0 to 1) of all values do not exceed: no value is invented between two.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (q.clamp(0.0, 1.0) * sorted.len() as f64).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the number of values")]
    sorted.get((rank as usize).max(1) - 1).copied()
}

/// Returns median, minimum and maximum; of nothing `None`.
pub fn summary(values: &[f64]) -> Option<Summary> {
    let sorted = sorted(values);
    Some(Summary { median: median(values)?, min: *sorted.first()?, max: *sorted.last()? })
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(50.0));
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_summary_spans_all_runs() {
        assert_eq!(summary(&[2.0, 9.0, 4.0]), Some(Summary { median: 4.0, min: 2.0, max: 9.0 }));
    }
}
