//! Late samples on their way to blocks.
//!
//! 1. [`Head::begin_late_cut`] begins a new segment of the write-behind log and moves all late samples to chunks.
//! 2. The caller writes them to blocks of aligned ranges, reading them with [`Head::read_late`].
//! 3. [`Head::finish_late_cut`] forgets the chunks, writes down that it did, and drops the older segments.
//!
//! Ended in between, by a crash or an error, the samples are still here: they become blocks another time, and who reads
//! both sees each once.

use std::sync::Arc;

use tracing::warn;
use wf_model::TimeRange;
use wf_series::Acknowledge;

use super::in_blocks::InBlocks;
use super::{LateChunk, LateSeries};
use crate::chunk::{self, Sample};
use crate::head::shard::shard_of;
use crate::head::{Chain, Head};
use crate::head_chunks::{ChunkBytes, ChunkRef, HeadChunksError};
use crate::wal::{CommitSeq, WalError, WalIoError};

/// Series that are moved to chunks before batches may go on.
const SERIES_PER_LOCK: usize = 256;

/// All late samples there were at some instant.
#[derive(Debug)]
pub(crate) struct LateCut {
    series: Vec<(u32, Arc<LateSeries>)>,
    /// From the oldest to the newest of them, ms.
    pub(crate) range: TimeRange,
    /// Older segments of the log hold nothing else.
    segment: u64,
}

/// What is still to be done for late samples that are in blocks.
#[derive(Clone, Copy, Debug)]
pub(in crate::head) struct LateInBlocks {
    /// The newest of their chunks, while it is not written down that they are in blocks.
    newest: Option<ChunkRef>,
    /// Older segments of the log hold nothing else.
    segment: u64,
}

