//! Runs a source for every distinct configuration and hands out what each job's sources have found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wf_config::SdConfig;
use wf_httpkit::Registry;
use wf_httpkit::client::OptionsError;

use crate::group::TargetGroup;
use crate::metrics::SdMetrics;
use crate::source::{Found, Inherited, Source, Updates};
use crate::{consul, dns, docker, etcd, eureka, file, http, swarm, zookeeper};

/// Why sources cannot be run; nothing has changed then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{config}: {key}: {source}")]
pub struct DiscoveryError {
    /// The job.
    config: String,
    /// Its mechanism's key.
    key: &'static str,
    /// What is wrong with its HTTP client.
    source: OptionsError,
}

/// How a source goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStatus {
    /// Name of the mechanism, such as `consul`.
    pub mechanism: &'static str,
    /// Jobs that ask for it.
    pub configs: Vec<String>,
    /// Targets it has found.
    pub n_targets: usize,
    /// Why its last attempt failed; `None` if it did not.
    pub error: Option<String>,
}

struct Provider {
    config: SdConfig,
    jobs: Vec<String>,
    found: Arc<Found>,
    stop: CancellationToken,
}

/// Finds targets for jobs.
pub struct DiscoveryManager {
    name: &'static str,
    metrics: SdMetrics,
    providers: Mutex<Vec<Provider>>,
    changed: Arc<Notify>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl DiscoveryManager {
    /// Builds a manager without sources; `name` is `scrape` or `notify` in metrics.
    pub fn new(registry: &Registry, name: &'static str) -> Self {
        Self {
            name,
            metrics: SdMetrics::new(registry, name),
            providers: Mutex::default(),
            changed: Arc::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Builds a second manager, of another name, that shares metrics with this one and tells its changes here.
    pub fn companion(&self, name: &'static str) -> Self {
        Self {
            name,
            metrics: self.metrics.named(name),
            providers: Mutex::default(),
            changed: Arc::clone(&self.changed),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Takes what each job asks for. Sources that stay go on undisturbed, with what they have found; the others end. A source
    /// whose settings have changed hands what it had found to its successor, which keeps it until its own first answer.
    /// Must be called inside a Tokio runtime.
    /// # Errors
    /// [`DiscoveryError`]; nothing is changed then.
    pub fn apply<'a>(
        &self,
        jobs: impl IntoIterator<Item = (&'a str, &'a [SdConfig])>,
    ) -> Result<(), DiscoveryError> {
        let mut wanted: Vec<(&SdConfig, Vec<String>)> = Vec::new();
        for (job, sources) in jobs {
            for source in sources.iter().filter(|source| source.mechanism.is_available) {
                match wanted.iter_mut().find(|(known, _)| *known == source) {
                    Some((_, asking)) if asking.iter().any(|known| known == job) => {}
                    Some((_, asking)) => asking.push(job.to_owned()),
                    None => wanted.push((source, vec![job.to_owned()])),
                }
            }
        }
        let mut providers = self.providers.lock();
        // First everything that may fail, then everything that changes.
        let mut made = Vec::new();
        for (config, asking) in &wanted {
            if !providers.iter().any(|provider| provider.config == **config) {
                let failed = |source| {
                    self.metrics.failed_configs.inc();
                    let config_name = asking.first().cloned().unwrap_or_default();
                    DiscoveryError { config: config_name, key: config.mechanism.key, source }
                };
                made.push(((*config).clone(), make(config, &self.metrics).map_err(failed)?));
            }
        }
        self.metrics.failed_configs.set(0.0);
        let mut ended = Vec::new();
        for mut provider in std::mem::take(&mut *providers) {
            let asking = wanted.iter_mut().find(|(config, _)| **config == provider.config);
            if let Some((_, asking)) = asking {
                provider.jobs = std::mem::take(asking);
                providers.push(provider);
            } else {
                provider.stop.cancel();
                ended.push(provider);
            }
        }
        for (config, source) in made {
            let asking = wanted.iter_mut().find(|(known, _)| **known == config);
            let jobs = asking.map(|(_, jobs)| std::mem::take(jobs)).unwrap_or_default();
            let inherited = inherit(&mut ended, &config, &jobs);
            providers.push(self.start(config, jobs, source, inherited));
        }
        drop(providers);
        self.metrics.discovered.retain(|[name, _]| name != self.name);
        self.changed.notify_one();
        Ok(())
    }

    fn start(
        &self,
        config: SdConfig,
        jobs: Vec<String>,
        source: Box<dyn Source>,
        inherited: Option<Inherited>,
    ) -> Provider {
        let found = Arc::new(Found::heir(inherited));
        let stop = self.stop.child_token();
        let updates = Updates {
            found: Arc::clone(&found),
            changed: Arc::clone(&self.changed),
            metrics: self.metrics.clone(),
            mechanism: config.mechanism.name.to_owned(),
            config: jobs.first().cloned().unwrap_or_default(),
        };
        let ended = stop.clone();
        self.tracker.spawn(async move {
            // Sources hold nothing but connections: they may be dropped anywhere.
            ended.run_until_cancelled(source.run(updates)).await;
        });
        Provider { config, jobs, found, stop }
    }

    /// Waits until some source has found something else; the caller holds updates back as [`crate::Debounce`] says.
    /// # Cancel safety
    /// A change that nobody waited for is told to the next who does.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the jobs whose sources have found something else since this was asked last.
    pub fn take_changed(&self) -> BTreeSet<String> {
        let providers = self.providers.lock();
        let changed =
            providers.iter().filter(|provider| provider.found.is_news.swap(false, Ordering::AcqRel));
        changed.flat_map(|provider| provider.jobs.iter().cloned()).collect()
    }

    /// Returns what the sources of each job that `is_wanted` have found; jobs without sources are absent.
    pub fn groups(&self, is_wanted: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<Arc<TargetGroup>>> {
        let mut groups: BTreeMap<String, Vec<Arc<TargetGroup>>> = BTreeMap::new();
        for provider in &*self.providers.lock() {
            for job in provider.jobs.iter().filter(|job| is_wanted(job)) {
                let found = provider.found.groups_for(job);
                groups.entry(job.clone()).or_default().extend(found.into_values());
            }
        }
        self.metrics.updates.inc();
        groups
    }

    /// Tells the metrics how many targets a job has before relabeling, those written down included.
    pub fn note_targets(&self, job: &str, n_targets: usize) {
        self.metrics.discovered.with(&[self.name, job]).set(n_targets as f64);
    }

    /// Counts an update that was held back.
    pub fn note_delay(&self) {
        self.metrics.delayed.inc();
    }

    /// Returns how the sources go, in the order they were configured.
    pub fn statuses(&self) -> Vec<SourceStatus> {
        let providers = self.providers.lock();
        let status = |provider: &Provider| SourceStatus {
            mechanism: provider.config.mechanism.name,
            configs: provider.jobs.clone(),
            n_targets: provider.found.n_targets(),
            error: provider.found.error.lock().clone(),
        };
        providers.iter().map(status).collect()
    }

    /// Ends all sources and waits for them.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl fmt::Debug for DiscoveryManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DiscoveryManager({}, {} sources)", self.name, self.providers.lock().len())
    }
}

/// Returns what the new source of `jobs` takes over from one that ended: the first of the same mechanism that served one of
/// them. Nobody else gets it then: of two sources that change at once, each has its own successor.
fn inherit(ended: &mut Vec<Provider>, config: &SdConfig, jobs: &[String]) -> Option<Inherited> {
    let is_of_ours = |job: &&String| jobs.contains(job);
    let idx = ended.iter().position(|old| {
        old.config.mechanism.name == config.mechanism.name && old.jobs.iter().any(|job| is_of_ours(&job))
    })?;
    let old = ended.remove(idx);
    let heirs: BTreeSet<String> = old.jobs.iter().filter(is_of_ours).cloned().collect();
    // What the old source itself had inherited, it had for the same jobs or for none.
    let groups = heirs.iter().map(|job| old.found.groups_for(job)).max_by_key(BTreeMap::len)?;
    (!groups.is_empty()).then_some(Inherited { groups, jobs: heirs })
}

fn make(config: &SdConfig, metrics: &SdMetrics) -> Result<Box<dyn Source>, OptionsError> {
    let section = &config.section;
    Ok(match config.mechanism.name {
        "consul" => Box::new(consul::Consul::new(section)?),
        "dns" => Box::new(dns::source(section)),
        "docker" => Box::new(docker::source(section)?),
        "dockerswarm" => Box::new(swarm::source(section)?),
        "etcd" => Box::new(etcd::Etcd::new(section)?),
        "eureka" => Box::new(eureka::source(section)?),
        "http" => Box::new(http::source(section, metrics)?),
        "nerve" => Box::new(zookeeper::ZooKeeper::new(section, zookeeper::Format::Nerve)),
        "serverset" => Box::new(zookeeper::ZooKeeper::new(section, zookeeper::Format::Serverset)),
        _ => Box::new(file::FileSource::new(section)),
    })
}

#[cfg(test)]
mod tests;
