//! Where the full chunks of one series are, in 16 bytes each.

use wf_model::TimeRange;

use crate::head_chunks::ChunkRef;

/// First and last time stamp of a chunk, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkSpan {
    pub(crate) min_time: i64,
    pub(crate) max_time: i64,
}

impl ChunkSpan {
    pub(crate) fn overlaps(&self, range: TimeRange) -> bool {
        self.min_time <= range.end_ms && self.max_time >= range.start_ms
    }
}

/// Marks a reference to a chunk that is still in memory: the rest is its slot in the shard. Files never number so high.
const PENDING: u64 = 1 << 63;

/// Chunk lengths fit 24 bits: 4.6 hours in ms, and chunks do not cross two hours. 40 bits remain for the start.
const LENGTH_BITS: u32 = 24;
const LENGTH_MAX: u64 = (1 << LENGTH_BITS) - 1;
const START_MAX: u64 = (1 << (64 - LENGTH_BITS)) - 1;

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkPlace {
    /// In a head-chunk file.
    File(ChunkRef),
    /// Still in memory, in this slot of the shard.
    Pending(u32),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    place: u64,
    /// Start, counted from the list's anchor, and length.
    span: u64,
}

#[derive(Debug, Default)]
struct Anchored {
    anchor: i64,
    entries: Vec<Entry>,
}

/// Chunks in time order, without overlap. Eight bytes while there are none.
#[derive(Debug, Default)]
pub(crate) struct ChunkList {
    list: Option<Box<Anchored>>,
}

impl ChunkList {
    /// Adds a chunk in a file after the others. Returns whether its span can be stored: longer than four hours, or
    /// before the first chunk, cannot. Chunks more than 34 years older than the new one are forgotten.
    pub(crate) fn push(&mut self, span: ChunkSpan, file_ref: ChunkRef) -> bool {
        self.push_raw(span, file_ref.0 & !PENDING)
    }

    /// As [`ChunkList::push`], for a chunk that is in slot `slot` of the shard.
    pub(crate) fn push_pending(&mut self, span: ChunkSpan, slot: u32) -> bool {
        self.push_raw(span, PENDING | u64::from(slot))
    }

    fn push_raw(&mut self, span: ChunkSpan, place: u64) -> bool {
        let length = span.max_time.checked_sub(span.min_time).and_then(|length| u64::try_from(length).ok());
        let Some(length) = length.filter(|length| *length <= LENGTH_MAX) else { return false };
        let list = self
            .list
            .get_or_insert_with(|| Box::new(Anchored { anchor: span.min_time, entries: Vec::new() }));
        if span.min_time < list.anchor {
            return false;
        }
        let mut start = span.min_time.abs_diff(list.anchor);
        if start > START_MAX || list.entries.is_empty() {
            list.entries.clear();
            list.anchor = span.min_time;
            start = 0;
        }
        if list.entries.len() == list.entries.capacity() {
            // Grow by one until there are many: the list is long-lived, there is one per series, and it grows every
            // half hour. Room for two more cost 20 B a series after four hours.
            let more = (list.entries.len() / 8).max(1);
            list.entries.reserve_exact(more);
        }
        list.entries.push(Entry { place, span: start << LENGTH_BITS | length });
        true
    }

    /// Adds chunks in files wherever they belong in time, and sorts them. Returns how many were refused, because they
    /// overlap others or their span cannot be stored.
    pub(crate) fn merge(&mut self, found: &mut [(ChunkSpan, ChunkRef)]) -> usize {
        // Stable: of those that overlap the first wins.
        found.sort_by_key(|(span, _)| span.min_time);
        let all = found.iter().map(|(span, chunk)| (*span, ChunkPlace::File(*chunk)));
        let Some(known) = std::mem::take(self).list else { return self.push_all(all, found.len()) };
        let known = Self { list: Some(known) };
        let n_all = known.len() + found.len();
        let mut all: Vec<(ChunkSpan, ChunkPlace)> = known.iter().chain(all).collect();
        // What is in the list already wins.
        all.sort_by_key(|(span, _)| span.min_time);
        self.push_all(all.into_iter(), n_all)
    }

    /// Adds `n_all` chunks in the order of time to an empty list; returns how many were refused.
    fn push_all(&mut self, all: impl Iterator<Item = (ChunkSpan, ChunkPlace)>, n_all: usize) -> usize {
        let mut newest = None;
        let mut n_refused = 0;
        for (span, place) in all {
            let is_taken = newest.is_none_or(|newest| newest < span.min_time)
                && match place {
                    ChunkPlace::File(chunk) => self.push(span, chunk),
                    ChunkPlace::Pending(slot) => self.push_pending(span, slot),
                };
            if !is_taken {
                n_refused += 1;
                continue;
            }
            newest = Some(span.max_time);
            if let Some(list) = &mut self.list {
                list.entries.reserve_exact(n_all.saturating_sub(list.entries.len()));
            }
        }
        n_refused
    }

