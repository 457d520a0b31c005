//! Asks a server's HTTP API, as the tools need it: one request after the other, errors in the original's words.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use tokio::runtime::Runtime;
use url::Url;
use wf_httpkit::{ClientOptions, HttpClient};

/// How long a request may take unless it is said: as long as a server lets queries run, and a little more.
const TIMEOUT: Duration = Duration::from_secs(150);
/// An answer longer than this is refused.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A server.
pub(super) struct Api {
    base: Url,
    client: HttpClient,
    runtime: Runtime,
    headers: HeaderMap,
    timeout: Duration,
}

/// Reads the file that `--http.config.file` names.
fn client_options(path: Option<&Path>) -> Result<ClientOptions> {
    let Some(path) = path else { return Ok(ClientOptions::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    wf_config::read_http_client(&text, path)
        .map_err(|problem| anyhow!("failed to load HTTP config file: {problem}"))
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

impl Api {
    /// Prepares to ask `server`, a URL or `host:port`; `headers` are `name: value` each, and the file has credentials,
    /// TLS and the like.
    pub(super) fn new(server: &str, headers: &[String], http_config: Option<&Path>) -> Result<Self> {
        let text = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        let base = Url::parse(&text).with_context(|| format!("{server} is no URL of a server"))?;
        let mut own = HeaderMap::new();
        for header in headers {
            let (name, value) =
                header.split_once(['=', ':']).ok_or_else(|| anyhow!("expected KEY=VALUE got '{header}'"))?;
            let name: HeaderName = name.trim().parse().with_context(|| format!("header {name}"))?;
            own.append(name, HeaderValue::from_str(value.trim()).context("value of a header")?);
        }
        crate::server::prepare();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = HttpClient::new(&client_options(http_config)?)?;
        Ok(Self { base, client, runtime, headers: own, timeout: TIMEOUT })
    }

    /// Lets a request take at most `timeout`.
    pub(super) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Returns the URL of `path` below the server's own.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Sends a request.
    pub(super) fn send(&self, method: Method, url: &Url, extra: &HeaderMap, body: Vec<u8>) -> Result<Answer> {
        let mut headers = self.headers.clone();
        headers.extend(extra.iter().map(|(name, value)| (name.clone(), value.clone())));
        let deadline = Instant::now() + self.timeout;
        self.runtime.block_on(async {
            let response = self.client.request(method, url, &headers, body.into(), deadline).await?;
            let status = response.status();
            let mut body = Vec::new();
            response.into_body().read_into(&mut body, ANSWER_BYTES_MAX).await?;
            Ok(Answer { status, body })
        })
    }

    /// Asks an endpoint of the API and returns its `data`.
    pub(super) fn data(&self, method: Method, path: &str, params: &[(&str, String)]) -> Result<Value> {
        let mut url = self.url(path);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let mut headers = HeaderMap::new();
        let mut body = Vec::new();
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
            body = form.into_bytes();
        } else {
            url.set_query(Some(&form));
        }
        let answer = self.send(method, &url, &headers, body)?;
        let code = answer.status.as_u16();
        let Ok(mut envelope) = serde_json::from_slice::<Value>(&answer.body) else {
            let kind =
                if code / 100 == 4 { "client_error: client error" } else { "server_error: server error" };
            let detail = String::from_utf8_lossy(&answer.body);
            bail!("{kind}: {code} (detail: {})", detail.trim());
        };
        let text = |name: &str| envelope.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("status") != "success" {
            bail!("{}: {}", text("errorType"), text("error"));
        }
        Ok(envelope.get_mut("data").map(Value::take).unwrap_or_default())
    }
}
