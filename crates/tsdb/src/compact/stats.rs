//! What the database tells about its blocks.

use super::life::Life;

/// A snapshot of gauges and counters about blocks. The name in each description is the metric Prometheus exposes the
/// figure under (prefix `prometheus_tsdb_`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompactionStats {
    /// Blocks that queries see: `blocks_loaded`.
    pub n_blocks: u64,
    /// Their bytes: `storage_blocks_bytes`.
    pub blocks_bytes: u64,
    /// Start of the oldest block, ms; `None` without blocks.
    pub min_time_ms: Option<i64>,
    /// Directories of blocks that cannot be read and were set aside.
    pub n_set_aside: u64,
    /// Blocks written from the head or from other blocks: `compactions_total`.
    pub compactions: u64,
    /// Attempts that failed: `compactions_failed_total`.
    pub compactions_failed: u64,
    /// Attempts: `compactions_triggered_total`.
    pub compactions_triggered: u64,
    /// Compactions of blocks that overlap: `vertical_compactions_total`.
    pub vertical_compactions: u64,
    /// Time spent in compactions, seconds, and their number: `compaction_duration_seconds`.
    pub compaction_seconds: (f64, u64),
    /// Chunks written: `compaction_chunk_*_count`.
    pub chunks_written: u64,
    /// Their samples: `compaction_chunk_samples_sum`.
    pub chunk_samples: u64,
    /// Their bytes: `compaction_chunk_size_bytes_sum`.
    pub chunk_bytes: u64,
    /// The time they span, seconds: `compaction_chunk_range_seconds_sum`.
    pub chunk_range_seconds: f64,
    /// Time spent in removing deleted samples, seconds, and how often: `tombstone_cleanup_seconds`.
    pub tombstone_cleanup_seconds: (f64, u64),
    /// Looks at the directory: `reloads_total`.
    pub reloads: u64,
    /// Looks that failed, and blocks set aside: `reloads_failures_total`.
    pub reloads_failed: u64,
    /// Times blocks went because of their age: `time_retentions_total`.
    pub time_retentions: u64,
    /// Times blocks went for want of room: `size_retentions_total`.
    pub size_retentions: u64,
    /// Longest time data is kept, seconds, 0 without limit: `retention_limit_seconds`.
    pub retention_seconds: f64,
    /// Most bytes kept, 0 without limit: `retention_limit_bytes`.
    pub retention_bytes: u64,
    /// Most of the file system used, percent, 0 without limit: `retention_limit_percentage`.
    pub retention_percentage: f64,
}

impl Life {
    pub(crate) fn stats(&self) -> CompactionStats {
        let (list, counters, retention) = (self.blocks.list(), &self.blocks.counters, self.retention());
        CompactionStats {
            n_blocks: list.len() as u64,
            blocks_bytes: self.blocks.bytes(),
            min_time_ms: list.iter().map(|block| block.meta().min_time).min(),
            n_set_aside: self.blocks.n_set_aside(),
            compactions: counters.compactions.get(),
            compactions_failed: counters.compactions_failed.get(),
            compactions_triggered: counters.compactions_triggered.get(),
            vertical_compactions: counters.vertical_compactions.get(),
            compaction_seconds: (counters.compaction_time.seconds(), counters.compaction_time.n()),
            chunks_written: counters.chunks.get(),
            chunk_samples: counters.chunk_samples.get(),
            chunk_bytes: counters.chunk_bytes.get(),
            chunk_range_seconds: counters.chunk_range_ms.get() as f64 / 1000.0,
            tombstone_cleanup_seconds: (
                counters.tombstone_cleanup_time.seconds(),
                counters.tombstone_cleanup_time.n(),
            ),
            reloads: counters.reloads.get(),
            reloads_failed: counters.reloads_failed.get(),
            time_retentions: counters.time_retentions.get(),
            size_retentions: counters.size_retentions.get(),
            retention_seconds: retention.time_ms.map_or(0.0, |time| time as f64 / 1000.0),
            retention_bytes: retention.bytes.unwrap_or(0),
            retention_percentage: retention.percentage.unwrap_or(0.0),
        }
    }
}
