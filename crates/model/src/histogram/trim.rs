//! Trimming: the part of a histogram below or above a value, count and sum estimated anew.
//!
//! # Source
//! `spec/prometheus-query.md` §2.7, "Trim arithmetic".

use super::arithmetic::Parts;
use super::{FloatHistogram, bucket_bound};

/// Which part is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Below,
    Above,
}

/// How observations spread inside a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Linear,
    Exponential,
}

/// What is left, and whether anything went.
#[derive(Debug, Default)]
struct Tally {
    count: f64,
    sum: f64,
    trimmed: bool,
}

impl FloatHistogram {
    /// Returns the part below `limit` (the operator `</`).
    pub fn trim_upper(&self, limit: f64) -> Self {
        self.trim(limit, Keep::Below)
    }

    /// Returns the part above `limit` (the operator `>/`).
    pub fn trim_lower(&self, limit: f64) -> Self {
        self.trim(limit, Keep::Above)
    }

    fn trim(&self, limit: f64, keep: Keep) -> Self {
        let mut parts = Parts::of(self);
        let mut tally = Tally::default();
        if self.has_custom_buckets() {
            let bounds = parts.bounds.clone();
            let bound = |index: i32| usize::try_from(index).ok().and_then(|index| bounds.get(index).copied());
            for (index, count) in &mut parts.positive {
                let lower = bound(*index - 1).unwrap_or(f64::NEG_INFINITY);
                let upper = bound(*index).unwrap_or(f64::INFINITY);
                *count = tally.keep(*count, (lower, upper), Shape::Linear, limit, keep);
            }
        } else {
            let bound = |index: i32| bucket_bound(i64::from(index), self.schema);
            for (index, count) in &mut parts.negative {
                let edges = (-bound(*index), -bound(*index - 1));
                *count = tally.keep(*count, edges, Shape::Exponential, limit, keep);
            }
            let is_populated = |side: &[f64]| side.iter().any(|count| *count != 0.0);
            let (has_negative, has_positive) =
                (is_populated(&self.negative_buckets), is_populated(&self.positive_buckets));
            let lower = if has_positive && !has_negative { 0.0 } else { -self.zero_threshold };
            let upper = if has_negative && !has_positive { 0.0 } else { self.zero_threshold };
            parts.zero_count = tally.keep(parts.zero_count, (lower, upper), Shape::Linear, limit, keep);
            for (index, count) in &mut parts.positive {
                let edges = (bound(*index - 1), bound(*index));
                *count = tally.keep(*count, edges, Shape::Exponential, limit, keep);
            }
        }
        if !tally.trimmed {
            return self.clone();
        }
        let mut result = self.clone();
        parts.store(&mut result);
        result.count = tally.count;
        result.sum = tally.sum;
        result.compact();
        result
    }
}

impl Tally {
    /// Returns how much of a bucket is kept, and adds that to count and sum.
    fn keep(&mut self, count: f64, edges: (f64, f64), shape: Shape, limit: f64, keep: Keep) -> f64 {
        if count == 0.0 {
            return 0.0;
        }
        let (lower, upper) = edges;
        let (inside, outside) = match keep {
            Keep::Below => (upper <= limit, lower >= limit),
            Keep::Above => (lower >= limit, upper <= limit),
        };
        let (kept, midpoint) = if inside {
            (count, middle(lower, upper, shape))
        } else if outside {
            (0.0, 0.0)
        } else {
            straddling(count, edges, shape, limit, keep)
        };
        self.trimmed |= kept != count;
        self.count += kept;
        if kept != 0.0 {
            self.sum += kept * midpoint;
        }
        kept
    }
}

fn middle(lower: f64, upper: f64, shape: Shape) -> f64 {
    if lower == f64::NEG_INFINITY {
        return if upper > 0.0 { upper / 2.0 } else { upper };
    }
    if upper == f64::INFINITY {
        return lower;
    }
    match shape {
        Shape::Linear => f64::midpoint(lower, upper),
        Shape::Exponential if lower < 0.0 => -(lower * upper).sqrt(),
        Shape::Exponential => (lower * upper).sqrt(),
    }
}

/// How much of a bucket that holds `limit` is kept, and around which value.
fn straddling(count: f64, (lower, upper): (f64, f64), shape: Shape, limit: f64, keep: Keep) -> (f64, f64) {
    if lower == f64::NEG_INFINITY {
        return open_below(count, upper, limit, keep);
    }
    if upper == f64::INFINITY {
        return if keep == Keep::Below { (0.0, 0.0) } else { (count, limit) };
    }
    let below = match shape {
        Shape::Linear => (limit - lower) / (upper - lower),
        Shape::Exponential if lower < 0.0 => {
            (lower.abs().log2() - limit.abs().log2()) / (lower.abs().log2() - upper.abs().log2())
        }
        Shape::Exponential => (limit.log2() - lower.log2()) / (upper.log2() - lower.log2()),
    };
    match keep {
        Keep::Below => (count * below, middle(lower, limit, shape)),
        Keep::Above => (count * (1.0 - below), middle(limit, upper, shape)),
    }
}

/// The first custom bucket has no lower bound; it is taken to begin at 0 when it ends above.
fn open_below(count: f64, upper: f64, limit: f64, keep: Keep) -> (f64, f64) {
    match keep {
        Keep::Below if upper <= 0.0 => (count, limit),
        Keep::Below if limit > 0.0 => (count * limit / upper, limit / 2.0),
        Keep::Above if limit >= 0.0 => (count * (1.0 - limit / upper), f64::midpoint(limit, upper)),
        Keep::Below | Keep::Above => (0.0, 0.0),
    }
}
