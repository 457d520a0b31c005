//! Tells Alertmanagers: each has a queue and a task of its own, so that one that is down delays nobody else.
//!
//! ```text
//! receive → external labels, relabeling → per Alertmanager: relabeling → AlertQueue → worker → POST /api/v2/alerts
//! ```
//! # Invariants
//! - An alert is in a queue once, as it is now: an Alertmanager that comes back after an hour is told the present.
//! - What could not be sent is sent again, in order, until the queue is full; the oldest go then, and are counted.
//! # Reading order: `queue`, `target`, `wire`, `worker`, this file.
//! # Source: `spec/prometheus-query.md` §5.4.

pub mod queue;
mod target;
#[cfg(test)]
mod tests;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wf_config::AlertingConfig;
use wf_httpkit::client::OptionsError;
use wf_httpkit::metrics::{CounterVec, Gauge, GaugeVec, HistogramVec, Objective, Registry, SummaryVec};
use wf_httpkit::{ClientOptions, HttpClient};
use wf_model::relabel::{self, Verdict};
use wf_model::{Labels, LabelsBuilder};

use crate::environment::{AlertReceiver, OutgoingAlert};
use queue::AlertQueue;
use target::Alertmanager;
use worker::Worker;

/// Settings of all queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifierOptions {
    /// Alerts that wait for one Alertmanager, at most. Default 10 000.
    pub capacity: usize,
    /// Alerts of one request, at most. Default 256.
    pub batch_size: usize,
    /// Whether what waits is sent before the program ends. Default true.
    pub drains: bool,
}

impl Default for NotifierOptions {
    fn default() -> Self {
        Self { capacity: 10_000, batch_size: 256, drains: true }
    }
}

/// Numbers about notifications, under the original's names.
#[derive(Clone, Debug)]
struct Metrics {
    latency: SummaryVec<1>,
    latency_histogram: HistogramVec<1>,
    errors: CounterVec<1>,
    sent: CounterVec<1>,
    dropped: CounterVec<1>,
    queue_length: GaugeVec<1>,
    queue_capacity: GaugeVec<1>,
    discovered: Gauge,
}

const OBJECTIVES: [Objective; 3] = [Objective(0.5), Objective(0.9), Objective(0.99)];
/// Bounds of the latency histogram, s.
const BOUNDS_S: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

impl Metrics {
    fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter_vec(name, help, ["alertmanager"]);
        let gauge = |name, help| registry.gauge_vec(name, help, ["alertmanager"]);
        let latency = "prometheus_notifications_latency_seconds";
        let histogram = "prometheus_notifications_latency_histogram_seconds";
        let help = "Latency of sending alert notifications.";
        Self {
            latency: registry.summary_vec(latency, help, ["alertmanager"], &OBJECTIVES),
            latency_histogram: registry.histogram_vec(histogram, help, ["alertmanager"], &BOUNDS_S),
            errors: counter(
                "prometheus_notifications_errors_total",
                "Total number of sent alerts affected by errors; those that are sent again count each time.",
            ),
            sent: counter("prometheus_notifications_sent_total", "Total number of alerts sent."),
            dropped: counter(
                "prometheus_notifications_dropped_total",
                "Total number of alerts dropped: the queue was full, or the Alertmanager refused them.",
            ),
            queue_length: gauge(
                "prometheus_notifications_queue_length",
                "The number of alert notifications in the queue.",
            ),
            queue_capacity: gauge(
                "prometheus_notifications_queue_capacity",
                "The capacity of the alert notifications queue.",
            ),
            discovered: registry.gauge(
                "prometheus_notifications_alertmanagers_discovered",
                "The number of alertmanagers discovered and active.",
            ),
        }
    }

    fn remove(&self, url: &str) {
        self.latency.remove(&[url]);
        self.latency_histogram.remove(&[url]);
        for counters in [&self.errors, &self.sent, &self.dropped] {
            counters.remove(&[url]);
        }
        for gauges in [&self.queue_length, &self.queue_capacity] {
            gauges.remove(&[url]);
        }
    }
}

/// The Alertmanagers that are told, and those that relabeling dropped, as URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alertmanagers {
    /// Told of everything.
    pub active: Vec<String>,
    /// Told of nothing.
    pub dropped: Vec<String>,
}

/// See the module.
pub struct Notifier {
    options: NotifierOptions,
    metrics: Metrics,
    state: Mutex<State>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    external_labels: Labels,
    relabel: Vec<relabel::Rule>,
    /// By URL, and counted where two sets name the same.
    running: BTreeMap<(String, usize), Running>,
    dropped: Vec<String>,
}

