//! `dockerswarm_sd_configs`: services, tasks or nodes of a swarm.
//!
//! # Reading order: this file, `model`.

mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use wf_config::section::Section;
use wf_httpkit::client::OptionsError;
use wf_model::Labels;

use crate::docker::api::Api;
use crate::group::{LabelSet, TargetGroup, host_port};
use crate::source::{Poll, Polled, SdError};
use model::{Node, Port, Service, Task};

/// What targets are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Services,
    Tasks,
    Nodes,
}

#[derive(Debug)]
pub(crate) struct Swarm {
    api: Api,
    role: Role,
    port: i64,
}

pub(crate) fn source(section: &Section) -> Result<Polled<Swarm>, OptionsError> {
    let interval = section.time("refresh_interval");
    let role = match section.text("role").as_str() {
        "services" => Role::Services,
        "tasks" => Role::Tasks,
        _ => Role::Nodes,
    };
    let api = Api::new(section, interval.max(Duration::from_secs(1)))?;
    Ok(Polled { poll: Swarm { api, role, port: section.int("port") }, interval })
}

impl Poll for Swarm {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, SdError> {
        let targets = match self.role {
            Role::Services => self.services().await?,
            Role::Tasks => self.tasks().await?,
            Role::Nodes => {
                let nodes: Vec<Node> = self.api.list("/nodes", true).await?;
                nodes.iter().map(|node| node.labels().at(&host_port(&node.status.addr, self.port))).collect()
            }
        };
        let source = "DockerSwarm".to_owned();
        Ok(vec![TargetGroup { source, targets, labels: Labels::empty() }])
    }
}

impl Swarm {
    async fn services(&self) -> Result<Vec<Labels>, SdError> {
        let services: Vec<Service> = self.api.list("/services", true).await?;
        let networks = self.api.networks("__meta_dockerswarm_").await?;
        let mut targets = Vec::new();
        for service in &services {
            let common = service.labels();
            for virtual_ip in &service.endpoint.virtual_ips {
                let mut labels = common.clone();
                if let Some(network) = networks.get(&virtual_ip.network_id) {
                    labels.extend(network);
                }
                let name_port = |labels: &mut LabelSet, port: &Port| {
                    labels
                        .set("__meta_dockerswarm_service_endpoint_port_name", &port.name)
                        .set("__meta_dockerswarm_service_endpoint_port_publish_mode", &port.publish_mode);
                };
                let ip = without_mask(&virtual_ip.addr);
                self.per_port(ip, &service.endpoint.ports, &labels, name_port, &mut targets);
            }
        }
        Ok(targets)
    }

    async fn tasks(&self) -> Result<Vec<Labels>, SdError> {
        let tasks: Vec<Task> = self.api.list("/tasks", true).await?;
        let services: Vec<Service> = self.api.list("/services", false).await?;
        let nodes: Vec<Node> = self.api.list("/nodes", false).await?;
        let networks = self.api.networks("__meta_dockerswarm_").await?;
        let services: BTreeMap<&str, &Service> =
            services.iter().map(|service| (service.id.as_str(), service)).collect();
        let nodes: BTreeMap<&str, LabelSet> =
            nodes.iter().map(|node| (node.id.as_str(), node.labels())).collect();
        let mut targets = Vec::new();
        for task in &tasks {
            let service = services.get(task.service_id.as_str()).copied();
            let node = nodes.get(task.node_id.as_str());
            self.targets_of_task(task, service, node, &networks, &mut targets);
        }
        Ok(targets)
    }

    fn targets_of_task(
        &self,
        task: &Task,
        service: Option<&Service>,
        node: Option<&LabelSet>,
        networks: &BTreeMap<String, LabelSet>,
        targets: &mut Vec<Labels>,
    ) {
        let mut common = task.labels();
        if let Some(service) = service {
            common.extend(&service.labels_for_tasks());
        }
        if let Some(node) = node {
            common.extend(node);
        }
        let name_port = |labels: &mut LabelSet, port: &Port| {
            labels.set("__meta_dockerswarm_task_port_publish_mode", &port.publish_mode);
        };
        // Ports that the task publishes on its node.
        let address = node.map_or("", |node| node.get("__meta_dockerswarm_node_address"));
        for port in task.status.port_status.ports.iter().filter(|port| port.protocol == "tcp") {
            let mut labels = common.clone();
            name_port(&mut labels, port);
            targets.push(labels.at(&host_port(address, port.published_port)));
        }
        // Ports that its service publishes, on every network it is attached to.
        let ports = service.map(|service| service.endpoint.ports.as_slice()).unwrap_or_default();
        for attachment in &task.networks_attachments {
            let mut labels = common.clone();
            if let Some(network) = networks.get(&attachment.network.id) {
                labels.extend(network);
            }
            for address in &attachment.addresses {
                self.per_port(without_mask(address), ports, &labels, name_port, targets);
            }
        }
    }

    /// Makes a target of every TCP port, or one at the configured port if there is none.
    fn per_port(
        &self,
        ip: &str,
        ports: &[Port],
        labels: &LabelSet,
        name_port: impl Fn(&mut LabelSet, &Port),
        targets: &mut Vec<Labels>,
    ) {
        let n_before = targets.len();
        for port in ports.iter().filter(|port| port.protocol == "tcp") {
            let mut labels = labels.clone();
            name_port(&mut labels, port);
            targets.push(labels.at(&host_port(ip, port.published_port)));
        }
        if targets.len() == n_before {
            targets.push(labels.at(&host_port(ip, self.port)));
        }
    }
}

/// `10.0.1.2/24` is an address and the size of its network.
fn without_mask(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}
