//! Where Alertmanagers are: from addresses and relabeling to URLs.

use std::time::Duration;

use url::Url;
use wf_config::AlertmanagerConfig;
use wf_httpkit::ClientOptions;
use wf_model::LabelsBuilder;
use wf_model::relabel::{self, Verdict};

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__alerts_path__";
/// Where alerts are posted to.
const API: &str = "/api/v2/alerts";

/// An Alertmanager that is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Alertmanager {
    /// Where alerts are posted to; known to be a URL.
    pub(super) url: String,
    /// How long an answer may take.
    pub(super) timeout: Duration,
    /// Rules for alerts sent there.
    pub(super) alert_relabel: Vec<relabel::Rule>,
    /// How it is reached.
    pub(super) client: ClientOptions,
}

/// What the configuration comes to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) active: Vec<Alertmanager>,
    pub(super) dropped: Vec<String>,
}

pub(super) fn resolve(sets: &[AlertmanagerConfig]) -> Found {
    let mut found = Found::default();
    for set in sets {
        let mut urls = Vec::new();
        for group in &set.static_groups {
            for address in &group.targets {
                let mut labels = LabelsBuilder::from_labels(&group.labels);
                labels.set(ADDRESS, address).set(SCHEME, &set.scheme);
                labels.set(PATH, &path_below(&set.path_prefix));
                let before = url_of(&labels);
                let is_kept = relabel::apply(&set.relabel, &mut labels) == Verdict::Keep;
                match url_of(&labels).filter(|_| is_kept) {
                    // An address that stands twice in a set is one Alertmanager.
                    Some(url) if !urls.contains(&url) => urls.push(url),
                    Some(_) => {}
                    None => found.dropped.extend(before),
                }
            }
        }
        found.active.extend(urls.into_iter().map(|url| Alertmanager {
            url,
            timeout: set.timeout,
            alert_relabel: set.alert_relabel.clone(),
            client: set.client.clone(),
        }));
    }
    found
}

fn path_below(prefix: &str) -> String {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() { API.to_owned() } else { format!("/{prefix}{API}") }
}

fn url_of(labels: &LabelsBuilder) -> Option<String> {
    let of = |name| labels.get(name).filter(|value| !value.is_empty());
    let (scheme, address) = (of(SCHEME)?, of(ADDRESS)?);
    let url = format!("{scheme}://{address}{}", of(PATH).unwrap_or("/"));
    Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).map(|_| url)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn check(text: &str, active: &[&str], dropped: &[&str]) {
        let config = wf_config::load(&format!("alerting: {{alertmanagers: [{text}]}}"), Path::new("p.yml"));
        let found = resolve(&config.unwrap().alerting.alertmanagers);
        let urls: Vec<_> = found.active.iter().map(|target| target.url.as_str()).collect();
        assert_eq!(
            (urls.as_slice(), found.dropped),
            (active, dropped.iter().map(|url| (*url).to_owned()).collect())
        );
    }

    #[test]
    fn addresses_become_urls() {
        check(
            "{static_configs: [{targets: ['a:1', 'b']}]}",
            &["http://a:1/api/v2/alerts", "http://b/api/v2/alerts"],
            &[],
        );
        check(
            "{scheme: https, path_prefix: /x/, static_configs: [{targets: ['a:1', 'a:1']}]}",
            &["https://a:1/x/api/v2/alerts"],
            &[],
        );
    }

    #[test]
    fn relabeling_moves_and_drops_them() {
        let targets = "static_configs: [{targets: ['a:1', 'b:1']}]";
        check(
            &format!(
                "{{relabel_configs: [{{action: drop, source_labels: [__address__], regex: 'a.*'}}], {targets}}}"
            ),
            &["http://b:1/api/v2/alerts"],
            &["http://a:1/api/v2/alerts"],
        );
        check(
            &format!("{{relabel_configs: [{{target_label: __alerts_path__, replacement: /p}}], {targets}}}"),
            &["http://a:1/p", "http://b:1/p"],
            &[],
        );
    }
}