struct Running {
    target: Alertmanager,
    queue: Arc<AlertQueue>,
    stop: CancellationToken,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Notifier {
    /// Makes a notifier that tells nobody yet.
    pub fn new(options: NotifierOptions, registry: &Registry) -> Self {
        Self {
            options,
            metrics: Metrics::new(registry),
            state: Mutex::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Takes over who is told. An Alertmanager that stays keeps its queue. Must be called on a runtime.
    /// # Errors
    /// When a client cannot be made; nothing has changed then.
    pub fn reload(&self, config: &AlertingConfig, external_labels: &Labels) -> Result<(), OptionsError> {
        let found = target::resolve(&config.alertmanagers);
        let mut clients: Vec<(ClientOptions, HttpClient)> = Vec::new();
        for set in &config.alertmanagers {
            clients.push((set.client.clone(), HttpClient::new(&set.client)?));
        }
        let client_of = |options: &ClientOptions| {
            clients.iter().find(|(known, _)| known == options).map(|(_, client)| client.clone())
        };
        let mut state = self.state.lock();
        let mut old = std::mem::take(&mut state.running);
        for target in found.active {
            let n_same = state.running.keys().filter(|(url, _)| *url == target.url).count();
            let key = (target.url.clone(), n_same);
            let entry = match old.remove(&key) {
                Some(same) if same.target == target => same,
                predecessor => {
                    let queue = predecessor.map(|predecessor| {
                        predecessor.stop.cancel();
                        predecessor.queue
                    });
                    let Some(client) = client_of(&target.client) else { continue };
                    self.start(target, queue.unwrap_or_else(|| self.queue()), client)
                }
            };
            state.running.insert(key, entry);
        }
        state.relabel.clone_from(&config.relabel);
        state.external_labels = external_labels.clone();
        state.dropped = found.dropped;
        for (_, gone) in old {
            gone.stop.cancel();
            self.metrics.remove(&gone.target.url);
        }
        #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 Alertmanagers")]
        self.metrics.discovered.set(state.running.len() as f64);
        Ok(())
    }

    fn queue(&self) -> Arc<AlertQueue> {
        Arc::new(AlertQueue::new(self.options.capacity))
    }

    fn start(&self, target: Alertmanager, queue: Arc<AlertQueue>, client: HttpClient) -> Running {
        let stop = CancellationToken::new();
        let worker = Worker::new(&target, Arc::clone(&queue), client, self.options, &self.metrics);
        self.tracker.spawn(worker.run(stop.clone(), self.stop.clone()));
        Running { target, queue, stop }
    }

    /// Returns who is told and who is not.
    pub fn alertmanagers(&self) -> Alertmanagers {
        let state = self.state.lock();
        Alertmanagers {
            active: state.running.values().map(|running| running.target.url.clone()).collect(),
            dropped: state.dropped.clone(),
        }
    }

    /// Sends what waits, if that is wanted, and ends all tasks.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl AlertReceiver for Notifier {
    fn receive(&self, alerts: Vec<OutgoingAlert>) {
        let state = self.state.lock();
        let alerts: Vec<OutgoingAlert> = alerts
            .into_iter()
            .filter_map(|alert| {
                let mut labels = LabelsBuilder::from_labels(&alert.labels);
                for (name, value) in state.external_labels.iter() {
                    if labels.get(name).is_none() {
                        labels.set(name, value);
                    }
                }
                relabeled(alert, labels, &state.relabel)
            })
            .collect();
        for running in state.running.values() {
            let rules = &running.target.alert_relabel;
            let of_this = alerts.iter().filter_map(|alert| {
                relabeled(alert.clone(), LabelsBuilder::from_labels(&alert.labels), rules)
            });
            let n_dropped = running.queue.push(of_this);
            let url = [running.target.url.as_str()];
            if n_dropped > 0 {
                self.metrics.dropped.with(&url).add(n_dropped);
                tracing::warn!(
                    alertmanager = url[0],
                    n_dropped,
                    "the queue is full: the oldest alerts were dropped"
                );
            }
            #[expect(clippy::cast_precision_loss, reason = "queues are shorter than 2^53")]
            self.metrics.queue_length.with(&url).set(running.queue.len() as f64);
        }
    }
}

/// Returns the alert under its new labels, unless the rules drop it.
fn relabeled(
    alert: OutgoingAlert,
    mut labels: LabelsBuilder,
    rules: &[relabel::Rule],
) -> Option<OutgoingAlert> {
    let is_kept = relabel::apply(rules, &mut labels) == Verdict::Keep;
    let labels = labels.build();
    (is_kept && !labels.is_empty()).then_some(OutgoingAlert { labels, ..alert })
}
