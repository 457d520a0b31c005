//! Names from the kubelet, for nodes whose runtime cannot be reached: a pod without the host's sockets.
//!
//! Sandboxes are not in its list: their pod is told by the uid in the path of their group.
//!
//! # Source
//! Kubelet, `GET /pods`: a `PodList` of Kubernetes core/v1.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use axum::http::HeaderMap;
use serde_json::Value;
use url::Url;
use wf_httpkit::client::{Authorization, ClientOptions, HttpClient, TlsOptions};

use crate::shown::Shown;

use super::{Container, Containers, PATIENCE, RuntimeError};

/// A node has some hundred pods; their specifications are a few dozen KiB each at worst.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where the kubelet is, and what it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletOptions {
    /// Address of the list of pods.
    pub url: String,
    /// File with the token sent; without the file the kubelet is not asked.
    pub token_file: PathBuf,
    /// File with the authorities that its certificate is checked against.
    pub ca_file: PathBuf,
    /// Whether any certificate will do. Default: false.
    pub is_unchecked: bool,
}

impl Default for KubeletOptions {
    fn default() -> Self {
        let account = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        Self {
            url: "https://localhost:10250/pods".to_owned(),
            token_file: account.join("token"),
            ca_file: account.join("ca.crt"),
            is_unchecked: false,
        }
    }
}

/// A kubelet that may be asked.
pub(super) struct Kubelet {
    url: Url,
    client: HttpClient,
}

impl fmt::Debug for Kubelet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubelet({})", self.url)
    }
}

impl Kubelet {
    /// Prepares to ask, where there is a token.
    /// # Errors
    /// When the address is none, or the authorities cannot be read.
    pub(super) fn new(options: &KubeletOptions) -> Result<Option<Self>, RuntimeError> {
        if !options.token_file.exists() {
            return Ok(None);
        }
        let failed = |why: String| RuntimeError::Connect { socket: options.url.clone(), why };
        let url = Url::parse(&options.url).map_err(|error| failed(error.to_string()))?;
        let authorization =
            Authorization { credentials_file: Some(options.token_file.clone()), ..Authorization::default() };
        let tls_config = TlsOptions {
            ca_file: (url.scheme() == "https" && !options.is_unchecked).then(|| options.ca_file.clone()),
            insecure_skip_verify: options.is_unchecked,
            ..TlsOptions::default()
        };
        // A kubelet sends nobody elsewhere, and the token is for it alone.
        let client = ClientOptions {
            authorization: Some(authorization),
            tls_config,
            follow_redirects: false,
            ..ClientOptions::default()
        };
        let client = HttpClient::new(&client).map_err(|error| failed(error.to_string()))?;
        Ok(Some(Self { url, client }))
    }

    /// Lists the containers of all pods.
    pub(super) async fn containers(&self, shown: &Shown) -> Result<Containers, RuntimeError> {
        let failed =
            |why: String| RuntimeError::Answer { socket: self.url.to_string(), what: "pods".to_owned(), why };
        let deadline = Instant::now() + PATIENCE;
        let response = self.client.get(&self.url, &HeaderMap::new(), deadline).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        if !response.status().is_success() {
            return Err(failed(format!("HTTP {}", response.status())));
        }
        let mut body = Vec::new();
        let read = response.into_body().read_into(&mut body, ANSWER_BYTES_MAX).await;
        read.map_err(|error| failed(error.to_string()))?;
        let list: Value = serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))?;
        let pods =
            list.get("items").and_then(Value::as_array).ok_or_else(|| failed("no items".to_owned()))?;
        Ok(pods.iter().flat_map(|pod| read_pod(pod, shown)).collect())
    }
}

