//! Quantiles and fractions of one classic histogram.
//!
//! # Source
//! `spec/prometheus-query.md` §2.8.

/// A cumulative bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassicBucket {
    /// Upper bound: the value of `le`.
    pub(crate) upper: f64,
    /// Observations up to the bound.
    pub(crate) count: f64,
}

/// What had to be raised to make counts monotonic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Raised {
    pub(crate) min_bucket: f64,
    pub(crate) max_bucket: f64,
    pub(crate) max_diff: f64,
}

/// Differences below this share are rounding errors of the sums behind the counts.
const TOLERANCE: f64 = 1e-12;

/// Sorts by bound and adds up buckets of equal bounds; `None` unless the highest bound is infinite.
fn normalize(buckets: &mut Vec<ClassicBucket>) -> Option<()> {
    // Whoever asks at many steps has them in order.
    if !buckets.is_sorted_by(|a, b| a.upper < b.upper) {
        buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
        buckets.dedup_by(|later, kept| {
            let is_same = later.upper == kept.upper;
            if is_same {
                kept.count += later.count;
            }
            is_same
        });
    }
    (buckets.last()?.upper == f64::INFINITY).then_some(())
}

/// Returns the quantile of a classic histogram, and what had to be fixed on the way.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, Option<Raised>) {
    if q.is_nan() {
        return (f64::NAN, None);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if normalize(buckets).is_none() {
        return (f64::NAN, None);
    }
    let raised = make_monotonic(buckets);
    (interpolate(q, buckets), raised)
}

fn interpolate(q: f64, buckets: &[ClassicBucket]) -> f64 {
    let [inner @ .., highest] = buckets else { return f64::NAN };
    let Some(second_highest) = inner.last() else { return f64::NAN };
    if highest.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * highest.count;
    let Some(position) = inner.iter().position(|bucket| bucket.count >= rank) else {
        // Counts that are NaN end here too, as in the original.
        return second_highest.upper;
    };
    let bucket = inner[position];
    match position.checked_sub(1).map(|before| inner[before]) {
        None if bucket.upper <= 0.0 => bucket.upper,
        None => bucket.upper * (rank / bucket.count),
        Some(before) => {
            let share = (rank - before.count) / (bucket.count - before.count);
            before.upper + (bucket.upper - before.upper) * share
        }
    }
}

/// Raises every count that is below its predecessor's.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<Raised> {
    let mut raised: Option<Raised> = None;
    let mut previous = buckets.first()?.count;
    for bucket in buckets.iter_mut().skip(1) {
        let count = bucket.count;
        if count == previous {
            continue;
        }
        if is_rounding_error(count, previous) {
            bucket.count = previous;
        } else if count < previous {
            let known = raised.get_or_insert(Raised {
                min_bucket: bucket.upper,
                max_bucket: bucket.upper,
                max_diff: 0.0,
            });
            known.max_bucket = bucket.upper;
            known.max_diff = known.max_diff.max(previous - count);
            bucket.count = previous;
        } else {
            previous = count;
        }
    }
    raised
}

fn is_rounding_error(a: f64, b: f64) -> bool {
    (a - b).abs() < TOLERANCE * (a.abs() + b.abs()).min(f64::MAX)
}

/// Returns the share of observations between two values.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if normalize(buckets).is_none() {
        return f64::NAN;
    }
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets) - rank_of(lower, buckets)) / total
}

/// Returns how many observations lie below a value, interpolating inside its bucket.
fn rank_of(value: f64, buckets: &[ClassicBucket]) -> f64 {
    let total = buckets.last().map_or(0.0, |bucket| bucket.count);
    let mut rank: f64 = 0.0;
    let mut lower =
        if buckets.first().is_some_and(|bucket| bucket.upper > 0.0) { 0.0 } else { f64::NEG_INFINITY };
    for bucket in buckets {
        if lower >= value {
            return rank.min(total);
        }
        if bucket.upper > value {
            let share = (value - lower) / (bucket.upper - lower);
            // A bucket of infinite width has no middle to interpolate towards.
            let inside = if share.is_finite() { (bucket.count - rank) * share } else { 0.0 };
            return (rank + inside).min(total);
        }
        rank = bucket.count;
        lower = bucket.upper;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[(f64, f64)]) -> Vec<ClassicBucket> {
        counts.iter().map(|(upper, count)| ClassicBucket { upper: *upper, count: *count }).collect()
    }

    #[test]
    fn quantiles_interpolate_inside_their_bucket() {
        let check = |q: f64, counts: &[(f64, f64)], want: f64| {
            let (got, _) = quantile(q, &mut histogram(counts));
            assert!(
                (got - want).abs() < 1e-9 || got == want || got.is_nan() && want.is_nan(),
                "{q}: {got}, not {want}"
            );
        };
        let counts = [(0.1, 1.0), (0.2, 2.0), (1.0, 2.0), (f64::INFINITY, 4.0)];
        check(0.25, &counts, 0.1);
        check(0.375, &counts, 0.15);
        check(0.9, &counts, 1.0);
        check(f64::NAN, &counts, f64::NAN);
        check(-1.0, &counts, f64::NEG_INFINITY);
        check(2.0, &counts, f64::INFINITY);
        check(0.5, &[(1.0, 1.0)], f64::NAN);
        check(0.5, &[(1.0, 0.0), (f64::INFINITY, 0.0)], f64::NAN);
        check(0.5, &[(-1.0, 2.0), (f64::INFINITY, 2.0)], -1.0);
    }

    #[test]
    fn decreasing_counts_are_raised_and_told() {
        let mut buckets = histogram(&[(1.0, 5.0), (2.0, 3.0), (3.0, 4.0), (f64::INFINITY, 6.0)]);
        let (_, raised) = quantile(0.5, &mut buckets);
        assert_eq!(raised, Some(Raised { min_bucket: 2.0, max_bucket: 3.0, max_diff: 2.0 }));
        let mut rounding = histogram(&[(1.0, 5.0), (2.0, 5.0 - 1e-13), (f64::INFINITY, 6.0)]);
        assert_eq!(quantile(0.5, &mut rounding).1, None);
    }

    #[test]
    fn fractions_count_what_lies_between() {
        let counts = [(0.1, 1.0), (0.2, 2.0), (f64::INFINITY, 4.0)];
        let check = |lower: f64, upper: f64, want: f64| {
            let got = fraction(lower, upper, &mut histogram(&counts));
            assert!((got - want).abs() < 1e-9, "{lower}..{upper}: {got}");
        };
        check(0.0, 0.1, 0.25);
        check(0.05, 0.15, 0.25);
        check(f64::NEG_INFINITY, f64::INFINITY, 1.0);
        check(1.0, 0.0, 0.0);
    }
}
