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
    failed_configs_by_name: GaugeVec<1>,
    received_by_name: CounterVec<1>,
    updates_by_name: CounterVec<1>,
    delayed_by_name: CounterVec<1>,
    pub(crate) failed_configs: Gauge,
    pub(crate) received: Counter,
    pub(crate) updates: Counter,
    pub(crate) delayed: Counter,
    pub(crate) refresh_failures: CounterVec<2>,
    refresh_duration: SummaryVec<2>,
    pub(crate) http_failures: Counter,
    pub(crate) file_read_errors: Counter,
    pub(crate) file_mtime: GaugeVec<1>,
    pub(crate) questions: Questions,
}

/// Counters of questions to servers whose mechanisms do not ask for everything at once.
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    pub(crate) dns: Counter,
    pub(crate) dns_failures: Counter,
    pub(crate) consul_failures: Counter,
}

impl Questions {
    fn new(registry: &Registry) -> Self {
        // There is nothing to count yet; stock alerts and dashboards ask for it.
        registry.counter(
            "prometheus_sd_kubernetes_failures_total",
            "The number of failed WATCH/LIST requests of Kubernetes service discovery.",
        );
        Self {
            dns: registry.counter("prometheus_sd_dns_lookups_total", "The number of DNS-SD lookups."),
            dns_failures: registry
                .counter("prometheus_sd_dns_lookup_failures_total", "The number of DNS-SD lookup failures."),
            consul_failures: registry.counter(
                "prometheus_sd_consul_rpc_failures_total",
                "The number of Consul RPC call failures.",
            ),
        }
    }
}

impl SdMetrics {
    /// Registers them; `name` tells managers apart: `scrape` or `notify`.
    pub(crate) fn new(registry: &Registry, name: &str) -> Self {
        let counter = |metric: &'static str, help| registry.counter_vec(metric, help, ["name"]);
        let of_source = ["mechanism", "config"];
        let received = counter(
            "prometheus_sd_received_updates_total",
            "Total number of update events received from the SD providers.",
        );
        let updates =
            counter("prometheus_sd_updates_total", "Total number of update events sent to the SD consumers.");
        let delayed = counter(
            "prometheus_sd_updates_delayed_total",
            "Total number of update events that couldn't be sent immediately.",
        );
        let failed_configs = registry.gauge_vec(
            "prometheus_sd_failed_configs",
            "Current number of service discovery configurations that failed to load.",
            ["name"],
        );
        Self {
            failed_configs: failed_configs.with(&[name]),
            received: received.with(&[name]),
            updates: updates.with(&[name]),
            delayed: delayed.with(&[name]),
            failed_configs_by_name: failed_configs,
            received_by_name: received,
            updates_by_name: updates,
            delayed_by_name: delayed,
            discovered: registry.gauge_vec(
                "prometheus_sd_discovered_targets",
                "Current number of discovered targets.",
                ["name", "config"],
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
            questions: Questions::new(registry),
        }
    }

    /// Returns the same metrics for another manager.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            failed_configs: self.failed_configs_by_name.with(&[name]),
            received: self.received_by_name.with(&[name]),
            updates: self.updates_by_name.with(&[name]),
            delayed: self.delayed_by_name.with(&[name]),
            ..self.clone()
        }
    }

    pub(crate) fn observe_refresh(&self, mechanism: &str, config: &str, took: Duration) {
        self.refresh_duration.with(&[mechanism, config]).observe(took.as_secs_f64());
    }
}
