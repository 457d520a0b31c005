//! The four questions asked of Consul's HTTP API.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use url::Url;
use wf_config::section::Section;
use wf_httpkit::client::BasicAuth;
use wf_httpkit::client::OptionsError;

use super::Answered;
use crate::source::SdError;
use crate::web::{Answer, Web};

/// How long Consul may hold a question back.
const WAIT: &str = "120000ms";
/// Consul adds up to a sixteenth, and the network something.
const TIMEOUT: Duration = Duration::from_secs(140);

/// A connection to an agent.
#[derive(Debug)]
pub(super) struct Api {
    web: Web,
    base: String,
    headers: HeaderMap,
    /// Parameters of every question.
    parameters: Vec<(&'static str, String)>,
    datacenter: String,
    node_meta: Vec<(&'static str, String)>,
    filter: String,
    health_filter: String,
    allow_stale: bool,
}

/// An instance of a service.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    pub(super) node: Node,
    pub(super) service: Service,
    #[serde(default, deserialize_with = "nullable")]
    pub(super) checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Node {
    pub(super) node: String,
    pub(super) address: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) tagged_addresses: BTreeMap<String, String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) meta: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Service {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) tags: Vec<String>,
    pub(super) address: String,
    pub(super) port: u16,
    #[serde(deserialize_with = "nullable")]
    pub(super) meta: BTreeMap<String, String>,
    pub(super) namespace: String,
    pub(super) partition: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Check {
    #[serde(rename = "CheckID")]
    pub(super) check_id: String,
    pub(super) status: String,
}

/// Go writes an empty list as null.
fn nullable<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Agent {
    config: AgentConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentConfig {
    datacenter: String,
}

impl Api {
    pub(super) fn new(section: &Section) -> Result<Self, OptionsError> {
        let mut options = section.client.clone();
        let username = section.text("username");
        if !username.is_empty() || section.secret("password").is_some() {
            let password = section.secret("password");
            options.basic_auth = Some(BasicAuth { username, password, ..BasicAuth::default() });
        }
        let mut headers = HeaderMap::new();
        let token = section.secret("token").and_then(|token| HeaderValue::from_str(token.reveal()).ok());
        if let Some(mut token) = token {
            token.set_sensitive(true);
            headers.insert("X-Consul-Token", token);
        }
        let of = |name: &'static str, parameter: &'static str| (parameter, section.text(name));
        let parameters = [of("namespace", "ns"), of("partition", "partition")];
        let node_meta = section.map("node_meta");
        let prefix = section.text("path_prefix");
        Ok(Self {
            web: Web::new(&options)?,
            base: format!(
                "{}://{}{}",
                section.text("scheme"),
                section.text("server"),
                prefix.trim_end_matches('/')
            ),
            headers,
            parameters: parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
            datacenter: section.text("datacenter"),
            node_meta: node_meta.iter().map(|(key, value)| ("node-meta", format!("{key}:{value}"))).collect(),
            filter: section.text("filter"),
            health_filter: section.text("health_filter"),
            allow_stale: section.flag("allow_stale"),
        })
    }

    /// Returns the configured data center, or the agent's own.
    pub(super) async fn datacenter(&self) -> Result<String, SdError> {
        if !self.datacenter.is_empty() {
            return Ok(self.datacenter.clone());
        }
        let url = Url::parse(&format!("{}/v1/agent/self", self.base))?;
        let answer = self.web.get(&url, &self.headers, Duration::from_secs(30)).await?.ok("consul agent")?;
        Ok(answer.json::<Agent>("consul agent")?.config.datacenter)
    }

    /// Returns services with their tags once the catalog is newer than `index`.
    pub(super) async fn services(
        &self,
        datacenter: &str,
        index: u64,
    ) -> Answered<BTreeMap<String, Vec<String>>> {
        let mut parameters = self.node_meta.clone();
        if !self.filter.is_empty() {
            parameters.push(("filter", self.filter.clone()));
        }
        let answer = self.ask("/v1/catalog/services", datacenter, index, &parameters).await?;
        let services: BTreeMap<String, Option<Vec<String>>> = answer.json("consul catalog")?;
        let services = services.into_iter().map(|(name, tags)| (name, tags.unwrap_or_default()));
        Ok((services.collect(), index_of(&answer)))
    }

    /// Returns the instances of a service once they are newer than `index`.
    pub(super) async fn health(
        &self,
        datacenter: &str,
        service: &str,
        tags: &[String],
        index: u64,
    ) -> Answered<Vec<Entry>> {
        let mut parameters = self.node_meta.clone();
        parameters.extend(tags.iter().map(|tag| ("tag", tag.clone())));
        if !self.health_filter.is_empty() {
            parameters.push(("filter", self.health_filter.clone()));
        }
        let mut path = Url::parse("http://x/v1/health/service/")?;
        if let Ok(mut segments) = path.path_segments_mut() {
            segments.pop_if_empty().push(service);
        }
        let answer = self.ask(path.path(), datacenter, index, &parameters).await?;
        Ok((answer.json("consul health")?, index_of(&answer)))
    }

    async fn ask(
        &self,
        path: &str,
        datacenter: &str,
        index: u64,
        more: &[(&'static str, String)],
    ) -> Result<Answer, SdError> {
        let mut url = Url::parse(&format!("{}{path}", self.base))?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("dc", datacenter).append_pair("wait", WAIT);
            if index > 0 {
                query.append_pair("index", &index.to_string());
            }
            if self.allow_stale {
                query.append_pair("stale", "");
            }
            for (name, value) in self.parameters.iter().chain(more) {
                query.append_pair(name, value);
            }
        }
        self.web.get(&url, &self.headers, TIMEOUT).await?.ok(&format!("consul {path}"))
    }
}

/// An answer without an index cannot be waited on: zero asks again at once, after the interval.
fn index_of(answer: &Answer) -> u64 {
    let header = answer.headers.get("x-consul-index").and_then(|value| value.to_str().ok());
    header.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The worst of all checks; maintenance beats them.
pub(super) fn health_of(checks: &[Check]) -> &'static str {
    let is = |status: &str| checks.iter().any(|check| check.status == status);
    let in_maintenance = checks.iter().any(|check| {
        check.check_id == "_node_maintenance" || check.check_id.starts_with("_service_maintenance:")
    });
    match () {
        () if in_maintenance => "maintenance",
        () if is("critical") => "critical",
        () if is("warning") => "warning",
        () => "passing",
    }
}
