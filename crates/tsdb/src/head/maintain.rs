//! What happens behind the scenes: full chunks go to files, what is in a block goes, the log is kept short.
//!
//! # Truncation
//! Once everything before a boundary is in a block that queries see (`cut`):
//! 1. New selections no longer see what lies before the boundary in the head; wait until those from before are gone.
//! 2. Write all closed chunks to their files and sync these.
//! 3. Drop chunks that ended before the boundary, and series that have nothing left.
//! 4. Checkpoint the log without samples before the boundary, drop segments and files.
//!
//! A step that fails (disk full) is tried again a minute later; nothing is lost meanwhile. After a crash in between, what
//! blocks hold already is passed over when the head is read back.

use std::sync::atomic::Ordering;
use std::time::Instant;

use parking_lot::RwLock;
use roaring::RoaringBitmap;
use tracing::{debug, info, warn};
use wf_series::AppendError;

use super::chunk_list::ChunkSpan;
use super::series::NO_TIME;
use super::shard::{Shard, shard_of};
use super::snapshot::{self, SnapshotError};
use super::stale::StaleSeries;
use super::{Chain, Head};
use crate::FastMap;
use crate::head_chunks::HeadChunksError;
use crate::wal::checkpoint::CheckpointError;

/// What the reference directory and the postings take per series, bytes.
const REF_BYTES: usize = 4;

/// Series that are truncated before a batch may go on.
const SERIES_PER_LOCK: usize = 1024;

/// Full chunks are written when they are this many bytes together …
const FLUSH_BYTES: usize = 64 << 10;
/// … or this old, ms.
const FLUSH_AFTER_MS: i64 = 60_000;
/// Time between two walks over all series, ms.
const WALK_EVERY_MS: i64 = 30_000;
/// Time between two snapshots of the head, ms, while little is logged.
const SNAPSHOT_EVERY_MS: i64 = 15 * 60_000;
/// Time between two snapshots at least, ms: a snapshot costs as much CPU as ten seconds of scraping the same series.
const SNAPSHOT_PAUSE_MS: i64 = 5 * 60_000;
/// A log shorter than this is replayed before anybody looks, bytes.
const SNAPSHOT_LOG_BYTES_MIN: u64 = 16 << 20;
/// How long a truncation waits for selections from before it, ms. Queries end after two minutes by default.
const PATIENCE_MS: i64 = 600_000;
/// Time until a truncation that failed is tried again, ms: each attempt reads the log, and opens a segment.
const RETRY_AFTER_MS: i64 = 60_000;

/// What upkeep remembers from call to call.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    flushed_ms: i64,
    walked_ms: i64,
    /// When the last snapshot was written; `None` before the first, when one is due.
    snapshot_ms: Option<i64>,
    /// How long the log was then, bytes.
    snapshot_log_bytes: u64,
    truncation: Option<Truncation>,
    /// Stale series that are in blocks and wait to be dropped, and since when, ms.
    stale: Option<(StaleSeries, i64)>,
    /// Series that never had a sample at the last truncation; without one until the next they go.
    without_samples: RoaringBitmap,
    /// Dropped series, and the segment up to which the log may still mention them.
    dropped: FastMap<u64, u64>,
}

impl Upkeep {
    /// Returns the dropped series, and the segment up to which the log may still mention them.
    pub(super) fn dropped_mut(&mut self) -> &mut FastMap<u64, u64> {
        &mut self.dropped
    }
}

/// A truncation under way.
#[derive(Clone, Copy, Debug)]
struct Truncation {
    /// All data before it goes, ms: it is in a block.
    boundary: i64,
    since_ms: i64,
    /// Not tried again before, ms.
    retry_ms: i64,
}

