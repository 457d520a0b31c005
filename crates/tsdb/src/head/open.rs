//! Opening a head from its directory, and closing it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::{info, warn};

use super::replay::{FoundChunks, Replay};
use super::{Chain, Head};
use crate::disk::{Disk, list_if_present};
use crate::head_chunks::HeadChunks;
use crate::wal::repair::{Lost, cut_at, repair};
use crate::wal::{Reader, Wal, WalOptions};
use crate::{OpenError, ReplayProgress, TsdbOptions};

impl Head {
    /// Replays `dir`, which the caller has locked, and opens its log for writing.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        options: TsdbOptions,
        now_ms: i64,
        progress: &ReplayProgress,
    ) -> Result<Self, OpenError> {
        let started = Instant::now();
        let wal_dir = dir.join("wal");
        let wal_options = WalOptions {
            segment_bytes: options.wal_segment_bytes,
            compression: options.wal_compression,
            fsync: options.fsync,
            ..WalOptions::default()
        };
        warn_of_blocks(&**disk, dir);
        let (chunk_files, found) = open_chunk_files(disk, &dir.join("chunks_head"))?;
        let head = Self::new(options, chunk_files);
        head.counters.head_chunk_corruptions.add(found.n_corruptions);
        let mut replay = Replay::new(&head, found);
        replay_log(disk, &wal_dir, &head, &mut replay, progress)?;
        let n_samples = replay.finish();
        let log = Wal::open_on(Arc::clone(disk), &wal_dir, wal_options);
        let log = log.map_err(|error| replay_error(&wal_dir, &error))?;
        head.log.get_or_init(|| log);
        head.counters.replay_micros.add_elapsed(started);
        let n_series = head.index.read().n_series();
        info!(n_series, n_samples, elapsed_s = started.elapsed().as_secs_f64(), "log replayed");
        // What was truncated before, but shares a file with what was not, came back: it goes before anybody sees it.
        head.maintain(now_ms);
        Ok(head)
    }

    /// Refuses batches from now on, writes what is queued and full chunks, and forces both to the disk.
    pub(crate) fn close(&self) -> Result<(), String> {
        self.commit.lock().is_closed = true;
        // Upkeep that is under way writes the same chunks: one of us at a time.
        let _upkeep = self.upkeep.lock();
        self.flush_or_report();
        let synced = self.chunk_files.close().map_err(|error| Chain(&error).to_string());
        let closed = self.log().close().map_err(|error| Chain(&error).to_string());
        synced.and(closed)
    }
}

/// Opens the head-chunk files and lists what is in them by series.
fn open_chunk_files(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(HeadChunks, FoundChunks), OpenError> {
    let mut found = FoundChunks::default();
    let file_bytes_max = HeadChunks::FILE_BYTES_MAX;
    let opened = HeadChunks::open_on(Arc::clone(disk), dir, file_bytes_max, &mut |chunk| found.add(chunk));
    let (chunk_files, report) = opened.map_err(|error| replay_error(dir, &error))?;
    if let Some(damage) = report.corruption {
        found.n_corruptions += 1;
        warn!(
            dir = %dir.display(),
            file = damage.file,
            offset = damage.offset,
            reason = damage.reason,
            n_places = damage.n_places,
            n_files_set_aside = damage.n_files_removed,
            bytes = damage.bytes_removed,
            "head chunks are damaged: their samples are lost, unless they are the newest of a series and still in the log"
        );
    }
    Ok((chunk_files, found))
}

/// Says so if the directory holds what this version does not read: blocks and the out-of-order log of Prometheus.
fn warn_of_blocks(disk: &dyn Disk, dir: &Path) {
    let entries = list_if_present(disk, dir).unwrap_or_default();
    let has_wbl = entries.iter().any(|entry| entry.name == "wbl");
    let is_block = |path: &Path| disk.info(&path.join("meta.json")).is_ok();
    let n_blocks = entries.iter().filter(|entry| entry.info.is_dir && is_block(&entry.path)).count();
    if n_blocks > 0 || has_wbl {
        warn!(
            dir = %dir.display(),
            n_blocks,
            has_wbl,
            "blocks and the out-of-order log are left in place, but this version does not read them"
        );
    }
}

/// Reads the log into the head up to its end or its first damage, which is repaired.
fn replay_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    head: &Head,
    replay: &mut Replay<'_>,
    progress: &ReplayProgress,
) -> Result<(), OpenError> {
    let mut reader = Reader::open_on(Arc::clone(disk), dir).map_err(|error| replay_error(dir, &error))?;
    progress.begin(reader.first_segment(), reader.last_segment());
    loop {
        let (lost, reason) = match reader.next_record() {
            Ok(None) => return Ok(()),
            Ok(Some((position, bytes))) => {
                if position.checkpoint.is_none() {
                    progress.reach(position.segment);
                }
                let Err(error) = replay.record(bytes) else { continue };
                if position.checkpoint.is_some() {
                    // The log after a checkpoint makes no sense without it: leave everything in place.
                    return Err(replay_error(dir, &error));
                }
                (cut_at(&**disk, dir, position).map(Some), Chain(&error).to_string())
            }
            Err(error) => (repair(&**disk, dir, &error), Chain(&error).to_string()),
        };
        return match lost {
            Ok(Some(lost)) => {
                head.counters.wal_corruptions.add(1);
                report_repair(dir, &lost, &reason);
                Ok(())
            }
            Ok(None) => Err(OpenError::Replay { path: dir.to_owned(), message: reason }),
            Err(error) => Err(replay_error(dir, &error)),
        };
    }
}

fn report_repair(dir: &Path, lost: &Lost, reason: &str) {
    warn!(
        dir = %dir.display(),
        reason,
        segment = lost.segment,
        offset = lost.offset,
        bytes_cut = lost.bytes_cut,
        n_segments_removed = lost.segments_removed.len(),
        bytes_removed = lost.bytes_removed,
        "write-ahead log was damaged and is cut off before the damage"
    );
}

fn replay_error(dir: &Path, error: &dyn std::error::Error) -> OpenError {
    OpenError::Replay { path: dir.to_owned(), message: Chain(error).to_string() }
}
