//! Spans and counts as a list of `(index, count)` and back.

use super::Span;

/// Index and count of each bucket that spans cover, ascending.
pub(super) type Entries = Vec<(i32, f64)>;

/// Iterates over index and count of every bucket. Spans that promise more buckets than there are counts end early.
pub(super) fn indexed<'a>(spans: &'a [Span], counts: &'a [f64]) -> impl Iterator<Item = (i32, f64)> + 'a {
    indices(spans).zip(counts.iter().copied())
}

/// Iterates over the index of every bucket that spans cover.
pub fn indices(spans: &[Span]) -> impl Iterator<Item = i32> + '_ {
    let runs = spans.iter().scan(0_i64, |next, span| {
        let start = *next + i64::from(span.offset);
        *next = start + i64::from(span.length);
        Some(start..*next)
    });
    // Indices beyond 32 bits mean bounds beyond all floats: they may share the last one.
    runs.flatten().map(|index| i32::try_from(index).unwrap_or(if index < 0 { i32::MIN } else { i32::MAX }))
}

/// Builds spans that cover ascending, distinct indices.
pub fn spans_of_indices(indices: impl Iterator<Item = i32>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0_i32;
    for index in indices {
        match spans.last_mut() {
            Some(span) if index == next => span.length += 1,
            _ => spans.push(Span { offset: index.saturating_sub(next), length: 1 }),
        }
        next = index.saturating_add(1);
    }
    spans
}

/// Builds spans and counts from ascending, distinct indices.
pub(super) fn spans_of(entries: &[(i32, f64)]) -> (Vec<Span>, Vec<f64>) {
    let spans = spans_of_indices(entries.iter().map(|(index, _)| *index));
    (spans, entries.iter().map(|(_, count)| *count).collect())
}

pub(super) fn compact(spans: &mut Vec<Span>, counts: &mut Vec<f64>) {
    let is_split = spans.iter().skip(1).any(|span| span.offset == 0);
    let is_compact =
        !is_split && spans.iter().all(|span| span.length > 0) && counts.iter().all(|count| *count != 0.0);
    if !is_compact {
        let populated: Entries = indexed(spans, counts).filter(|(_, count)| *count != 0.0).collect();
        (*spans, *counts) = spans_of(&populated);
    }
}

/// Whether spans cover the same indices.
pub(super) fn are_spans_equal(a: &[Span], b: &[Span]) -> bool {
    a == b || covered(a).eq(covered(b))
}

/// The runs of indices that spans cover, adjacent ones joined.
fn covered(spans: &[Span]) -> impl Iterator<Item = (i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    let mut next = 0_i64;
    for span in spans {
        let start = next + i64::from(span.offset);
        next = start + i64::from(span.length);
        match runs.last_mut() {
            _ if span.length == 0 => {}
            Some(run) if run.1 == start => run.1 = next,
            _ => runs.push((start, next)),
        }
    }
    runs.into_iter()
}

/// Maps indices by a monotonic function; buckets that meet are added up.
pub(super) fn remap(entries: impl Iterator<Item = (i32, f64)>, map: impl Fn(i32) -> i32) -> Entries {
    let mut merged: Entries = Vec::new();
    for (index, count) in entries {
        let index = map(index);
        match merged.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => merged.push((index, count)),
        }
    }
    merged
}

/// Calls `visit(index, a, b)` for every index in either list, ascending; absent counts are zero.
pub(super) fn join(
    a: impl Iterator<Item = (i32, f64)>,
    b: impl Iterator<Item = (i32, f64)>,
    mut visit: impl FnMut(i32, f64, f64),
) {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    loop {
        let (left, right) = (a.peek().copied(), b.peek().copied());
        let index = match (left, right) {
            (Some(left), Some(right)) => left.0.min(right.0),
            (Some(one), None) | (None, Some(one)) => one.0,
            (None, None) => return,
        };
        let left = a.next_if(|left| left.0 == index).map_or(0.0, |left| left.1);
        let right = b.next_if(|right| right.0 == index).map_or(0.0, |right| right.1);
        visit(index, left, right);
    }
}
