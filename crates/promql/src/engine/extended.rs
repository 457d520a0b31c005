//! `anchored` and `smoothed`: windows whose edges lie exactly at the ends of the range.
//!
//! # Reading order: here (where the edges come from), `functions` (rate, resets), `selector` (`m smoothed`).
//! # Source: `spec/prometheus-query.md` §2.6.

mod functions;
mod selector;

pub(crate) use functions::{ExtendedRate, ExtendedTransition};
pub(crate) use selector::{SmoothedSelector, raw_window};

/// Where an edge of a window gets its value from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Edge {
    /// The sample at this index as it is.
    Sample(usize),
    /// Between this sample and the next, at this share of the way.
    Between(usize, f64),
}

/// The edges of a window over samples of one type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edges {
    pub(crate) left: Edge,
    pub(crate) right: Edge,
}

/// Returns the edges of an anchored window: real samples, the left one before the start if there is one.
pub(crate) fn anchored(times_ms: &[i64], start_ms: i64) -> Option<Edges> {
    let first_inside = times_ms.partition_point(|time| *time <= start_ms);
    if first_inside == times_ms.len() {
        return None;
    }
    let left = first_inside.saturating_sub(1);
    Some(Edges { left: Edge::Sample(left), right: Edge::Sample(times_ms.len() - 1) })
}

/// Returns the edges of a smoothed window: interpolated where samples lie on both sides.
pub(crate) fn smoothed(times_ms: &[i64], start_ms: i64, end_ms: i64) -> Option<Edges> {
    let first_inside = times_ms.partition_point(|time| *time <= start_ms);
    let n_until_end = times_ms.partition_point(|time| *time <= end_ms);
    if first_inside == times_ms.len() || n_until_end == 0 {
        return None;
    }
    let left = match first_inside.checked_sub(1) {
        Some(before) => between(times_ms, before, start_ms),
        None => Edge::Sample(0),
    };
    Some(Edges { left, right: between(times_ms, n_until_end - 1, end_ms) })
}

/// Returns the value at `time_ms`, which is not before sample `idx`.
pub(crate) fn between(times_ms: &[i64], idx: usize, time_ms: i64) -> Edge {
    let (before, after) = (times_ms[idx], times_ms.get(idx + 1));
    match after {
        Some(after) if before != time_ms => {
            Edge::Between(idx, (time_ms - before) as f64 / (after - before) as f64)
        }
        _ => Edge::Sample(idx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_lie_at_the_ends_of_the_range() {
        let times = [0, 10, 20, 30];
        let edges = |left, right| Some(Edges { left, right });
        assert_eq!(smoothed(&times, 5, 25), edges(Edge::Between(0, 0.5), Edge::Between(2, 0.5)));
        assert_eq!(smoothed(&times, 10, 40), edges(Edge::Sample(1), Edge::Sample(3)));
        assert_eq!(smoothed(&times, -5, 5), edges(Edge::Sample(0), Edge::Between(0, 0.5)));
        assert_eq!(smoothed(&times, 30, 40), None);
        assert_eq!(smoothed(&times, -20, -10), None);
        assert_eq!(anchored(&times, 15), edges(Edge::Sample(1), Edge::Sample(3)));
        assert_eq!(anchored(&times, -1), edges(Edge::Sample(0), Edge::Sample(3)));
        assert_eq!(anchored(&times, 30), None);
    }
}
