//! All jobs and their targets: starts, changes and ends scrape loops.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use wf_exposition::MetricFamily;
use wf_httpkit::client::NameCache;
use wf_httpkit::{HttpClient, Registry};
use wf_model::{Labels, MetricType};
use wf_series::SampleSink;
use xxhash_rust::xxh3::xxh3_64;

use crate::clock::WallClock;
use crate::config::{JobConfig, JobSettings, StartTimes, TargetGroup};
use crate::error::ScrapeError;
use crate::failure_log::{self, FailureLog};
use crate::fetch::{Bodies, BodyBudget, Fetch, HttpFetch};
use crate::lanes::Lanes;
use crate::metadata::FamilyMetadata;
use crate::metrics::ScrapeMetrics;
use crate::protocol;
use crate::schedule::Schedule;
use crate::scrape_loop::{Directive, LoopShared, Plan, ScrapeLoop};
use crate::target::{Target, TargetKey, TargetStatus, build_targets};

/// Pages parsed at the same time.
const PARSES_MAX: usize = 2;

/// What to scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScrapeConfig {
    /// Jobs with unique names.
    pub jobs: Vec<JobConfig>,
    /// Labels that tell this server from its replicas; together with the host name they shift its schedule.
    pub external_labels: Labels,
}

/// What the manager is made of besides its sink.
#[derive(Clone, Debug, Default)]
pub struct ScrapeOptions {
    /// Time of day.
    pub clock: WallClock,
    /// Full name of this host: replicas scrape a target at different moments.
    pub host_name: String,
    /// What all jobs do besides their configuration.
    pub features: ScrapeFeatures,
    /// Threads for the loops.
    pub lanes: Lanes,
}

/// What all jobs do besides their configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeFeatures {
    /// What becomes of start timestamps.
    pub start_times: StartTimes,
    /// Whether type, help and unit are handed to storage with the series.
    pub keeps_metadata: bool,
    /// Whether declared types and units are labels of the series.
    pub type_and_unit_labels: bool,
}

/// Why a configuration was not taken; the one before stays in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReloadError {
    /// A job's HTTP client cannot be built.
    #[error("job {job:?}: {message}")]
    Client {
        /// Name of the job.
        job: String,
        /// What is wrong with its client options.
        message: String,
    },
    /// A job's log of failed scrapes cannot be written.
    #[error("open scrape_failure_log_file {}: {message}", .path.display())]
    FailureLog {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// Two jobs have one name.
    #[error("two jobs are named {0:?}")]
    DuplicateJob(String),
    /// The manager was stopped.
    #[error("scraping was stopped")]
    Stopped,
}

/// A target that is scraped, as of now.
#[derive(Clone, Debug)]
pub struct TargetSnapshot {
    /// Name of its job, the API's `scrapePool`.
    pub job: String,
    /// Labels before relabeling.
    pub discovered_labels: Labels,
    /// Labels its series get.
    pub labels: Labels,
    /// Address of its page.
    pub url: String,
    /// Time between two scrapes.
    pub interval: Duration,
    /// How long a scrape may take.
    pub timeout: Duration,
    /// How its last scrape went.
    pub status: TargetStatus,
}

/// A target that relabeling dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedTarget {
    /// Name of its job.
    pub job: String,
    /// Labels before relabeling.
    pub discovered_labels: Labels,
}

/// All targets, sorted by job, labels and URL.
#[derive(Clone, Debug, Default)]
pub struct TargetsSnapshot {
    /// Targets that are scraped.
    pub active: Vec<TargetSnapshot>,
    /// Targets that relabeling dropped, in the order found, as many per job as its `keep_dropped_targets` says.
    pub dropped: Vec<DroppedTarget>,
    /// Number of dropped targets by job, those not kept included; every job is there.
    pub n_dropped: BTreeMap<String, usize>,
}

/// Metadata of one target.
#[derive(Clone, Debug)]
pub struct TargetMetadata {
    /// Name of its job.
    pub job: String,
    /// Labels of the target.
    pub labels: Labels,
    /// What its pages declare, sorted by name.
    pub families: Arc<Vec<FamilyMetadata>>,
}

