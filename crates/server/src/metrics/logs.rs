//! Numbers about the write logs and about cleaning the head, beside those that are plain counters.

use wf_exposition::{Metric, MetricFamily, MetricLabels, MetricValue};
use wf_model::MetricType;
use wf_tsdb::TsdbStats;

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
    let counters = [
        ("wal_page_flushes_total", "Writes of the write log to its file.", stats.wal_writes),
        ("wal_record_part_writes_total", "Records written to the write log.", stats.wal_records),
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
    ];
    for (name, help, value) in counters {
        push(name, help, MetricType::Counter, MetricValue::Number(value as f64));
    }
}
