//! One scrape: every selected collector once, whatever the others do.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use tokio_util::sync::CancellationToken;
use wf_exposition::{Metric, MetricFamily, MetricLabels};
use wf_httpkit::metrics::{Registry, merge_by_name};
use wf_httpkit::process::{self, BuildInfo};

use crate::collector::{CollectError, Collector, TABLE, gauge};
use crate::config::{Config, FlagError};
use crate::context::{Context, Scrape};
use crate::relay::{Job, Limits, Outcome, Relay};
use crate::web;

/// A host exporter. Clones share collectors and their state.
#[derive(Clone)]
pub struct NodeExporter {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) registry: Registry,
    scrapes: web::Scrapes,
    slots: Vec<Arc<Slot>>,
    relay: Relay,
    n_scrapes: AtomicU64,
    /// Contexts that wait for their next scrape.
    contexts: Arc<Mutex<Vec<Context>>>,
}

/// A collector with what is known about its runs.
struct Slot {
    name: &'static str,
    collector: Arc<dyn Collector>,
    /// A run that was left behind; the flag falls when it ends.
    left_behind: Mutex<Option<Arc<AtomicBool>>>,
    has_failed: AtomicBool,
}

/// Which collectors a scrape runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// All that are enabled.
    #[default]
    All,
    /// These.
    Only(BTreeSet<&'static str>),
}

/// What one collector gave.
struct Collected {
    families: Vec<MetricFamily>,
    duration: Duration,
    result: Result<(), CollectError>,
}

