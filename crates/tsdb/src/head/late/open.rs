//! Late samples as the last process left them: chunks in head-chunk files, the rest in the write-behind log.

use std::sync::atomic::Ordering;

use tracing::info;

use super::in_blocks::{IN_BLOCKS, InBlocks};
use super::{LateSample, LateValue};
use crate::OpenError;
use crate::head::append::others::storable;
use crate::head::open::{mend_and_report, open_log, replay_error};
use crate::head::replay::{Complaints, is_ref};
use crate::head::shard::shard_of;
use crate::head::{Chain, Head};
use crate::head_chunks::ChunkRef;
use crate::record::{self, Histograms, MmapMarker, MmapMarkers, Record, RecordError, RecordType, Samples};
use crate::wal::ReadError;

/// What the log held.
#[derive(Debug, Default)]
struct Found {
    max_ref: u64,
    n_samples: u64,
    n_unknown: u64,
    n_markers_ignored: u64,
    /// Chunks that are in blocks.
    n_in_blocks: usize,
    /// Series of such markers.
    orphaned: Vec<u32>,
}

impl Head {
    /// Takes late samples from the write-behind log, if there are any, and opens it if it is needed from now on: for new
    /// late samples, or to truncate it when the old ones are in blocks. The write-ahead log was replayed before.
    pub(crate) fn open_late(&self, window_ms: i64) -> Result<(), OpenError> {
        let has_leftovers = self.wbl.has_leftovers();
        if has_leftovers {
            self.replay_late()?;
        }
        self.late_window_ms.store(window_ms.max(0), Ordering::Relaxed);
        if has_leftovers || window_ms > 0 {
            self.wbl.open().map_err(|error| replay_error(self.wbl.dir(), &error))?;
            self.replace_markers();
        }
        Ok(())
    }

    /// Writes chunks and markers for series whose markers named chunks that were lost. Prometheus believes a marker as
    /// soon as there is any later chunk, and would pass over samples that only the log has.
    fn replace_markers(&self) {
        let mut commit = self.commit.lock();
        let markers = self.close_full_late(&mut commit.late);
        if !markers.is_empty() {
            // A log that fails now is told by the next batch.
            let _ = self.log_late(0, &[&markers]);
        }
    }

    fn replay_late(&self) -> Result<(), OpenError> {
        let (disk, dir) = (self.wbl.disk(), self.wbl.dir());
        let mut found = Found::default();
        let mut complaints = Complaints::default();
        let mut reader = open_log(disk, dir, &self.counters.wbl_corruptions)?;
        loop {
            match reader.next_record() {
                Ok(None) => break,
                Ok(Some((position, bytes))) => {
                    if let Err(error) = self.restore_record(bytes, &mut found) {
                        complaints.add(position, Chain(&error).to_string());
                    }
                }
                Err(ReadError::Corrupt { position, reason, .. }) => {
                    complaints.add(position, reason.to_owned());
                }
                // The disk may come back; what is on it must not be touched before.
                Err(error) => return Err(replay_error(dir, &error)),
            }
        }
        self.counters.wbl_corruptions.add(complaints.n_places);
        for (position, reason) in &complaints.damaged {
            mend_and_report(&**disk, dir, *position, reason);
        }
        let mut commit = self.commit.lock();
        commit.late.restore_full(&self.shards, found.orphaned);
        commit.next_ref = commit.next_ref.max(found.max_ref.saturating_add(1));
        let Found { n_samples, n_unknown, n_markers_ignored, n_in_blocks, .. } = found;
        info!(n_samples, n_unknown, n_markers_ignored, n_in_blocks, "write-behind log replayed");
        Ok(())
    }

    fn restore_record(&self, bytes: &[u8], found: &mut Found) -> Result<(), RecordError> {
        if let Some(body) = bytes.strip_prefix(&[IN_BLOCKS]) {
            return self.forget_in_blocks(body, found);
        }
        match record::decode(bytes)? {
            Record::Samples(entries) => self.restore_late(entries, found),
            Record::Histograms(entries) => self.restore_late_histograms(entries, found),
            Record::MmapMarkers(entries) => self.restore_markers(entries, found),
            // Nothing else belongs here.
            _ => Ok(()),
        }
    }

    fn restore_late(&self, entries: Samples<'_>, found: &mut Found) -> Result<(), RecordError> {
        let commit = self.commit.lock();
        let mut finder = commit.refs.finder();
        for entry in entries {
            let sample = entry?;
            if is_ref(sample.series) {
                found.max_ref = found.max_ref.max(sample.series);
            }
            let Some(id) = finder.find(sample.series) else {
                found.n_unknown += 1;
                continue;
            };
            let mut shard = self.shards[shard_of(id)].write();
            shard
                .late
                .entry(id)
                .insert(LateSample::float(sample.time_ms, sample.start_time_ms, sample.value), 0);
            found.n_samples += 1;
        }
        Ok(())
    }

    fn restore_late_histograms(&self, entries: Histograms<'_>, found: &mut Found) -> Result<(), RecordError> {
        let commit = self.commit.lock();
        for entry in entries {
            let sample = entry?;
            if is_ref(sample.series) {
                found.max_ref = found.max_ref.max(sample.series);
            }
            let (Some(id), Ok(value)) = (commit.refs.find(sample.series), storable(&sample.value)) else {
                found.n_unknown += 1;
                continue;
            };
            let (time_ms, start_time_ms) = (sample.time_ms, sample.start_time_ms);
            let late = LateSample { time_ms, start_time_ms, value: LateValue::Histogram(value) };
            let mut shard = self.shards[shard_of(id)].write();
            shard.late.entry(id).insert(late, 0);
            found.n_samples += 1;
        }
        Ok(())
    }

    /// A marker counts only if its chunk was found: it may have been lost in a crash, or be damaged.
    fn restore_markers(&self, entries: MmapMarkers<'_>, found: &mut Found) -> Result<(), RecordError> {
        let commit = self.commit.lock();
        for entry in entries {
            let MmapMarker { series, chunk } = entry?;
            let Some(id) = commit.refs.find(series) else { continue };
            let mut shard = self.shards[shard_of(id)].write();
            let chunks = shard.late.get(id).map_or(&[][..], |late| late.full_chunks());
            if chunks.iter().any(|known| known.chunk == ChunkRef(chunk)) {
                shard.late.entry(id).clear_open();
            } else {
                found.n_markers_ignored += 1;
                found.orphaned.push(id);
            }
        }
        Ok(())
    }

    /// Forgets the chunks that an earlier process moved to blocks.
    fn forget_in_blocks(&self, body: &[u8], found: &mut Found) -> Result<(), RecordError> {
        let damaged = |source| RecordError::Body { record: RecordType::MmapMarkers, source };
        let mut in_blocks = InBlocks::decode(body).map_err(damaged)?;
        in_blocks.keep_files(&self.chunk_files.extents_through(ChunkRef(u64::MAX)));
        for shard in &self.shards {
            found.n_in_blocks += shard.write().late.forget_done(|chunk| in_blocks.contains(chunk));
        }
        Ok(())
    }

    /// Returns the number of the oldest head-chunk file with late chunks that are not in blocks; the largest number when
    /// there are none.
    pub(crate) fn oldest_late_file(&self) -> u32 {
        let mut oldest = u32::MAX;
        for shard in &self.shards {
            for (_, series) in shard.read().late.iter() {
                let first = series.full_chunks().first();
                oldest = first.map_or(oldest, |chunk| oldest.min(chunk.chunk.file()));
            }
        }
        oldest
    }
}
