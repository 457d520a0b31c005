//! A small HTTP client that keeps its connections.

use std::io::Read as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// Longest wait for an answer: a heavy query on a slow peer.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Largest answer.
const BODY_BYTES_MAX: u64 = 4 << 30;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

/// Connections to servers under test.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
}

impl Client {
    /// Makes a client without connections.
    #[expect(clippy::new_without_default, reason = "a client is made on purpose")]
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .proxy(None)
            .build();
        Self { agent: config.into() }
    }

    /// Gets `url`; any status is an answer.
    /// # Errors
    /// When no answer came in time.
    pub fn get(&self, url: &str) -> Result<Answer> {
        let mut response = self.agent.get(url).call().with_context(|| format!("get {url}"))?;
        answer(&mut response)
    }

    /// Posts bytes; any status is an answer.
    /// # Errors
    /// When no answer came in time.
    pub fn post(&self, url: &str, body: &[u8]) -> Result<Answer> {
        let mut response = self.agent.post(url).send(body).with_context(|| format!("post to {url}"))?;
        answer(&mut response)
    }

    /// Gets `url` as a scraper does, compressed if the server likes; returns the bytes as they came.
    /// # Errors
    /// When no answer came in time or its status is not 200.
    pub fn get_compressed(&self, url: &str) -> Result<Vec<u8>> {
        let request = self.agent.get(url).header("accept-encoding", "gzip");
        let mut response = request.call().with_context(|| format!("get {url}"))?;
        ensure!(response.status() == 200, "{url} answered {}", response.status());
        let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_vec();
        body.context("read the body")
    }

    /// Posts JSON; any status is an answer.
    /// # Errors
    /// When no answer came in time.
    pub fn post_json(&self, url: &str, body: &[u8]) -> Result<Answer> {
        let request = self.agent.post(url).header("content-type", "application/json");
        let mut response = request.send(body).with_context(|| format!("post to {url}"))?;
        answer(&mut response)
    }

    /// Gets `url` with the parameters `form`; returns the body.
    /// # Errors
    /// When no answer came in time or its status is not 200.
    pub fn get_with(&self, url: &str, form: &[(&str, &str)]) -> Result<String> {
        let request = self.agent.get(url).query_pairs(form.iter().copied());
        let mut response = request.call().with_context(|| format!("get {url}"))?;
        let answer = answer(&mut response)?;
        ensure!(answer.status == 200, "{url} answered {}: {}", answer.status, answer.body);
        Ok(answer.body)
    }
}

impl Client {
    /// Gets `url` with the parameters `form`, reads the answer to its end, and returns when its first byte came.
    /// # Errors
    /// When no answer came in time or its status is not 200.
    pub fn first_byte(&self, url: &str, form: &[(&str, &str)]) -> Result<Duration> {
        let started = Instant::now();
        let request = self.agent.get(url).query_pairs(form.iter().copied());
        let mut response = request.call().with_context(|| format!("get {url}"))?;
        ensure!(response.status() == 200, "{url} answered {}", response.status());
        let mut body = response.body_mut().with_config().limit(BODY_BYTES_MAX).reader();
        body.read_exact(&mut [0]).context("read the first byte")?;
        let first = started.elapsed();
        std::io::copy(&mut body, &mut std::io::sink()).context("read the rest")?;
        Ok(first)
    }
}

fn answer(response: &mut ureq::http::Response<ureq::Body>) -> Result<Answer> {
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string();
    Ok(Answer { status, body: body.context("read the body")? })
}
