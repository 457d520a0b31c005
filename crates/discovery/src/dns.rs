//! `dns_sd_configs`: names whose records are targets.
//!
//! # Reading order: this file, `resolv_conf`, `ask`.

mod ask;
mod resolv_conf;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::{RData, Record, RecordType};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wf_config::section::Section;
use wf_model::Labels;

use crate::group::{LabelSet, TargetGroup, host_port};
use crate::source::{Running, SdError, Source, Updates};
use resolv_conf::ResolvConf;

/// Names another file in place of `/etc/resolv.conf`; there, a server may have a port: `[127.0.0.1]:5353`.
const RESOLV_CONF_VARIABLE: &str = "WATCHFIRE_RESOLV_CONF";

/// Names asked for at a time: one whose server is dead shall not hold up all others.
const QUESTIONS_MAX: usize = 16;

/// Names to ask for.
#[derive(Debug)]
pub(crate) struct Dns {
    names: Vec<String>,
    record_type: RecordType,
    port: u16,
    interval: Duration,
    resolv_conf: PathBuf,
}

pub(crate) fn source(section: &Section) -> Dns {
    let record_type = match section.text("type").to_ascii_uppercase().as_str() {
        "A" => RecordType::A,
        "AAAA" => RecordType::AAAA,
        "MX" => RecordType::MX,
        "NS" => RecordType::NS,
        _ => RecordType::SRV,
    };
    let resolv_conf = std::env::var_os(RESOLV_CONF_VARIABLE).unwrap_or_else(|| "/etc/resolv.conf".into());
    Dns {
        names: section.texts("names"),
        record_type,
        port: u16::try_from(section.int("port")).unwrap_or_default(),
        interval: section.time("refresh_interval"),
        resolv_conf: resolv_conf.into(),
    }
}

impl Source for Dns {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        let dns: Arc<Self> = self.into();
        Box::pin(async move {
            loop {
                let started = Instant::now();
                let problems = dns.find_all(&updates).await;
                if problems.len() < dns.names.len() {
                    updates.complete();
                }
                updates.metrics.observe_refresh("dns", &updates.config, started.elapsed());
                if problems.is_empty() {
                    updates.succeeded();
                } else {
                    updates.failed(&problems.join("; "));
                }
                tokio::time::sleep(dns.interval.max(Duration::from_secs(1))).await;
            }
        })
    }
}

impl Dns {
    /// Asks for all names and returns what went wrong. A name that cannot be asked for keeps its targets; the others do not
    /// wait for it to be mended.
    async fn find_all(self: &Arc<Self>, updates: &Updates) -> Vec<String> {
        let room = Arc::new(Semaphore::new(QUESTIONS_MAX));
        // Dropping it ends all questions.
        let mut questions = JoinSet::new();
        for name in self.names.clone() {
            let (dns, updates, room) = (Arc::clone(self), updates.clone(), Arc::clone(&room));
            questions.spawn(async move {
                // The semaphore is never closed.
                let _permit = room.acquire().await.ok();
                updates.metrics.questions.dns.inc();
                match dns.find(&name).await {
                    Ok(group) => {
                        updates.set(group);
                        None
                    }
                    Err(error) => {
                        updates.metrics.questions.dns_failures.inc();
                        Some(format!("{name}: {error}"))
                    }
                }
            });
        }
        let mut problems = Vec::new();
        while let Some(answered) = questions.join_next().await {
            match answered {
                Ok(problem) => problems.extend(problem),
                Err(error) => problems.push(error.to_string()),
            }
        }
        // As they come they would be told anew each time.
        problems.sort();
        problems
    }

    async fn find(&self, name: &str) -> Result<TargetGroup, SdError> {
        // It may have changed since the last time: laptops move, containers are re-attached.
        let conf = ResolvConf::read(&self.resolv_conf).await?;
        let records = ask::search(&conf, name, self.record_type).await?;
        let targets = records.iter().filter_map(|record| self.target(name, record)).collect();
        Ok(TargetGroup { source: name.to_owned(), targets, labels: Labels::empty() })
    }

    /// Makes a target of a record; of aliases on the way there is none to make.
    fn target(&self, name: &str, record: &Record) -> Option<Labels> {
        let mut labels = LabelSet::new();
        labels.set("__meta_dns_name", name);
        let without_dot = |name: &str| name.trim_end_matches('.').to_owned();
        let address = match &record.data {
            RData::A(address) => host_port(&address.to_string(), self.port),
            RData::AAAA(address) => host_port(&address.to_string(), self.port),
            RData::SRV(srv) => {
                let target = srv.target.to_ascii();
                labels.set("__meta_dns_srv_record_target", &target);
                labels.set("__meta_dns_srv_record_port", srv.port.to_string());
                host_port(&without_dot(&target), srv.port)
            }
            RData::MX(mx) => {
                let target = mx.exchange.to_ascii();
                labels.set("__meta_dns_mx_record_target", &target);
                host_port(&without_dot(&target), self.port)
            }
            RData::NS(ns) => {
                let target = ns.0.to_ascii();
                labels.set("__meta_dns_ns_record_target", &target);
                host_port(&without_dot(&target), self.port)
            }
            _ => return None,
        };
        Some(labels.at(&address))
    }
}
