//! Counters of the head; [`crate::TsdbStats`] says what each means.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A count that several threads add to.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds the microseconds since `started`.
    pub(crate) fn add_elapsed(&self, started: Instant) {
        self.add(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) series_created: Counter,
    pub(crate) series_removed: Counter,
    pub(crate) series_refused: Counter,
    pub(crate) chunks_removed: Counter,
    pub(crate) samples_appended: Counter,
    pub(crate) out_of_order: Counter,
    pub(crate) late_samples: Counter,
    pub(crate) late_histograms: Counter,
    pub(crate) too_old: Counter,
    pub(crate) duplicate: Counter,
    pub(crate) out_of_bounds: Counter,
    pub(crate) unknown_series: Counter,
    pub(crate) histograms_appended: Counter,
    pub(crate) histograms_refused: Counter,
    pub(crate) append_errors: Counter,
    pub(crate) wal_corruptions: Counter,
    pub(crate) wbl_corruptions: Counter,
    pub(crate) head_chunk_corruptions: Counter,
    pub(crate) head_chunk_write_errors: Counter,
    pub(crate) checkpoints: Counter,
    pub(crate) checkpoints_failed: Counter,
    pub(crate) truncations: Counter,
    pub(crate) truncations_failed: Counter,
    pub(crate) wal_truncations: Counter,
    pub(crate) wal_truncate_micros: Counter,
    pub(crate) gcs: Counter,
    pub(crate) gc_micros: Counter,
    pub(crate) replay_micros: Counter,
    pub(crate) replay_unknown_refs: Counter,
    /// Bytes of records that replay took from the log.
    pub(crate) replayed_bytes: Counter,
    pub(crate) snapshots_failed: Counter,
    pub(crate) snapshot_replay_errors: Counter,
    pub(crate) snapshot_series: Counter,
    // Figures of the last walk over all series, see `maintain`.
    pub(crate) memory_bytes: Counter,
    pub(crate) side_tables_bytes: Counter,
    pub(crate) n_series_walked: Counter,
    pub(crate) n_stale_series: Counter,
}