/// Why a step of upkeep failed; it will be tried again.
#[derive(Debug, thiserror::Error)]
enum UpkeepError {
    #[error("write head chunks")]
    Chunks(#[source] HeadChunksError),
    #[error("checkpoint the write-ahead log")]
    Log(#[source] CheckpointError),
    #[error("write deletions to the log once more")]
    Deletions(#[source] AppendError),
}

impl Head {
    pub(crate) fn maintain(&self, now_ms: i64) {
        self.clock.set(now_ms);
        // A second caller would do the same work.
        let Some(mut upkeep) = self.upkeep.try_lock() else { return };
        // Once closed the directory may belong to another process.
        if self.commit.lock().is_closed {
            return;
        }
        let is_flush_due = now_ms.saturating_sub(upkeep.flushed_ms) >= FLUSH_AFTER_MS;
        let pending_bytes: usize = self.shards.iter().map(|shard| shard.read().pending_bytes()).sum();
        if pending_bytes >= FLUSH_BYTES || (is_flush_due && pending_bytes > 0) {
            upkeep.flushed_ms = now_ms;
            self.flush_or_report();
        }
        if now_ms.saturating_sub(upkeep.walked_ms) >= WALK_EVERY_MS {
            upkeep.walked_ms = now_ms;
            self.walk();
        }
        if let Some(truncation) = upkeep.truncation {
            self.continue_truncation(&mut upkeep, truncation, now_ms);
        }
        self.continue_stale_drop(&mut upkeep, now_ms);
        if self.is_snapshot_due(&mut upkeep, now_ms) {
            upkeep.snapshot_ms = Some(now_ms);
            upkeep.snapshot_log_bytes = self.log().stats().bytes;
            self.flush_or_report();
            self.snapshot_or_report(&|| self.save_snapshot(&self.dir));
        }
    }
}

/// Chunks in memory, cut or open, go to files; the log is shortened.
impl Head {
    /// Writes all closed chunks to their files, without holding a lock meanwhile.
    pub(super) fn flush_chunks(&self) -> Result<(), HeadChunksError> {
        self.shards.iter().try_for_each(|shard| self.flush_shard(shard))?;
        self.chunk_files.flush()
    }

    /// Hands the closed chunks of one shard to their file.
    fn flush_shard(&self, shard: &RwLock<Shard>) -> Result<(), HeadChunksError> {
        let pending = shard.read().pending_chunks();
        let mut taken = Vec::with_capacity(pending.len());
        let mut result = Ok(());
        for chunk in pending {
            let series_ref = self.index.read().series_ref(chunk.id);
            let ChunkSpan { min_time, max_time } = chunk.span;
            match self.chunk_files.append(series_ref, min_time, max_time, chunk.encoding, &chunk.data) {
                Ok(file_ref) => taken.push((chunk, file_ref)),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        let mut shard = shard.write();
        taken.iter().for_each(|(chunk, file_ref)| shard.settle(chunk, *file_ref));
        result
    }

    /// As [`Head::flush_shard`]; after an error the chunks stay in memory and are tried again.
    pub(super) fn flush_shard_or_report(&self, shard: &RwLock<Shard>) {
        self.report_flush(self.flush_shard(shard));
    }

    /// As [`Head::flush_chunks`]; after an error the chunks stay in memory and are tried again.
    pub(super) fn flush_or_report(&self) {
        self.report_flush(self.flush_chunks());
    }

    fn report_flush(&self, result: Result<(), HeadChunksError>) {
        if let Err(error) = result {
            self.counters.head_chunk_write_errors.add(1);
            warn!(error = %Chain(&error), "cannot write head chunks; they stay in memory and in the log");
        }
    }

    fn is_snapshot_due(&self, upkeep: &mut Upkeep, now_ms: i64) -> bool {
        if !self.options.head_snapshot {
            return false;
        }
        let log_bytes = self.log().stats().bytes;
        let since_ms = *upkeep.snapshot_ms.get_or_insert_with(|| {
            // What was replayed just now would be replayed again.
            upkeep.snapshot_log_bytes = log_bytes.saturating_sub(self.counters.replayed_bytes.get());
            now_ms
        });
        let n_logged = log_bytes.saturating_sub(upkeep.snapshot_log_bytes);
        is_snapshot_due(now_ms.saturating_sub(since_ms), n_logged, self.counters.memory_bytes.get())
    }

    /// Writes a snapshot, unless the owner wants none; after an error the next comes at its time.
    pub(super) fn snapshot_or_report(&self, save: &dyn Fn() -> Result<(), SnapshotError>) {
        if !self.options.head_snapshot {
            return;
        }
        let started = Instant::now();
        match save() {
            Ok(()) => debug!(elapsed_s = started.elapsed().as_secs_f64(), "head snapshot written"),
            Err(error) => {
                snapshot::remove_unfinished(self.chunk_files.disk(), &self.dir);
                self.counters.snapshots_failed.add(1);
                warn!(error = %Chain(&error), "cannot write a head snapshot; the next start replays more of the log");
            }
        }
    }

    /// Measures what only a walk over all series can tell.
    pub(crate) fn walk(&self) {
        let (mut n_stale, mut heap_bytes, mut oldest) = (0, 0, i64::MAX);
        for (shard_idx, shard) in self.shards.iter().enumerate() {
            let shard = shard.read();
            heap_bytes += shard.own_bytes();
            for id in shard.ids(shard_idx) {
                let series = shard.series(id);
                n_stale += u64::from(series.is_stale());
                heap_bytes += series.heap_bytes();
                if series.min_time() != NO_TIME {
                    oldest = oldest.min(series.min_time());
                }
            }
        }
        let index = self.index.read();
        heap_bytes += self.metadata.heap_bytes() + self.exemplars.heap_bytes();
        let bytes = heap_bytes + index.bytes() + index.n_series() * REF_BYTES;
        self.counters.n_series_walked.set(index.n_series() as u64);
        drop(index);
        self.counters.n_stale_series.set(n_stale);
        self.counters.memory_bytes.set(bytes as u64);
        self.measure_side_tables();
        let _no_batch_under_way = self.commit.lock();
        self.min_time.store(if oldest == i64::MAX { NO_TIME } else { oldest }, Ordering::Relaxed);
    }

    /// Begins to drop everything before `boundary`, which a block holds that selections made from now on see.
    pub(crate) fn truncate_before(&self, boundary: i64, now_ms: i64) {
        let mut upkeep = self.upkeep.lock();
        self.pins.advance(boundary);
        let truncation = Truncation { boundary, since_ms: now_ms, retry_ms: now_ms };
        upkeep.truncation = Some(truncation);
        self.continue_truncation(&mut upkeep, truncation, now_ms);
    }

    /// Begins to drop stale series, which blocks hold that selections made from now on see.
    pub(crate) fn drop_stale_later(&self, stale: StaleSeries, now_ms: i64) {
        let mut upkeep = self.upkeep.lock();
        // Who selected before reads on: a generation ends, its view does not change.
        self.pins.advance(self.in_blocks_before());
        upkeep.stale = Some((stale, now_ms));
        self.continue_stale_drop(&mut upkeep, now_ms);
    }

    fn continue_stale_drop(&self, upkeep: &mut Upkeep, now_ms: i64) {
        let Some((stale, since_ms)) = upkeep.stale.take() else { return };
        if !self.pins.are_old_ones_gone() {
            if now_ms.saturating_sub(since_ms) < PATIENCE_MS {
                upkeep.stale = Some((stale, since_ms));
                return;
            }
            // They are in the way of nothing yet: the series stay until the next cut.
            return;
        }
        match self.drop_stale(upkeep, &stale) {
            Ok(n_series) => info!(n_series, "stale series left the head"),
            Err(error) => {
                warn!(error = %Chain(&error), "cannot drop stale series; they stay until the next cut");
            }
        }
        self.walk();
    }

    /// Returns whether data waits to be dropped: the next block has to wait as well.
    pub(crate) fn is_truncating(&self) -> bool {
        let upkeep = self.upkeep.lock();
        upkeep.truncation.is_some() || upkeep.stale.is_some()
    }

    fn continue_truncation(&self, upkeep: &mut Upkeep, truncation: Truncation, now_ms: i64) {
        // A clock that was set back does not make the wait longer.
        let is_too_early = truncation.retry_ms.saturating_sub(RETRY_AFTER_MS)..truncation.retry_ms;
        if is_too_early.contains(&now_ms) {
            return;
        }
        if !self.pins.are_old_ones_gone() {
            if now_ms.saturating_sub(truncation.since_ms) < PATIENCE_MS {
                return;
            }
            warn!("a query has kept old data for ten minutes; it will fail");
            self.pins.expire_old_ones();
        }
        let started = Instant::now();
        match self.truncate(upkeep, truncation) {
            Ok(n_dropped) => {
                upkeep.truncation = None;
                // The log before the last snapshot may be gone.
                upkeep.snapshot_ms = Some(i64::MIN);
                self.counters.truncations.add(1);
                self.counters.gcs.add(1);
                self.counters.gc_micros.add_elapsed(started);
                let elapsed_s = started.elapsed().as_secs_f64();
                info!(
                    boundary_ms = truncation.boundary,
                    n_series_dropped = n_dropped,
                    elapsed_s,
                    "head truncated"
                );
            }
            Err(error) => {
                self.counters.truncations_failed.add(1);
                let retry_ms = now_ms.saturating_add(RETRY_AFTER_MS);
                upkeep.truncation = Some(Truncation { retry_ms, ..truncation });
                warn!(error = %Chain(&error), "cannot truncate the head; trying again in a minute");
            }
        }
    }

    /// Steps 2 to 4 of the truncation; returns how many series were dropped.
    fn truncate(
        &self,
        upkeep: &mut Upkeep,
        Truncation { boundary, .. }: Truncation,
    ) -> Result<u64, UpkeepError> {
        self.flush_chunks().map_err(UpkeepError::Chunks)?;
        // A file per truncation: it can go as a whole when its turn comes.
        self.chunk_files.close().map_err(UpkeepError::Chunks)?;
        let n_dropped = self.collect_garbage(upkeep, boundary);
        self.chunk_files.truncate_before(boundary, self.oldest_late_file()).map_err(UpkeepError::Chunks)?;
        // Before the checkpoint: what is written now is in a segment that it does not cover.
        self.forget_deletions(boundary).map_err(UpkeepError::Deletions)?;
        self.shorten_log(upkeep, boundary)?;
        self.walk();
        Ok(n_dropped)
    }

    /// Closes the open chunks that began before `time_ms`.
    pub(super) fn cut_before(&self, time_ms: i64) {
        for (shard_idx, shard) in self.shards.iter().enumerate() {
            let mut shard = shard.write();
            for id in shard.ids(shard_idx) {
                if shard.series(id).open_start().is_some_and(|start| start < time_ms) {
                    shard.cut(id, self.chunk_rules);
                }
            }
        }
    }

    /// Drops chunks that ended before `boundary`, and series with nothing left. Returns how many series.
    fn collect_garbage(&self, upkeep: &mut Upkeep, boundary: i64) -> u64 {
        let candidates = self.truncate_chunks(boundary);
        let mut dead = RoaringBitmap::new();
        let mut without_samples = RoaringBitmap::new();
        for id in &candidates {
            let is_new = self.shards[shard_of(id)].read().series(id).max_time() == NO_TIME;
            if is_new {
                without_samples.insert(id)
            } else {
                dead.insert(id)
            };
        }
        without_samples &= self.index.read().postings.all();
        // A series that was resolved just now has no sample yet; one that had none two hours ago will not get any.
        dead |= &without_samples & &upkeep.without_samples;
        upkeep.without_samples = without_samples - &dead;
        let dropped = &mut upkeep.dropped;
        let is_dead = |shard: &Shard, id| shard.is_without_data(id);
        let (n_dropped, _nothing_fails) = self.drop_series(&dead, &is_dead, &mut |refs| {
            let last_segment = self.log().stats().segment;
            dropped.extend(refs.iter().map(|series_ref| (*series_ref, last_segment)));
            Ok(())
        });
        self.counters.series_removed.add(n_dropped);
        n_dropped
    }

    /// Drops the chunks that ended before `boundary`, a thousand series at a time; returns who may have nothing left.
    fn truncate_chunks(&self, boundary: i64) -> RoaringBitmap {
        let mut candidates = RoaringBitmap::new();
        for (shard_idx, shard) in self.shards.iter().enumerate() {
            let ids: Vec<u32> = shard.read().ids(shard_idx).collect();
            for ids in ids.chunks(SERIES_PER_LOCK) {
                let mut shard = shard.write();
                for id in ids {
                    let series = shard.series_mut(*id);
                    let n_removed = series.full_chunks_mut().truncate_before(boundary);
                    self.counters.chunks_removed.add(n_removed as u64);
                    if series.n_chunks() == 0 {
                        candidates.insert(*id);
                    }
                }
            }
        }
        candidates
    }
}

impl Head {
    /// Removes from the log what is in files now. Series that are in the head stay, and those that left it while the
    /// segments that remain may mention them.
    fn shorten_log(&self, upkeep: &mut Upkeep, boundary: i64) -> Result<(), UpkeepError> {
        let dropped = &upkeep.dropped;
        let mut keep = |series_ref| {
            dropped.contains_key(&series_ref) || self.commit.lock().refs.find(series_ref).is_some()
        };
        let started = std::time::Instant::now();
        let outcome = self.log().checkpoint(boundary, &mut keep);
        self.counters.wal_truncate_micros.add_elapsed(started);
        match outcome {
            Ok(None) => {}
            Ok(Some(checkpoint)) => {
                self.counters.checkpoints.add(1);
                self.counters.wal_truncations.add(1);
                if checkpoint.damaged > 0 {
                    self.counters.wal_corruptions.add(checkpoint.damaged);
                    warn!(
                        n_places = checkpoint.damaged,
                        "damaged records of the write-ahead log are left out of its checkpoint; what they held is in the \
                         head, and lost if it has to be rebuilt without a snapshot"
                    );
                }
                upkeep.dropped.retain(|_, last_segment| *last_segment > checkpoint.number);
            }
            Err(error) => {
                self.counters.checkpoints_failed.add(1);
                return Err(UpkeepError::Log(error));
            }
        }
        Ok(())
    }
}

/// Returns whether a snapshot is due `age_ms` after the last one, `n_logged` bytes of log later: after a quarter of an
/// hour, or earlier once that log is half as long as a snapshot. So replay reads about as much of the log as half the
/// snapshot, and snapshots write two bytes for each byte of log at most.
fn is_snapshot_due(age_ms: i64, n_logged: u64, memory_bytes: u64) -> bool {
    // Measured: a snapshot takes about what its series take in memory (362 MB for a million of them, of 130 samples).
    let enough_bytes = (memory_bytes / 2).max(SNAPSHOT_LOG_BYTES_MIN);
    // A clock that was set back does not make the wait longer.
    !(0..SNAPSHOT_EVERY_MS).contains(&age_ms) || (age_ms >= SNAPSHOT_PAUSE_MS && n_logged >= enough_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_by_time_or_by_the_length_of_the_log() {
        let minutes = |n: i64| n * 60_000;
        let check = |age_ms, n_logged_mib: u64, memory_mib: u64, want| {
            let got = is_snapshot_due(age_ms, n_logged_mib << 20, memory_mib << 20);
            assert_eq!(got, want, "{age_ms} ms, {n_logged_mib} MiB logged, {memory_mib} MiB in memory");
        };
        check(minutes(15), 0, 500, true);
        check(minutes(14), 249, 500, false);
        check(minutes(6), 250, 500, true);
        check(minutes(5) - 1, 250, 500, false);
        check(minutes(5), 15, 1, false);
        check(minutes(5), 16, 1, true);
        check(-1, 0, 500, true);
    }
}
