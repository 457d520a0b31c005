//! Keeps scraping, and who is told of alerts, in line with what discovery finds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use wf_config::{AlertingConfig, Config, ScrapeConfig as JobFile, SdConfig, StaticGroup};
use wf_discovery::{DiscoveryError, DiscoveryManager, SourceStatus, TargetGroup as Found};
use wf_httpkit::Registry;
use wf_httpkit::client::OptionsError;
use wf_model::LabelsBuilder;
use wf_scrape::{ExplainedTarget, ReloadError, ScrapeConfig, ScrapeManager, TargetGroup, explain_targets};

use crate::rules::Rules;
use crate::scraping::{job_config, scrape_config};

const ADDRESS: &str = "__address__";

/// What finds targets and Alertmanagers, and what scrapes and tells them.
pub(crate) struct Discovered {
    targets: Arc<DiscoveryManager>,
    alertmanagers: Arc<DiscoveryManager>,
    scrape: Arc<ScrapeManager>,
    rules: Arc<Rules>,
    keeps_exemplars: bool,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// A source cannot be set up.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// A job cannot be set up.
    #[error(transparent)]
    Scrape(#[from] ReloadError),
    /// An Alertmanager cannot be told.
    #[error(transparent)]
    Alerting(#[from] OptionsError),
}

impl Discovered {
    pub(crate) fn new(
        scrape: Arc<ScrapeManager>,
        rules: Arc<Rules>,
        registry: &Registry,
        keeps_exemplars: bool,
    ) -> Self {
        let targets = Arc::new(DiscoveryManager::new(registry, "scrape"));
        let alertmanagers = Arc::new(targets.companion("notify"));
        Self { targets, alertmanagers, scrape, rules, keeps_exemplars }
    }

    /// What finds targets; it tells of changes of Alertmanagers, too.
    pub(crate) fn targets(&self) -> &Arc<DiscoveryManager> {
        &self.targets
    }

    /// Finds and uses what `config` says; `old` is what is taken back when half of it is refused.
    pub(crate) fn apply(&self, config: &Config, old: Option<&Config>) -> Result<(), ApplyError> {
        let applied = self.try_apply(config);
        if applied.is_err()
            && let Some(old) = old
        {
            // It was taken before.
            let _ = self.try_apply(old);
        }
        applied
    }

    fn try_apply(&self, config: &Config) -> Result<(), ApplyError> {
        self.targets.apply(sources(config))?;
        let groups = config.alerting.alertmanagers.iter().enumerate();
        let groups: Vec<(String, &[SdConfig])> =
            groups.map(|(idx, group)| (name_of(idx), group.sources.as_slice())).collect();
        self.alertmanagers.apply(groups.iter().map(|(name, sources)| (name.as_str(), *sources)))?;
        // What comes from now on is news again.
        self.targets.take_changed();
        self.alertmanagers.take_changed();
        self.scrape.reload(&self.plan(config, |_| true))?;
        self.tell(config)
    }

    /// Scrapes and tells what has been found since. Jobs whose sources have said nothing new are left alone.
    pub(crate) fn refresh(&self, config: &Config) -> Result<(), ApplyError> {
        let jobs = self.targets.take_changed();
        if !jobs.is_empty() {
            self.scrape.update_targets(&self.plan(config, |job| jobs.contains(job)));
        }
        if self.alertmanagers.take_changed().is_empty() { Ok(()) } else { self.tell(config) }
    }

    fn tell(&self, config: &Config) -> Result<(), ApplyError> {
        let has_sources = config.alerting.alertmanagers.iter().any(|group| !group.sources.is_empty());
        if has_sources {
            self.rules.notifier.reload(&self.alerting(config), &config.global.external_labels)?;
        }
        Ok(())
    }

    /// Returns `config` with the Alertmanagers that were discovered beside those that it lists.
    pub(crate) fn told(&self, config: &Config) -> Config {
        Config { alerting: self.alerting(config), ..config.clone() }
    }

    /// Ends all sources.
    pub(crate) async fn stop(&self) {
        self.targets.stop().await;
        self.alertmanagers.stop().await;
    }

    /// Returns the jobs that are `wanted` with what was found for them.
    fn plan(&self, config: &Config, is_wanted: impl Fn(&str) -> bool) -> ScrapeConfig {
        let mut plan = scrape_config(config, self.keeps_exemplars, &is_wanted);
        let mut found: BTreeMap<String, Vec<Arc<Found>>> = self.targets.groups(is_wanted);
        for job in &mut plan.jobs {
            for group in found.remove(&job.name).unwrap_or_default() {
                job.groups.push(TargetGroup { targets: group.targets.clone(), labels: group.labels.clone() });
            }
            let n_targets = job.groups.iter().map(|group| group.targets.len()).sum();
            self.targets.note_targets(&job.name, n_targets);
        }
        plan
    }

    /// Writes down discovered Alertmanagers beside those of the file.
    fn alerting(&self, config: &Config) -> AlertingConfig {
        let mut alerting = config.alerting.clone();
        let mut found = self.alertmanagers.groups(|_| true);
        for (idx, group) in alerting.alertmanagers.iter_mut().enumerate() {
            let name = name_of(idx);
            for found in found.remove(&name).unwrap_or_default() {
                group.static_groups.extend(found.targets.iter().map(|target| {
                    let mut labels = LabelsBuilder::from_labels(&found.labels);
                    for (name, value) in target.iter().filter(|(name, _)| *name != ADDRESS) {
                        labels.set(name, value);
                    }
                    let address = target.get(ADDRESS).unwrap_or("").to_owned();
                    StaticGroup { targets: vec![address], labels: labels.build() }
                }));
            }
            let n_targets = group.static_groups.iter().map(|group| group.targets.len()).sum();
            self.alertmanagers.note_targets(&name, n_targets);
        }
        alerting
    }
}

/// What a job's sources find.
#[derive(Clone, Debug, Default)]
pub struct DiscoveredOnce {
    /// Targets with what becomes of them, those written down first.
    pub targets: Vec<ExplainedTarget>,
    /// Sources that found nothing in time: the mechanism, and why if that is known.
    pub silent: Vec<(&'static str, Option<String>)>,
}

/// Runs the sources of one job until each has found something, or `patience` is over.
/// # Errors
/// When a source cannot be set up.
pub async fn discover_once(job: &JobFile, patience: Duration) -> Result<DiscoveredOnce, DiscoveryError> {
    let manager = DiscoveryManager::new(&Registry::new(), "scrape");
    manager.apply([(job.job_name.as_str(), job.sources.as_slice())])?;
    let is_silent = |status: &SourceStatus| status.n_targets == 0;
    let all_found = async {
        while manager.statuses().iter().any(is_silent) {
            manager.changed().await;
        }
    };
    // Whether it was in time shows by what was found.
    let _ = tokio::time::timeout(patience, all_found).await;
    let silent = manager.statuses().into_iter().filter(|status| is_silent(status));
    let silent = silent.map(|status| (status.mechanism, status.error)).collect();
    let mut config = job_config(job, false);
    for found in manager.groups(|_| true).into_values().flatten() {
        config.groups.push(TargetGroup { targets: found.targets.clone(), labels: found.labels.clone() });
    }
    manager.stop().await;
    Ok(DiscoveredOnce { targets: explain_targets(&config), silent })
}

/// Name of a group of Alertmanagers in metrics.
fn name_of(idx: usize) -> String {
    format!("config-{idx}")
}

fn sources(config: &Config) -> impl Iterator<Item = (&str, &[SdConfig])> {
    config.scrape_configs.iter().map(|job| (job.job_name.as_str(), job.sources.as_slice()))
}
