//! Numbers about the server itself, under the names stock alerts and dashboards use.
//!
//! # Source
//! `spec/prometheus-core.md` §10.

mod blocks;
mod exemplars;
mod logs;

use std::sync::Arc;
use std::time::Duration;

use wf_exposition::MetricFamily;
use wf_httpkit::metrics::{Counter, Gauge, HistogramVec, Objective, Registry, SummaryVec};
use wf_model::MetricType;
use wf_promql::engine::{QueryError, QueryResult};
use wf_tsdb::{Tsdb, TsdbStats};

/// Numbers of the query side and of reloads.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    queries: Gauge,
    samples: Counter,
    samples_read: Counter,
    durations: SummaryVec<1>,
    duration_histogram: HistogramVec<1>,
    log_enabled: Gauge,
    log_failures: Counter,
    reload_successful: Gauge,
    reload_success_time: Gauge,
    federation_errors: Counter,
    ready: Gauge,
}

const OBJECTIVES: [Objective; 3] = [Objective(0.5), Objective(0.9), Objective(0.99)];

/// Bounds of the duration histogram, s.
const DURATION_BOUNDS_S: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

impl Metrics {
    pub(crate) fn new(registry: &Registry, n_query_slots: usize) -> Self {
        let max = registry
            .gauge("prometheus_engine_queries_concurrent_max", "The max number of concurrent queries.");
        max.set(n_query_slots as f64);
        let durations = registry.summary_vec(
            "prometheus_engine_query_duration_seconds",
            "Query timings.",
            ["slice"],
            &OBJECTIVES,
        );
        let duration_histogram = registry.histogram_vec(
            "prometheus_engine_query_duration_histogram_seconds",
            "The histogram of timings for queries.",
            ["slice"],
            &DURATION_BOUNDS_S,
        );
        for slice in ["inner_eval", "prepare_time", "queue_time", "result_sort"] {
            durations.with(&[slice]);
            duration_histogram.with(&[slice]);
        }
        Self {
            queries: registry.gauge(
                "prometheus_engine_queries",
                "The current number of queries being executed or waiting.",
            ),
            samples: registry.counter(
                "prometheus_engine_query_samples_total",
                "The total number of samples loaded by all queries.",
            ),
            samples_read: registry.counter(
                "prometheus_engine_query_samples_read_total",
                "The total number of samples read by all queries, each counted once.",
            ),
            durations,
            duration_histogram,
            log_enabled: registry.gauge("prometheus_engine_query_log_enabled", "State of the query log."),
            log_failures: registry
                .counter("prometheus_engine_query_log_failures_total", "The number of query log failures."),
            reload_successful: registry.gauge(
                "prometheus_config_last_reload_successful",
                "Whether the last configuration reload attempt was successful.",
            ),
            reload_success_time: registry.gauge(
                "prometheus_config_last_reload_success_timestamp_seconds",
                "Timestamp of the last successful configuration reload.",
            ),
            federation_errors: federation_errors(registry),
            ready: registry.gauge(
                "prometheus_ready",
                "Whether Prometheus startup was fully completed and the server is ready for normal operation.",
            ),
        }
    }

    /// Counts a page for another server that could not be made.
    pub(crate) fn on_federation_error(&self) {
        self.federation_errors.inc();
    }

    /// Counts a query as waiting or running until the guard is dropped.
    pub(crate) fn begin_query(&self) -> impl Sized + Send + use<> {
        self.queries.track()
    }

    pub(crate) fn on_query(&self, result: &Result<QueryResult, QueryError>, queued: Duration) {
        self.observe("queue_time", queued);
        let Ok(result) = result else { return };
        self.samples.add(result.stats.samples.total_queryable);
        self.samples_read.add(result.stats.samples.read);
        let timings = &result.stats.timings;
        self.observe("prepare_time", timings.query_preparation);
        self.observe("inner_eval", timings.inner_eval);
        self.observe("result_sort", timings.result_sort);
    }

    fn observe(&self, slice: &str, duration: Duration) {
        self.durations.with(&[slice]).observe(duration.as_secs_f64());
        self.duration_histogram.with(&[slice]).observe(duration.as_secs_f64());
    }

