//! A small HTTP client: status and body, JSON on request.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

impl Answer {
    /// Parses the body as JSON.
    /// # Errors
    /// When it is not JSON; the message shows its beginning.
    pub fn json(&self) -> Result<Value> {
        let beginning: String = self.body.chars().take(200).collect();
        serde_json::from_str(&self.body)
            .with_context(|| format!("status {}, not JSON: {beginning}", self.status))
    }
}

/// Keeps connections: for thousands of requests to a server that lives as long.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
}

impl Client {
    /// Makes a client without connections.
    #[expect(clippy::new_without_default, reason = "a client is made on purpose")]
    pub fn new() -> Self {
        Self { agent: agent() }
    }

    /// Gets `url`; any status is an answer.
    /// # Errors
    /// When no answer came within [`PATIENCE`].
    pub fn get(&self, url: &str) -> Result<Answer> {
        let mut response = self.agent.get(url).call().with_context(|| format!("get {url}"))?;
        answer(&mut response)
    }
}

/// Gets `url` over a connection of its own; any status is an answer.
/// # Errors
/// When no answer came within [`PATIENCE`].
pub fn get(url: &str) -> Result<Answer> {
    Client::new().get(url)
}

/// Posts a form.
/// # Errors
/// When no answer came within [`PATIENCE`].
pub fn post_form(url: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<Answer> {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send_form(form.iter().copied()).with_context(|| format!("post {url}"))?;
    answer(&mut response)
}

/// Posts bytes.
/// # Errors
/// When no answer came within [`PATIENCE`].
pub fn post(url: &str, body: &[u8], headers: &[(&str, &str)]) -> Result<Answer> {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.send(body).with_context(|| format!("post {url}"))?;
    answer(&mut response)
}

/// Evaluates an instant query and returns its `data.result`.
/// # Errors
/// When the query fails.
pub fn query(base: &str, expr: &str, time: Option<f64>) -> Result<Vec<Value>> {
    let mut url = format!("{base}/api/v1/query?query={}", encode(expr));
    if let Some(time) = time {
        url.push_str(&format!("&time={time}"));
    }
    let body = get(&url)?.json()?;
    ensure!(body["status"] == "success", "{expr}: {body}");
    Ok(body["data"]["result"].as_array().cloned().unwrap_or_default())
}

/// Percent-encodes a query parameter.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .build();
    config.into()
}

fn answer(response: &mut ureq::http::Response<ureq::Body>) -> Result<Answer> {
    let status = response.status().as_u16();
    let limit = 1 << 30;
    let body = response.body_mut().with_config().limit(limit).read_to_string().context("read the body")?;
    Ok(Answer { status, body })
}
