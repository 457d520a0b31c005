//! Opening a head from its directory, and closing it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tracing::{info, warn};

use super::counters::Counter;
use super::replay::{FoundChunks, ReplayError, Sources, is_sound, replay};
use super::snapshot::{self, SnapshotError, SnapshotReader};
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
    /// Replays `dir`, which the caller has locked, and opens its log for writing. `is_ours` says that the process that
    /// had the directory last was one of ours and crashed; what is older than `min_valid`, ms, is in blocks and passed
    /// over.
    pub(crate) fn open(
        disk: &Arc<dyn Disk>,
        dir: &Path,
        options: TsdbOptions,
        now_ms: i64,
        is_ours: bool,
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
        snapshot::remove_unfinished(&**disk, dir);
        let snapshot = if options.head_snapshot { usable_snapshot(&**disk, dir, is_ours) } else { Ok(None) };
        let is_damaged = matches!(snapshot, Err(()));
        let start = Start { disk, dir, wal_options: &wal_options, now_ms, min_valid };
        let window_ms = options.out_of_order_window_ms;
        let (head, n_samples) = start.rebuild(options, snapshot.unwrap_or_default(), progress)?;
        head.counters.snapshot_replay_errors.add(u64::from(is_damaged));
        let log = Wal::open_on(Arc::clone(disk), &wal_dir, wal_options);
        let log = log.map_err(|error| replay_error(&wal_dir, &error))?;
        head.log.get_or_init(|| log);
        head.open_late(window_ms)?;
        head.counters.replay_micros.add_elapsed(started);
        let n_series = head.index.read().n_series();
        let n_from_snapshot = head.counters.snapshot_series.get();
        info!(
            n_series,
            n_from_snapshot,
            n_samples,
            elapsed_s = started.elapsed().as_secs_f64(),
            "log replayed"
        );
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
        let closed = synced.and(closed).and(late_closed);
        if closed.is_ok() {
            self.snapshot_or_report(&|| self.save_last_snapshot(&self.dir));
        }
        closed
    }
}

/// What a head is opened with.
struct Start<'a> {
    disk: &'a Arc<dyn Disk>,
    dir: &'a Path,
    wal_options: &'a WalOptions,
    now_ms: i64,
    min_valid: i64,
}

impl Start<'_> {
    /// Rebuilds a head; when the snapshot turns out to be damaged, without it. Returns how many samples the log gave.
    fn rebuild(
        &self,
        options: TsdbOptions,
        snapshot: Option<SnapshotReader>,
        progress: &ReplayProgress,
    ) -> Result<(Head, u64), OpenError> {
        let Self { disk, dir, wal_options, now_ms, min_valid } = *self;
        let (chunk_files, found) = open_chunk_files(disk, &dir.join("chunks_head"), min_valid)?;
        let wbl = Wbl::new(Arc::clone(disk), dir.join("wbl"), wal_options.clone());
        let head = Head::new(dir, options.clone(), chunk_files, wbl, now_ms);
        head.min_valid.store(min_valid, Ordering::Relaxed);
        head.pins.advance(min_valid);
        head.counters.head_chunk_corruptions.add(found.n_corruptions);
        // With head chunks missing the log is needed from its beginning.
        let snapshot = snapshot.filter(|_| found.n_corruptions == 0);
        match replay_log(disk, &dir.join("wal"), &head, found, snapshot, progress) {
            Ok(n_samples) => Ok((head, n_samples)),
            Err(ReplayFailure::Open(error)) => Err(error),
            Err(ReplayFailure::Snapshot(error)) => {
                report_snapshot(dir, &error);
                drop(head);
                let (head, n_samples) = self.rebuild(options, None, progress)?;
                head.counters.snapshot_replay_errors.add(1);
                Ok((head, n_samples))
            }
        }
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

/// Returns the snapshot that stands for the beginning of the log, if there is one.
/// # Errors
/// When it is damaged, which was reported.
fn usable_snapshot(disk: &dyn Disk, dir: &Path, is_ours: bool) -> Result<Option<SnapshotReader>, ()> {
    match SnapshotReader::open(disk, dir) {
        Ok(Some(snapshot)) if !snapshot.binding.holds(disk, &dir.join("wal"), is_ours) => {
            info!(dir = %dir.display(), "the log is not the one the head snapshot was made of: all of it is replayed");
            Ok(None)
        }
        Ok(snapshot) => Ok(snapshot),
        Err(error) => {
            report_snapshot(dir, &error);
            Err(())
        }
    }
}

fn report_snapshot(dir: &Path, error: &SnapshotError) {
    warn!(dir = %dir.display(), error = %Chain(error), "cannot use the head snapshot: all of the log is replayed");
}

/// Why the log was not read.
enum ReplayFailure {
    Open(OpenError),
    Snapshot(SnapshotError),
}

impl From<OpenError> for ReplayFailure {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

/// Reads snapshot and log into the head, and mends what is damaged. Returns how many samples were taken.
fn replay_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    head: &Head,
    found: FoundChunks,
    snapshot: Option<SnapshotReader>,
    progress: &ReplayProgress,
) -> Result<u64, ReplayFailure> {
    let log = match &snapshot {
        None => open_log(disk, dir, &head.counters.wal_corruptions)?,
        Some(snapshot) => Reader::open_from(Arc::clone(disk), dir, snapshot.binding.next_segment)
            .map_err(|error| replay_error(dir, &error))?,
    };
    progress.begin(log.first_segment(), log.last_segment());
    let (n_samples, complaints) = match replay(head, Sources { found, snapshot, log }, progress) {
        Ok(replayed) => replayed,
        Err(ReplayError::Snapshot(error)) => return Err(ReplayFailure::Snapshot(error)),
        Err(error @ ReplayError::Thread(_)) => return Err(replay_error(dir, &error).into()),
    };
    if let Some(error) = complaints.unreadable {
        // The disk may come back; what is on it must not be touched before.
        return Err(replay_error(dir, &error).into());
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
