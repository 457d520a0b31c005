//! Numbers about the cluster, under the original's names.

use wf_exposition::{Metric, MetricFamily, MetricValue};
use wf_httpkit::metrics::{Counter, CounterVec, HistogramVec, Registry};
use wf_model::MetricType;

use super::part::Kind;
use super::{Cluster, Shared};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct ClusterMetrics {
    sent: CounterVec<1>,
    sent_bytes: CounterVec<1>,
    received: CounterVec<1>,
    received_bytes: CounterVec<1>,
    pub(super) pruned: Counter,
    pub(super) joined: Counter,
    pub(super) left: Counter,
    pub(super) updated: Counter,
    pub(super) name_conflicts: Counter,
    pub(super) joins: Counter,
    pub(super) joins_failed: Counter,
    pub(super) reconnections: Counter,
    pub(super) reconnections_failed: Counter,
    pub(super) oversized_sent: CounterVec<1>,
    pub(super) oversized_failed: CounterVec<1>,
    pub(super) oversized_dropped: CounterVec<1>,
    pub(super) oversized_seconds: HistogramVec<1>,
}

/// Kinds of messages.
const MESSAGES: [&str; 3] = ["packet", "full_state", "oversized"];

impl ClusterMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let of = |name: &'static str, help: &'static str| registry.counter(name, help);
        let by = |name: &'static str, help: &'static str, label: &'static str| {
            let family = registry.counter_vec(name, help, [label]);
            let values: Vec<&str> = match label {
                "msg_type" => MESSAGES.to_vec(),
                _ => Kind::ALL.iter().map(|kind| kind.as_str()).collect(),
            };
            values.into_iter().for_each(|value| drop(family.with(&[value])));
            family
        };
        let this = Self {
            sent: by("alertmanager_cluster_messages_sent_total", "Messages sent to members.", "msg_type"),
            sent_bytes: by(
                "alertmanager_cluster_messages_sent_size_total",
                "Bytes of messages sent to members.",
                "msg_type",
            ),
            received: by(
                "alertmanager_cluster_messages_received_total",
                "Messages from members.",
                "msg_type",
            ),
            received_bytes: by(
                "alertmanager_cluster_messages_received_size_total",
                "Bytes of messages from members.",
                "msg_type",
            ),
            pruned: of(
                "alertmanager_cluster_messages_pruned_total",
                "Changes that waited too long to be told one by one.",
            ),
            joined: of("alertmanager_cluster_peers_joined_total", "Members that joined."),
            left: of("alertmanager_cluster_peers_left_total", "Members that left or were lost."),
            updated: of("alertmanager_cluster_peers_update_total", "Members that renewed themselves."),
            name_conflicts: of("alertmanager_cluster_peer_name_conflicts_total", "Members with our name."),
            joins: of("alertmanager_cluster_refresh_join_total", "Configured peers that were joined."),
            joins_failed: of(
                "alertmanager_cluster_refresh_join_failed_total",
                "Configured peers that could not be joined.",
            ),
            reconnections: of(
                "alertmanager_cluster_reconnections_total",
                "Lost members that were reached again.",
            ),
            reconnections_failed: of(
                "alertmanager_cluster_reconnections_failed_total",
                "Attempts to reach lost members that failed.",
            ),
            oversized_sent: by(
                "alertmanager_oversized_gossip_message_sent_total",
                "Changes sent over streams.",
                "key",
            ),
            oversized_failed: by(
                "alertmanager_oversized_gossip_message_failure_total",
                "Changes whose stream failed.",
                "key",
            ),
            oversized_dropped: by(
                "alertmanager_oversized_gossip_message_dropped_total",
                "Changes that found no free stream.",
                "key",
            ),
            oversized_seconds: registry.histogram_vec(
                "alertmanager_oversize_gossip_message_duration_seconds",
                "How long a change over a stream took.",
                ["key"],
                &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
            ),
        };
        // The protocol here has no health of its own to lower.
        registry.gauge("alertmanager_cluster_health_score", "Health of this member; 0 is best.").set(0.0);
        this
    }

    pub(super) fn on_sent(&self, kind: &str, n_bytes: usize) {
        self.sent.with(&[kind]).inc();
        self.sent_bytes.with(&[kind]).add(n_bytes as u64);
    }

    pub(super) fn on_received(&self, kind: &str, n_bytes: usize) {
        self.received.with(&[kind]).inc();
        self.received_bytes.with(&[kind]).add(n_bytes as u64);
    }
}

impl Cluster {
    /// Registers the numbers that are read when somebody asks.
    #[expect(clippy::cast_precision_loss, reason = "counts of members are small")]
    pub(super) fn register_numbers(&self, registry: &Registry) {
        let number = |name: &'static str, help: &'static str, value: fn(&Shared) -> usize| {
            // A weak reference: the registry lives as long as the program.
            let weak = std::sync::Arc::downgrade(&self.shared);
            registry.gauge_fn(name, help, move || weak.upgrade().map_or(0.0, |shared| value(&shared) as f64));
        };
        number("alertmanager_cluster_members", "Members that are alive, this one among them.", |shared| {
            shared.gossip.lock().others().count() + 1
        });
        number("alertmanager_cluster_failed_peers", "Members that were lost and may come back.", |shared| {
            shared.gossip.lock().n_lost()
        });
        number("alertmanager_cluster_messages_queued", "Changes that wait for packets.", |shared| {
            shared.gossip.lock().n_queued()
        });
        let weak = std::sync::Arc::downgrade(&self.shared);
        registry.gauge_fn(
            "alertmanager_peer_position",
            "Place of this member among those alive.",
            move || weak.upgrade().map_or(0.0, |shared| Self { shared }.position() as f64),
        );
        let weak = std::sync::Arc::downgrade(&self.shared);
        registry.collect(move |families| {
            let Some(shared) = weak.upgrade() else { return };
            let name = "alertmanager_cluster_peer_info";
            let mut family = MetricFamily::new(name, "Name of this member.", MetricType::Gauge);
            family.metrics.push(Metric {
                labels: vec![("peer".into(), shared.options.name.clone())].into(),
                value: MetricValue::Number(1.0),
                timestamp_ms: None,
            });
            families.push(family);
        });
    }
}
