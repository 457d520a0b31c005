//! Our own numbers, under the names that stock alerts and dashboards ask for.
//!
//! Source: `spec/alertmanager-pushgateway.md` §A15.

use wf_httpkit::metrics::{Counter, CounterVec, Gauge, Histogram, HistogramVec, Registry};

use crate::notify::{FailReason, KINDS};

/// Seconds of a notification.
const LATENCY_BUCKETS: [f64; 5] = [1.0, 5.0, 10.0, 15.0, 20.0];

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) received: CounterVec<2>,
    pub(crate) invalid: CounterVec<1>,
    pub(crate) limited: Counter,
    pub(crate) notifications: CounterVec<1>,
    pub(crate) failed: CounterVec<2>,
    pub(crate) requests: CounterVec<1>,
    pub(crate) requests_failed: CounterVec<1>,
    pub(crate) latency: HistogramVec<1>,
    pub(crate) suppressed: CounterVec<1>,
    pub(crate) reload_success: Gauge,
    pub(crate) reload_success_time: Gauge,
    pub(crate) config_hash: Gauge,
    pub(crate) receivers: Gauge,
    pub(crate) integrations: Gauge,
    pub(crate) inhibition_rules: Gauge,
    pub(crate) processing: Histogram,
    pub(crate) snapshots: [SnapshotMetrics; 2],
    pub(crate) timed_out: Counter,
    pub(crate) gets_refused: Counter,
    /// Alerts handed to the dispatcher, and to the inhibitor.
    pub(crate) writes: [Counter; 2],
    /// Silences looked at for the API's lists.
    pub(crate) scanned: Counter,
    pub(crate) cluster_enabled: Gauge,
}

/// Numbers about a file: the notification log's, the silences'.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotMetrics {
    pub(crate) maintenance: Counter,
    pub(crate) maintenance_errors: Counter,
    pub(crate) bytes: Gauge,
    pub(crate) snapshot_seconds: Histogram,
    pub(crate) gc_seconds: Histogram,
    pub(crate) queries: Counter,
    pub(crate) query_seconds: Histogram,
    /// Changes that went out to other members of the cluster.
    pub(crate) propagated: Counter,
}

/// Seconds of work on a file or all that is in memory.
const WORK_BUCKETS: [f64; 6] = [0.0001, 0.001, 0.01, 0.1, 1.0, 10.0];

/// Seconds of a question.
const QUERY_BUCKETS: [f64; 6] = [0.000_001, 0.000_01, 0.0001, 0.001, 0.01, 0.1];

impl SnapshotMetrics {
    fn new(registry: &Registry, part: &str) -> Self {
        let name = |rest: &str| format!("alertmanager_{part}_{rest}");
        Self {
            maintenance: registry
                .counter(name("maintenance_total"), "How often it was cleaned and written to disk."),
            maintenance_errors: registry
                .counter(name("maintenance_errors_total"), "How often cleaning or writing failed."),
            bytes: registry.gauge(name("snapshot_size_bytes"), "Size of the last snapshot in bytes."),
            snapshot_seconds: registry.histogram(
                name("snapshot_duration_seconds"),
                "How long writing to disk took.",
                &WORK_BUCKETS,
            ),
            gc_seconds: registry.histogram(
                name("gc_duration_seconds"),
                "How long cleaning took.",
                &WORK_BUCKETS,
            ),
            queries: registry.counter(name("queries_total"), "Questions asked."),
            query_seconds: registry.histogram(
                name("query_duration_seconds"),
                "How long an answer took.",
                &QUERY_BUCKETS,
            ),
            propagated: registry.counter(
                name("gossip_messages_propagated_total"),
                "Changes told to other members of the cluster.",
            ),
        }
    }
}

