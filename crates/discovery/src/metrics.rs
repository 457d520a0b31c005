//! Numbers about discovery, under the names that stock alerts and dashboards know.
//!
//! # Source: `spec/prometheus-core.md` §10.

use std::time::Duration;

use wf_httpkit::Registry;
use wf_httpkit::metrics::{Counter, CounterVec, Gauge, GaugeVec, Objective, SummaryVec};

/// Counters and gauges of one manager.
#[derive(Clone, Debug)]
pub(crate) struct SdMetrics {
    pub(crate) discovered: GaugeVec<2>,
    pub(crate) failed_configs: Gauge,
    pub(crate) received: Counter,
    pub(crate) updates: Counter,
    pub(crate) delayed: Counter,
    pub(crate) refresh_failures: CounterVec<2>,
    refresh_duration: SummaryVec<2>,
    pub(crate) http_failures: Counter,
    pub(crate) file_read_errors: Counter,
    pub(crate) file_mtime: GaugeVec<1>,
}

impl SdMetrics {
    /// Registers them; `name` tells managers apart: `scrape` or `notify`.
    pub(crate) fn new(registry: &Registry, name: &str) -> Self {
        let counter = |metric: &'static str, help| registry.counter_vec(metric, help, ["name"]).with(&[name]);
        let of_source = ["mechanism", "config"];
        Self {
            discovered: registry.gauge_vec(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                ["name", "config"],
            ),
            failed_configs: registry
                .gauge_vec(
                    "prometheus_sd_failed_configs",
                    "Current number of service discovery configurations that failed to load.",
                    ["name"],
                )
                .with(&[name]),
            received: counter(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
            ),
            updates: counter(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
            ),
            delayed: counter(
                "prometheus_sd_updates_delayed_total",
                "Total number of update events that couldn't be sent immediately.",
            ),
            refresh_failures: registry.counter_vec(
                "prometheus_sd_refresh_failures_total",
                "Number of refresh failures for the given SD mechanism.",
                of_source,
            ),
            refresh_duration: registry.summary_vec(
                "prometheus_sd_refresh_duration_seconds",
                "The duration of a refresh in seconds for the given SD mechanism.",
                of_source,
                &[0.5, 0.9, 0.99].map(Objective),
            ),
            http_failures: registry.counter(
                "prometheus_sd_http_failures_total",
                "Number of HTTP service discovery refresh failures.",
            ),
            file_read_errors: registry
                .counter("prometheus_sd_file_read_errors_total", "The number of File-SD read errors."),
            file_mtime: registry.gauge_vec(
                "prometheus_sd_file_mtime_seconds",
                "Timestamp (mtime) of files read by FileSD. Timestamp is set at read time.",
                ["filename"],
            ),
        }
    }

    pub(crate) fn observe_refresh(&self, mechanism: &str, config: &str, took: Duration) {
        self.refresh_duration.with(&[mechanism, config]).observe(took.as_secs_f64());
    }
}
