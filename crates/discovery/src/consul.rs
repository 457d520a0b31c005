//! `consul_sd_configs`: services of a Consul catalog, watched by blocking queries.
//!
//! One query blocks on the catalog of service names, one on the health of each service that is wanted. An index that goes
//! back begins again at zero, as Consul's documentation asks for.
//!
//! # Reading order: this file, `api`.

mod api;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wf_config::section::Section;
use wf_httpkit::client::OptionsError;

use crate::group::{LabelSet, TargetGroup, host_port};
use crate::source::{Running, SdError, Source, Updates};
use api::{Api, Entry};

/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(15);

/// A catalog, and what of it is wanted.
#[derive(Debug)]
pub(crate) struct Consul {
    api: Arc<Api>,
    wanted: Arc<Wanted>,
}

/// Which services, and how often at most.
#[derive(Debug)]
struct Wanted {
    services: Vec<String>,
    tags: Vec<String>,
    tag_separator: String,
    interval: Duration,
}

impl Consul {
    pub(crate) fn new(section: &Section) -> Result<Self, OptionsError> {
        Ok(Self {
            api: Arc::new(Api::new(section)?),
            wanted: Arc::new(Wanted {
                services: section.texts("services"),
                tags: section.texts("tags"),
                tag_separator: section.text("tag_separator"),
                interval: section.time("refresh_interval"),
            }),
        })
    }
}

impl Source for Consul {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin(async move {
            let datacenter = loop {
                match self.api.datacenter().await {
                    Ok(datacenter) => break datacenter,
                    Err(error) => fail(&updates, &error),
                }
                tokio::time::sleep(RETRY).await;
            };
            updates.succeeded();
            let awaited = Arc::new(Mutex::new(self.wanted.services.iter().cloned().collect()));
            let watcher = Watcher { api: self.api, wanted: self.wanted, updates, datacenter, awaited };
            if watcher.wanted.services.is_empty() || !watcher.wanted.tags.is_empty() {
                watcher.watch_catalog().await;
            } else {
                let mut tasks = JoinSet::new();
                for service in watcher.wanted.services.clone() {
                    tasks.spawn(watcher.clone().watch_service(service, CancellationToken::new()));
                }
                while tasks.join_next().await.is_some() {}
            }
        })
    }
}

fn fail(updates: &Updates, error: &SdError) {
    updates.metrics.questions.consul_failures.inc();
    updates.failed(error);
}

#[derive(Clone, Debug)]
struct Watcher {
    api: Arc<Api>,
    wanted: Arc<Wanted>,
    updates: Updates,
    datacenter: String,
    /// Services that have not answered yet.
    awaited: Arc<Mutex<BTreeSet<String>>>,
}

impl Watcher {
    /// Follows the list of services, and starts and ends the watch of each.
    async fn watch_catalog(self) {
        let mut running: BTreeMap<String, CancellationToken> = BTreeMap::new();
        // Dropping it ends all watches.
        let mut tasks = JoinSet::new();
        let mut index = 0;
        let mut is_listed = false;
        loop {
            let answered = self.api.services(&self.datacenter, index).await;
            let (services, new_index) = match answered {
                Ok(answered) => answered,
                Err(error) => {
                    fail(&self.updates, &error);
                    index = 0;
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            self.updates.succeeded();
            if new_index != index || index == 0 {
                let wanted: BTreeSet<&String> = services
                    .iter()
                    .filter(|(name, tags)| self.wanted.is_wanted(name, tags))
                    .map(|(name, _)| name)
                    .collect();
                self.note_list(&wanted, &mut is_listed);
                running.retain(|name, stop| {
                    let stays = wanted.contains(name);
                    if !stays {
                        stop.cancel();
                        self.updates.remove(name);
                    }
                    stays
                });
                for name in wanted {
                    if !running.contains_key(name) {
                        let stop = CancellationToken::new();
                        running.insert(name.clone(), stop.clone());
                        tasks.spawn(self.clone().watch_service(name.clone(), stop));
                    }
                }
            }
            while tasks.try_join_next().is_some() {}
            index = next_index(index, new_index);
            tokio::time::sleep(self.wanted.interval).await;
        }
    }

    /// Follows the instances of a service until `stop` fires.
    async fn watch_service(self, service: String, stop: CancellationToken) {
        stop.run_until_cancelled(async {
            let mut index = 0;
            loop {
                match self.api.health(&self.datacenter, &service, &self.wanted.tags, index).await {
                    Ok((entries, new_index)) => {
                        self.updates.succeeded();
                        if new_index != index || index == 0 {
                            self.updates.set(self.group(&service, &entries));
                            self.note_answer(&service);
                        }
                        index = next_index(index, new_index);
                    }
                    Err(error) => {
                        fail(&self.updates, &error);
                        index = 0;
                        tokio::time::sleep(RETRY).await;
                    }
                }
                tokio::time::sleep(self.wanted.interval).await;
            }
        })
        .await;
    }

    /// Notes which services there are: those of the first list are awaited, as long as they are listed.
    fn note_list(&self, wanted: &BTreeSet<&String>, is_listed: &mut bool) {
        let mut awaited = self.awaited.lock();
        if *is_listed {
            awaited.retain(|name| wanted.contains(name));
        } else {
            *awaited = wanted.iter().map(|name| (*name).clone()).collect();
            *is_listed = true;
        }
        if awaited.is_empty() {
            self.updates.complete();
        }
    }

    /// Notes that a service has answered; with the last one everything is known.
    fn note_answer(&self, service: &str) {
        let mut awaited = self.awaited.lock();
        if awaited.remove(service) && awaited.is_empty() {
            self.updates.complete();
        }
    }

    fn group(&self, service: &str, entries: &[Entry]) -> TargetGroup {
        let mut common = LabelSet::new();
        common.set("__meta_consul_service", service).set("__meta_consul_dc", &self.datacenter);
        TargetGroup {
            source: service.to_owned(),
            targets: entries.iter().map(|entry| target(entry, &self.wanted.tag_separator)).collect(),
            labels: common.build(),
        }
    }
}

impl Wanted {
    fn is_wanted(&self, name: &String, tags: &[String]) -> bool {
        (self.services.is_empty() || self.services.contains(name))
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

/// An index that goes back, or stands at zero, begins again.
fn next_index(old: u64, new: u64) -> u64 {
    if new < old { 0 } else { new.max(1) }
}

fn target(entry: &Entry, separator: &str) -> wf_model::Labels {
    let Entry { node, service, checks } = entry;
    let mut labels = LabelSet::new();
    let tags = match service.tags.as_slice() {
        [] => format!("{separator}{separator}"),
        tags => format!("{separator}{}{separator}", tags.join(separator)),
    };
    labels
        .set("__meta_consul_address", &node.address)
        .set("__meta_consul_node", &node.node)
        .set("__meta_consul_tags", tags)
        .set("__meta_consul_service_address", &service.address)
        .set("__meta_consul_service_port", service.port.to_string())
        .set("__meta_consul_service_id", &service.id)
        .set("__meta_consul_partition", &service.partition)
        .set("__meta_consul_namespace", &service.namespace)
        .set("__meta_consul_health", api::health_of(checks))
        .set_all("__meta_consul_metadata_", &node.meta)
        .set_all("__meta_consul_service_metadata_", &service.meta)
        .set_all("__meta_consul_tagged_address_", &node.tagged_addresses);
    let host = if service.address.is_empty() { &node.address } else { &service.address };
    labels.at(&host_port(host, service.port))
}

/// What the mechanism answers to errors of the API.
pub(super) type Answered<T> = Result<(T, u64), SdError>;
