//! What the database tells about itself; whoever serves metrics gives these figures their names.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::CompactionStats;
use crate::budget::HeadMemory;
use crate::wal::WalStats;

/// A snapshot of the database's gauges and counters. Counters start at zero when the database is opened. The name in
/// each description is the metric Prometheus exposes the figure under (prefix `prometheus_tsdb_`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TsdbStats {
    /// Series in the head: `head_series`.
    pub n_series: u64,
    /// Series created: `head_series_created_total`.
    pub series_created: u64,
    /// Series dropped because they left the window: `head_series_removed_total`.
    pub series_removed: u64,
    /// New series refused at the bound.
    pub series_refused: u64,
    /// Series whose newest sample is a stale marker: `head_stale_series`.
    pub n_stale_series: u64,
    /// Chunks, open ones included: `head_chunks`.
    pub n_chunks: u64,
    /// Chunks created: `head_chunks_created_total`.
    pub chunks_created: u64,
    /// Chunks dropped: `head_chunks_removed_total`.
    pub chunks_removed: u64,
    /// Bytes of head-chunk files: `head_chunks_storage_size_bytes`.
    pub head_chunks_bytes: u64,
    /// Oldest sample, ms; `None` while empty: `head_min_time`, `lowest_timestamp`.
    pub min_time_ms: Option<i64>,
    /// Newest sample, ms; `None` while empty: `head_max_time`.
    pub max_time_ms: Option<i64>,
    /// Samples stored: `head_samples_appended_total{type="float"}`.
    pub samples_appended: u64,
    /// Samples refused as out of order: `out_of_order_samples_total`.
    pub samples_out_of_order: u64,
    /// Out-of-order samples stored: `head_out_of_order_samples_appended_total`.
    pub late_samples_appended: u64,
    /// Out-of-order native histograms stored: the same, `type="histogram"`.
    pub late_histograms_appended: u64,
    /// Samples refused as older than the out-of-order window: `too_old_samples_total`.
    pub samples_too_old: u64,
    /// Samples refused as duplicates with another value.
    pub samples_duplicate: u64,
    /// Samples refused as out of bounds: `out_of_bound_samples_total`.
    pub samples_out_of_bounds: u64,
    /// Samples for series that are no longer in the head.
    pub samples_unknown_series: u64,
    /// Native histograms stored: `samples_appended_total{type="histogram"}`.
    pub histograms_appended: u64,
    /// Native histograms refused, for any reason.
    pub histograms_refused: u64,
    /// Batches or series refused because the log could not be written.
    pub append_errors: u64,
    /// Deleted intervals of series in the head that readers pass over.
    pub n_deleted_intervals: u64,
    /// Batches appended but not yet visible: `head_active_appenders`.
    pub batches_in_flight: u64,
    /// The newest batch that is visible: `isolation_low_watermark`; those in flight are above it.
    pub visible_batch: u64,
    /// Distinct label names and values: `symbol_table_items`.
    pub n_symbols: u64,
    /// Bytes of the symbol table: `symbol_table_size_bytes`.
    pub symbols_bytes: u64,
    /// Label pairs with at least one series.
    pub n_label_pairs: u64,
    /// Estimate of the memory of the head, bytes; what `memory_bytes_max` is compared with.
    pub memory_bytes: u64,
    /// What it consists of.
    pub memory: HeadMemory,
    /// [`crate::TsdbOptions::memory_bytes_max`].
    pub memory_bytes_max: u64,
    /// Whether the head is crowded and many of its series are stale.
    pub is_stale_cut_due: bool,
    /// Bytes of the write-ahead log: `wal_storage_size_bytes`.
    pub wal_bytes: u64,
    /// Number of the current segment: `wal_segment_current`.
    pub wal_segment: u64,
    /// fsyncs of the log: `wal_fsync_duration_seconds_count`.
    pub wal_fsyncs: u64,
    /// Time spent in them, seconds: `wal_fsync_duration_seconds_sum`.
    pub wal_fsync_seconds: f64,
    /// Calls of write(2) for the log: `wal_page_flushes_total`.
    pub wal_writes: u64,
    /// Records of the log: `wal_record_part_writes_total`.
    pub wal_records: u64,
    /// Bytes written to the log: `wal_record_parts_bytes_written_total`.
    pub wal_bytes_written: u64,
    /// Bytes that compression saved: `wal_record_bytes_saved_total`.
    pub wal_bytes_saved: u64,
    /// Time spent in truncations of the log, seconds: `wal_truncate_duration_seconds`.
    pub wal_truncate_seconds: f64,
    /// Writes of the log that failed; they are repeated: `wal_writes_failed_total`.
    pub wal_write_errors: u64,
    /// The log of out-of-order samples: `out_of_order_wbl_*`, as `wal_*`.
    pub wbl: WalStats,
    /// Corruptions found in it at start.
    pub wbl_corruptions: u64,
    /// Corruptions found in the log at start: `wal_corruptions_total`.
    pub wal_corruptions: u64,
    /// Corruptions found in head-chunk files: `mmap_chunk_corruptions_total`.
    pub head_chunk_corruptions: u64,
    /// Errors while writing head chunks; their data stays in memory and in the log, and is tried again.
    pub head_chunk_write_errors: u64,
    /// Checkpoints written: `checkpoint_creations_total`.
    pub checkpoints: u64,
    /// Checkpoints that failed: `checkpoint_creations_failed_total`.
    pub checkpoints_failed: u64,
    /// Truncations of the head: `head_truncations_total`.
    pub truncations: u64,
    /// Truncations that failed: `head_truncations_failed_total`.
    pub truncations_failed: u64,
    /// Truncations of the log: `wal_truncations_total`.
    pub wal_truncations: u64,
    /// Time spent in garbage collections of the head, seconds: `head_gc_duration_seconds_sum`.
    pub gc_seconds: f64,
    /// Garbage collections of the head: `head_gc_duration_seconds_count`.
    pub gcs: u64,
    /// Time the last start took to read the log, seconds: `data_replay_duration_seconds`.
    pub replay_seconds: f64,
    /// Samples of the log whose series record is missing, at start.
    pub replay_unknown_refs: u64,
    /// Snapshots of the head that could not be written; the last good one and the log stay.
    pub snapshots_failed: u64,
    /// Snapshots of the head that were found damaged at start: `snapshot_replay_error_total`.
    pub snapshot_replay_errors: u64,
    /// Series that the last start took from a snapshot.
    pub snapshot_series: u64,
    /// Whether the last process closed the directory itself: `clean_start`.
    pub clean_start: bool,
    /// Blocks, compaction and retention.
    pub compaction: CompactionStats,
}