    /// Replaces a slot by the place in a file, once the chunk is there.
    pub(crate) fn settle(&mut self, slot: u32, file_ref: ChunkRef) {
        let Some(list) = &mut self.list else { return };
        if let Some(entry) =
            list.entries.iter_mut().rev().find(|entry| entry.place == PENDING | u64::from(slot))
        {
            entry.place = file_ref.0 & !PENDING;
        }
    }

    /// Drops the chunks that end before `time_ms`; returns how many. Chunks that are not in a file yet stay.
    pub(crate) fn truncate_before(&mut self, time_ms: i64) -> usize {
        let gone = self
            .iter()
            .take_while(|(span, place)| span.max_time < time_ms && matches!(place, ChunkPlace::File(_)));
        let n_gone = gone.count();
        let Some(list) = &mut self.list else { return 0 };
        list.entries.drain(..n_gone);
        if list.entries.is_empty() {
            self.list = None;
        } else if n_gone > 0 {
            list.entries.shrink_to_fit();
        }
        n_gone
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChunkSpan, ChunkPlace)> + '_ {
        let anchor = self.list.as_ref().map_or(0, |list| list.anchor);
        self.entries().iter().map(move |entry| (entry.chunk_span(anchor), entry.chunk_place()))
    }

    pub(crate) fn first_time(&self) -> Option<i64> {
        self.iter().next().map(|(span, _)| span.min_time)
    }

    pub(crate) fn last_time(&self) -> Option<i64> {
        self.iter().next_back().map(|(span, _)| span.max_time)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries().len()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.list.as_ref().map_or(0, |list| 48 + list.entries.capacity() * size_of::<Entry>())
    }

    fn entries(&self) -> &[Entry] {
        self.list.as_ref().map_or(&[], |list| &list.entries)
    }
}

impl Entry {
    fn chunk_span(self, anchor: i64) -> ChunkSpan {
        // `push_raw` made sure that both fit.
        let min_time = anchor.saturating_add_unsigned(self.span >> LENGTH_BITS);
        ChunkSpan { min_time, max_time: min_time.saturating_add_unsigned(self.span & LENGTH_MAX) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the mark is a slot number of 32 bits")]
    fn chunk_place(self) -> ChunkPlace {
        if self.place & PENDING != 0 {
            ChunkPlace::Pending(self.place as u32)
        } else {
            ChunkPlace::File(ChunkRef(self.place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(min_time: i64, max_time: i64) -> ChunkSpan {
        ChunkSpan { min_time, max_time }
    }

    #[test]
    fn chunks_come_back_as_they_were_put() {
        let mut list = ChunkList::default();
        let far = 850_000_000_000;
        let spans = [span(-5, 0), span(1, 7_200_000), span(far, far + 5)];
        assert!(list.push(spans[0], ChunkRef(8)));
        assert!(list.push_pending(spans[1], 3));
        assert!(list.push(spans[2], ChunkRef(1 << 40 | 8)));
        list.settle(3, ChunkRef(99));
        let want = [(spans[0], ChunkRef(8)), (spans[1], ChunkRef(99)), (spans[2], ChunkRef(1 << 40 | 8))];
        assert!(list.iter().eq(want.map(|(span, place)| (span, ChunkPlace::File(place)))));
        assert_eq!((list.first_time(), list.truncate_before(1), list.first_time()), (Some(-5), 1, Some(1)));
        assert_eq!(list.truncate_before(i64::MAX), 2);
        assert!(list.push(span(0, 1), ChunkRef(8)), "an empty list finds a new anchor");
    }

    #[test]
    fn a_span_that_cannot_be_stored_is_refused() {
        let mut list = ChunkList::default();
        assert!(!list.push(span(0, 1 << 24), ChunkRef(8)));
        assert!(!list.push(span(i64::MIN, i64::MAX), ChunkRef(8)));
        assert!(list.push(span(0, 5), ChunkRef(8)));
        assert!(!list.push(span(-10, -6), ChunkRef(9)));
        assert_eq!(list.len(), 1);
        let much_later = span(i64::MAX - 5, i64::MAX);
        assert!(list.push(much_later, ChunkRef(9)));
        assert!(list.iter().eq([(much_later, ChunkPlace::File(ChunkRef(9)))]));
    }
}
