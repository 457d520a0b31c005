//! The running Alertmanager: state under one lock, flushes as tasks of their own.
//!
//! A posted alert is merged, shown to the inhibitor and filed into its groups while the lock is held, a few
//! microseconds; telling people never holds it. [`Alertmanager::run`] sleeps until the next group is due.
//!
//! # Invariants
//! - A reload does everything that can fail before it changes anything; sending under the old configuration is
//!   cancelled, and what it would have told is told under the new one.
//! - The log and the silences are written to disk after every maintenance interval and at the end.
//! # Reading order: this file, `load` (building), `send` (flushes), `store` (files), `replica` (the cluster's view),
//! `trial` (test notifications), `remind` (silences that end soon).

mod load;
mod remind;
mod replica;
mod send;
mod store;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wf_httpkit::Registry;
use wf_httpkit::process::BuildInfo;

use crate::alert::{Alert, AlertStore, PostedAlert, Put};
use crate::cluster::Cluster;
use crate::cluster::part::Kind;
use crate::config::{AlertmanagerConfig, ConfigError};
use crate::dispatch::Dispatcher;
use crate::history::{History, Limits};
use crate::inhibit::Inhibitor;
use crate::matchers::Mode;
use crate::metrics::Metrics;
use crate::nflog::NotificationLog;
use crate::notify::Integration;
use crate::pipeline::Intervals;
use crate::silence::Silences;
use crate::template::Templates;

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What an Alertmanager is told on its command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// The configuration file.
    pub config_file: PathBuf,
    /// Directory of `nflog` and `silences`.
    pub storage_path: PathBuf,
    /// How long data is kept.
    pub retention: Duration,
    /// Time between snapshots.
    pub maintenance_interval: Duration,
    /// Most silences; 0 for any number.
    pub n_silences_max: usize,
    /// Most bytes of a silence; 0 for any.
    pub silence_bytes_max: usize,
    /// Whether changes of silences are logged.
    pub logs_silences: bool,
    /// Time between cleanings of the alert store.
    pub alerts_gc_interval: Duration,
    /// Most alerts of one name; 0 for any number.
    pub alerts_per_name_max: usize,
    /// How long after the start no group is flushed.
    pub dispatch_start_delay: Duration,
    /// Where others reach this Alertmanager.
    pub external_url: String,
    /// Path under which everything is served; empty or `/path`.
    pub route_prefix: String,
    /// Most GET requests at a time; 0 for one per core, at least 8.
    pub get_concurrency: usize,
    /// Longest time of a request; zero for any.
    pub web_timeout: Duration,
    /// How long it is remembered what became of alerts; zero for no history.
    pub history_retention: Duration,
    /// Most bytes of history on disk; 0 for no history.
    pub history_bytes_max: u64,
    /// How long before a silence ends an alert says so; zero for no such alerts.
    pub remind_before: Duration,
    /// How matchers are read.
    pub mode: Mode,
    /// What was built.
    pub build: BuildInfo,
}

/// Why an Alertmanager cannot run.
#[derive(Debug, thiserror::Error)]
pub enum AlertmanagerError {
    /// The configuration file is wrong.
    #[error("load configuration {}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ConfigError,
    },
    /// The configuration asks for what cannot be built.
    #[error("{0}")]
    Build(String),
    /// A snapshot cannot be read.
    #[error("read {what} from {}: {why}; move the file away to start without it", path.display())]
    Snapshot {
        /// Which.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What follows from a configuration.
struct Loaded {
    config: AlertmanagerConfig,
    templates: Templates,
    receivers: BTreeMap<String, Arc<Vec<Integration>>>,
    intervals: Intervals,
    /// Ends what this configuration is sending.
    cancel: CancellationToken,
}

/// What is known.
pub(crate) struct State {
    pub(crate) alerts: AlertStore,
    pub(crate) inhibitor: Inhibitor,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) silences: Silences,
    pub(crate) log: NotificationLog,
}

/// An Alertmanager. Clones share it.
#[derive(Clone)]
pub struct Alertmanager {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    clock: Clock,
    started_at: Timestamp,
    state: Mutex<State>,
    loaded: ArcSwap<Loaded>,
    /// Rings when something may be due earlier than it was.
    wake: Notify,
    tasks: TaskTracker,
    /// One reload at a time.
    reloading: Mutex<()>,
    metrics: Metrics,
    registry: Registry,
    /// The others, if there may be any.
    cluster: Option<Cluster>,
    history: History,
}