    pub(crate) fn set_query_log_enabled(&self, is_enabled: bool) {
        self.log_enabled.set_bool(is_enabled);
    }

    /// Counts a line that could not be logged, and tells the first of them.
    pub(crate) fn on_query_log_failure(&self, error: &std::io::Error) {
        if self.log_failures.get() == 0.0 {
            tracing::error!(%error, "queries cannot be logged; further failures are only counted");
        }
        self.log_failures.inc();
    }

    pub(crate) fn on_reload(&self, is_successful: bool, now_ms: i64) {
        self.reload_successful.set_bool(is_successful);
        if is_successful {
            self.reload_success_time.set(now_ms as f64 / 1000.0);
        }
    }

    pub(crate) fn set_ready(&self, is_ready: bool) {
        self.ready.set_bool(is_ready);
    }
}

fn federation_errors(registry: &Registry) -> Counter {
    // Series and samples are all there is to federate: nothing is left out with a warning.
    registry.counter(
        "prometheus_web_federation_warnings_total",
        "Total number of warnings that occurred while sending federation responses.",
    );
    registry.counter(
        "prometheus_web_federation_errors_total",
        "Total number of errors that occurred while sending federation responses.",
    )
}

/// Exposes the database's numbers, read when somebody asks.
pub(crate) fn register_tsdb(registry: &Registry, tsdb: &Arc<Tsdb>) {
    let tsdb = Arc::downgrade(tsdb);
    registry.collect(move |families| {
        if let Some(tsdb) = tsdb.upgrade() {
            push_tsdb(families, &tsdb.stats());
            exemplars::push(families, &tsdb.exemplar_stats());
        }
    });
}

fn push_tsdb(families: &mut Vec<MetricFamily>, stats: &TsdbStats) {
    let mut push =
        |name: &str, help: &'static str, kind: MetricType, labels: &[(&'static str, &str)], value: f64| {
            let mut family = MetricFamily::new(format!("prometheus_tsdb_{name}"), help, kind);
            family.push(labels, value);
            families.push(family);
        };
    let float = [("type", "float")];
    let counters: [(&str, &'static str, u64); 13] = [
        ("head_series_created_total", "Total number of series created in the head.", stats.series_created),
        ("head_series_removed_total", "Total number of series removed in the head.", stats.series_removed),
        ("head_chunks_created_total", "Total number of chunks created in the head.", stats.chunks_created),
        ("head_chunks_removed_total", "Total number of chunks removed in the head.", stats.chunks_removed),
        (
            "out_of_bound_samples_total",
            "Total number of out of bound samples refused.",
            stats.samples_out_of_bounds,
        ),
        ("head_truncations_total", "Total number of head truncations attempted.", stats.truncations),
        (
            "head_truncations_failed_total",
            "Total number of head truncations that failed.",
            stats.truncations_failed,
        ),
        ("wal_truncations_total", "Total number of write log truncations attempted.", stats.wal_truncations),
        ("wal_corruptions_total", "Total number of write log corruptions.", stats.wal_corruptions),
        ("wal_writes_failed_total", "Total number of write log writes that failed.", stats.append_errors),
        (
            "mmap_chunk_corruptions_total",
            "Total number of head chunk corruptions.",
            stats.head_chunk_corruptions,
        ),
        ("checkpoint_creations_total", "Total number of checkpoint creations attempted.", stats.checkpoints),
        (
            "checkpoint_creations_failed_total",
            "Total number of checkpoint creations that failed.",
            stats.checkpoints_failed,
        ),
    ];
    for (name, help, value) in counters {
        push(name, help, MetricType::Counter, &[], value as f64);
    }
    for (labels, value) in
        [(float, stats.samples_appended), ([("type", "histogram")], stats.histograms_appended)]
    {
        let help = "Total number of appended samples.";
        push("head_samples_appended_total", help, MetricType::Counter, &labels, value as f64);
    }
    push(
        "out_of_order_samples_total",
        "Total number of out of order samples refused.",
        MetricType::Counter,
        &float,
        stats.samples_out_of_order as f64,
    );
    push_late(&mut push, stats);
    push_tsdb_gauges(push, stats);
    blocks::push(families, &stats.compaction);
    logs::push(families, stats);
}