/// Where label cardinality comes from: the answer of `/api/v1/status/tsdb`. Each list is the largest entries first,
/// equal ones by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cardinality {
    /// Series in the head.
    pub n_series: u64,
    /// Label pairs with at least one series.
    pub n_label_pairs: u64,
    /// Chunks, open ones included.
    pub n_chunks: u64,
    /// Oldest sample, ms; `None` while empty.
    pub min_time_ms: Option<i64>,
    /// Newest sample, ms; `None` while empty.
    pub max_time_ms: Option<i64>,
    /// Series per metric name.
    pub series_count_by_metric_name: Vec<(String, u64)>,
    /// Distinct values per label name.
    pub label_value_count_by_label_name: Vec<(String, u64)>,
    /// Bytes of the values of a label name, counted once per series as Prometheus counts them.
    pub memory_in_bytes_by_label_name: Vec<(String, u64)>,
    /// Series per `name=value`.
    pub series_count_by_label_value_pair: Vec<(String, u64)>,
}

/// How far the replay of the log has come; shared with whoever reports it (`/api/v1/status/walreplay`).
#[derive(Debug, Default)]
pub struct ReplayProgress {
    first_segment: AtomicU64,
    last_segment: AtomicU64,
    current_segment: AtomicU64,
    done: AtomicU64,
}

impl ReplayProgress {
    /// Returns the first segment to replay.
    pub fn first_segment(&self) -> u64 {
        self.first_segment.load(Ordering::Relaxed)
    }

    /// Returns the last segment to replay.
    pub fn last_segment(&self) -> u64 {
        self.last_segment.load(Ordering::Relaxed)
    }

    /// Returns the segment that is being replayed.
    pub fn current_segment(&self) -> u64 {
        self.current_segment.load(Ordering::Relaxed)
    }

    /// Returns whether the replay is over.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn begin(&self, first: u64, last: u64) {
        self.first_segment.store(first, Ordering::Relaxed);
        self.last_segment.store(last, Ordering::Relaxed);
        self.current_segment.store(first, Ordering::Relaxed);
    }

    pub(crate) fn reach(&self, segment: u64) {
        self.current_segment.store(segment, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self) {
        self.done.store(1, Ordering::Relaxed);
    }
}