/// Scrapes targets into a sink.
pub struct ScrapeManager {
    shared: LoopShared,
    host_name: String,
    features: ScrapeFeatures,
    lanes: Lanes,
    budget: BodyBudget,
    /// Of all jobs together: name servers do not care which job asks.
    names: NameCache,
    pools: Arc<Mutex<BTreeMap<String, Pool>>>,
    tracker: TaskTracker,
    /// Parent of all loops' tokens.
    stop: CancellationToken,
}

/// One job at work.
struct Pool {
    settings: Arc<JobSettings>,
    fetch: Arc<dyn Fetch>,
    failure_log: Arc<FailureLog>,
    loops: BTreeMap<TargetKey, LoopHandle>,
    /// Labels of targets that relabeling dropped, as many as the job wants remembered.
    dropped: Vec<Labels>,
    n_dropped: usize,
    /// What the loops were brought in line with under the settings; labels are shared with whoever found them.
    synced: Option<(Vec<TargetGroup>, u64)>,
}

impl Pool {
    fn is_synced_with(&self, groups: &[TargetGroup], seed: u64) -> bool {
        self.synced.as_ref().is_some_and(|(known, of)| *of == seed && known == groups)
    }

    /// Returns the settings for a target: those of the job, unless its labels decide over its histograms.
    fn settings_of(&self, target: &Target, old: Option<&LoopHandle>) -> Arc<JobSettings> {
        match old.map(|handle| &handle.plan.settings) {
            _ if target.histograms == self.settings.histograms => Arc::clone(&self.settings),
            // They did so before.
            Some(own) if own.is_variant_of(&self.settings, target.histograms) => Arc::clone(own),
            _ => Arc::new(JobSettings { histograms: target.histograms, ..(*self.settings).clone() }),
        }
    }
}

struct LoopHandle {
    plan: Arc<Plan>,
    directive: watch::Sender<Directive>,
    stop: CancellationToken,
}

