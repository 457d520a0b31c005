//! What an owner of the database can choose.

use crate::retention::Retention;
use crate::tsdb::OpenError;

/// When the write-ahead log is forced to the disk. A killed process loses nothing acknowledged in any mode; the modes
/// differ in what a power cut may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// At each change of segment and at close, as Prometheus does.
    #[default]
    Segment,
    /// Also when this many milliseconds have passed since the last one.
    IntervalMs(u64),
    /// After every write.
    Always,
}

/// How records of the write-ahead log are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WalCompression {
    /// Stored plain.
    None,
    /// Snappy block format, Prometheus's default.
    #[default]
    Snappy,
    /// Zstandard.
    Zstd,
}

/// Settings of one database.
///
/// # What happens at the bound
/// The head bounds itself in two ways. *Time*: whenever it spans one and a half `chunk_range_ms` its oldest range goes to
/// a block, and series without a newer sample go with it. *Series*: at `series_max` series, or `memory_bytes_max` of
/// estimated memory, a **new** series is refused with [`wf_series::AppendError::SeriesLimit`] or
/// [`wf_series::AppendError::MemoryLimit`], which name the setting;
/// series that exist go on, their samples are never refused. When series leave the head, new ones are accepted again.
#[derive(Clone, Debug, PartialEq)]
pub struct TsdbOptions {
    /// Chunks never cross a multiple of this, and the head is cut to blocks at multiples of it, ms
    /// (`--storage.tsdb.min-block-duration`). Default: 2 h.
    pub chunk_range_ms: i64,
    /// Longest block that compaction makes, ms (`--storage.tsdb.max-block-duration`). Default: a tenth of the retention
    /// time, at most 31 d.
    pub block_range_max_ms: Option<i64>,
    /// How long blocks are kept. Default: 15 d.
    pub retention: Retention,
    /// Share of stale series, 0 to 1, above which they are cut to blocks and leave the head early
    /// (`storage.tsdb.stale_series_compaction_threshold` of the configuration). Default: `None`, they leave in their time.
    pub stale_share_max: Option<f64>,
    /// Whether blocks are compacted by a thread of the database's own whenever it is due. Without, only
    /// [`crate::Tsdb::compact`] does. Default: yes.
    pub compaction_thread: bool,
    /// How far behind the newest sample of all an out-of-order sample may be, ms; 0 takes none. Default: 0. It can be
    /// changed later: [`crate::Tsdb::set_out_of_order_window`].
    pub out_of_order_window_ms: i64,
    /// How far ahead of the clock a sample may be, ms; those beyond are out of bounds, or one of them would move the window
    /// of all. `None`, the default, takes any. The clock is that of [`crate::Tsdb::maintain`].
    pub max_future_ms: Option<i64>,
    /// Series in memory at most (`--storage.head.series-max`). Default: 2 million.
    pub series_max: u64,
    /// Estimated memory of the head at most, bytes (`--storage.head.memory-max`). Default: 4 GiB; who knows the machine
    /// chooses by it.
    pub memory_bytes_max: u64,
    /// Name of the setting behind `series_max`, as the error to the user should spell it.
    pub series_max_setting: &'static str,
    /// Name of the setting behind `memory_bytes_max`, as the error to the user should spell it.
    pub memory_bytes_max_setting: &'static str,
    /// When the write-ahead log reaches the disk.
    pub fsync: FsyncPolicy,
    /// Size of a segment of the write-ahead log, bytes. Default: 128 MiB.
    pub wal_segment_bytes: u64,
    /// Compression of the write-ahead log.
    pub wal_compression: WalCompression,
    /// Whether a snapshot of the head is kept, so that a start replays a quarter of an hour of the log at most, and
    /// hardly more of it than half of what a snapshot takes.
    pub head_snapshot: bool,
    /// Whether floats are encoded as XOR2, which Prometheus reads from version 3 on
    /// (`storage.tsdb.chunk_encoding.floats: xor2`). Default: plain XOR, which every version reads.
    pub xor2: bool,
    /// Whether start timestamps are kept with their samples (feature `st-storage`); needs `xor2`. Default: no.
    pub start_timestamps: bool,
    /// Exemplars kept in memory at most, over all series (`storage.exemplars.max_exemplars`); 0 keeps none. Default: 0.
    pub exemplars_max: usize,
}