impl NodeExporter {
    /// Builds the enabled collectors.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn new(config: Config) -> Result<Self, FlagError> {
        Self::with_build_info(config, &BuildInfo::unknown())
    }

    /// As [`NodeExporter::new`], with what `node_exporter_build_info` shall say.
    /// # Errors
    /// When a pattern is not a regular expression.
    pub fn with_build_info(config: Config, build: &BuildInfo) -> Result<Self, FlagError> {
        let mut slots = Vec::new();
        for entry in TABLE.iter().filter(|entry| config.collectors.contains(entry.name)) {
            let collector = (entry.build)(&config)?;
            let slot = Slot {
                name: entry.name,
                collector,
                left_behind: Mutex::default(),
                has_failed: AtomicBool::new(false),
            };
            slots.push(Arc::new(slot));
        }
        let registry = Registry::new();
        process::register_build_info(&registry, "node_exporter", build);
        if !config.disable_exporter_metrics {
            process::register(&registry);
        }
        let scrapes = web::Scrapes::new((!config.disable_exporter_metrics).then_some(&registry));
        let contexts = Arc::default();
        let inner = Inner {
            config,
            registry,
            scrapes,
            slots,
            relay: Relay::new(),
            n_scrapes: AtomicU64::new(0),
            contexts,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Returns the registry of the exporter's own metrics, which are part of its page.
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(crate) fn scrapes(&self) -> &web::Scrapes {
        &self.inner.scrapes
    }

    /// Returns the names of the enabled collectors.
    pub fn enabled(&self) -> impl Iterator<Item = &'static str> {
        self.inner.slots.iter().map(|slot| slot.name)
    }

    /// Returns the HTTP face: the metrics path and, where that is not `/`, a landing page.
    pub fn router(&self) -> Router {
        web::router(self.clone())
    }

    /// Logs what an operator should know, then waits for `stop`: the exporter works only when asked.
    pub async fn run(&self, stop: CancellationToken) {
        if rustix::process::geteuid().is_root() {
            tracing::warn!("the host exporter runs as root, which it does not need");
        }
        tracing::info!(collectors = ?self.enabled().collect::<Vec<_>>(), "host exporter is ready");
        stop.cancelled().await;
    }

    /// Collects all enabled collectors and the exporter's own metrics, within `timeout`.
    pub async fn gather(&self, timeout: Duration) -> Vec<MetricFamily> {
        self.gather_selected(&Selection::All, timeout).await
    }

    /// Collects the selected collectors and the exporter's own metrics: sorted families.
    pub async fn gather_selected(&self, selection: &Selection, timeout: Duration) -> Vec<MetricFamily> {
        let plan = self.plan(selection, timeout);
        let outcomes = self.inner.relay.run(self.jobs(&plan), plan.limits).await;
        let mut families = page(&plan, outcomes);
        families.extend(self.inner.registry.gather());
        finish(families)
    }

    /// Collects the selected collectors on helper threads and waits for them; without the exporter's own metrics.
    pub fn gather_blocking(&self, selection: &Selection, timeout: Duration) -> Vec<MetricFamily> {
        let plan = self.plan(selection, timeout);
        let outcomes = self.inner.relay.run_blocking(self.jobs(&plan), plan.limits);
        finish(page(&plan, outcomes))
    }

    fn plan(&self, selection: &Selection, timeout: Duration) -> Plan {
        let is_selected = |slot: &&Arc<Slot>| match selection {
            Selection::All => true,
            Selection::Only(names) => names.contains(slot.name),
        };
        let slots = self.inner.slots.iter().filter(is_selected).cloned();
        let (free, hanging) = slots.partition(|slot| !slot.is_hanging());
        let number = self.inner.n_scrapes.fetch_add(1, Ordering::Relaxed);
        let scrape = Scrape { number, deadline: Instant::now() + timeout };
        let config = &self.inner.config;
        let limits = Limits {
            job_timeout: config.collector_timeout,
            total_timeout: timeout,
            patience: Duration::from_millis(50),
            threads_max: config.parallel_collectors.max(2),
        };
        Plan { free, hanging, scrape, limits }
    }

    fn jobs(&self, plan: &Plan) -> Vec<Job<Collected>> {
        plan.free.iter().map(|slot| self.job(slot, plan.scrape)).collect()
    }

    fn job(&self, slot: &Arc<Slot>, scrape: Scrape) -> Job<Collected> {
        let (slot, contexts) = (Arc::clone(slot), Arc::clone(&self.inner.contexts));
        let paths = self.inner.config.paths.clone();
        Box::new(move || {
            let mut ctx = lock(&contexts).pop().unwrap_or_else(|| Context::new(paths));
            ctx.enter(scrape);
            let started = Instant::now();
            let mut families = Vec::new();
            let result = slot.collector.collect(&mut ctx, &mut families);
            lock(&contexts).push(ctx);
            Collected { families, duration: started.elapsed(), result }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Single pushes, pops and swaps: consistent whatever panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Collected {
    fn failed(error: CollectError, duration: Duration) -> Self {
        Self { families: Vec::new(), duration, result: Err(error) }
    }
}

impl Slot {
    /// Whether a run that was left behind has not ended yet.
    fn is_hanging(&self) -> bool {
        lock(&self.left_behind).as_ref().is_some_and(|is_running| is_running.load(Ordering::Acquire))
    }

    fn judge(&self, outcome: Outcome<Collected>, limits: Limits) -> Collected {
        let failed = |what: &str, duration| {
            let source = std::io::Error::other(what.to_owned());
            Collected::failed(CollectError::Read { path: self.name.to_owned(), source }, duration)
        };
        match outcome {
            Outcome::Done(collected) => collected,
            Outcome::Panicked => failed("the collector panicked: this is a bug", Duration::ZERO),
            Outcome::Late(is_running) => {
                *lock(&self.left_behind) = Some(is_running);
                failed(
                    "no answer in time; left behind until it returns",
                    limits.job_timeout.min(limits.total_timeout),
                )
            }
        }
    }

    /// Logs the first of a row of failures loudly, the rest at debug level.
    fn log(&self, error: &CollectError) {
        let was_failing = self.has_failed.swap(true, Ordering::Relaxed);
        let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if error.is_no_data() || was_failing {
            tracing::debug!(collector = self.name, %error, why, "collector failed");
        } else {
            tracing::error!(collector = self.name, %error, why, "collector failed");
        }
    }
}

/// What one scrape runs.
struct Plan {
    free: Vec<Arc<Slot>>,
    /// Still busy with an earlier scrape: not run again.
    hanging: Vec<Arc<Slot>>,
    scrape: Scrape,
    limits: Limits,
}

/// Makes one list of what the collectors of `plan` gave, and of how they fared.
fn page(plan: &Plan, outcomes: Vec<Outcome<Collected>>) -> Vec<MetricFamily> {
    let mut page = Page::new();
    for (slot, outcome) in plan.free.iter().zip(outcomes) {
        page.add(slot, slot.judge(outcome, plan.limits));
    }
    for slot in &plan.hanging {
        let why = "still busy with an earlier scrape".to_owned();
        page.add(slot, Collected::failed(CollectError::NoData { why }, Duration::ZERO));
    }
    page.families.extend([page.duration, page.success]);
    page.families
}

/// The page under construction.
struct Page {
    families: Vec<MetricFamily>,
    duration: MetricFamily,
    success: MetricFamily,
}

impl Page {
    fn new() -> Self {
        let duration = gauge("node_scrape_collector_duration_seconds", "Duration of a collector's run.");
        let success = gauge("node_scrape_collector_success", "Whether a collector succeeded.");
        Self { families: Vec::with_capacity(256), duration, success }
    }

    fn add(&mut self, slot: &Slot, collected: Collected) {
        let labels = [("collector", slot.name)];
        self.duration.push(&labels, collected.duration.as_secs_f64());
        self.success.push(&labels, f64::from(u8::from(collected.result.is_ok())));
        self.families.extend(collected.families);
        match &collected.result {
            Ok(()) => slot.has_failed.store(false, Ordering::Relaxed),
            Err(error) => slot.log(error),
        }
    }
}

/// Sorts families and their series, and drops what has no series.
fn finish(mut families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    families.retain(|family| !family.metrics.is_empty());
    let mut families = merge_by_name(families);
    // Dozens of families share the labels of the same devices: what holds for the first holds for the others.
    let mut tidy: Vec<MetricLabels> = Vec::new();
    for family in &mut families {
        let labels = || family.metrics.iter().map(|metric| &metric.labels);
        if labels().len() == tidy.len() && labels().zip(&tidy).all(|(labels, tidy)| labels.is_same(tidy)) {
            continue;
        }
        order(family);
        let is_shared = |labels: &&MetricLabels| matches!(labels, MetricLabels::Shared(_));
        tidy.clear();
        tidy.extend(family.metrics.iter().map(|metric| &metric.labels).take_while(is_shared).cloned());
    }
    families
}

/// Sorts a family's labels and series, and drops series that were there already.
fn order(family: &mut MetricFamily) {
    let order = |a: &Metric, b: &Metric| {
        let values = |metric: &Metric| metric.labels.len();
        a.labels
            .iter()
            .map(|(_, value)| value)
            .cmp(b.labels.iter().map(|(_, value)| value))
            .then(values(a).cmp(&values(b)))
    };
    for metric in &mut family.metrics {
        if !metric.labels.is_sorted_by(|a, b| a.0 <= b.0) {
            metric.labels.edit(|labels| labels.sort_by(|a, b| a.0.cmp(&b.0)));
        }
    }
    if !family.metrics.is_sorted_by(|a, b| order(a, b).is_le()) {
        family.metrics.sort_by(order);
    }
    let n_before = family.metrics.len();
    family.metrics.dedup_by(|a, b| a.labels == b.labels);
    if family.metrics.len() < n_before {
        tracing::warn!(name = %family.name, "duplicate series were dropped");
    }
}

impl std::fmt::Debug for NodeExporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeExporter").field("enabled", &self.enabled().collect::<Vec<_>>()).finish()
    }
}

#[cfg(test)]
mod tests;
