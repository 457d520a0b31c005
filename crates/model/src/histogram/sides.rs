//! One side of a histogram as a plain list of buckets: the form in which arithmetic is easy to see.

use super::Span;

/// Buckets by ascending index; indices are unique.
pub(super) type Buckets = Vec<(i32, f64)>;

/// Returns the buckets that the spans cover, empty ones included.
pub(super) fn unpack(spans: &[Span], counts: &[f64]) -> Buckets {
    let mut buckets = Vec::with_capacity(counts.len());
    let (mut index, mut counts) = (0_i32, counts.iter());
    for span in spans {
        index = index.saturating_add(span.offset);
        // A span that claims more buckets than there are counts ends with the counts.
        for count in counts.by_ref().take(span.length as usize) {
            buckets.push((index, *count));
            index = index.saturating_add(1);
        }
    }
    buckets
}

/// Returns spans and counts of the buckets.
pub(super) fn pack(buckets: &[(i32, f64)]) -> (Vec<Span>, Vec<f64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for (index, _) in buckets {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span { offset: index - next, length: 1 }),
        }
        next = index + 1;
    }
    (spans, buckets.iter().map(|(_, count)| *count).collect())
}

/// Adds `sign ·` the counts of `other`, bucket by bucket.
pub(super) fn merge(buckets: &[(i32, f64)], other: &[(i32, f64)], sign: f64) -> Buckets {
    let mut merged = Vec::with_capacity(buckets.len().max(other.len()));
    let (mut left, mut right) = (buckets.iter().peekable(), other.iter().peekable());
    loop {
        match (left.peek(), right.peek()) {
            (Some((a, x)), Some((b, y))) if a == b => {
                merged.push((*a, x + sign * y));
                left.next();
                right.next();
            }
            (Some((a, _)), Some((b, y))) if a > b => {
                merged.push((*b, sign * y));
                right.next();
            }
            (Some(bucket), _) => {
                merged.push(**bucket);
                left.next();
            }
            (None, Some((b, y))) => {
                merged.push((*b, sign * y));
                right.next();
            }
            (None, None) => return merged,
        }
    }
}

/// Renames the indices with a rule that keeps their order, adding up buckets that come together.
pub(super) fn regroup(buckets: &[(i32, f64)], rename: impl Fn(i32) -> i32) -> Buckets {
    let mut grouped: Buckets = Vec::with_capacity(buckets.len());
    for (index, count) in buckets {
        let index = rename(*index);
        match grouped.last_mut() {
            Some((last, sum)) if *last == index => *sum += count,
            _ => grouped.push((index, *count)),
        }
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_and_unpacking_are_inverse() {
        let buckets = vec![(-3, 1.0), (-2, 0.0), (5, 2.0), (7, 1.0)];
        let (spans, counts) = pack(&buckets);
        assert_eq!(spans.len(), 3);
        assert_eq!(unpack(&spans, &counts), buckets);
    }

    #[test]
    fn merging_keeps_order_and_adds() {
        assert_eq!(
            merge(&[(1, 1.0), (3, 1.0)], &[(0, 1.0), (3, 2.0)], -1.0),
            [(0, -1.0), (1, 1.0), (3, -1.0)]
        );
    }
}
