//! What every mechanism is: something that runs and reports groups of targets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::group::TargetGroup;
use crate::metrics::SdMetrics;

/// Why a source found nothing this time.
pub(crate) type SdError = Box<dyn std::error::Error + Send + Sync>;

/// A running mechanism.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A way to find targets.
pub(crate) trait Source: Send + 'static {
    /// Runs until dropped, reporting to `updates` whenever something changes or fails.
    fn run(self: Box<Self>, updates: Updates) -> Running;
}

/// A mechanism that asks for everything, again and again.
pub(crate) trait Poll: Send + 'static {
    /// Asks once.
    fn refresh(&mut self) -> impl Future<Output = Result<Vec<TargetGroup>, SdError>> + Send;
}

/// Turns a [`Poll`] into a [`Source`].
#[derive(Debug)]
pub(crate) struct Polled<P> {
    pub(crate) poll: P,
    pub(crate) interval: Duration,
}

impl<P: Poll> Source for Polled<P> {
    fn run(mut self: Box<Self>, updates: Updates) -> Running {
        Box::pin(async move {
            loop {
                let started = Instant::now();
                let found = self.poll.refresh().await;
                updates.metrics.observe_refresh(&updates.mechanism, &updates.config, started.elapsed());
                match found {
                    Ok(groups) => updates.replace(groups),
                    Err(error) => updates.failed(&*error),
                }
                // Zero would ask without a pause.
                tokio::time::sleep(self.interval.max(Duration::from_secs(1))).await;
            }
        })
    }
}

/// What a source has found and how it goes.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Groups by source.
    pub(crate) groups: Mutex<Groups>,
    /// What stands in for them until the source has answered for the first time.
    pub(crate) inherited: Mutex<Option<Inherited>>,
    /// Whether something has changed since the jobs were told.
    pub(crate) is_news: AtomicBool,
    /// Why the last attempt failed; `None` if it did not.
    pub(crate) error: Mutex<Option<String>>,
}

/// Groups by source.
pub(crate) type Groups = BTreeMap<String, Arc<TargetGroup>>;

/// What the source of a job had found before its settings changed.
#[derive(Clone, Debug)]
pub(crate) struct Inherited {
    pub(crate) groups: Groups,
    /// Jobs that asked for the source before and after.
    pub(crate) jobs: BTreeSet<String>,
}

impl Found {
    /// Begins with what a source that is replaced leaves to the jobs that stay.
    pub(crate) fn heir(inherited: Option<Inherited>) -> Self {
        Self { inherited: Mutex::new(inherited), ..Self::default() }
    }

    /// Returns what `job` shall have now.
    pub(crate) fn groups_for(&self, job: &str) -> Groups {
        let mut groups = match &*self.inherited.lock() {
            Some(inherited) if inherited.jobs.contains(job) => inherited.groups.clone(),
            _ => Groups::new(),
        };
        groups.extend(self.groups.lock().iter().map(|(source, group)| (source.clone(), Arc::clone(group))));
        groups
    }

    /// Returns how many targets there are.
    pub(crate) fn n_targets(&self) -> usize {
        self.groups.lock().values().map(|group| group.targets.len()).sum()
    }
}

/// Where a source reports.
#[derive(Clone, Debug)]
pub(crate) struct Updates {
    pub(crate) found: Arc<Found>,
    pub(crate) changed: Arc<Notify>,
    pub(crate) metrics: SdMetrics,
    pub(crate) mechanism: String,
    /// First job that asks for the source, the `config` label of its metrics.
    pub(crate) config: String,
}

impl Updates {
    /// Replaces everything the source has found.
    pub(crate) fn replace(&self, groups: Vec<TargetGroup>) {
        self.succeeded();
        self.metrics.received.inc();
        let new: BTreeMap<String, Arc<TargetGroup>> =
            groups.into_iter().map(|group| (group.source.clone(), Arc::new(group))).collect();
        let mut known = self.found.groups.lock();
        if *known != new {
            *known = new;
            self.tell();
        }
        drop(known);
        self.complete();
    }

    /// Notes that everything has been asked for once: what stood in for the first answer goes.
    pub(crate) fn complete(&self) {
        if self.found.inherited.lock().take().is_some() {
            self.tell();
        }
    }

    /// Tells that something has changed.
    fn tell(&self) {
        self.found.is_news.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Replaces one group.
    pub(crate) fn set(&self, group: TargetGroup) {
        self.metrics.received.inc();
        let mut known = self.found.groups.lock();
        if known.get(&group.source).is_none_or(|old| **old != group) {
            known.insert(group.source.clone(), Arc::new(group));
            self.tell();
        }
    }

    /// Forgets one group.
    pub(crate) fn remove(&self, source: &str) {
        if self.found.groups.lock().remove(source).is_some() {
            self.tell();
        }
    }

    /// Replaces the groups whose source begins with `prefix`.
    pub(crate) fn replace_below(&self, prefix: &str, groups: Vec<TargetGroup>) {
        let kept: BTreeSet<String> = groups.iter().map(|group| group.source.clone()).collect();
        let known = self.found.groups.lock();
        let gone: Vec<String> =
            known.keys().filter(|name| name.starts_with(prefix) && !kept.contains(*name)).cloned().collect();
        drop(known);
        gone.iter().for_each(|source| self.remove(source));
        groups.into_iter().for_each(|group| self.set(group));
    }

    /// Notes that the source answers.
    pub(crate) fn succeeded(&self) {
        if self.found.error.lock().take().is_some() {
            info!(mechanism = self.mechanism, config = self.config, "discovery works again");
        }
    }

    /// Notes that the source does not answer; what it found stays.
    pub(crate) fn failed(&self, error: &dyn fmt::Display) {
        self.metrics.refresh_failures.with(&[&self.mechanism, &self.config]).inc();
        let error = error.to_string();
        let mut last = self.found.error.lock();
        // A source that fails alike for hours says so once.
        if last.as_ref() != Some(&error) {
            let (mechanism, config) = (&self.mechanism, &self.config);
            warn!(mechanism, config, error, "discovery failed: the targets found last are kept");
            *last = Some(error);
        }
    }
}
