//! `etcd_sd_configs`, our own: keys under a prefix hold groups as JSON, as a file of `file_sd_configs` does.
//!
//! etcd is spoken to through its JSON gateway (`/v3/kv/range`, `/v3/watch`). The whole prefix is read first; a watch from
//! that revision on tells that something has changed, and the prefix is read again. Now and then it is read anyway.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use wf_config::section::Section;
use wf_httpkit::Secret;
use wf_httpkit::client::OptionsError;

use crate::group::{self, TargetGroup};
use crate::source::{Running, SdError, Source, Updates};
use crate::web::Web;

/// Pause after a failure.
const RETRY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Keys of one prefix; more are refused.
const KEYS_MAX: u64 = 100_000;

/// A cluster and a prefix in it.
#[derive(Debug)]
pub(crate) struct Etcd {
    web: Web,
    endpoints: Vec<String>,
    prefix: String,
    username: String,
    password: Option<Secret<String>>,
    interval: Duration,
}

#[derive(Debug, Deserialize)]
struct Range {
    header: Header,
    #[serde(default)]
    kvs: Vec<KeyValue>,
    #[serde(default)]
    more: bool,
}

/// Numbers of 64 bits are texts in the gateway's JSON.
#[derive(Debug, Deserialize)]
struct Header {
    revision: String,
}

#[derive(Debug, Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: String,
}

impl Etcd {
    pub(crate) fn new(section: &Section) -> Result<Self, OptionsError> {
        Ok(Self {
            web: Web::new(&section.client)?,
            endpoints: section.texts("endpoints"),
            prefix: section.text("prefix"),
            username: section.text("username"),
            password: section.secret("password"),
            interval: section.time("refresh_interval").max(Duration::from_secs(1)),
        })
    }
}

impl Source for Etcd {
    fn run(self: Box<Self>, updates: Updates) -> Running {
        Box::pin(async move {
            // A member that does not answer makes room for the next.
            let mut member = 0;
            loop {
                let endpoint =
                    self.endpoints.get(member % self.endpoints.len().max(1)).cloned().unwrap_or_default();
                if let Err(error) = self.follow(endpoint.trim_end_matches('/'), &updates).await {
                    updates.failed(&format!("{endpoint}: {error}"));
                    member += 1;
                    tokio::time::sleep(RETRY).await;
                }
            }
        })
    }
}

impl Etcd {
    /// Reads the prefix, then waits for it to change or for the next refresh.
    async fn follow(&self, endpoint: &str, updates: &Updates) -> Result<(), SdError> {
        let headers = self.headers(endpoint).await?;
        loop {
            let revision = self.read(endpoint, &headers, updates).await?;
            let waited = self.wait_for_change(endpoint, &headers, revision + 1);
            match tokio::time::timeout(self.interval, waited).await {
                Ok(waited) => waited?,
                Err(_) => return Ok(()),
            }
        }
    }

    async fn headers(&self, endpoint: &str) -> Result<HeaderMap, SdError> {
        let mut headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let Some(password) = self.password.as_ref().filter(|_| !self.username.is_empty()) else {
            return Ok(headers);
        };
        #[derive(Deserialize)]
        struct Token {
            token: String,
        }
        let body = json!({"name": self.username, "password": password.reveal()});
        let answer = self.post(endpoint, "/v3/auth/authenticate", &headers, &body).await?;
        let mut token = HeaderValue::from_str(&serde_json::from_slice::<Token>(&answer)?.token)?;
        token.set_sensitive(true);
        headers.insert(AUTHORIZATION, token);
        Ok(headers)
    }

    /// Reads all keys of the prefix and returns the revision they were read at.
    async fn read(&self, endpoint: &str, headers: &HeaderMap, updates: &Updates) -> Result<u64, SdError> {
        let mut body = self.range();
        body["limit"] = json!(KEYS_MAX.to_string());
        let answer = self.post(endpoint, "/v3/kv/range", headers, &body).await?;
        let range: Range = serde_json::from_slice(&answer).map_err(|error| format!("etcd range: {error}"))?;
        if range.more {
            return Err(format!("more than {KEYS_MAX} keys begin with {}", self.prefix).into());
        }
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for pair in &range.kvs {
            let key = String::from_utf8_lossy(&STANDARD.decode(&pair.key)?).into_owned();
            match groups_of(&key, pair) {
                Ok(groups) => {
                    updates.replace_below(&source_of(&key), groups);
                }
                // A bad value keeps what the key said before.
                Err(problem) => problems.push(problem),
            }
            seen.insert(source_of(&key));
        }
        forget_others(updates, &seen);
        updates.complete();
        if problems.is_empty() {
            updates.succeeded();
        } else {
            updates.failed(&problems.join("; "));
        }
        Ok(range.header.revision.parse()?)
    }

