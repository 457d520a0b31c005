//! `docker_sd_configs`: running containers of a Docker host.
//!
//! # Reading order: this file, `api` (shared with `swarm`).

pub(crate) mod api;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use wf_config::section::Section;
use wf_httpkit::client::OptionsError;
use wf_model::Labels;

use crate::group::{LabelSet, TargetGroup, host_port};
use crate::source::{Poll, Polled, SdError};
use api::{Api, nullable};

#[derive(Debug)]
pub(crate) struct Docker {
    api: Api,
    port: i64,
    host_networking_host: String,
    match_first_network: bool,
}

pub(crate) fn source(section: &Section) -> Result<Polled<Docker>, OptionsError> {
    let interval = section.time("refresh_interval");
    let poll = Docker {
        api: Api::new(section, interval.max(Duration::from_secs(1)))?,
        port: section.int("port"),
        host_networking_host: section.text("host_networking_host"),
        match_first_network: section.flag("match_first_network"),
    };
    Ok(Polled { poll, interval })
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    id: String,
    #[serde(deserialize_with = "nullable")]
    names: Vec<String>,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    #[serde(deserialize_with = "nullable")]
    ports: Vec<Port>,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    host_config: HostConfig,
    #[serde(deserialize_with = "nullable")]
    network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Port {
    #[serde(rename = "IP")]
    ip: String,
    private_port: u16,
    public_port: u16,
    #[serde(rename = "Type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    #[serde(deserialize_with = "nullable")]
    networks: BTreeMap<String, Option<Endpoint>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Endpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
}

impl Endpoint {
    fn ip(&self) -> &str {
        if self.ip_address.is_empty() { &self.global_ipv6_address } else { &self.ip_address }
    }
}

impl Poll for Docker {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, SdError> {
        let containers: Vec<Container> = self.api.list("/containers/json", true).await?;
        let networks = self.api.networks("__meta_docker_").await?;
        let by_id: BTreeMap<&str, &Container> =
            containers.iter().map(|container| (container.id.as_str(), container)).collect();
        let targets =
            containers.iter().flat_map(|container| self.targets(container, &by_id, &networks)).collect();
        let source = "Docker".to_owned();
        Ok(vec![TargetGroup { source, targets, labels: Labels::empty() }])
    }
}

impl Docker {
    fn targets(
        &self,
        container: &Container,
        all: &BTreeMap<&str, &Container>,
        networks: &BTreeMap<String, LabelSet>,
    ) -> Vec<Labels> {
        let Some(name) = container.names.first() else { return Vec::new() };
        let mut common = LabelSet::new();
        common
            .set("__meta_docker_container_id", &container.id)
            .set("__meta_docker_container_name", name)
            .set("__meta_docker_container_image", &container.image)
            .set("__meta_docker_container_image_id", &container.image_id)
            .set("__meta_docker_container_network_mode", &container.host_config.network_mode)
            .set_all("__meta_docker_container_label_", &container.labels);
        let (endpoints, mode) = attached_to(container, all);
        let n_wanted = if self.match_first_network { 1 } else { endpoints.len() };
        let mut targets = Vec::new();
        for endpoint in endpoints.iter().take(n_wanted) {
            let mut labels = common.clone();
            labels.set("__meta_docker_network_ip", endpoint.ip());
            if let Some(network) = networks.get(&endpoint.network_id) {
                labels.extend(network);
            }
            let n_before = targets.len();
            targets.extend(container.ports.iter().filter(|port| port.kind == "tcp").map(|port| {
                let mut labels = labels.clone();
                labels.set("__meta_docker_port_private", port.private_port.to_string());
                if port.public_port > 0 {
                    labels
                        .set("__meta_docker_port_public", port.public_port.to_string())
                        .set("__meta_docker_port_public_ip", &port.ip);
                }
                labels.at(&host_port(endpoint.ip(), port.private_port))
            }));
            if targets.len() == n_before {
                let address = match mode {
                    "host" => self.host_networking_host.clone(),
                    _ => host_port(endpoint.ip(), self.port),
                };
                targets.push(labels.at(&address));
            }
        }
        targets
    }
}

/// Returns the networks a container is in, by name, and its network mode: those of the container whose network it shares,
/// if it does.
fn attached_to<'a>(
    container: &'a Container,
    all: &BTreeMap<&str, &'a Container>,
) -> (Vec<Endpoint>, &'a str) {
    let mut current = container;
    // Containers that share in a circle cannot run; whoever writes such an answer gets no networks.
    for _ in 0..=all.len() {
        let networks = &current.network_settings.networks;
        let mode = current.host_config.network_mode.as_str();
        if !networks.is_empty() {
            return (networks.values().flatten().cloned().collect(), mode);
        }
        let other = mode.strip_prefix("container:").and_then(|id| all.get(id));
        let Some(other) = other else { break };
        current = other;
    }
    (Vec::new(), "")
}
