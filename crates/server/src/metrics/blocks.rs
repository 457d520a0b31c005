//! Numbers about blocks, compaction and retention.

use wf_exposition::{Metric, MetricFamily, MetricLabels, MetricValue};
use wf_model::MetricType;
use wf_tsdb::CompactionStats;

/// Appends the families of the blocks of a database.
pub(super) fn push(families: &mut Vec<MetricFamily>, stats: &CompactionStats) {
    let mut push = |name: &str, help: &'static str, kind: MetricType, value: MetricValue| {
        let mut family = MetricFamily::new(format!("prometheus_tsdb_{name}"), help, kind);
        family.metrics.push(Metric { labels: MetricLabels::default(), value, timestamp_ms: None });
        families.push(family);
    };
    for (name, help, value) in counters(stats) {
        push(name, help, MetricType::Counter, MetricValue::Number(value as f64));
    }
    for (name, help, value) in gauges(stats) {
        push(name, help, MetricType::Gauge, MetricValue::Number(value));
    }
    for (name, help, (sum, count)) in histograms(stats) {
        // What is counted is not divided further: there is only the bucket of all.
        let buckets = Vec::new();
        push(name, help, MetricType::Histogram, MetricValue::Histogram { buckets, sum, count });
    }
}

fn counters(stats: &CompactionStats) -> [(&'static str, &'static str, u64); 9] {
    [
        ("compactions_total", "Total number of compactions that were executed.", stats.compactions),
        ("compactions_failed_total", "Total number of compactions that failed.", stats.compactions_failed),
        ("compactions_skipped_total", "Total number of compactions that were skipped: none are.", 0),
        ("compactions_triggered_total", "Total number of compactions begun.", stats.compactions_triggered),
        (
            "vertical_compactions_total",
            "Total number of compactions of overlapping blocks.",
            stats.vertical_compactions,
        ),
        ("reloads_total", "Number of times the database reloaded block data from disk.", stats.reloads),
        (
            "reloads_failures_total",
            "Number of times the database failed to reload block data from disk.",
            stats.reloads_failed,
        ),
        (
            "time_retentions_total",
            "The number of times that blocks were deleted because the maximum time limit was exceeded.",
            stats.time_retentions,
        ),
        (
            "size_retentions_total",
            "The number of times that blocks were deleted because the maximum number of bytes was exceeded.",
            stats.size_retentions,
        ),
    ]
}

fn gauges(stats: &CompactionStats) -> [(&'static str, &'static str, f64); 6] {
    [
        ("blocks_loaded", "Number of currently loaded data blocks.", stats.n_blocks as f64),
        ("blocks_set_aside", "Number of blocks that cannot be read.", stats.n_set_aside as f64),
        ("storage_blocks_bytes", "Bytes used by blocks.", stats.blocks_bytes as f64),
        ("retention_limit_bytes", "Most bytes kept; 0 is no limit.", stats.retention_bytes as f64),
        ("retention_limit_seconds", "Longest time data is kept; 0 is no limit.", stats.retention_seconds),
        (
            "retention_limit_percentage",
            "Most of the file system used, percent; 0 is no limit.",
            stats.retention_percentage,
        ),
    ]
}

fn histograms(stats: &CompactionStats) -> [(&'static str, &'static str, (f64, u64)); 5] {
    let n_chunks = stats.chunks_written;
    [
        ("compaction_duration_seconds", "Duration of compaction runs.", stats.compaction_seconds),
        (
            "compaction_chunk_range_seconds",
            "Time range of chunks written by compaction.",
            (stats.chunk_range_seconds, n_chunks),
        ),
        (
            "compaction_chunk_samples",
            "Number of samples of chunks written by compaction.",
            (stats.chunk_samples as f64, n_chunks),
        ),
        (
            "compaction_chunk_size_bytes",
            "Size of chunks written by compaction.",
            (stats.chunk_bytes as f64, n_chunks),
        ),
        (
            "tombstone_cleanup_seconds",
            "Time taken to write blocks anew without what was deleted.",
            stats.tombstone_cleanup_seconds,
        ),
    ]
}
