//! Lists of Docker's HTTP API: containers, networks and what swarms have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Deserializer};
use url::Url;
use wf_config::section::Section;
use wf_httpkit::client::OptionsError;

use crate::group::LabelSet;
use crate::source::SdError;
use crate::web::Web;

/// A connection to a daemon.
#[derive(Debug)]
pub(crate) struct Api {
    web: Web,
    base: String,
    /// Filters of the list that targets are made of, as JSON; empty if there are none.
    filters: String,
    timeout: Duration,
}

/// Go writes what is empty as null.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    id: String,
    name: String,
    scope: String,
    internal: bool,
    ingress: bool,
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
}

impl Api {
    pub(crate) fn new(section: &Section, timeout: Duration) -> Result<Self, OptionsError> {
        let host = section.text("host");
        let (scheme, rest) = host.split_once("://").unwrap_or(("", host.as_str()));
        let has_tls = section.client.tls_config != wf_httpkit::client::TlsOptions::default();
        let (web, base) = match scheme {
            "unix" => (Web::Unix(PathBuf::from(rest)), "http://localhost".to_owned()),
            // As the original's client has it: certificates mean TLS.
            "tcp" if has_tls => (Web::new(&section.client)?, format!("https://{rest}")),
            "tcp" => (Web::new(&section.client)?, format!("http://{rest}")),
            _ => (Web::new(&section.client)?, host.clone()),
        };
        let filters: BTreeMap<String, Vec<String>> = section
            .records("filters")
            .iter()
            .map(|filter| (filter.text("name"), filter.texts("values")))
            .collect();
        let filters = if filters.is_empty() { String::new() } else { serde_json::json!(filters).to_string() };
        Ok(Self { web, base: base.trim_end_matches('/').to_owned(), filters, timeout })
    }

    /// Returns a list; `filtered` adds the configured filters.
    pub(crate) async fn list<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        filtered: bool,
    ) -> Result<Vec<T>, SdError> {
        let mut url = Url::parse(&format!("{}{path}", self.base))?;
        if filtered && !self.filters.is_empty() {
            url.query_pairs_mut().append_pair("filters", &self.filters);
        }
        let what = format!("docker {path}");
        let answer = self.web.get(&url, &HeaderMap::new(), self.timeout).await?.ok(&what)?;
        Ok(answer.json::<Option<Vec<T>>>(&what)?.unwrap_or_default())
    }

    /// Returns the labels of every network, by its id.
    pub(crate) async fn networks(&self, prefix: &str) -> Result<BTreeMap<String, LabelSet>, SdError> {
        let networks: Vec<Network> = self.list("/networks", false).await?;
        let labels = networks.into_iter().map(|network| {
            let mut labels = LabelSet::new();
            labels
                .set(format!("{prefix}network_id"), &network.id)
                .set(format!("{prefix}network_name"), &network.name)
                .set(format!("{prefix}network_scope"), &network.scope)
                .set(format!("{prefix}network_internal"), network.internal.to_string())
                .set(format!("{prefix}network_ingress"), network.ingress.to_string())
                .set_all(&format!("{prefix}network_label_"), &network.labels);
            (network.id, labels)
        });
        Ok(labels.collect())
    }
}
