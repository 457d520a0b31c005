//! Docker's own API.
//!
//! # Source
//! Docker Engine API 1.41, `GET /containers/json`.

use std::path::Path;

use serde_json::Value;

use super::{Container, Containers, RuntimeError, http, shown};

const PATH: &str = "/containers/json";

/// Lists running containers.
pub(super) async fn containers(socket: &Path) -> Result<Containers, RuntimeError> {
    let body = http::get(socket, PATH).await?;
    let list: Vec<Value> = serde_json::from_slice(&body).map_err(|error| RuntimeError::Answer {
        socket: shown(socket),
        what: PATH,
        why: error.to_string(),
    })?;
    Ok(list.iter().filter_map(read).collect())
}

fn read(entry: &Value) -> Option<(String, Container)> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let label = |key: &str| {
        let label = entry.get("Labels").and_then(|labels| labels.get(key));
        label.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let name = entry.get("Names").and_then(|names| names.get(0)).and_then(Value::as_str).unwrap_or_default();
    // The kubelet's own name for a sandbox under Docker.
    let container = label("io.kubernetes.container.name");
    let is_sandbox = container == "POD" || label("io.kubernetes.docker.type") == "podsandbox";
    let id = entry.get("Id")?.as_str()?.to_owned();
    let container = Container {
        is_sandbox,
        name: name.trim_start_matches('/').to_owned(),
        image: text("Image"),
        pod: label("io.kubernetes.pod.name"),
        namespace: label("io.kubernetes.pod.namespace"),
        pod_uid: label("io.kubernetes.pod.uid"),
        container,
        created: entry.get("Created").and_then(Value::as_f64).unwrap_or(0.0),
    };
    Some((id, container))
}
