//! `http_sd_configs`: a web service that lists groups as JSON.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;
use wf_config::section::Section;
use wf_httpkit::client::OptionsError;

use crate::group::{self, TargetGroup};
use crate::metrics::SdMetrics;
use crate::source::{Poll, Polled, SdError};
use crate::web::Web;

#[derive(Debug)]
pub(crate) struct HttpPoll {
    web: Web,
    url: String,
    interval: Duration,
    metrics: SdMetrics,
}

pub(crate) fn source(section: &Section, metrics: &SdMetrics) -> Result<Polled<HttpPoll>, OptionsError> {
    let interval = section.time("refresh_interval");
    let poll = HttpPoll {
        web: Web::new(&section.client)?,
        url: section.text("url"),
        interval,
        metrics: metrics.clone(),
    };
    Ok(Polled { poll, interval })
}

impl Poll for HttpPoll {
    async fn refresh(&mut self) -> Result<Vec<TargetGroup>, SdError> {
        let groups = self.ask().await;
        if groups.is_err() {
            self.metrics.http_failures.inc();
        }
        groups
    }
}

impl HttpPoll {
    async fn ask(&self) -> Result<Vec<TargetGroup>, SdError> {
        let url = Url::parse(&self.url)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let seconds = HeaderValue::from_str(&self.interval.as_secs_f64().to_string())?;
        headers.insert(HeaderName::from_static("x-prometheus-refresh-interval-seconds"), seconds);
        let answer = self.web.get(&url, &headers, self.interval).await?.ok("http_sd")?;
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if !is_json(kind) {
            return Err(format!("unsupported content type {kind:?}: application/json is needed").into());
        }
        Ok(group::of_json(&answer.body, &self.url, &[("__meta_url", &self.url)])?)
    }
}

/// JSON, and if a charset is named, UTF-8.
fn is_json(kind: &str) -> bool {
    let mut parts = kind.trim().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| {
            let parameter = parameter.to_ascii_lowercase().replace('"', "");
            parameter.is_empty() || parameter == "charset=utf-8"
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf8_is_taken() {
        for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
        {
            assert!(is_json(kind), "{kind}");
        }
        for kind in ["", "text/plain", "application/json; charset=latin1", "application/jsonx"] {
            assert!(!is_json(kind), "{kind}");
        }
    }
}