impl ScrapeManager {
    /// Builds a manager without jobs; [`ScrapeManager::reload`] brings them.
    pub fn new(sink: Arc<dyn SampleSink>, registry: &Registry, options: ScrapeOptions) -> Self {
        let shared = LoopShared {
            sink,
            clock: options.clock,
            metrics: ScrapeMetrics::new(registry),
            parse_permits: Arc::new(Semaphore::new(PARSES_MAX)),
            idle_buffers: Arc::default(),
            bodies: Bodies::default(),
        };
        let pools = Arc::new(Mutex::new(BTreeMap::new()));
        register_cache_sizes(registry, &pools);
        Self {
            shared,
            host_name: options.host_name,
            features: options.features,
            lanes: options.lanes,
            budget: BodyBudget::default(),
            names: NameCache::default(),
            pools,
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Runs until `stop` fires and every scrape loop has ended. No stale markers are written: the series go on after a
    /// restart.
    pub async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
        self.lanes.stop().await;
    }

    /// Takes a configuration. Targets that stay the same keep their schedule and their cache; series of targets that
    /// vanish from a job go stale; series of a job that vanishes age out. Must be called inside a Tokio runtime.
    /// # Errors
    /// [`ReloadError`]; nothing is changed then.
    pub fn reload(&self, config: &ScrapeConfig) -> Result<(), ReloadError> {
        self.reload_with(config, |settings| {
            let client = HttpClient::with_names(&settings.client, self.names.clone());
            let client = client.map_err(|error| error.to_string())?;
            Ok(Arc::new(HttpFetch { client, budget: self.budget.clone() }))
        })
    }

    /// Takes what was found since for the jobs of `config`, which are configured as at the last reload; other jobs are left
    /// alone. Must be called inside a Tokio runtime.
    pub fn update_targets(&self, config: &ScrapeConfig) {
        let mut pools = self.pools.lock();
        if self.stop.is_cancelled() {
            return;
        }
        let seed = self.seed(config);
        for job in &config.jobs {
            if let Some(pool) = pools.get_mut(&job.name) {
                self.sync(pool, job, seed);
            }
        }
    }

    /// Moves the targets of this server within their intervals away from those of its replicas.
    fn seed(&self, config: &ScrapeConfig) -> u64 {
        xxh3_64(format!("{}{}", self.host_name, config.external_labels).as_bytes())
    }

    fn reload_with(
        &self,
        config: &ScrapeConfig,
        make_fetch: impl Fn(&JobSettings) -> Result<Arc<dyn Fetch>, String>,
    ) -> Result<(), ReloadError> {
        let mut pools = self.pools.lock();
        if self.stop.is_cancelled() {
            return Err(ReloadError::Stopped);
        }
        // First everything that may fail, then everything that changes.
        let mut fetches: BTreeMap<String, Arc<dyn Fetch>> = BTreeMap::new();
        for job in &config.jobs {
            let old = pools.get(&job.name).filter(|pool| pool.settings.client == job.settings.client);
            let fetch = match old {
                Some(pool) => Arc::clone(&pool.fetch),
                None => make_fetch(&job.settings).map_err(|message| self.refuse_job(job, &pools, message))?,
            };
            if fetches.insert(job.name.clone(), fetch).is_some() {
                return Err(ReloadError::DuplicateJob(job.name.clone()));
            }
        }
        let logs = config.jobs.iter().filter_map(|job| job.settings.failure_log.as_deref());
        let logs = failure_log::open_all(logs).map_err(|(path, error)| {
            let message = error.to_string();
            ReloadError::FailureLog { path, message }
        })?;
        pools.retain(|name, pool| {
            let stays = fetches.contains_key(name);
            if !stays {
                self.end_job(name, pool);
            }
            stays
        });
        let seed = self.seed(config);
        for job in &config.jobs {
            if let Some(fetch) = fetches.remove(&job.name) {
                self.apply_job(&mut pools, job, fetch, seed);
                use_log(&pools, job, &logs);
            }
        }
        Ok(())
    }

    fn refuse_job(&self, job: &JobConfig, pools: &BTreeMap<String, Pool>, message: String) -> ReloadError {
        let metrics = &self.shared.metrics;
        let counter =
            if pools.contains_key(&job.name) { &metrics.pool_reloads_failed } else { &metrics.pools_failed };
        counter.inc();
        ReloadError::Client { job: job.name.clone(), message }
    }

    fn end_job(&self, name: &str, pool: &Pool) {
        for handle in pool.loops.values() {
            handle.stop.cancel();
        }
        self.shared.metrics.remove_job(name);
        info!(job = name, "scrape job ended");
    }

    fn apply_job(
        &self,
        pools: &mut BTreeMap<String, Pool>,
        job: &JobConfig,
        fetch: Arc<dyn Fetch>,
        seed: u64,
    ) {
        let metrics = &self.shared.metrics;
        let ScrapeFeatures { start_times, keeps_metadata, type_and_unit_labels } = self.features;
        let settings = Arc::new(JobSettings {
            start_times,
            keeps_metadata,
            type_and_unit_labels,
            ..job.settings.clone()
        });
        let pool = pools.entry(job.name.clone()).or_insert_with(|| {
            metrics.pools.inc();
            Pool {
                settings: Arc::clone(&settings),
                fetch: Arc::clone(&fetch),
                failure_log: Arc::default(),
                loops: BTreeMap::new(),
                dropped: Vec::new(),
                n_dropped: 0,
                synced: None,
            }
        });
        if *pool.settings != *settings {
            metrics.pool_reloads.inc();
            if !pool.settings.shares_cache_with(&settings) {
                // What series mean has changed: they end, and new ones begin.
                for handle in std::mem::take(&mut pool.loops).values() {
                    handle.directive.send_replace(Directive::Remove);
                }
            }
            (pool.settings, pool.fetch, pool.synced) = (settings, fetch, None);
        }
        self.sync(pool, job, seed);
    }

    /// Brings the loops of a job in line with its targets.
    fn sync(&self, pool: &mut Pool, job: &JobConfig, seed: u64) {
        let started = Instant::now();
        let metrics = &self.shared.metrics;
        let name: &str = &job.name;
        metrics.pool_syncs.with(&[name]).inc();
        if pool.is_synced_with(&job.groups, seed) {
            return metrics.sync_length.with(&[name]).observe(started.elapsed().as_secs_f64());
        }
        let set = build_targets(job);
        for problem in &set.problems {
            warn!(job = name, problem, "target cannot be scraped");
        }
        (pool.dropped, pool.n_dropped) = (set.dropped, set.n_dropped);
        metrics.sync_failed.with(&[name]).add(set.problems.len() as u64);
        let limit = pool.settings.limits.n_targets_max;
        let n_targets = set.targets.len();
        let forced_error =
            (limit > 0 && n_targets as u64 > limit).then_some(ScrapeError::TargetLimit { n_targets, limit });
        if forced_error.is_some() {
            metrics.pool_exceeded_target_limit.inc();
        }
        let job_name: Arc<str> = name.into();
        let mut gone = std::mem::take(&mut pool.loops);
        for mut target in set.targets {
            let key = target.key();
            let old = gone.remove(&key);
            if let Some(handle) = &old {
                target.state = Arc::clone(&handle.plan.target.state);
            }
            let settings = pool.settings_of(&target, old.as_ref());
            let schedule = Schedule::new(target.interval, target.hash() ^ seed);
            let own_error = forced_error.clone().or_else(|| target.unfit());
            let is_forced = own_error.is_some();
            // Most targets of most updates are as they were: they cost no more than this.
            if let Some(handle) = &old
                && handle.is_planned(&target, &settings, &pool.fetch, schedule, is_forced)
            {
                pool.loops.extend(old.map(|handle| (key, handle)));
                continue;
            }
            let plan = Arc::new(Plan {
                job: Arc::clone(&job_name),
                schedule,
                headers: protocol::request_headers(&settings, target.timeout),
                target: Arc::new(target),
                settings,
                failure_log: Arc::clone(&pool.failure_log),
                fetch: Arc::clone(&pool.fetch),
                forced_error: own_error,
            });
            let handle = match old {
                Some(handle) => handle.replan(plan),
                None => self.start(plan),
            };
            pool.loops.insert(key, handle);
        }
        for handle in gone.values() {
            handle.directive.send_replace(Directive::Remove);
        }
        metrics.pool_targets.with(&[name]).set(n_targets as f64);
        metrics.pool_target_limit.with(&[name]).set(limit as f64);
        metrics.pool_symboltable_items.with(&[name]).set(0.0);
        // What is wrong is counted, and said, at every update.
        let is_well = set.problems.is_empty() && forced_error.is_none();
        pool.synced = is_well.then(|| (job.groups.clone(), seed));
        metrics.sync_length.with(&[name]).observe(started.elapsed().as_secs_f64());
    }

    fn start(&self, plan: Arc<Plan>) -> LoopHandle {
        let stop = self.stop.child_token();
        let (directive, receiver) = watch::channel(Directive::Scrape(Arc::clone(&plan)));
        let lane = self.lanes.of(plan.target.hash());
        let run = ScrapeLoop::new(self.shared.clone(), receiver, stop.clone()).run();
        match lane {
            Some(lane) => self.tracker.spawn_on(run, lane),
            None => self.tracker.spawn(run),
        };
        LoopHandle { plan, directive, stop }
    }

    /// Returns all targets and how their scrapes go.
    pub fn targets(&self) -> TargetsSnapshot {
        let pools = self.pools.lock();
        let mut snapshot = TargetsSnapshot::default();
        for (name, pool) in &*pools {
            snapshot.active.extend(pool.loops.values().map(|handle| snapshot_of(name, &handle.plan.target)));
            let dropped = pool.dropped.iter().cloned();
            snapshot.dropped.extend(
                dropped.map(|discovered_labels| DroppedTarget { job: name.clone(), discovered_labels }),
            );
            snapshot.n_dropped.insert(name.clone(), pool.n_dropped);
        }
        snapshot
    }

    /// Returns what the targets' pages declare about their metric families, sorted like [`ScrapeManager::targets`].
    pub fn metadata(&self) -> Vec<TargetMetadata> {
        let pools = self.pools.lock();
        let of_pool = |(name, pool): (&String, &Pool)| {
            let targets = pool.loops.values();
            targets.map(|handle| metadata_of(name, &handle.plan.target)).collect::<Vec<_>>()
        };
        pools.iter().flat_map(of_pool).collect()
    }
}

impl fmt::Debug for ScrapeManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScrapeManager({} jobs)", self.pools.lock().len())
    }
}

