//! Opening a head from its directory, and closing it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tracing::{info, warn};

use super::counters::Counter;
use super::replay::{FoundChunks, is_sound, replay};
use super::{Chain, Head};
use crate::disk::Disk;
use crate::head_chunks::HeadChunks;
use crate::wal::repair::{Mended, bridge_gap, mend};
use crate::wal::{Position, ReadError, Reader, Wal, WalOptions};
use crate::wbl::Wbl;
use crate::{OpenError, ReplayProgress, TsdbOptions};

/// More missing segments than this were not lost one by one: somebody should look.
const GAP_MAX: u64 = 10_000;

impl Head {
    /// Replays `dir`, which the caller has locked, and opens its log for writing. What is older than `min_valid`, ms, is
    /// in blocks and passed over.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        options: TsdbOptions,
        now_ms: i64,
        min_valid: i64,
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
        let (chunk_files, found) = open_chunk_files(disk, &dir.join("chunks_head"), min_valid)?;
        let wbl = Wbl::new(Arc::clone(disk), dir.join("wbl"), wal_options.clone());
        let window_ms = options.out_of_order_window_ms;
        let head = Self::new(options, chunk_files, wbl, now_ms);
        head.min_valid.store(min_valid, Ordering::Relaxed);
        head.pins.advance(min_valid);
        head.counters.head_chunk_corruptions.add(found.n_corruptions);
        let n_samples = replay_log(disk, &wal_dir, &head, found, progress)?;
        let log = Wal::open_on(Arc::clone(disk), &wal_dir, wal_options);
        let log = log.map_err(|error| replay_error(&wal_dir, &error))?;
        head.log.get_or_init(|| log);
        head.open_late(window_ms)?;
        head.counters.replay_micros.add_elapsed(started);
        let n_series = head.index.read().n_series();
        info!(n_series, n_samples, elapsed_s = started.elapsed().as_secs_f64(), "log replayed");
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
        let late_closed = self.wbl.close().map_err(|error| Chain(&error).to_string());
        synced.and(closed).and(late_closed)
    }
}

/// Opens the head-chunk files and lists what is in them by series.
fn open_chunk_files(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    min_valid: i64,
) -> Result<(HeadChunks, FoundChunks), OpenError> {
    let mut found = FoundChunks::new(min_valid);
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
            "head chunks are damaged: their samples are lost, unless they are still in the log"
        );
    }
    Ok((chunk_files, found))
}

/// Reads the log into the head, and mends what is damaged. Returns how many samples were taken.
fn replay_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    head: &Head,
    found: FoundChunks,
    progress: &ReplayProgress,
) -> Result<u64, OpenError> {
    let reader = open_log(disk, dir, &head.counters.wal_corruptions)?;
    progress.begin(reader.first_segment(), reader.last_segment());
    let replayed = replay(head, found, reader, progress);
    let (n_samples, complaints) = replayed.map_err(|error| replay_error(dir, &error))?;
    if let Some(error) = complaints.unreadable {
        // The disk may come back; what is on it must not be touched before.
        return Err(replay_error(dir, &error));
    }
    head.counters.wal_corruptions.add(complaints.n_places);
    for (position, reason) in &complaints.damaged {
        mend_and_report(&**disk, dir, *position, reason);
    }
    Ok(n_samples)
}

/// Opens the log for reading, over gaps.
pub(super) fn open_log(disk: &Arc<dyn Disk>, dir: &Path, corruptions: &Counter) -> Result<Reader, OpenError> {
    loop {
        match Reader::open_on(Arc::clone(disk), dir) {
            Ok(reader) => return Ok(reader),
            Err(ReadError::Gap { dir: place, missing, next }) if next - missing <= GAP_MAX => {
                corruptions.add(1);
                bridge_gap(&**disk, &place, missing, next).map_err(|error| replay_error(dir, &error))?;
                warn!(
                    dir = %place.display(),
                    first_missing = missing,
                    n_missing = next - missing,
                    "segments of the log are missing: what they held is lost; empty ones take their place"
                );
            }
            Err(error) => return Err(replay_error(dir, &error)),
        }
    }
}

/// Mends a damaged segment, and says what it cost. Without room for that the start goes on: what is whole was read.
pub(super) fn mend_and_report(disk: &dyn Disk, dir: &Path, position: Position, reason: &str) {
    let Position { checkpoint, segment, offset } = position;
    let place =
        checkpoint.map_or_else(|| dir.to_owned(), |number| dir.join(format!("checkpoint.{number:08}")));
    match mend(disk, &place, segment, &mut is_sound) {
        Ok(Mended { bytes_lost, n_saved, is_set_aside }) => warn!(
            dir = %place.display(),
            segment,
            offset,
            reason,
            bytes_lost,
            n_records_saved_behind_it = n_saved,
            is_set_aside,
            "log was damaged: what cannot be read is lost, the rest is kept"
        ),
        Err(error) => warn!(
            dir = %place.display(),
            segment,
            offset,
            reason,
            error = %Chain(&error),
            "log is damaged: what cannot be read is lost; mending failed and is tried at the next start"
        ),
    }
}

pub(super) fn replay_error(dir: &Path, error: &dyn std::error::Error) -> OpenError {
    OpenError::Replay { path: dir.to_owned(), message: Chain(error).to_string() }
}