/// The kubelet tells no labels of containers; those that it gives them itself are known.
fn read_pod(pod: &Value, shown: &Shown) -> Vec<(String, Container)> {
    let metadata = |key: &str| text(pod.get("metadata"), key);
    let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let statuses = statuses.into_iter().filter_map(|key| pod.get("status")?.get(key)?.as_array());
    let read = |status: &Value| {
        let id = text(Some(status), "containerID");
        // `containerd://<id>`; empty before the container is made.
        let (_, id) = id.split_once("://")?;
        let started = status.get("state").and_then(|state| state.get("running"));
        let (pod, namespace, pod_uid) = (metadata("name"), metadata("namespace"), metadata("uid"));
        let container = text(Some(status), "name");
        let labels = [
            ("io.kubernetes.container.name", container.as_str()),
            ("io.kubernetes.pod.name", &pod),
            ("io.kubernetes.pod.namespace", &namespace),
            ("io.kubernetes.pod.uid", &pod_uid),
        ];
        let shown = shown.pairs(labels, []);
        let container = Container {
            is_sandbox: false,
            name: id.to_owned(),
            image: text(Some(status), "image"),
            shown,
            pod,
            namespace,
            pod_uid,
            container,
            created: rfc3339_s(&text(started, "startedAt")).unwrap_or(0.0),
        };
        Some((id.to_owned(), container))
    };
    statuses.flatten().filter_map(read).collect()
}

fn text(object: Option<&Value>, key: &str) -> String {
    object.and_then(|object| object.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn rfc3339_s(time: &str) -> Option<f64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    Some(time.as_millisecond() as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::get;

    use super::*;
    use crate::shown::ShownLabels;

    const PODS: &str = r#"{"kind":"PodList","items":[
        {"metadata":{"name":"web-0","namespace":"shop","uid":"1111-2222"},
         "status":{"containerStatuses":[
            {"name":"app","image":"shop:2","containerID":"containerd://aaaa",
             "state":{"running":{"startedAt":"2023-11-14T22:13:20Z"}}},
            {"name":"late","image":"shop:3","containerID":"","state":{"waiting":{}}}],
          "initContainerStatuses":[{"name":"init","image":"init:1","containerID":"cri-o://bbbb","state":{}}]}},
        {"metadata":{"name":"new","namespace":"shop","uid":"3333"},"status":{}}]}"#;

    async fn ask(token: &str) -> Result<Containers, RuntimeError> {
        let folder = tempfile::tempdir().unwrap();
        let token_file = folder.path().join("token");
        std::fs::write(&token_file, token).unwrap();
        let pods = |headers: HeaderMap| async move {
            match headers.get("authorization").and_then(|value| value.to_str().ok()) {
                Some("Bearer secret") => PODS.into_response(),
                _ => StatusCode::UNAUTHORIZED.into_response(),
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pods", listener.local_addr().unwrap());
        let serve = axum::serve(listener, Router::new().route("/pods", get(pods)));
        let options = KubeletOptions { url, token_file, ..KubeletOptions::default() };
        let kubelet = Kubelet::new(&options).unwrap().unwrap();
        let shown = Shown { labels: ShownLabels::All, environment: Vec::new() };
        tokio::select! {
            answer = kubelet.containers(&shown) => answer,
            _ = serve.into_future() => unreachable!("serves for ever"),
        }
    }

    #[tokio::test]
    async fn pods_name_their_containers() {
        let found = ask("secret").await.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["aaaa", "bbbb"]);
        let app = &found["aaaa"];
        assert_eq!(
            (app.namespace.as_str(), app.pod.as_str(), app.container.as_str()),
            ("shop", "web-0", "app")
        );
        assert_eq!((app.image.as_str(), app.pod_uid.as_str(), app.created), ("shop:2", "1111-2222", 1.7e9));
        assert_eq!(found["bbbb"].container, "init");
        let label = ("container_label_io_kubernetes_pod_namespace".into(), "shop".to_owned());
        assert!(app.shown.contains(&label), "{:?}", app.shown);
    }

    #[tokio::test]
    async fn a_kubelet_that_refuses_is_an_error() {
        let error = ask("wrong").await.unwrap_err().to_string();
        assert!(error.contains("401") && !error.contains("wrong"), "{error}");
    }

    #[test]
    fn without_a_token_nobody_is_asked() {
        let options = KubeletOptions { token_file: PathBuf::from("/nothing"), ..KubeletOptions::default() };
        assert!(Kubelet::new(&options).unwrap().is_none());
    }
}
