//! A time range of the head on its way into a block.
//!
//! Appends and queries go on meanwhile: the range is frozen first, so that nothing can be added to it, and what is in it
//! goes only later, by truncation. Chunks are copied from their files without decoding. Locks are held for the labels of
//! a thousand series, or the chunk list of one.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use wf_model::TimeRange;

use super::Head;
use super::chunk_list::{ChunkPlace, ChunkSpan};
use super::ranked::{Ranked, TooManySymbols};
use super::series::NO_TIME;
use super::shard::shard_of;
use crate::chunk::Encoding;
use crate::compact::rewrite::Input;
use crate::compact::write::{BlockInput, CompactError, Visit};
use crate::head_chunks::{ChunkBytes, ChunkRef, HeadChunksError};
use crate::wal::{CommitSeq, WalError};

/// Series whose labels are looked up at once.
const BATCH_SERIES: usize = 256;

/// Why a range of the head cannot be written to a block now. Nothing was lost; it will be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CutError {
    #[error("write the log before a head cut")]
    Log(#[source] WalError),
    #[error("write head chunks before a head cut")]
    Chunks(#[source] HeadChunksError),
    #[error(transparent)]
    Symbols(#[from] TooManySymbols),
}

/// Whether the newest, still open chunk of a series counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenChunks {
    /// It begins after the range.
    Excluded,
    /// As far as it is written now.
    Included,
}

/// Series of the head with samples in a range, in label order.
#[derive(Debug)]
pub(crate) struct HeadCut<'a> {
    head: &'a Head,
    range: TimeRange,
    open_chunks: OpenChunks,
    ranked: Ranked,
}

/// A chunk in a file, or its bytes.
type Placed = Result<ChunkRef, (Encoding, Data)>;

impl Head {
    /// Returns the time before which selections do not look into the head any more: it is in blocks, ms.
    pub(crate) fn in_blocks_before(&self) -> i64 {
        self.pins.pin().min_time
    }

    /// Returns the range of the next block, when one is due: from the oldest sample to the next boundary, once the head
    /// spans one and a half chunk ranges.
    pub(crate) fn due_cut(&self) -> Option<TimeRange> {
        let (newest, range_ms) = (self.max_time(), self.options.chunk_range_ms);
        let oldest = self.min_time().max(self.in_blocks_before());
        if newest == NO_TIME || newest.saturating_sub(oldest) <= range_ms.saturating_add(range_ms / 2) {
            return None;
        }
        let boundary = oldest.div_euclid(range_ms).saturating_add(1).saturating_mul(range_ms);
        Some(TimeRange { start_ms: oldest, end_ms: boundary - 1 })
    }

    /// Freezes a range that is due, and prepares to write it. No sample is accepted in it from now on.
    pub(crate) fn prepare_cut(&self, range: TimeRange) -> Result<HeadCut<'_>, CutError> {
        {
            let _no_batch_under_way = self.commit.lock();
            self.min_valid.fetch_max(range.end_ms.saturating_add(1), Ordering::Relaxed);
        }
        // A reader of the block must not see what did not reach the log: a crash would have to take it back.
        self.log().wait_written(CommitSeq::MAX).map_err(CutError::Log)?;
        self.cut_before(range.end_ms.saturating_add(1));
        self.flush_chunks().map_err(CutError::Chunks)?;
        self.series_in(range, OpenChunks::Excluded)
    }

    /// Prepares to write a range as it is now, open chunks included.
    pub(crate) fn series_in(
        &self,
        range: TimeRange,
        open_chunks: OpenChunks,
    ) -> Result<HeadCut<'_>, CutError> {
        let mut ids = Vec::new();
        for (shard_idx, shard) in self.shards.iter().enumerate() {
            let all = shard.read().ids(shard_idx);
            for id in all {
                let shard = shard.read();
                let series = shard.series(id);
                let is_open = series.open_start().is_some_and(|start| start <= range.end_ms);
                let has_full = || series.full_chunks().iter().any(|(span, _)| span.overlaps(range));
                if (open_chunks == OpenChunks::Included && is_open) || has_full() {
                    ids.push(id);
                }
            }
        }
        self.cut_of(ids, range, open_chunks)
    }

    pub(super) fn cut_of(
        &self,
        ids: Vec<u32>,
        range: TimeRange,
        open_chunks: OpenChunks,
    ) -> Result<HeadCut<'_>, CutError> {
        Ok(HeadCut { head: self, range, open_chunks, ranked: self.rank(ids)? })
    }
}

impl HeadCut<'_> {
    /// Returns the chunks of a series, what is in files stays there, and what of it was deleted.
    fn chunks(&self, id: u32) -> Result<(Vec<Located>, Vec<TimeRange>), HeadChunksError> {
        let shard = self.head.shards[shard_of(id)].read();
        let deleted = shard.deleted.get(id).map_or_else(Vec::new, |intervals| intervals.iter().collect());
        let series = shard.series(id);
        let full = series.full_chunks().iter().filter(|(span, _)| span.overlaps(self.range));
        let mut places: Vec<(ChunkSpan, Placed)> = full
            .filter_map(|(span, place)| match place {
                ChunkPlace::File(chunk) => Some((span, Ok(chunk))),
                ChunkPlace::Pending(slot) => {
                    let (encoding, bytes) = shard.pending_chunk(slot)?;
                    Some((span, Err((encoding, Data::Memory(bytes.to_vec())))))
                }
            })
            .collect();
        if self.open_chunks == OpenChunks::Included
            && let Some(min_time) = series.open_start().filter(|start| *start <= self.range.end_ms)
            && let Some((encoding, bytes)) = series.open_encoded()
        {
            let span = ChunkSpan { min_time, max_time: series.max_time() };
            places.push((span, Err((encoding, Data::Memory(bytes)))));
        }
        drop(shard);
        let located = places.into_iter().map(|(span, place)| match place {
            Ok(chunk) => {
                let bytes = self.head.chunk_files.chunk(chunk)?;
                Ok((span, bytes.encoding, Data::File(bytes)))
            }
            Err((encoding, data)) => Ok((span, encoding, data)),
        });
        Ok((located.collect::<Result<_, _>>()?, deleted))
    }
}

/// A chunk of the head.
type Located = (ChunkSpan, Encoding, Data);

/// Bytes of a chunk, kept while it is copied.
enum Data {
    File(ChunkBytes),
    Memory(Vec<u8>),
}

impl BlockInput for HeadCut<'_> {
    fn symbols(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.ranked.symbols())
    }

    fn visit(&mut self, visit: &mut Visit<'_>) -> Result<(), CompactError> {
        let mut labels: Vec<(u32, u32)> = Vec::new();
        let mut batch: Vec<Vec<(u32, u32)>> = Vec::new();
        for ids in self.ranked.ids.chunks(BATCH_SERIES) {
            batch.clear();
            let index = self.head.index.read();
            for id in ids {
                self.ranked.labels(&index, *id, &mut labels);
                batch.push(labels.clone());
            }
            drop(index);
            for (id, labels) in ids.iter().zip(&batch) {
                let (chunks, deleted) = self.chunks(*id).map_err(CompactError::read)?;
                let inputs = chunks.iter().map(|(span, encoding, data)| Input {
                    span: TimeRange { start_ms: span.min_time, end_ms: span.max_time },
                    encoding: *encoding,
                    data: match data {
                        Data::File(bytes) => Cow::Borrowed(&**bytes),
                        Data::Memory(bytes) => Cow::Borrowed(bytes),
                    },
                    deleted: &deleted,
                });
                visit(labels, inputs.collect())?;
            }
        }
        Ok(())
    }
}
