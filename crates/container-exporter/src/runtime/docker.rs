//! Docker's own API.
//!
//! # Source
//! Docker Engine API 1.41, `GET /containers/json`.

use std::path::Path;

use serde_json::Value;

use super::{Container, Containers, RuntimeError, http, shown};
use crate::shown::Shown;

const PATH: &str = "/containers/json";

/// Lists running containers, and asks for the environment of those among `ids` that are not known yet, where it is wanted.
pub(super) async fn containers(
    socket: &Path,
    ids: &[String],
    known: &Containers,
    wanted: &Shown,
) -> Result<Containers, RuntimeError> {
    let list = ask(socket, PATH).await?;
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut found: Containers = list.iter().filter_map(|entry| read(entry, wanted)).collect();
    if wanted.wants_environment() {
        for (id, container) in found.iter_mut().filter(|(id, _)| ids.contains(id)) {
            match known.get(id) {
                Some(known) => container.shown.clone_from(&known.shown),
                None => {
                    let details = ask(socket, &format!("/containers/{id}/json")).await?;
                    let variables = details.pointer("/Config/Env").and_then(Value::as_array);
                    let variables = variables.into_iter().flatten().filter_map(Value::as_str);
                    container.shown.extend(wanted.pairs([], variables));
                }
            }
        }
    }
    Ok(found)
}

async fn ask(socket: &Path, path: &str) -> Result<Value, RuntimeError> {
    let body = http::get(socket, path).await?;
    serde_json::from_slice(&body).map_err(|error| RuntimeError::Answer {
        socket: shown(socket),
        what: path.to_owned(),
        why: error.to_string(),
    })
}

fn read(entry: &Value, wanted: &Shown) -> Option<(String, Container)> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let labels = entry.get("Labels").and_then(Value::as_object);
    let labels = || {
        labels.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()))
    };
    let label = |key: &str| {
        labels().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned()).unwrap_or_default()
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
        shown: wanted.pairs(labels(), []),
    };
    Some((id, container))
}
