//! What may follow in one chunk: a counter that only grew, in buckets that the chunk has or can be given.
//!
//! # Source
//! `spec/prometheus-core.md` §7.6 and §7.7.

use wf_model::histogram::{CounterResetHint, Span, sparse};

use super::{Decoder, Encoder, Kind, Layout, Parts, ResetFlag};
use crate::chunk::ChunkError;

/// What has to happen before a histogram is appended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fit {
    /// Nothing: it has the buckets of the chunk.
    Same,
    /// Chunk, histogram or both need these buckets besides theirs.
    Widen {
        /// Spans that cover the buckets of both.
        positive_spans: Vec<Span>,
        /// As `positive_spans`.
        negative_spans: Vec<Span>,
        /// Whether the chunk lacks some of them and has to be written anew.
        is_chunk_narrow: bool,
    },
    /// A new chunk begins; what its head says about a reset.
    NewChunk(ResetFlag),
}

/// Decides whether `next` may follow the newest histogram of a chunk.
pub(crate) fn fit<K: Kind>(chunk: &Encoder<K>, next: &K::Histogram) -> Fit {
    let next = K::parts(next);
    let newest = chunk.newest();
    let newest = K::parts(&newest);
    let is_gauge = chunk.flag() == ResetFlag::Gauge;
    if next.is_stale() {
        // The marker knows nothing about gauges and counters: it goes where the samples went.
        return Fit::Same;
    }
    if next.hint == CounterResetHint::Reset {
        return Fit::NewChunk(ResetFlag::Reset);
    }
    if is_gauge != (next.hint == CounterResetHint::Gauge) {
        return Fit::NewChunk(first_flag(next.hint));
    }
    // After a stale marker only further markers may follow, and nothing can be compared.
    if newest.is_stale() {
        return Fit::NewChunk(first_flag(next.hint));
    }
    if !is_gauge && next.count < newest.count {
        return Fit::NewChunk(ResetFlag::Reset);
    }
    let layout = chunk.layout();
    if !has_layout(&next, layout) {
        return Fit::NewChunk(first_flag(next.hint));
    }
    if !is_gauge && next.zero_count < newest.zero_count {
        return Fit::NewChunk(ResetFlag::Reset);
    }
    let sides = [
        (&*layout.positive_spans, newest.positive, next.positive_spans, next.positive),
        (&*layout.negative_spans, newest.negative, next.negative_spans, next.negative),
    ];
    let mut widened = [None, None];
    for ((spans, before, next_spans, after), widened) in sides.into_iter().zip(&mut widened) {
        let (before, after) = (K::absolute(before), K::absolute(after));
        if spans == next_spans {
            if !is_gauge && before.iter().zip(&after).any(|(before, after)| after < before) {
                return Fit::NewChunk(ResetFlag::Reset);
            }
            continue;
        }
        match union(spans, &before, next_spans, &after) {
            Union { is_reset: true, .. } if !is_gauge => return Fit::NewChunk(ResetFlag::Reset),
            union => *widened = Some(union),
        }
    }
    let [positive, negative] = widened;
    if positive.is_none() && negative.is_none() {
        return Fit::Same;
    }
    let is_chunk_narrow = positive.as_ref().is_some_and(|u| u.is_left_narrow)
        || negative.as_ref().is_some_and(|u| u.is_left_narrow);
    // A chunk that has all the buckets keeps its spans, however they are spelled.
    let spans = |union: Option<Union>, own: &[Span]| match union {
        Some(union) if is_chunk_narrow => union.spans,
        _ => own.to_vec(),
    };
    Fit::Widen {
        positive_spans: spans(positive, &layout.positive_spans),
        negative_spans: spans(negative, &layout.negative_spans),
        is_chunk_narrow,
    }
}

/// What the head of a chunk says that a sample with this hint begins, when nothing before it can be compared.
pub(crate) fn first_flag(hint: CounterResetHint) -> ResetFlag {
    match hint {
        CounterResetHint::Reset => ResetFlag::Reset,
        CounterResetHint::Gauge => ResetFlag::Gauge,
        CounterResetHint::Unknown | CounterResetHint::NotReset => ResetFlag::Unknown,
    }
}

