//! Late samples on the write path: stored, logged, moved to chunks.

use std::sync::atomic::Ordering;

use parking_lot::RwLock;
use tracing::warn;
use wf_series::Acknowledge;

use super::{LateChunk, LateSample, OPEN_SAMPLES};
use crate::head::shard::{Shard, shard_of};
use crate::head::{Chain, Head};
use crate::head_chunks::HeadChunksError;
use crate::record::MmapMarkersWriter;
use crate::wal::{CommitSeq, WalError, WalIoError};

/// What the write path remembers about late samples from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct LateCommit {
    /// Series with enough samples in memory for a chunk.
    full: Vec<u32>,
    /// Where the newest record of a series is in the write-ahead log.
    pub(crate) series_position: CommitSeq,
}

impl LateCommit {
    /// Finds the series with enough samples in memory for a chunk; `orphaned` ones need one in any case.
    pub(crate) fn restore_full(&mut self, shards: &[RwLock<Shard>], orphaned: Vec<u32>) {
        self.full = orphaned;
        for shard in shards {
            let shard = shard.read();
            let full = shard.late.iter().filter(|(_, series)| series.n_open() >= OPEN_SAMPLES);
            self.full.extend(full.map(|(id, _)| id));
        }
        self.full.sort_unstable();
        self.full.dedup();
    }
}

impl Head {
    /// Sets how far behind the newest sample of all a late one may be, ms; 0 takes none.
    /// # Errors
    /// When the write-behind log cannot be opened: the window stays as it was.
    pub(crate) fn set_late_window(&self, window_ms: i64) -> Result<(), WalIoError> {
        if window_ms > 0 {
            self.wbl.open()?;
        }
        self.late_window_ms.store(window_ms.max(0), Ordering::Relaxed);
        Ok(())
    }

    /// Stores a late sample of batch `seq`. Returns `false` if there is one of that time in memory: it is dropped.
    pub(crate) fn store_late(
        late: &mut LateCommit,
        shard: &mut Shard,
        id: u32,
        sample: LateSample,
        seq: u64,
    ) -> bool {
        let series = shard.late.entry(id);
        let n_before = series.n_open();
        let is_stored = series.insert(sample, seq);
        if n_before < OPEN_SAMPLES && series.n_open() >= OPEN_SAMPLES {
            late.full.push(id);
        }
        is_stored
    }

    /// Moves the samples of series that have enough of them to head chunks; call it before a batch is applied, with the
    /// commit lock held. Returns the record of the markers that has to precede the late samples of the batch, empty
    /// when there are none.
    pub(crate) fn close_full_late(&self, late: &mut LateCommit) -> Vec<u8> {
        if late.full.is_empty() {
            return Vec::new();
        }
        let visible_seq = self.visible_seq();
        let mut closed = Vec::new();
        let mut still_full = Vec::new();
        for id in std::mem::take(&mut late.full) {
            match self.close_late(id, visible_seq) {
                Ok(Some(chunk)) => closed.push((id, chunk)),
                Ok(None) => still_full.push(id),
                Err(error) => {
                    still_full.push(id);
                    self.counters.head_chunk_write_errors.add(1);
                    warn!(error = %Chain(&error), "cannot write late chunks; they stay in memory and in the log");
                }
            }
        }
        late.full = still_full;
        self.markers_of(&closed)
    }

    /// Returns the record that says which chunks hold the late samples of their series; empty when there are none, or
    /// when the chunks did not reach the operating system: then the log stays responsible for their samples.
    pub(crate) fn markers_of(&self, closed: &[(u32, LateChunk)]) -> Vec<u8> {
        let mut record = Vec::new();
        if closed.is_empty() {
            return record;
        }
        if let Err(error) = self.chunk_files.flush() {
            self.counters.head_chunk_write_errors.add(1);
            warn!(error = %Chain(&error), "cannot write late chunks; they stay in memory and in the log");
            return record;
        }
        let index = self.index.read();
        let mut writer = MmapMarkersWriter::new(&mut record);
        for (id, chunk) in closed {
            writer.push(index.series_ref(*id), chunk.chunk.0);
        }
        record
    }

    /// Moves the samples in memory of a series to head chunks; the commit lock is held. Returns the last chunk, `None`
    /// when there are no samples or some are not visible yet.
    pub(crate) fn close_late(&self, id: u32, visible_seq: u64) -> Result<Option<LateChunk>, HeadChunksError> {
        let shard = &self.shards[shard_of(id)];
        // Nobody else changes it: it is written to files without keeping readers out.
        let Some(series) = shard.read().late.get(id).cloned() else { return Ok(None) };
        if series.commit_seq() > visible_seq {
            return Ok(None);
        }
        let series_ref = self.index.read().series_ref(id);
        let mut chunks = Vec::new();
        for encoded in series.encode_open() {
            let chunk = self.chunk_files.append_late(
                series_ref,
                encoded.span.min_time,
                encoded.span.max_time,
                encoded.encoding,
                &encoded.data,
            )?;
            chunks.push(LateChunk { span: encoded.span, chunk });
        }
        drop(series);
        let last = chunks.last().copied();
        if last.is_some() {
            shard.write().late.entry(id).close_open(chunks);
        }
        Ok(last)
    }

    /// Queues records of late samples, markers first, for the write-behind log; returns their position, 0 if there are
    /// none.
    pub(crate) fn log_late(
        &self,
        series_position: CommitSeq,
        records: &[&[u8]],
    ) -> Result<CommitSeq, WalError> {
        let Some(log) = self.wbl.log().filter(|_| !records.is_empty()) else { return Ok(0) };
        // Else a crash could leave samples of a reference here that is given to another series after it.
        if self.log().written_up_to() < series_position {
            self.log().wait_written(series_position)?;
        }
        log.log(records, Acknowledge::Queued)
    }
}
