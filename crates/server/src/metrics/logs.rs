//! Numbers about the write logs and about cleaning the head, beside those that are plain counters.

use wf_exposition::{Metric, MetricFamily, MetricLabels, MetricValue};
use wf_model::MetricType;
use wf_tsdb::TsdbStats;

/// A log is written as pages of this size.
const PAGE_BYTES: u64 = 32 * 1024;

/// Appends the families.
pub(super) fn push(families: &mut Vec<MetricFamily>, stats: &TsdbStats) {
    let mut push = |name: &str, help: &'static str, kind: MetricType, value: MetricValue| {
        let mut family = MetricFamily::new(format!("prometheus_tsdb_{name}"), help, kind);
        family.metrics.push(Metric { labels: MetricLabels::default(), value, timestamp_ms: None });
        families.push(family);
    };
    let summaries = [
        (
            "head_gc_duration_seconds",
            "Time garbage collections of the head took.",
            stats.gc_seconds,
            stats.gcs,
        ),
        (
            "wal_truncate_duration_seconds",
            "Time truncations of the write log took.",
            stats.wal_truncate_seconds,
            stats.wal_truncations + stats.checkpoints_failed,
        ),
        (
            "wal_fsync_duration_seconds",
            "Time fsyncs of the write log took.",
            stats.wal_fsync_seconds,
            stats.wal_fsyncs,
        ),
        (
            "out_of_order_wbl_fsync_duration_seconds",
            "Time fsyncs of the out of order log took.",
            stats.wbl.fsync_seconds,
            stats.wbl.fsyncs,
        ),
    ];
    for (name, help, sum, count) in summaries {
        // Single fsyncs are not kept: there are no quantiles.
        let value = MetricValue::Summary { quantiles: Vec::new(), sum, count };
        push(name, help, MetricType::Summary, value);
    }
    for (name, help, value) in counters(stats) {
        push(name, help, MetricType::Counter, MetricValue::Number(value as f64));
    }
}

fn counters(stats: &TsdbStats) -> Vec<(&'static str, &'static str, u64)> {
    vec![
        (
            "head_series_not_found_total",
            "Total number of samples for series that were not found.",
            stats.samples_unknown_series,
        ),
        (
            "snapshot_replay_error_total",
            "Total number of snapshots of the head that were found damaged.",
            stats.snapshot_replay_errors,
        ),
        ("wal_page_flushes_total", "Writes of the write log to its file.", stats.wal_writes),
        ("wal_record_part_writes_total", "Records written to the write log.", stats.wal_records),
        (
            "wal_completed_pages_total",
            "Pages of the write log that are full.",
            stats.wal_bytes_written / PAGE_BYTES,
        ),
        ("wal_record_parts_bytes_written_total", "Bytes written to the write log.", stats.wal_bytes_written),
        (
            "wal_record_bytes_saved_total",
            "Bytes that compression of the write log saved.",
            stats.wal_bytes_saved,
        ),
        (
            "out_of_order_wbl_completed_pages_total",
            "Pages of the out of order log that are full.",
            stats.wbl.bytes_written / PAGE_BYTES,
        ),
        (
            "out_of_order_wbl_record_parts_bytes_written_total",
            "Bytes written to the out of order log.",
            stats.wbl.bytes_written,
        ),
        (
            "out_of_order_wbl_record_bytes_saved_total",
            "Bytes that compression of the out of order log saved.",
            stats.wbl.bytes_saved,
        ),
        (
            "out_of_order_wbl_page_flushes_total",
            "Writes of the out of order log to its file.",
            stats.wbl.writes,
        ),
        (
            "out_of_order_wbl_record_part_writes_total",
            "Records written to the out of order log.",
            stats.wbl.records_written,
        ),
        // What fails there is the checkpoint.
        (
            "wal_truncations_failed_total",
            "Total number of write log truncations that failed.",
            stats.checkpoints_failed,
        ),
        // With each new checkpoint the one before goes. One that cannot be removed fails the checkpoint, and is counted there.
        (
            "checkpoint_deletions_total",
            "Total number of checkpoint deletions attempted.",
            stats.checkpoints.saturating_sub(stats.checkpoints_failed),
        ),
        ("checkpoint_deletions_failed_total", "Total number of checkpoint deletions that failed.", 0),
    ]
}