fn has_layout<K: Kind>(parts: &Parts<'_, K>, layout: &Layout) -> bool {
    let bits = |values: &[f64]| -> Vec<u64> { values.iter().map(|value| value.to_bits()).collect() };
    parts.schema == layout.schema
        && parts.zero_threshold.to_bits() == layout.zero_threshold.to_bits()
        && (parts.custom_values.is_empty() && layout.custom_values.is_empty()
            || bits(parts.custom_values) == bits(&layout.custom_values))
}

struct Union {
    spans: Vec<Span>,
    /// The left side lacks buckets of the right one.
    is_left_narrow: bool,
    /// A bucket counts less on the right than on the left.
    is_reset: bool,
}

/// Joins the buckets of two histograms.
fn union<C: Copy + PartialOrd + Default>(left: &[Span], before: &[C], right: &[Span], after: &[C]) -> Union {
    let mut left = sparse::indices(left).zip(before.iter().copied()).peekable();
    let mut right = sparse::indices(right).zip(after.iter().copied()).peekable();
    let (mut indices, mut is_left_narrow, mut is_reset) = (Vec::new(), false, false);
    loop {
        let index = match (left.peek(), right.peek()) {
            (Some((left, _)), Some((right, _))) => *left.min(right),
            (Some((index, _)), None) | (None, Some((index, _))) => *index,
            (None, None) => break,
        };
        let before = left.next_if(|(left, _)| *left == index).map(|(_, count)| count);
        let after = right.next_if(|(right, _)| *right == index).map(|(_, count)| count);
        is_left_narrow |= before.is_none();
        is_reset |= after.unwrap_or_default() < before.unwrap_or_default();
        indices.push(index);
    }
    Union { spans: sparse::spans_of_indices(indices.into_iter()), is_left_narrow, is_reset }
}

/// Returns `histogram` with empty buckets added so that it has those of the spans given, which cover its own.
pub(crate) fn widened<K: Kind>(
    histogram: &K::Histogram,
    positive_spans: &[Span],
    negative_spans: &[Span],
) -> K::Histogram {
    let parts = K::parts(histogram);
    if parts.is_stale() {
        return histogram.clone();
    }
    let layout = Layout {
        positive_spans: positive_spans.to_vec(),
        negative_spans: negative_spans.to_vec(),
        ..parts.layout()
    };
    let positive = spread(K::absolute(parts.positive), parts.positive_spans, positive_spans);
    let negative = spread(K::absolute(parts.negative), parts.negative_spans, negative_spans);
    let totals = (parts.count, parts.zero_count, parts.sum);
    K::build(parts.hint, &layout, totals, K::listed(positive), K::listed(negative))
}

fn spread<C: Copy + Default>(counts: Vec<C>, from: &[Span], to: &[Span]) -> Vec<C> {
    let mut own = sparse::indices(from).zip(counts).peekable();
    let spread = sparse::indices(to)
        .map(|index| own.next_if(|(own, _)| *own == index).map_or_else(C::default, |(_, count)| count));
    spread.collect()
}

impl<K: Kind> Encoder<K> {
    /// Returns the chunk written anew with the buckets that the spans cover.
    /// # Errors
    /// Only if our own bytes are damaged.
    pub(crate) fn recoded(
        &self,
        positive_spans: &[Span],
        negative_spans: &[Span],
    ) -> Result<Self, ChunkError> {
        let has_starts = self.starts.is_some();
        let mut decoder = Decoder::<K>::new(self.bytes(), has_starts)?;
        let mut wider: Option<Self> = None;
        while let Some(time) = decoder.advance()? {
            let start = decoder.start();
            let histogram = widened::<K>(&decoder.histogram()?, positive_spans, negative_spans);
            match &mut wider {
                Some(encoder) => encoder.push(time, start, &histogram),
                None => wider = Some(Self::begin(self.flag, time, has_starts.then_some(start), &histogram)),
            }
        }
        Ok(wider.unwrap_or_else(|| self.clone()))
    }
}