/// Why late samples could not be moved; nothing is lost, try again later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LateCutError {
    #[error("write late chunks")]
    Chunks(#[from] HeadChunksError),
    #[error("write the write-behind log")]
    Log(#[from] WalError),
    #[error("truncate the write-behind log")]
    Truncate(#[from] WalIoError),
    /// Their segment would go before they are in another.
    #[error("a batch of late samples could not be written yet")]
    Unwritten,
}

impl LateCut {
    /// Returns the series, ascending; their position is what [`Head::read_late`] wants.
    pub(crate) fn ids(&self) -> impl ExactSizeIterator<Item = u32> + '_ {
        self.series.iter().map(|(id, _)| *id)
    }
}

impl Head {
    /// Moves all late samples to chunks. `None` when there are none. Only one cut at a time.
    pub(crate) fn begin_late_cut(&self) -> Result<Option<LateCut>, LateCutError> {
        self.settle_late_cut()?;
        if !self.has_late_samples() {
            return Ok(None);
        }
        let segment = self.wbl.open()?.cut_segment()?;
        let mut series = Vec::new();
        for shard in &self.shards {
            let ids = shard.read().late.ids();
            for ids in ids.chunks(SERIES_PER_LOCK) {
                self.close_all_late(ids)?;
            }
            let shard = shard.read();
            series.extend(ids.iter().filter_map(|id| Some((*id, Arc::clone(shard.late.get(*id)?)))));
        }
        series.sort_unstable_by_key(|(id, _)| *id);
        let chunks = series.iter().flat_map(|(_, late)| late.full_chunks());
        let spans =
            chunks.map(|chunk| TimeRange { start_ms: chunk.span.min_time, end_ms: chunk.span.max_time });
        let range = spans.reduce(|a, b| TimeRange {
            start_ms: a.start_ms.min(b.start_ms),
            end_ms: a.end_ms.max(b.end_ms),
        });
        Ok(range.map(|range| LateCut { series, range, segment }))
    }

    /// Moves the samples in memory of some series to chunks, those of a batch that is under way too.
    fn close_all_late(&self, ids: &[u32]) -> Result<(), LateCutError> {
        let commit = self.commit.lock();
        // What was applied becomes visible, unless a log fails.
        self.log().wait_written(CommitSeq::MAX)?;
        self.wbl.wait_written(CommitSeq::MAX)?;
        let visible_seq = self.visible_seq();
        let mut closed: Vec<(u32, LateChunk)> = Vec::new();
        for id in ids {
            match self.close_late(*id, visible_seq)? {
                Some(chunk) => closed.push((*id, chunk)),
                None if self.has_open_late(*id) => return Err(LateCutError::Unwritten),
                None => {}
            }
        }
        let markers = self.markers_of(&closed);
        if !markers.is_empty() {
            self.log_late(commit.late.series_position, &[&markers])?;
        }
        Ok(())
    }

    fn has_open_late(&self, id: u32) -> bool {
        self.shards[shard_of(id)].read().late.get(id).is_some_and(|late| late.n_open() > 0)
    }

    /// Returns the late samples inside `range` of the series at position `at`, ascending, without deleted ones; of those
    /// of one time the one stored first. Damaged chunks are passed over, reported and counted: the blocks are written
    /// without them.
    pub(crate) fn read_late(&self, cut: &LateCut, at: usize, range: TimeRange) -> Vec<Sample> {
        let Some((id, late)) = cut.series.get(at) else { return Vec::new() };
        let mut all: Vec<Sample> = Vec::new();
        for chunk in late.full_chunks().iter().filter(|chunk| chunk.span.overlaps(range)) {
            let decode = |bytes: ChunkBytes| {
                chunk::samples(bytes.encoding, &bytes, range).map_err(|error| error.to_string())
            };
            let bytes = self.chunk_files.chunk(chunk.chunk).map_err(|error| Chain(&error).to_string());
            match bytes.and_then(decode) {
                Ok(mut samples) => all.append(&mut samples),
                Err(error) => {
                    self.counters.head_chunk_corruptions.add(1);
                    warn!(error, "a chunk of late samples is damaged: they are lost");
                }
            }
        }
        // Stable: what was stored first comes first, and stays.
        all.sort_by_key(|sample| sample.time_ms);
        all.dedup_by_key(|sample| sample.time_ms);
        let deleted = self.shards[shard_of(*id)].read().deleted.get(*id).cloned();
        if let Some(deleted) = deleted {
            all.retain(|sample| !deleted.contains(sample.time_ms));
        }
        all
    }

    /// Forgets what is in blocks now, which readers see already. Returns how many chunks that were.
    pub(crate) fn finish_late_cut(&self, cut: LateCut) -> Result<usize, LateCutError> {
        let (mut n_forgotten, mut newest) = (0, None);
        for (id, late) in cut.series {
            let Some(last) = late.full_chunks().last() else { continue };
            newest = newest.max(Some(last.chunk));
            n_forgotten += self.shards[shard_of(id)].write().late.forget_through(id, last.chunk);
        }
        self.counters.chunks_removed.add(n_forgotten as u64);
        *self.late_in_blocks.lock() = Some(LateInBlocks { newest, segment: cut.segment });
        self.settle_late_cut()?;
        Ok(n_forgotten)
    }

    /// Writes down what the last cut moved to blocks and drops its segments, unless that is done. Until then a start
    /// would bring back what is in blocks, even what was deleted there since.
    fn settle_late_cut(&self) -> Result<(), LateCutError> {
        let mut open = self.late_in_blocks.lock();
        let Some(LateInBlocks { newest, segment }) = *open else { return Ok(()) };
        if let Some(newest) = newest {
            self.log_in_blocks(newest)?;
            *open = Some(LateInBlocks { newest: None, segment });
        }
        self.wbl.open()?.truncate_before(segment)?;
        *open = None;
        Ok(())
    }

    /// Writes down that the late chunks up to and including `newest` are in blocks, but for those that are here.
    fn log_in_blocks(&self, newest: ChunkRef) -> Result<(), LateCutError> {
        // Chunks that batches wrote since the cut are among those before.
        let no_batch_under_way = self.commit.lock();
        let mut exceptions = Vec::new();
        for shard in &self.shards {
            let shard = shard.read();
            let chunks = shard.late.iter().flat_map(|(_, late)| late.full_chunks());
            exceptions.extend(chunks.map(|chunk| chunk.chunk).filter(|chunk| *chunk <= newest));
        }
        drop(no_batch_under_way);
        exceptions.sort_unstable();
        let record = InBlocks { extents: self.chunk_files.extents_through(newest), exceptions }.encode();
        self.wbl.open()?.log(&[&record], Acknowledge::Written)?;
        Ok(())
    }
}
