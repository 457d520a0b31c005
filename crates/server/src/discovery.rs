//! Keeps scraping in line with what discovery finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use wf_config::Config;
use wf_discovery::{DiscoveryError, DiscoveryManager, TargetGroup as Found};
use wf_httpkit::Registry;
use wf_scrape::{ReloadError, ScrapeConfig, ScrapeManager, TargetGroup};

use crate::scraping::scrape_config;

/// What finds targets, and what scrapes them.
pub(crate) struct Discovered {
    manager: Arc<DiscoveryManager>,
    scrape: Arc<ScrapeManager>,
    keeps_exemplars: bool,
}

/// Why a configuration cannot be scraped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    /// A source cannot be set up.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// A job cannot be set up.
    #[error(transparent)]
    Scrape(#[from] ReloadError),
}

impl Discovered {
    pub(crate) fn new(scrape: Arc<ScrapeManager>, registry: &Registry, keeps_exemplars: bool) -> Self {
        let manager = Arc::new(DiscoveryManager::new(registry, "scrape"));
        Self { manager, scrape, keeps_exemplars }
    }

    pub(crate) fn manager(&self) -> &Arc<DiscoveryManager> {
        &self.manager
    }

    /// Finds and scrapes what `config` says; `old` is what is taken back when half of it is refused.
    pub(crate) fn apply(&self, config: &Config, old: Option<&Config>) -> Result<(), ApplyError> {
        self.manager.apply(sources(config))?;
        let scraped = self.scrape.reload(&self.plan(config));
        if scraped.is_err()
            && let Some(old) = old
        {
            // It was taken before.
            let _ = self.manager.apply(sources(old));
        }
        Ok(scraped?)
    }

    /// Scrapes what has been found since.
    pub(crate) fn refresh(&self, config: &Config) -> Result<(), ReloadError> {
        self.scrape.reload(&self.plan(config))
    }

    fn plan(&self, config: &Config) -> ScrapeConfig {
        let mut plan = scrape_config(config, self.keeps_exemplars);
        let mut found: BTreeMap<String, Vec<Arc<Found>>> = self.manager.groups();
        for job in &mut plan.jobs {
            let groups = found.remove(&job.name).unwrap_or_default();
            job.groups.extend(
                groups.iter().map(|group| TargetGroup {
                    targets: group.targets.clone(),
                    labels: group.labels.clone(),
                }),
            );
            let n_targets = job.groups.iter().map(|group| group.targets.len()).sum();
            self.manager.note_targets(&job.name, n_targets);
        }
        plan
    }
}

fn sources(config: &Config) -> impl Iterator<Item = (&str, &[wf_config::SdConfig])> {
    config.scrape_configs.iter().map(|job| (job.job_name.as_str(), job.sources.as_slice()))
}