    /// Returns once something under the prefix has changed since `revision`.
    async fn wait_for_change(
        &self,
        endpoint: &str,
        headers: &HeaderMap,
        revision: u64,
    ) -> Result<(), SdError> {
        let mut create = self.range();
        create["start_revision"] = json!(revision.to_string());
        let body = json!({"create_request": create}).to_string();
        let url = Url::parse(&format!("{endpoint}/v3/watch"))?;
        // The refresh ends it long before that.
        let limit = self.interval + TIMEOUT;
        let response = self.web.open(Method::POST, &url, headers, Bytes::from(body), limit).await?;
        if !response.status().is_success() {
            return Err(format!("etcd watch: HTTP status {}", response.status()).into());
        }
        let mut stream = response.into_body();
        let mut line = Vec::new();
        while let Some(frame) = stream.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            for piece in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if piece.ends_with(b"\n") {
                    let message: Value = serde_json::from_slice(&line).unwrap_or_default();
                    line.clear();
                    let result = &message["result"];
                    if result["events"].is_array() || result["canceled"] == true {
                        return Ok(());
                    }
                }
            }
            // Values can be large, but what has changed is read again anyway.
            if line.len() > 1 << 20 {
                return Ok(());
            }
        }
        Err("etcd closed the watch".into())
    }

    /// The keys that begin with the prefix: from itself to the next text of its length.
    fn range(&self) -> Value {
        let key = self.prefix.as_bytes();
        let mut end = key.to_vec();
        while end.last() == Some(&0xff) {
            end.pop();
        }
        if let Some(last) = end.last_mut() {
            *last += 1;
        } else {
            end.push(0);
        }
        json!({"key": STANDARD.encode(key), "range_end": STANDARD.encode(end)})
    }

    async fn post(
        &self,
        endpoint: &str,
        path: &str,
        headers: &HeaderMap,
        body: &Value,
    ) -> Result<Vec<u8>, SdError> {
        let url = Url::parse(&format!("{endpoint}{path}"))?;
        let body = Bytes::from(body.to_string());
        let answer = self.web.send(Method::POST, &url, headers, body, TIMEOUT).await?;
        Ok(answer.ok(&format!("etcd {path}"))?.body)
    }
}

fn source_of(key: &str) -> String {
    // A key may be the beginning of another; the groups behind the colon are ours.
    format!("{key}\u{0}")
}

fn forget_others(updates: &Updates, seen: &BTreeSet<String>) {
    let known: Vec<String> = updates.found.groups.lock().keys().cloned().collect();
    for source in known {
        let of_key = source.split_once('\u{0}').map(|(key, _)| source_of(key));
        if of_key.is_none_or(|key| !seen.contains(&key)) {
            updates.remove(&source);
        }
    }
}

fn groups_of(key: &str, pair: &KeyValue) -> Result<Vec<TargetGroup>, String> {
    let value = STANDARD.decode(&pair.value).map_err(|error| format!("{key}: {error}"))?;
    let groups = group::of_json(&value, &source_of(key), &[("__meta_etcd_key", key)]);
    groups.map_err(|problem| problem.replace('\u{0}', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range_of_keys() {
        let check = |prefix: &str, want: &[u8]| {
            let etcd = Etcd {
                web: Web::Unix("/".into()),
                endpoints: Vec::new(),
                prefix: prefix.to_owned(),
                username: String::new(),
                password: None,
                interval: Duration::ZERO,
            };
            let range = etcd.range();
            assert_eq!(STANDARD.decode(range["range_end"].as_str().unwrap()).unwrap(), want);
        };
        check("/a/", b"/a0");
        check("a", b"b");
    }
}