impl fmt::Debug for Alertmanager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alertmanager").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Alertmanager {
    /// Loads the configuration and what was stored. With a cluster, silences and the notification log are shared.
    /// # Errors
    /// See [`AlertmanagerError`].
    pub fn new(
        options: Options,
        registry: Registry,
        clock: Clock,
        cluster: Option<Cluster>,
    ) -> Result<Self, AlertmanagerError> {
        let metrics = Metrics::new(&registry);
        let loaded = load::load(&options)?;
        let started_at = clock();
        let mut state = store::read(&options, &loaded, started_at)?;
        if cluster.is_some() {
            state.log.record_news();
            state.silences.record_news();
        }
        metrics.cluster_enabled.set(f64::from(u8::from(cluster.is_some())));
        let limits = Limits { retention: options.history_retention, bytes_max: options.history_bytes_max };
        let history = History::new(&options.storage_path, limits, &registry);
        let shared = Shared {
            history,
            options,
            clock,
            started_at,
            state: Mutex::new(state),
            loaded: ArcSwap::from_pointee(loaded),
            wake: Notify::new(),
            tasks: TaskTracker::new(),
            reloading: Mutex::new(()),
            metrics,
            registry,
            cluster,
        };
        let this = Self { shared: Arc::new(shared) };
        this.share_state();
        this.count_config();
        this.register_numbers();
        Ok(this)
    }

    /// Tells groups about their alerts until `stop`, then writes everything down.
    /// # Errors
    /// When the last snapshot cannot be written.
    pub async fn run(self, stop: CancellationToken) -> std::io::Result<()> {
        let options = &self.shared.options;
        let mut maintenance = ticks(options.maintenance_interval);
        let mut cleaning = ticks(options.alerts_gc_interval);
        let mut reminders = ticks(remind::interval(options.remind_before));
        let leave = CancellationToken::new();
        let writer = tokio::spawn({
            let (this, leave) = (self.clone(), leave.clone());
            async move { this.shared.history.run(leave).await }
        });
        let cluster = self.shared.cluster.clone().map(|cluster| tokio::spawn(cluster.run(leave.clone())));
        loop {
            let next = self.start_flushes();
            let due = async {
                match next {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.shared.wake.notified() => {}
                () = due => {}
                _ = maintenance.tick() => self.maintain().await,
                _ = cleaning.tick() => self.collect_garbage(),
                _ = reminders.tick(), if !options.remind_before.is_zero() => self.remind(),
            }
        }
        self.shared.loaded.load().cancel.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        // After the last flush: what it told is told to the others.
        leave.cancel();
        if let Some(Err(error)) = match cluster {
            Some(task) => Some(task.await),
            None => None,
        } {
            tracing::error!(%error, "leaving the cluster failed");
        }
        if let Err(error) = writer.await {
            tracing::error!(%error, "the history of alerts ended early");
        }
        store::write(&self).await
    }

    /// Spawns a task for every group that is due; returns how long to wait for the next.
    fn start_flushes(&self) -> Option<Duration> {
        let now = self.now();
        let (flushes, next) = {
            let mut state = self.shared.state.lock();
            (state.dispatcher.take_due(now), state.dispatcher.next_due())
        };
        let loaded = self.shared.loaded.load_full();
        for flush in flushes {
            let (this, loaded) = (self.clone(), Arc::clone(&loaded));
            self.shared.tasks.spawn(async move {
                let cancel = loaded.cancel.clone();
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => {}
                    () = this.flush(&loaded, flush) => {}
                }
            });
        }
        next.map(|at| at.duration_since(now).try_into().unwrap_or(Duration::ZERO))
    }

    async fn maintain(&self) {
        let now = self.now();
        {
            let mut state = self.shared.state.lock();
            let State { log, silences, alerts, .. } = &mut *state;
            let [log_metrics, silence_metrics] = &self.shared.metrics.snapshots;
            let started = std::time::Instant::now();
            log.collect_garbage(now);
            log_metrics.gc_seconds.observe(started.elapsed().as_secs_f64());
            let started = std::time::Instant::now();
            silences.collect_garbage(now, |fingerprint| alerts.get(fingerprint).is_some());
            silence_metrics.gc_seconds.observe(started.elapsed().as_secs_f64());
        }
        if let Err(error) = store::write(self).await {
            tracing::error!(%error, "cannot write the notification log and the silences");
        }
    }

    fn collect_garbage(&self) {
        let now = self.now();
        let mut state = self.shared.state.lock();
        let State { alerts, inhibitor, .. } = &mut *state;
        alerts.collect_garbage(now);
        inhibitor.collect_garbage(alerts);
    }

    /// Takes alerts; the valid ones of a batch are kept. Returns why the others are not.
    pub(crate) fn post(&self, posted: Vec<PostedAlert<'_>>) -> Vec<String> {
        let now = self.now();
        let loaded = self.shared.loaded.load();
        let (timeout, mode) = (loaded.config.file.global.resolve_timeout.0, loaded.config.mode);
        let metrics = &self.shared.metrics;
        let (mut errors, mut alerts) = (Vec::new(), Vec::with_capacity(posted.len()));
        for posted in posted {
            match posted.complete(now, timeout, |name| mode.is_label_name(name)) {
                Ok(alert) => alerts.push(alert),
                Err(error) => errors.push(error),
            }
        }
        // Counted at once: a batch holds thousands.
        let n_resolved = alerts.iter().filter(|alert| alert.is_resolved(now)).count() as u64;
        metrics.received.with(&["resolved", "v2"]).add(n_resolved);
        metrics.received.with(&["firing", "v2"]).add(alerts.len() as u64 - n_resolved);
        metrics.invalid.with(&["v2"]).add(errors.len() as u64);
        self.file(alerts, now);
        errors
    }

    fn file(&self, alerts: Vec<Alert>, now: Timestamp) {
        let started = std::time::Instant::now();
        let n_alerts = alerts.len();
        let mut state = self.shared.state.lock();
        let due_before = state.dispatcher.next_due();
        for alert in alerts {
            match state.alerts.put(alert, now) {
                Put::New(alert) => {
                    state.inhibitor.observe(&alert);
                    state.dispatcher.insert(&alert, now);
                }
                Put::Known(alert) => state.dispatcher.insert(&alert, now),
                Put::Limited => self.shared.metrics.limited.inc(),
            }
        }
        let is_earlier = state.dispatcher.next_due() != due_before;
        drop(state);
        self.shared.metrics.writes.iter().for_each(|writes| writes.add(n_alerts as u64));
        if n_alerts > 0 {
            #[expect(clippy::cast_precision_loss, reason = "batches are far below 2^53")]
            self.shared.metrics.processing.observe(started.elapsed().as_secs_f64() / n_alerts as f64);
        }
        if is_earlier {
            self.shared.wake.notify_one();
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.shared.clock)()
    }

    pub(crate) fn started_at(&self) -> Timestamp {
        self.shared.started_at
    }

    pub(crate) fn options(&self) -> &Options {
        &self.shared.options
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Runs `body` on what is known; nobody else changes it meanwhile.
    pub(crate) fn with_state<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        let Some(cluster) = &self.shared.cluster else { return body(&mut self.shared.state.lock()) };
        let (result, news) = {
            let mut state = self.shared.state.lock();
            let result = body(&mut state);
            (result, replica::take_news(&mut state))
        };
        // Not under the lock: the members' comes first.
        if !news.is_empty() {
            for part in &news {
                let [log_metrics, silence_metrics] = &self.shared.metrics.snapshots;
                match part.kind {
                    Kind::Log => log_metrics.propagated.inc(),
                    Kind::Silences => silence_metrics.propagated.inc(),
                }
            }
            cluster.broadcast(news);
        }
        result
    }

    pub(crate) fn history(&self) -> &History {
        &self.shared.history
    }

    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.shared.cluster.as_ref()
    }

    /// Runs `body` on the configuration.
    pub(crate) fn with_config<T>(
        &self,
        body: impl FnOnce(&AlertmanagerConfig, &Intervals, &Templates) -> T,
    ) -> T {
        let loaded = self.shared.loaded.load();
        body(&loaded.config, &loaded.intervals, &loaded.templates)
    }
}

