//! The URL of a target's page, from its labels and the parameters of its job.
//!
//! # Source
//! `spec/prometheus-core.md` §6; parameters are escaped as Go's `url.QueryEscape` does, so that they read alike in `scrapeUrl`.

use std::collections::BTreeMap;

use url::{Position, Url};
use wf_model::LabelsBuilder;

use super::{METRICS_PATH, PARAM_PREFIX, SCHEME};
use crate::config::JobSettings;

/// Where a page is.
#[derive(Debug)]
pub(super) struct PageUrl {
    /// Where it is fetched; means nothing when there is a problem.
    pub(super) url: Url,
    /// The URL with scheme and address as relabeling gave them; the other leaves out the port that the scheme implies.
    pub(super) shown: String,
    /// Why it cannot be fetched.
    pub(super) problem: Option<String>,
}

impl PageUrl {
    pub(super) fn new(settings: &JobSettings, labels: &LabelsBuilder, address: &str) -> Result<Self, String> {
        let scheme = labels.get(SCHEME).unwrap_or("");
        let (parsed, problem) = match scheme.to_ascii_lowercase().as_str() {
            // A URL would end its host there.
            "http" | "https" if address.contains(['?', '#', '\\']) => {
                (None, Some(format!("{address:?}: invalid character in host name")))
            }
            known @ ("http" | "https") => match Url::parse(&format!("{known}://{address}")) {
                Ok(url) => (Some(url), None),
                Err(error) => (None, Some(format!("{address:?}: {error}"))),
            },
            _ => (None, Some(format!("unsupported protocol scheme {scheme:?}: write http or https"))),
        };
        let mut url = match parsed {
            Some(url) => url,
            None => Url::parse("http://invalid.").map_err(|error| error.to_string())?,
        };
        url.set_path(labels.get(METRICS_PATH).unwrap_or(""));
        url.set_query(query(settings, labels).as_deref());
        let shown = format!("{scheme}://{address}{}", &url[Position::BeforePath..]);
        Ok(Self { url, shown, problem })
    }
}

/// Returns the parameters, sorted by name; a label stands for the first value of its parameter.
fn query(settings: &JobSettings, labels: &LabelsBuilder) -> Option<String> {
    let mut params: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, values) in &settings.params {
        params.insert(name, values.iter().map(String::as_str).collect());
    }
    for (label, value) in labels.iter() {
        let Some(name) = label.strip_prefix(PARAM_PREFIX) else { continue };
        let values = params.entry(name).or_default();
        match values.first_mut() {
            Some(first) => *first = value,
            None => values.push(value),
        }
    }
    let mut query = String::new();
    for (name, value) in
        params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
    {
        if !query.is_empty() {
            query.push('&');
        }
        escape(name, &mut query);
        query.push('=');
        escape(value, &mut query);
    }
    Some(query).filter(|query| !query.is_empty())
}

fn escape(text: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.extend(['%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_url(labels: &[(&str, &str)], params: &[(&str, &[&str])]) -> PageUrl {
        let mut all = LabelsBuilder::default();
        all.set(SCHEME, "http").set(METRICS_PATH, "/metrics");
        for (name, value) in labels {
            all.set(name, value);
        }
        let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        let params = params.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect();
        let settings = JobSettings { params, ..JobSettings::default() };
        PageUrl::new(&settings, &all, all.get("__address__").unwrap_or("")).unwrap()
    }

    /// As Prometheus 2.42 shows it, and asks for it.
    #[test]
    fn parameters_are_escaped_as_in_go() {
        let params: &[(&str, &[&str])] = &[("a", &["1", "2"]), ("b", &[]), ("c d", &["e&f~*"])];
        let page = page_url(&[("__address__", "h:9"), ("__param_a", "9")], params);
        assert_eq!(page.shown, "http://h:9/metrics?a=9&a=2&c+d=e%26f~%2A");
        assert_eq!(page.url.as_str(), page.shown);
        let page = page_url(&[("__address__", "h:9"), ("__metrics_path__", "/a b?c")], &[]);
        assert_eq!(page.url.as_str(), "http://h:9/a%20b%3Fc");
    }

    #[test]
    fn the_url_is_shown_with_scheme_and_address_as_given() {
        let page = page_url(&[("__address__", "Host:80"), (SCHEME, "HTTP")], &[]);
        assert_eq!(
            (page.url.as_str(), page.shown.as_str()),
            ("http://host/metrics", "HTTP://Host:80/metrics")
        );
        let page = page_url(&[("__address__", "h"), (SCHEME, "ftp")], &[]);
        assert_eq!(page.shown, "ftp://h/metrics");
        assert!(page.problem.unwrap().starts_with("unsupported protocol scheme \"ftp\""));
        for address in ["a b", "h:1?x", "h#", "h\\x"] {
            let page = page_url(&[("__address__", address)], &[]);
            assert!(page.problem.unwrap().starts_with(&format!("{address:?}: ")), "{address}");
        }
    }
}