/// Samples inside the out-of-order window, and the log that holds them.
fn push_late(
    push: &mut impl FnMut(&str, &'static str, MetricType, &[(&'static str, &str)], f64),
    stats: &TsdbStats,
) {
    let float = [("type", "float")];
    let by_type: [(&str, &'static str, u64); 2] = [
        (
            "head_out_of_order_samples_appended_total",
            "Total number of appended out of order samples.",
            stats.late_samples_appended,
        ),
        (
            "too_old_samples_total",
            "Total number of out of order samples refused because they are older than the window.",
            stats.samples_too_old,
        ),
    ];
    for (name, help, value) in by_type {
        push(name, help, MetricType::Counter, &float, value as f64);
    }
    let (name, help, _) = by_type[0];
    let late_histograms = stats.late_histograms_appended as f64;
    push(name, help, MetricType::Counter, &[("type", "histogram")], late_histograms);
    let counters: [(&str, &'static str, u64); 2] = [
        ("corruptions_total", "Total number of out of order log corruptions.", stats.wbl_corruptions),
        (
            "writes_failed_total",
            "Total number of out of order log writes that failed.",
            stats.wbl.write_errors,
        ),
    ];
    for (name, help, value) in counters {
        push(&format!("out_of_order_wbl_{name}"), help, MetricType::Counter, &[], value as f64);
    }
    let gauges: [(&str, &'static str, u64); 2] = [
        ("segment_current", "Out of order log segment that is being written to.", stats.wbl.segment),
        ("storage_size_bytes", "Size of the out of order log directory.", stats.wbl.bytes),
    ];
    for (name, help, value) in gauges {
        push(&format!("out_of_order_wbl_{name}"), help, MetricType::Gauge, &[], value as f64);
    }
}

fn push_tsdb_gauges(
    mut push: impl FnMut(&str, &'static str, MetricType, &[(&'static str, &str)], f64),
    stats: &TsdbStats,
) {
    let min_ms = stats.min_time_ms.unwrap_or(i64::MAX);
    let lowest_ms = stats.compaction.min_time_ms.unwrap_or(i64::MAX).min(min_ms);
    let max_ms = stats.max_time_ms.unwrap_or(i64::MIN);
    let gauges: [(&str, &'static str, f64); 18] = [
        ("isolation_low_watermark", "The newest batch that is visible.", stats.visible_batch as f64),
        (
            "isolation_high_watermark",
            "The newest batch.",
            (stats.visible_batch + stats.batches_in_flight) as f64,
        ),
        ("head_series", "Total number of series in the head.", stats.n_series as f64),
        ("head_stale_series", "Total number of stale series in the head.", stats.n_stale_series as f64),
        ("head_chunks", "Total number of chunks in the head.", stats.n_chunks as f64),
        ("head_chunks_storage_size_bytes", "Size of the head chunk files.", stats.head_chunks_bytes as f64),
        (
            "head_active_appenders",
            "Number of currently active appender transactions.",
            stats.batches_in_flight as f64,
        ),
        ("head_min_time", "Minimum time of the head, ms.", min_ms as f64),
        ("head_min_time_seconds", "Minimum time of the head.", min_ms as f64 / 1000.0),
        ("head_max_time", "Maximum time of the head, ms.", max_ms as f64),
        ("head_max_time_seconds", "Maximum time of the head.", max_ms as f64 / 1000.0),
        ("lowest_timestamp", "Lowest timestamp stored, ms.", lowest_ms as f64),
        ("lowest_timestamp_seconds", "Lowest timestamp stored.", lowest_ms as f64 / 1000.0),
        ("symbol_table_size_bytes", "Size of the symbol table in memory.", stats.symbols_bytes as f64),
        ("wal_segment_current", "Write log segment that is being written to.", stats.wal_segment as f64),
        ("wal_storage_size_bytes", "Size of the write log directory.", stats.wal_bytes as f64),
        ("data_replay_duration_seconds", "Time taken to replay the data on disk.", stats.replay_seconds),
        (
            "clean_start",
            "1 if the last process closed the directory itself, 0 if not.",
            f64::from(u8::from(stats.clean_start)),
        ),
    ];
    for (name, help, value) in gauges {
        push(name, help, MetricType::Gauge, &[], value);
    }
}