fn ticks(interval: Duration) -> tokio::time::Interval {
    let interval = interval.max(Duration::from_millis(1));
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::instant::Instant;

    fn options(folder: &std::path::Path) -> Options {
        Options {
            config_file: folder.join("alertmanager.yml"),
            storage_path: folder.join("data"),
            retention: Duration::from_secs(120 * 3600),
            maintenance_interval: Duration::from_secs(900),
            n_silences_max: 0,
            silence_bytes_max: 0,
            logs_silences: false,
            alerts_gc_interval: Duration::from_secs(1800),
            alerts_per_name_max: 0,
            dispatch_start_delay: Duration::ZERO,
            external_url: "http://am/".to_owned(),
            route_prefix: String::new(),
            get_concurrency: 0,
            web_timeout: Duration::ZERO,
            history_retention: Duration::from_secs(3600),
            history_bytes_max: 1 << 20,
            remind_before: Duration::from_secs(3600),
            mode: Mode::Fallback,
            build: BuildInfo::unknown(),
        }
    }

    /// Opens what lies in `folder`.
    pub(crate) fn try_open(folder: &tempfile::TempDir) -> Result<Alertmanager, AlertmanagerError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Alertmanager::new(options(folder.path()), Registry::new(), Arc::new(Timestamp::now), None)
    }

    pub(crate) fn reopened(folder: &tempfile::TempDir) -> Alertmanager {
        try_open(folder).unwrap()
    }

    /// Starts on an empty folder with this configuration.
    pub(crate) fn manager(config: &str) -> (Alertmanager, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("alertmanager.yml"), config).unwrap();
        (reopened(&folder), folder)
    }

    /// Returns an alert to post, ended at `end` if there is one.
    pub(crate) fn posted<'a>(labels: &[(&'a str, &'a str)], end: Option<Timestamp>) -> PostedAlert<'a> {
        PostedAlert {
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            starts_at: Instant::parse("2026-01-01T00:00:00Z"),
            ends_at: end.map(Instant::utc),
            ..PostedAlert::default()
        }
    }

    /// Runs to the end of what there is to do at a stop.
    pub(crate) async fn run_for_tests(manager: Alertmanager) {
        let stop = CancellationToken::new();
        stop.cancel();
        manager.run(stop).await.unwrap();
    }
}