/// Points the log of a job at its file.
fn use_log(pools: &BTreeMap<String, Pool>, job: &JobConfig, logs: &BTreeMap<PathBuf, Arc<File>>) {
    if let Some(pool) = pools.get(&job.name) {
        let path: Option<&Path> = job.settings.failure_log.as_deref();
        pool.failure_log.use_file(path.and_then(|path| logs.get(path)).cloned());
    }
}

impl LoopHandle {
    /// Returns whether the loop scrapes `target` already as a plan of these parts would say.
    fn is_planned(
        &self,
        target: &Target,
        settings: &Arc<JobSettings>,
        fetch: &Arc<dyn Fetch>,
        schedule: Schedule,
        is_forced: bool,
    ) -> bool {
        let plan = &self.plan;
        Arc::ptr_eq(&plan.settings, settings)
            && Arc::ptr_eq(&plan.fetch, fetch)
            && plan.schedule == schedule
            && plan.target.discovered == target.discovered
            && plan.forced_error.is_some() == is_forced
    }

    /// Hands the loop a plan.
    fn replan(self, plan: Arc<Plan>) -> Self {
        self.directive.send_replace(Directive::Scrape(Arc::clone(&plan)));
        Self { plan, ..self }
    }
}

fn snapshot_of(job: &str, target: &Target) -> TargetSnapshot {
    TargetSnapshot {
        job: job.to_owned(),
        discovered_labels: target.discovered.clone(),
        labels: target.labels.clone(),
        url: target.shown_url.clone(),
        interval: target.interval,
        timeout: target.timeout,
        status: target.state.status.lock().clone(),
    }
}