/// Registers what the original counts and what cannot happen here: rules that ask for it find 0, not nothing.
fn register_constants(registry: &Registry) {
    for (name, help) in [
        ("alertmanager_nflog_query_errors_total", "Questions to the log that failed."),
        ("alertmanager_silences_query_errors_total", "Questions about silences that failed."),
        ("alertmanager_silences_query_silences_skipped_total", "Silences that lists passed over unseen."),
        ("alertmanager_silences_gc_errors_total", "Cleanings of silences that failed."),
        (
            "alertmanager_dispatcher_aggregation_group_limit_reached_total",
            "Alerts refused by a limit of groups.",
        ),
        (
            "alertmanager_dispatcher_aggregation_group_creation_retries_total",
            "Groups that were made in a second attempt.",
        ),
        (
            "alertmanager_dispatcher_aggregation_group_creation_given_up_total",
            "Groups that could not be made.",
        ),
    ] {
        registry.counter(name, help);
    }
    let stages = registry.counter_vec(
        "alertmanager_silences_matcher_compile_errors_total",
        "Matchers of silences that could not be compiled.",
        ["stage"],
    );
    for stage in ["index", "load_snapshot"] {
        stages.with(&[stage]);
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Self {
        let received = registry.counter_vec(
            "alertmanager_alerts_received_total",
            "Alerts that were posted.",
            ["status", "version"],
        );
        for status in ["firing", "resolved"] {
            received.with(&[status, "v2"]);
        }
        let invalid = registry.counter_vec(
            "alertmanager_alerts_invalid_total",
            "Posted alerts that were refused.",
            ["version"],
        );
        invalid.with(&["v2"]);
        let by_kind =
            |name: &'static str, help: &'static str| registry.counter_vec(name, help, ["integration"]);
        let notifications = by_kind("alertmanager_notifications_total", "Notifications that were attempted.");
        let failed = registry.counter_vec(
            "alertmanager_notifications_failed_total",
            "Notifications that failed for good.",
            ["integration", "reason"],
        );
        let requests = by_kind("alertmanager_notification_requests_total", "Attempts to notify.");
        let requests_failed =
            by_kind("alertmanager_notification_requests_failed_total", "Attempts that failed.");
        let latency = registry.histogram_vec(
            "alertmanager_notification_latency_seconds",
            "How long notifications took.",
            ["integration"],
            &LATENCY_BUCKETS,
        );
        for kind in KINDS {
            notifications.with(&[kind]);
            requests.with(&[kind]);
            requests_failed.with(&[kind]);
            latency.with(&[kind]);
            for reason in FailReason::ALL {
                failed.with(&[kind, reason.as_str()]);
            }
        }
        let suppressed = registry.counter_vec(
            "alertmanager_notifications_suppressed_total",
            "Alerts that were not told about.",
            ["reason"],
        );
        for reason in ["silence", "inhibition", "mute_time_interval", "active_time_interval"] {
            suppressed.with(&[reason]);
        }
        register_constants(registry);
        let writes = registry.counter_vec(
            "alertmanager_alerts_subscriber_channel_writes_total",
            "Alerts handed to parts of the program.",
            ["subscriber"],
        );
        Self {
            writes: ["dispatcher", "inhibitor"].map(|part| writes.with(&[part])),
            scanned: registry.counter(
                "alertmanager_silences_query_silences_scanned_total",
                "Silences looked at to answer questions.",
            ),
            received,
            invalid,
            limited: registry
                .counter("alertmanager_alerts_limited_total", "Alerts dropped by the limit per alert name."),
            notifications,
            failed,
            requests,
            requests_failed,
            latency,
            suppressed,
            reload_success: registry.gauge(
                "alertmanager_config_last_reload_successful",
                "Whether the last load of the configuration worked.",
            ),
            reload_success_time: registry.gauge(
                "alertmanager_config_last_reload_success_timestamp_seconds",
                "When the configuration was last loaded.",
            ),
            config_hash: registry.gauge("alertmanager_config_hash", "Hash of the configuration's text."),
            receivers: registry.gauge("alertmanager_receivers", "Receivers in the configuration."),
            integrations: registry.gauge("alertmanager_integrations", "Integrations that are in use."),
            inhibition_rules: registry
                .gauge("alertmanager_inhibition_rules", "Inhibition rules in the configuration."),
            processing: registry.histogram(
                "alertmanager_dispatcher_alert_processing_duration_seconds",
                "How long it takes to file an alert.",
                &[0.00001, 0.0001, 0.001, 0.01, 0.1, 1.0],
            ),
            snapshots: [SnapshotMetrics::new(registry, "nflog"), SnapshotMetrics::new(registry, "silences")],
            cluster_enabled: registry.gauge("alertmanager_cluster_enabled", "Whether peers are talked to."),
            timed_out: registry
                .counter("alertmanager_http_requests_timed_out_total", "Requests over --web.timeout."),
            gets_refused: registry.counter(
                "alertmanager_http_concurrency_limit_exceeded_total",
                "GET requests over --web.get-concurrency.",
            ),
        }
    }
}
