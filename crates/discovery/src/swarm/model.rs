//! What swarms are made of, as far as labels need it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::docker::api::nullable;
use crate::group::LabelSet;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Service {
    #[serde(rename = "ID")]
    pub(super) id: String,
    spec: ServiceSpec,
    pub(super) endpoint: Endpoint,
    update_status: Option<UpdateStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ServiceSpec {
    name: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    mode: Mode,
    task_template: TaskSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Mode {
    global: Option<serde_json::Value>,
    replicated: Option<serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskSpec {
    container_spec: Option<ContainerSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    image: String,
    hostname: String,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Endpoint {
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<Port>,
    #[serde(rename = "VirtualIPs", deserialize_with = "nullable")]
    pub(super) virtual_ips: Vec<VirtualIp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) published_port: u32,
    pub(super) publish_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VirtualIp {
    #[serde(rename = "NetworkID")]
    pub(super) network_id: String,
    pub(super) addr: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct UpdateStatus {
    state: String,
}

impl Service {
    fn mode(&self) -> &'static str {
        match &self.spec.mode {
            Mode { global: Some(_), .. } => "global",
            Mode { replicated: Some(_), .. } => "replicated",
            _ => "",
        }
    }

    pub(super) fn labels(&self) -> LabelSet {
        let mut labels = self.labels_for_tasks();
        if let Some(container) = &self.spec.task_template.container_spec {
            labels
                .set("__meta_dockerswarm_service_task_container_hostname", &container.hostname)
                .set("__meta_dockerswarm_service_task_container_image", &container.image);
        }
        if let Some(status) = &self.update_status {
            labels.set("__meta_dockerswarm_service_updating_status", &status.state);
        }
        labels
    }

    pub(super) fn labels_for_tasks(&self) -> LabelSet {
        let mut labels = LabelSet::new();
        labels
            .set("__meta_dockerswarm_service_id", &self.id)
            .set("__meta_dockerswarm_service_name", &self.spec.name)
            .set("__meta_dockerswarm_service_mode", self.mode())
            .set_all("__meta_dockerswarm_service_label_", &self.spec.labels);
        labels
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Task {
    #[serde(rename = "ID")]
    id: String,
    slot: u64,
    #[serde(rename = "ServiceID")]
    pub(super) service_id: String,
    #[serde(rename = "NodeID")]
    pub(super) node_id: String,
    spec: TaskSpec,
    pub(super) status: TaskStatus,
    desired_state: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) networks_attachments: Vec<Attachment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TaskStatus {
    state: String,
    container_status: Option<ContainerStatus>,
    pub(super) port_status: PortStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    container_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PortStatus {
    #[serde(deserialize_with = "nullable")]
    pub(super) ports: Vec<Port>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Attachment {
    pub(super) network: AttachedNetwork,
    #[serde(deserialize_with = "nullable")]
    pub(super) addresses: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct AttachedNetwork {
    #[serde(rename = "ID")]
    pub(super) id: String,
}

impl Task {
    pub(super) fn labels(&self) -> LabelSet {
        let mut labels = LabelSet::new();
        labels
            .set("__meta_dockerswarm_task_id", &self.id)
            .set("__meta_dockerswarm_task_desired_state", &self.desired_state)
            .set("__meta_dockerswarm_task_state", &self.status.state)
            .set("__meta_dockerswarm_task_slot", self.slot.to_string());
        if let Some(container) = &self.status.container_status {
            labels.set("__meta_dockerswarm_task_container_id", &container.container_id);
        }
        if let Some(container) = &self.spec.container_spec {
            labels.set_all("__meta_dockerswarm_container_label_", &container.labels);
        }
        labels
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Node {
    #[serde(rename = "ID")]
    pub(super) id: String,
    spec: NodeSpec,
    description: Description,
    pub(super) status: NodeStatus,
    manager_status: Option<ManagerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NodeSpec {
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    role: String,
    availability: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
    hostname: String,
    platform: Platform,
    engine: Engine,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Platform {
    architecture: String,
    #[serde(rename = "OS")]
    os: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Engine {
    engine_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct NodeStatus {
    state: String,
    pub(super) addr: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ManagerStatus {
    leader: bool,
    reachability: String,
    addr: String,
}

impl Node {
    pub(super) fn labels(&self) -> LabelSet {
        let mut labels = LabelSet::new();
        let Description { hostname, platform, engine } = &self.description;
        labels
            .set("__meta_dockerswarm_node_id", &self.id)
            .set("__meta_dockerswarm_node_address", &self.status.addr)
            .set("__meta_dockerswarm_node_availability", &self.spec.availability)
            .set("__meta_dockerswarm_node_engine_version", &engine.engine_version)
            .set("__meta_dockerswarm_node_hostname", hostname)
            .set("__meta_dockerswarm_node_platform_architecture", &platform.architecture)
            .set("__meta_dockerswarm_node_platform_os", &platform.os)
            .set("__meta_dockerswarm_node_role", &self.spec.role)
            .set("__meta_dockerswarm_node_status", &self.status.state)
            .set_all("__meta_dockerswarm_node_label_", &self.spec.labels);
        if let Some(manager) = &self.manager_status {
            labels
                .set("__meta_dockerswarm_node_manager_leader", manager.leader.to_string())
                .set("__meta_dockerswarm_node_manager_reachability", &manager.reachability)
                .set("__meta_dockerswarm_node_manager_address", &manager.addr);
        }
        labels
    }
}