fn metadata_of(job: &str, target: &Target) -> TargetMetadata {
    let families = target.state.metadata.load_full();
    TargetMetadata { job: job.to_owned(), labels: target.labels.clone(), families }
}

/// Registers the sizes of the metadata caches, read when somebody asks.
fn register_cache_sizes(registry: &Registry, pools: &Arc<Mutex<BTreeMap<String, Pool>>>) {
    let pools: Weak<Mutex<BTreeMap<String, Pool>>> = Arc::downgrade(pools);
    registry.collect(move |families| {
        let Some(pools) = pools.upgrade() else { return };
        let mut entries = MetricFamily::new(
            "prometheus_target_metadata_cache_entries",
            "Metric families in the metadata caches of a job.",
            MetricType::Gauge,
        );
        let mut bytes = MetricFamily::new(
            "prometheus_target_metadata_cache_bytes",
            "Bytes of text in the metadata caches of a job.",
            MetricType::Gauge,
        );
        for (name, pool) in &*pools.lock() {
            let (mut n_entries, mut n_bytes) = (0, 0);
            for handle in pool.loops.values() {
                let known = handle.plan.target.state.metadata.load();
                n_entries += known.len();
                let text = |family: &FamilyMetadata| {
                    family.name.len() + family.metadata.help.len() + family.metadata.unit.len()
                };
                n_bytes += known.iter().map(text).sum::<usize>();
            }
            entries.push(&[("scrape_job", name)], n_entries as f64);
            bytes.push(&[("scrape_job", name)], n_bytes as f64);
        }
        families.extend([entries, bytes]);
    });
}

#[cfg(test)]
mod tests;
