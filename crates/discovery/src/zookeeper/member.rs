//! What a node says about a server, in the words of Finagle's server sets and of Airbnb's Nerve.

use std::collections::BTreeMap;

use serde::Deserialize;
use wf_model::Labels;

use crate::docker::api::nullable;
use crate::group::{LabelSet, host_port, sanitized};

/// Whose words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Finagle's.
    Serverset,
    /// Nerve's.
    Nerve,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Serverset {
    service_endpoint: Endpoint,
    #[serde(deserialize_with = "nullable")]
    additional_endpoints: BTreeMap<String, Endpoint>,
    #[serde(deserialize_with = "nullable")]
    status: String,
    shard: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Endpoint {
    host: String,
    port: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Nerve {
    host: String,
    port: i64,
    name: String,
}

/// Reads a node; `None` if it holds no server, as the folders of a tree do.
pub(crate) fn target(format: Format, path: &str, data: &[u8]) -> Option<Labels> {
    match format {
        Format::Serverset => serverset(path, data),
        Format::Nerve => nerve(path, data),
    }
}

fn serverset(path: &str, data: &[u8]) -> Option<Labels> {
    let member: Serverset = serde_json::from_slice(data).ok()?;
    let mut labels = LabelSet::new();
    let Endpoint { host, port } = &member.service_endpoint;
    labels
        .set("__meta_serverset_path", path)
        .set("__meta_serverset_endpoint_host", host)
        .set("__meta_serverset_endpoint_port", port.to_string())
        .set("__meta_serverset_status", &member.status)
        .set("__meta_serverset_shard", member.shard.to_string());
    for (name, endpoint) in &member.additional_endpoints {
        let name = sanitized(name);
        labels
            .set(format!("__meta_serverset_endpoint_host_{name}"), &endpoint.host)
            .set(format!("__meta_serverset_endpoint_port_{name}"), endpoint.port.to_string());
    }
    Some(labels.at(&host_port(host, port)))
}

fn nerve(path: &str, data: &[u8]) -> Option<Labels> {
    let member: Nerve = serde_json::from_slice(data).ok()?;
    let mut labels = LabelSet::new();
    labels
        .set("__meta_nerve_path", path)
        .set("__meta_nerve_endpoint_host", &member.host)
        .set("__meta_nerve_endpoint_port", member.port.to_string())
        .set("__meta_nerve_endpoint_name", &member.name);
    Some(labels.at(&host_port(&member.host, member.port)))
}
