//! Quantiles and fractions of one native histogram.
//!
//! # Source
//! `spec/prometheus-query.md` §2.8.

use wf_model::FloatHistogram;
use wf_model::histogram::{Bucket, Interpolation};

use crate::engine::histogram::buckets_by_side;

/// What observations of NaN, which are in no bucket, did to a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NanEffect {
    None,
    /// The result is NaN.
    Result,
    /// The result is too high.
    Skew,
}

/// Returns the quantile of a native histogram.
pub(crate) fn quantile(q: f64, histogram: &FloatHistogram) -> (f64, NanEffect) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, NanEffect::None);
    }
    if q > 1.0 {
        return (f64::INFINITY, NanEffect::None);
    }
    if histogram.count == 0.0 || q.is_nan() {
        return (f64::NAN, NanEffect::None);
    }
    let buckets = buckets_by_side(histogram);
    // From the nearer end, rounding errors of the cumulative count stay small; NaN observations count at the top.
    let is_reverse = !histogram.sum.is_nan() && q >= 0.5;
    let rank = if is_reverse { (1.0 - q) * histogram.count } else { q * histogram.count };
    let Some((bucket, cumulative)) =
        (if is_reverse { reach(rank, buckets.iter().rev()) } else { reach(rank, buckets.iter()) })
    else {
        // No bucket holds any of them: all observations are NaN.
        return (f64::NAN, if histogram.sum.is_nan() { NanEffect::Result } else { NanEffect::None });
    };
    let effect = nan_effect(histogram, &buckets);
    let cumulative = cumulative.min(histogram.count);
    let bucket = match custom_edge(histogram, bucket) {
        Ok(bucket) => bucket,
        Err(bound) => return (bound, effect),
    };
    if cumulative < rank {
        return if histogram.sum.is_nan() { (f64::NAN, NanEffect::Result) } else { (bucket.upper, effect) };
    }
    let into = if is_reverse { cumulative - rank } else { rank - (cumulative - bucket.count) };
    (value_at(&bucket, into / bucket.count), effect)
}

/// Walks until the cumulative count reaches `rank`; returns the bucket there, or the last populated one.
fn reach<'a>(rank: f64, buckets: impl Iterator<Item = &'a Bucket>) -> Option<(Bucket, f64)> {
    let mut cumulative = 0.0;
    let mut last = None;
    for bucket in buckets.filter(|bucket| bucket.count != 0.0) {
        cumulative += bucket.count;
        last = Some((*bucket, cumulative));
        if cumulative >= rank {
            break;
        }
    }
    last
}

/// Custom buckets without a finite bound on one side: the first begins at zero if it can, of others a bound is the answer.
fn custom_edge(histogram: &FloatHistogram, bucket: Bucket) -> Result<Bucket, f64> {
    if !histogram.is_custom() {
        return Ok(bucket);
    }
    if bucket.lower == f64::NEG_INFINITY {
        return if bucket.upper <= 0.0 { Err(bucket.upper) } else { Ok(Bucket { lower: 0.0, ..bucket }) };
    }
    if bucket.upper == f64::INFINITY { Err(bucket.lower) } else { Ok(bucket) }
}

fn nan_effect(histogram: &FloatHistogram, buckets: &[Bucket]) -> NanEffect {
    if !histogram.sum.is_nan() {
        return NanEffect::None;
    }
    let in_buckets: f64 = buckets.iter().map(|bucket| bucket.count).sum();
    if in_buckets < histogram.count { NanEffect::Skew } else { NanEffect::None }
}

/// Returns the value below which a share of the bucket's observations lies.
fn value_at(bucket: &Bucket, share: f64) -> f64 {
    if bucket.interpolation == Interpolation::Linear {
        return bucket.lower + (bucket.upper - bucket.lower) * share;
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * share).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - share)).exp2()
    }
}

/// Returns the share of observations between two values, and whether there are NaN observations outside all buckets.
pub(crate) fn fraction(lower: f64, upper: f64, histogram: &FloatHistogram) -> (f64, NanEffect) {
    if histogram.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, NanEffect::None);
    }
    if lower >= upper {
        return (0.0, NanEffect::None);
    }
    let mut buckets = buckets_by_side(histogram);
    if histogram.is_custom()
        && let Some(first) = buckets.first_mut()
        && first.lower == f64::NEG_INFINITY
        && first.upper >= 0.0
    {
        first.lower = 0.0;
    }
    let share = (rank_of(upper, &buckets, histogram.count) - rank_of(lower, &buckets, histogram.count))
        / histogram.count;
    (share, nan_effect(histogram, &buckets))
}

/// Returns how many observations lie below a value, interpolating inside its bucket.
fn rank_of(value: f64, buckets: &[Bucket], total: f64) -> f64 {
    let mut rank: f64 = 0.0;
    for bucket in buckets {
        if bucket.lower >= value {
            break;
        }
        if bucket.upper > value {
            let share = share_below(value, bucket);
            // A bucket of infinite width has no middle to interpolate towards.
            rank += if share.is_finite() { bucket.count * share } else { 0.0 };
            break;
        }
        rank += bucket.count;
    }
    rank.min(total)
}

fn share_below(value: f64, bucket: &Bucket) -> f64 {
    if bucket.interpolation == Interpolation::Linear {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let (lower, upper, at) = (bucket.lower.abs().log2(), bucket.upper.abs().log2(), value.abs().log2());
    if bucket.lower > 0.0 { (at - lower) / (upper - lower) } else { 1.0 - (at - upper) / (lower - upper) }
}
