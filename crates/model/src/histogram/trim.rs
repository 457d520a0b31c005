//! Cutting a histogram off at a value: what `</` and `>/` keep.
//!
//! # Source
//! `spec/prometheus-query.md` §2.7, "Trim".

use super::buckets::{Bucket, Interpolation};
use super::{FloatHistogram, sparse};

/// What is left of a bucket: how many observations, and where they lie on average.
#[derive(Clone, Copy)]
struct Kept {
    count: f64,
    midpoint: f64,
}

const NOTHING: Kept = Kept { count: 0.0, midpoint: 0.0 };

impl FloatHistogram {
    /// Returns the part below `limit`. Count and sum are estimated anew if anything was cut off.
    pub fn trim_upper(&self, limit: f64) -> Self {
        self.trimmed(|bucket| below(bucket, limit))
    }

    /// Returns the part above `limit`. Count and sum are estimated anew if anything was cut off.
    pub fn trim_lower(&self, limit: f64) -> Self {
        self.trimmed(|bucket| above(bucket, limit))
    }

    fn trimmed(&self, keep: impl Fn(&Bucket) -> Kept) -> Self {
        let mut trimmed = self.clone();
        let (mut count, mut sum, mut is_cut) = (0.0, 0.0, false);
        let mut take = |bucket: Bucket| {
            let kept = keep(&bucket);
            is_cut |= kept.count != bucket.count;
            count += kept.count;
            // An empty rest may have an infinite midpoint.
            if kept.count != 0.0 {
                sum += kept.count * kept.midpoint;
            }
            kept.count
        };
        for (at, bucket) in self.negative_side().into_iter().enumerate() {
            set(&mut trimmed.negative_buckets, at, take(bucket));
        }
        if self.zero_count != 0.0 {
            trimmed.zero_count = take(self.zero_bucket());
        }
        for (at, bucket) in self.positive_side().into_iter().enumerate() {
            set(&mut trimmed.positive_buckets, at, take(bucket));
        }
        if !is_cut {
            return self.clone();
        }
        (trimmed.count, trimmed.sum) = (count, sum);
        trimmed.compact();
        trimmed
    }

    fn positive_side(&self) -> Vec<Bucket> {
        let interpolation = if self.is_custom() { Interpolation::Linear } else { Interpolation::Exponential };
        let bucket = |(index, count): (i32, f64)| {
            plain(self.bound(index.saturating_sub(1)), self.bound(index), count, interpolation)
        };
        sparse::indexed(&self.positive_spans, &self.positive_buckets).map(bucket).collect()
    }

    /// In the order of the counts: away from zero.
    fn negative_side(&self) -> Vec<Bucket> {
        let bucket = |(index, count): (i32, f64)| {
            let (lower, upper) = (-self.bound(index), -self.bound(index.saturating_sub(1)));
            plain(lower, upper, count, Interpolation::Exponential)
        };
        self.negative_entries().map(bucket).collect()
    }

    /// The zero bucket; when only one side is populated, its observations lie on that side.
    fn zero_bucket(&self) -> Bucket {
        let has_negative = self.negative_buckets.iter().any(|count| *count != 0.0);
        let has_positive = self.positive_buckets.iter().any(|count| *count != 0.0);
        let lower = if has_positive && !has_negative { 0.0 } else { -self.zero_threshold };
        let upper = if has_negative && !has_positive { 0.0 } else { self.zero_threshold };
        plain(lower, upper, self.zero_count, Interpolation::Linear)
    }
}

fn plain(lower: f64, upper: f64, count: f64, interpolation: Interpolation) -> Bucket {
    Bucket { lower, upper, count, is_lower_inclusive: false, is_upper_inclusive: true, interpolation }
}

fn set(counts: &mut [f64], at: usize, count: f64) {
    if let Some(slot) = counts.get_mut(at) {
        *slot = count;
    }
}

fn below(bucket: &Bucket, limit: f64) -> Kept {
    let Bucket { lower, upper, count, .. } = *bucket;
    if upper <= limit {
        return whole(bucket);
    }
    if limit.is_nan() || lower >= limit {
        return NOTHING;
    }
    if lower == f64::NEG_INFINITY {
        return if limit > 0.0 && upper > limit && upper > 0.0 {
            // Taken to begin at zero.
            Kept { count: count * limit / upper, midpoint: limit / 2.0 }
        } else if upper <= 0.0 {
            Kept { count, midpoint: limit }
        } else {
            NOTHING
        };
    }
    if upper == f64::INFINITY {
        return NOTHING;
    }
    part(bucket, lower, limit, share_below(bucket, limit))
}

fn above(bucket: &Bucket, limit: f64) -> Kept {
    let Bucket { lower, upper, count, .. } = *bucket;
    if lower >= limit {
        return whole(bucket);
    }
    if limit.is_nan() || upper <= limit {
        return NOTHING;
    }
    if upper == f64::INFINITY && lower == f64::NEG_INFINITY {
        return NOTHING;
    }
    if upper == f64::INFINITY {
        return Kept { count, midpoint: limit };
    }
    if lower == f64::NEG_INFINITY {
        return if limit >= 0.0 {
            Kept { count: count * (1.0 - limit / upper), midpoint: f64::midpoint(limit, upper) }
        } else {
            NOTHING
        };
    }
    part(bucket, limit, upper, 1.0 - share_below(bucket, limit))
}

fn whole(bucket: &Bucket) -> Kept {
    Kept { count: bucket.count, midpoint: midpoint(bucket.lower, bucket.upper, bucket.interpolation) }
}

fn part(bucket: &Bucket, lower: f64, upper: f64, share: f64) -> Kept {
    Kept { count: bucket.count * share, midpoint: midpoint(lower, upper, bucket.interpolation) }
}

fn midpoint(lower: f64, upper: f64, interpolation: Interpolation) -> f64 {
    if lower == f64::NEG_INFINITY {
        return if upper > 0.0 { upper / 2.0 } else { upper };
    }
    if upper == f64::INFINITY {
        return lower;
    }
    match interpolation {
        Interpolation::Linear => f64::midpoint(lower, upper),
        Interpolation::Exponential if lower < 0.0 => -(lower * upper).sqrt(),
        Interpolation::Exponential => (lower * upper).sqrt(),
    }
}

/// Returns the share of a finite bucket's observations below `limit`, which lies inside.
fn share_below(bucket: &Bucket, limit: f64) -> f64 {
    let Bucket { lower, upper, .. } = *bucket;
    match bucket.interpolation {
        Interpolation::Linear => (limit - lower) / (upper - lower),
        Interpolation::Exponential => {
            let (lower, upper, limit) = (lower.abs().log2(), upper.abs().log2(), limit.abs().log2());
            (limit - lower) / (upper - lower)
        }
    }
}
