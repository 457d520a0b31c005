//! The Container Runtime Interface, version 1: unary gRPC calls over a unix socket.
//!
//! # Source
//! gRPC over HTTP/2 (`doc/PROTOCOL-HTTP2.md` of gRPC); field numbers of `runtime/v1/api.proto` of Kubernetes.

use std::path::Path;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;

use super::http::Http2;
use super::proto::{all, bytes, entry, number, push_text, push_true, text};
use super::{Container, Containers, RuntimeError};
use crate::shown::Shown;

const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_UID: &str = "io.kubernetes.pod.uid";
const CONTAINER_NAME: &str = "io.kubernetes.container.name";

/// Labels of `Container` and of `PodSandbox`.
const CONTAINER_LABELS: u32 = 8;
const SANDBOX_LABELS: u32 = 5;

/// Lists sandboxes and containers, and asks for the images of those among `ids` that are not known yet.
pub(super) async fn containers(
    socket: &Path,
    ids: &[String],
    known: &Containers,
    shown: &Shown,
) -> Result<Containers, RuntimeError> {
    let mut connection = Http2::open(socket).await?;
    let mut found = Containers::new();
    let answer = call(&mut connection, "ListPodSandbox", Vec::new()).await?;
    for sandbox in all(&answer, 1).filter(|sandbox| ids.contains(&text(sandbox, 1))) {
        let labels = labels(sandbox, SANDBOX_LABELS);
        found.insert(text(sandbox, 1), read(&labels, number(sandbox, 4), true, shown));
    }
    let answer = call(&mut connection, "ListContainers", Vec::new()).await?;
    for container in all(&answer, 1).filter(|container| ids.contains(&text(container, 1))) {
        let labels = labels(container, CONTAINER_LABELS);
        let mut read = read(&labels, number(container, 7), false, shown);
        read.image = bytes(container, 4).map(|image| text(image, 1)).unwrap_or_default();
        found.insert(text(container, 1), read);
    }
    for (id, container) in &mut found {
        container.name.clone_from(id);
        match known.get(id) {
            // Labels and environment of a container do not change.
            Some(known) => container.clone_from(known),
            None => complete(&mut connection, id, container, shown).await?,
        }
    }
    Ok(found)
}

/// A map of texts.
fn labels(message: &[u8], map: u32) -> Vec<(String, String)> {
    all(message, map).map(|entry| (text(entry, 1), text(entry, 2))).collect()
}

fn read(labels: &[(String, String)], created_ns: Option<u64>, is_sandbox: bool, shown: &Shown) -> Container {
    let label = |key: &str| {
        labels.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    Container {
        is_sandbox,
        pod: label(POD_NAME),
        namespace: label(POD_NAMESPACE),
        pod_uid: label(POD_UID),
        container: if is_sandbox { String::new() } else { label(CONTAINER_NAME) },
        created: created_ns.unwrap_or(0) as f64 / 1e9,
        shown: shown.pairs(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())), []),
        ..Container::default()
    }
}

/// The lists name images by their digest; the status of a container has the name that the user wrote, that of a sandbox
/// has it among its details.
async fn complete(
    connection: &mut Http2,
    id: &str,
    container: &mut Container,
    shown: &Shown,
) -> Result<(), RuntimeError> {
    let mut request = Vec::new();
    push_text(&mut request, 1, id);
    if container.is_sandbox {
        push_true(&mut request, 2);
        let status = call(connection, "PodSandboxStatus", request).await?;
        let details = entry(&status, 2, "info").unwrap_or_default();
        let details: Value = serde_json::from_str(&details).unwrap_or_default();
        let image = details.get("image").and_then(Value::as_str);
        container.image = image.unwrap_or_default().to_owned();
        return Ok(());
    }
    // Only a verbose answer has the environment.
    if shown.wants_environment() {
        push_true(&mut request, 2);
    }
    let status = call(connection, "ContainerStatus", request).await?;
    if shown.wants_environment() {
        let details = entry(&status, 2, "info").unwrap_or_default();
        container.shown.extend(shown.pairs([], environment(&details).iter().map(String::as_str)));
    }
    let image = bytes(&status, 1).and_then(|status| bytes(status, 8)).map(|image| text(image, 1));
    if let Some(image) = image.filter(|image| !image.is_empty()) {
        container.image = image;
    }
    Ok(())
}

/// Variables as the process of the container got them: among the details in OCI's format.
fn environment(details: &str) -> Vec<String> {
    let details: Value = serde_json::from_str(details).unwrap_or_default();
    let variables = details.pointer("/runtimeSpec/process/env").and_then(Value::as_array);
    variables.into_iter().flatten().filter_map(|variable| variable.as_str().map(str::to_owned)).collect()
}

/// A unary call: both messages have a byte that says "not compressed" and their length in front.
async fn call(connection: &mut Http2, method: &'static str, message: Vec<u8>) -> Result<Bytes, RuntimeError> {
    let failed = |socket: &str, why: String| RuntimeError::Answer {
        socket: socket.to_owned(),
        what: method.to_owned(),
        why,
    };
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut body = BytesMut::with_capacity(message.len() + 5);
    body.put_u8(0);
    body.put_u32(length);
    body.extend_from_slice(&message);
    let request = Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body.freeze()));
    let request = request.map_err(|error| failed(connection.socket(), error.to_string()))?;
    let answer = connection.ask(method, request).await?;
    // A call that fails at once has its status among the headers.
    let status = answer.trailers.get("grpc-status").or_else(|| answer.headers.get("grpc-status"));
    if status.is_some_and(|status| status != "0") {
        let message = answer.trailers.get("grpc-message").or_else(|| answer.headers.get("grpc-message"));
        let why = message.and_then(|text| text.to_str().ok()).unwrap_or("the call failed");
        return Err(failed(connection.socket(), why.to_owned()));
    }
    let is_whole = |prefix: &[u8; 5]| {
        let [compressed, length @ ..] = *prefix;
        compressed == 0
            && usize::try_from(u32::from_be_bytes(length)).is_ok_and(|n| n + 5 == answer.body.len())
    };
    if !answer.body.first_chunk().is_some_and(is_whole) {
        return Err(failed(connection.socket(), "the answer is not one whole message".to_owned()));
    }
    Ok(answer.body.slice(5..))
}
