//! Chunks found in files, until their series are known.
//!
//! Millions of them, and references are dense: a list per series in one array, and pages that say where each begins. No
//! hashing and no allocation per series.

use super::others::kind_of;
use super::{ChunkSpan, is_ref};
use crate::FastMap;
use crate::head::late::LateChunk;
use crate::head::series::SampleKind;
use crate::head_chunks::{ChunkMeta, ChunkRef};

const PAGE_REFS_LOG2: u32 = 12;
const PAGE_REFS: usize = 1 << PAGE_REFS_LOG2;
/// Ends a list.
const NONE: u32 = u32::MAX;

/// The chunks found in files, by series reference, until their series are known.
#[derive(Debug, Default)]
pub(crate) struct FoundChunks {
    /// Chunks that end before are in a block, ms.
    min_valid: i64,
    in_order: ChunkLists,
    pub(super) late: FastMap<u64, Vec<LateChunk>>,
    /// End and kind of the newest chunk of series that have had histograms.
    newest_kinds: FastMap<u64, (i64, SampleKind)>,
    pub(super) max_ref: u64,
    pub(crate) n_corruptions: u64,
    /// Chunks of no series.
    pub(super) n_foreign: u64,
}

/// Lists of chunks by series, newest first.
#[derive(Debug, Default)]
struct ChunkLists {
    /// Where the list of each series begins.
    pages: FastMap<u64, Box<[u32]>>,
    chunks: Vec<Listed>,
    n_left: usize,
}

#[derive(Debug)]
struct Listed {
    chunk: (ChunkSpan, ChunkRef),
    /// The one found before of the same series.
    before: u32,
}

impl FoundChunks {
    pub(crate) fn new(min_valid: i64) -> Self {
        Self { min_valid, ..Self::default() }
    }

    pub(crate) fn add(&mut self, chunk: ChunkMeta) {
        if !is_ref(chunk.series) {
            self.n_foreign += 1;
            return;
        }
        self.max_ref = self.max_ref.max(chunk.series);
        let span = ChunkSpan { min_time: chunk.min_time_ms, max_time: chunk.max_time_ms };
        if chunk.is_out_of_order {
            self.late.entry(chunk.series).or_default().push(LateChunk { span, chunk: chunk.chunk });
            return;
        }
        if chunk.max_time_ms < self.min_valid {
            return;
        }
        let kind = kind_of(chunk.encoding);
        if kind != SampleKind::Float || !self.newest_kinds.is_empty() {
            let newest = self.newest_kinds.get(&chunk.series).map_or(i64::MIN, |(newest, _)| *newest);
            if span.max_time >= newest && (kind != SampleKind::Float || newest != i64::MIN) {
                self.newest_kinds.insert(chunk.series, (span.max_time, kind));
            }
        }
        self.in_order.push(chunk.series, (span, chunk.chunk));
    }

    /// Moves the chunks of a series to the end of `out`, in the order in which they were found.
    pub(super) fn take(&mut self, series_ref: u64, out: &mut Vec<(ChunkSpan, ChunkRef)>) {
        self.in_order.take(series_ref, out);
    }

    /// Returns end and kind of the newest chunk of a series that has had histograms, once.
    pub(super) fn take_newest_kind(&mut self, series_ref: u64) -> Option<(i64, SampleKind)> {
        if self.newest_kinds.is_empty() { None } else { self.newest_kinds.remove(&series_ref) }
    }

    /// Returns how many chunks nobody has taken.
    pub(super) fn n_left(&self) -> usize {
        self.in_order.n_left + self.late.values().map(Vec::len).sum::<usize>()
    }
}

impl ChunkLists {
    fn push(&mut self, series_ref: u64, chunk: (ChunkSpan, ChunkRef)) {
        let page = self.pages.entry(series_ref >> PAGE_REFS_LOG2);
        let page = page.or_insert_with(|| vec![NONE; PAGE_REFS].into());
        let number = u32::try_from(self.chunks.len()).ok().filter(|number| *number != NONE);
        // Four billion chunks are more than their files could hold.
        let (Some(first), Some(number)) = (page.get_mut(slot(series_ref)), number) else { return };
        self.chunks.push(Listed { chunk, before: std::mem::replace(first, number) });
        self.n_left += 1;
    }

    fn take(&mut self, series_ref: u64, out: &mut Vec<(ChunkSpan, ChunkRef)>) {
        let page = self.pages.get_mut(&(series_ref >> PAGE_REFS_LOG2));
        let Some(first) = page.and_then(|page| page.get_mut(slot(series_ref))) else { return };
        let mut next = std::mem::replace(first, NONE);
        let start = out.len();
        while let Some(listed) = self.chunks.get(next as usize) {
            out.push(listed.chunk);
            next = listed.before;
        }
        let taken = out.get_mut(start..).unwrap_or_default();
        taken.reverse();
        self.n_left -= taken.len();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
fn slot(series_ref: u64) -> usize {
    series_ref as usize & (PAGE_REFS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Encoding;

    fn chunk(series: u64, at: i64) -> ChunkMeta {
        ChunkMeta {
            chunk: ChunkRef(at.unsigned_abs()),
            series,
            min_time_ms: at,
            max_time_ms: at + 5,
            encoding: Encoding::Xor,
            is_out_of_order: false,
            n_samples: 2,
        }
    }

    #[test]
    fn chunks_are_taken_once_in_the_order_in_which_they_were_found() {
        let mut found = FoundChunks::new(0);
        for (series, at) in [(1, 10), (7_000, 11), (1, 20), (1 << 40, 12), (1, -100), (0, 5)] {
            found.add(chunk(series, at));
        }
        let mut taken = |series| {
            let mut out = Vec::new();
            found.take(series, &mut out);
            out.iter().map(|(span, _)| span.min_time).collect::<Vec<_>>()
        };
        assert_eq!([taken(1), taken(1), taken(7_000)], [vec![10, 20], vec![], vec![11]]);
        assert_eq!((found.n_left(), found.n_foreign, found.max_ref), (1, 1, 1 << 40));
    }
}