impl Default for TsdbOptions {
    fn default() -> Self {
        Self {
            chunk_range_ms: 2 * 3_600_000,
            block_range_max_ms: None,
            retention: Retention { time_ms: Some(15 * 24 * 3_600_000), ..Retention::default() },
            stale_share_max: None,
            compaction_thread: true,
            out_of_order_window_ms: 0,
            max_future_ms: None,
            series_max: 2_000_000,
            memory_bytes_max: 4 << 30,
            series_max_setting: "--storage.head.series-max",
            memory_bytes_max_setting: "--storage.head.memory-max",
            fsync: FsyncPolicy::Segment,
            wal_segment_bytes: 128 << 20,
            wal_compression: WalCompression::Snappy,
            head_snapshot: true,
            xor2: false,
            start_timestamps: false,
            exemplars_max: 0,
        }
    }
}

/// Chunks up to this long fit the head's index of chunks, ms: 24 bits.
const CHUNK_RANGE_MAX_MS: i64 = 4 * 3_600_000;

/// Longest block when nothing is said, ms.
const BLOCK_RANGE_MAX_MS: i64 = 31 * 24 * 3_600_000;

impl TsdbOptions {
    /// Returns the lengths that blocks are compacted to, ms.
    pub(crate) fn block_ranges(&self) -> Vec<i64> {
        let retained = self.retention.time_ms.filter(|time| *time > 0);
        let by_retention = retained.map_or(BLOCK_RANGE_MAX_MS, |time| (time / 10).min(BLOCK_RANGE_MAX_MS));
        crate::compact::plan::ranges(self.chunk_range_ms, self.block_range_max_ms.unwrap_or(by_retention))
    }

    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refuse = |option, reason: String| Err(OpenError::Option { option, reason });
        if !(1000..=CHUNK_RANGE_MAX_MS).contains(&self.chunk_range_ms) {
            return refuse("chunk_range_ms", format!("{} is not between 1 s and 4 h", self.chunk_range_ms));
        }
        if self.block_range_max_ms.is_some_and(|range| range < self.chunk_range_ms) {
            let reason = format!("must be at least chunk_range_ms: {}", self.chunk_range_ms);
            return refuse("block_range_max_ms", reason);
        }
        if self.retention.percentage.is_some_and(|percentage| !(0.0..=100.0).contains(&percentage)) {
            return refuse("retention.percentage", "must be between 0 and 100".to_owned());
        }
        if self.start_timestamps && !self.xor2 {
            return refuse(
                "start_timestamps",
                "only xor2 chunks hold start timestamps: set xor2 too".to_owned(),
            );
        }
        let segment_range = 10 << 20..=256 << 20;
        if !segment_range.contains(&self.wal_segment_bytes) {
            return refuse(
                "wal_segment_bytes",
                format!("{} is not between 10 and 256 MiB", self.wal_segment_bytes),
            );
        }
        if !self.wal_segment_bytes.is_multiple_of(32 << 10) {
            let reason = format!("{} is not a multiple of 32 KiB", self.wal_segment_bytes);
            return refuse("wal_segment_bytes", reason);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_to_a_tenth_of_the_retention_time() {
        const H: i64 = 3_600_000;
        let ranges = |time_ms, block_range_max_ms| {
            let retention = Retention { time_ms, ..Retention::default() };
            TsdbOptions { retention, block_range_max_ms, ..TsdbOptions::default() }.block_ranges()
        };
        assert_eq!(TsdbOptions::default().block_ranges(), [2, 6, 18].map(|n| n * H));
        assert_eq!(ranges(None, None), [2, 6, 18, 54, 162, 486].map(|n| n * H));
        assert_eq!(ranges(Some(15 * 24 * H), Some(2 * H)), [2 * H]);
        assert_eq!(ranges(Some(H), None), [2 * H]);
    }
}
