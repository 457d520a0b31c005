//! `alerting`: which Alertmanagers are told, and what of the labels they see.
//!
//! # Source: `spec/prometheus-core.md` §3.

use std::time::Duration;

use wf_httpkit::ClientOptions;
use wf_model::NameScheme;
use wf_model::relabel::Rule;

use crate::discovery::{Discovery, DiscoveryFile, SdConfig, StaticGroup};
use crate::http_client::HttpClientFile;
use crate::relabel::{self, OF_ALERTMANAGERS, OF_ALERTS, RelabelFile};
use crate::remote::SIGV4;
use crate::section::Section;
use crate::yaml::Node;
use crate::yaml::reader::{At, FromYaml, Reader, yaml_struct};

yaml_struct! {
    /// `alerting`.
    pub struct AlertingFile("config.plain") {
        /// Rules for the labels of alerts, for all Alertmanagers.
        pub alert_relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// Who is told.
        pub alertmanagers: Vec<At<AlertmanagerFile>>,
    }
    flatten {}
    not_yet {}
    null("alerting section")
}

yaml_struct! {
    /// A group of Alertmanagers: an entry of `alerting.alertmanagers`.
    pub struct AlertmanagerFile("config.plain") {
        /// `http` or `https`. Default: `http`.
        pub scheme: Option<At<String>>,
        /// Stands before the path of the API. Default: none.
        pub path_prefix: Option<String>,
        /// How long a notification may take. Default: 10s.
        pub timeout: Option<Duration>,
        /// Only `v2` is left.
        pub api_version: Option<At<String>>,
        /// Rules for the labels of discovered Alertmanagers.
        pub relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// Rules for the labels of alerts, for these Alertmanagers.
        pub alert_relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// Amazon's signatures.
        pub sigv4: Option<Sigv4File>,
    }
    flatten { discovery: DiscoveryFile, http_client: HttpClientFile, }
    not_yet {}
    null("alertmanager config section")
}

/// What was typed of `sigv4`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sigv4File(pub Section);

impl FromYaml for Sigv4File {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        Section::read(&SIGV4, node, reader).map(Self)
    }
}

/// Which Alertmanagers are told about alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingConfig {
    /// Rules for the labels of alerts, after external labels, for all Alertmanagers.
    pub relabel: Vec<Rule>,
    /// Groups of Alertmanagers, in file order.
    pub alertmanagers: Vec<AlertmanagerConfig>,
}

/// A group of Alertmanagers that are spoken to alike.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerConfig {
    /// `http` or `https`.
    pub scheme: String,
    /// Stands before the path of the API; may be empty.
    pub path_prefix: String,
    /// How long a notification may take.
    pub timeout: Duration,
    /// Rules for the labels of discovered Alertmanagers.
    pub relabel: Vec<Rule>,
    /// Rules for the labels of alerts, after those for all.
    pub alert_relabel: Vec<Rule>,
    /// Addresses written down in the file.
    pub static_groups: Vec<StaticGroup>,
    /// Where more of them are found.
    pub sources: Vec<SdConfig>,
    /// Amazon's signatures, which are not available yet.
    pub sigv4: Option<Section>,
    /// Credentials, TLS, redirects, proxies.
    pub client: ClientOptions,
}

pub(crate) fn resolve(file: &AlertingFile, scheme: NameScheme, reader: &mut Reader) -> AlertingConfig {
    let relabel = relabel::resolve(&file.alert_relabel_configs, OF_ALERTS, scheme, reader);
    let mut alertmanagers = Vec::with_capacity(file.alertmanagers.len());
    for (idx, at) in file.alertmanagers.iter().enumerate() {
        alertmanagers.push(
            reader.inside(format!(".alertmanagers[{idx}]"), |reader| resolve_group(at, scheme, reader)),
        );
    }
    AlertingConfig { relabel, alertmanagers }
}

fn resolve_group(at: &At<AlertmanagerFile>, names: NameScheme, reader: &mut Reader) -> AlertmanagerConfig {
    let file = &at.value;
    if let Some(version) = file.api_version.as_ref().filter(|at| !matches!(at.value.as_str(), "" | "v2")) {
        let message = match version.value.as_str() {
            "v1" => "expected Alertmanager api version to be one of [v2] but got v1: Alertmanager dropped it with 0.27"
                .to_owned(),
            other => format!("expected Alertmanager api version to be one of [v2] but got {other}"),
        };
        reader.report(version.position, message);
    }
    let scheme = file.scheme.as_ref().map_or("", |at| at.value.as_str());
    if !matches!(scheme, "" | "http" | "https") {
        reader.report(at.position, format!("scheme {scheme:?} is neither http nor https"));
    }
    let Discovery { static_groups, sources } =
        file.discovery.resolve(!file.relabel_configs.is_empty(), reader);
    let client = file.http_client.resolve(at.position, reader);
    let has_auth = client.basic_auth.is_some() || client.authorization.is_some() || client.oauth2.is_some();
    if file.sigv4.is_some() && has_auth {
        let message = "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured";
        reader.report(at.position, message);
    }
    AlertmanagerConfig {
        scheme: if scheme.is_empty() { "http" } else { scheme }.to_owned(),
        path_prefix: file.path_prefix.clone().unwrap_or_default(),
        timeout: file.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(Duration::from_secs(10)),
        relabel: relabel::resolve(&file.relabel_configs, OF_ALERTMANAGERS, names, reader),
        alert_relabel: relabel::resolve(&file.alert_relabel_configs, OF_ALERTS, names, reader),
        static_groups,
        sources,
        sigv4: file.sigv4.as_ref().map(|sigv4| sigv4.0.clone()),
        client,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{load, print};

    const TEXT: &str = "
global: {rule_query_offset: 30s}
rule_files: [a/*.yml, /b.yml]
alerting:
  alert_relabel_configs: [{action: labeldrop, regex: replica}]
  alertmanagers:
  - path_prefix: /am
    scheme: https
    timeout: 3s
    basic_auth: {username: u, password: p}
    relabel_configs: [{target_label: a, replacement: b}]
    alert_relabel_configs: [{action: drop, source_labels: [team], regex: x}]
    dns_sd_configs: [{names: [am.local], type: A, port: 9093}]
    static_configs: [{targets: ['h:9093'], labels: {zone: a}}]
";

    #[test]
    fn a_section_is_resolved_and_prints_so_that_it_reads_back() {
        let config = load(TEXT, Path::new("/etc/p.yml")).unwrap();
        assert_eq!(config.global.rule_query_offset, Duration::from_secs(30));
        assert_eq!(config.rule_files, [Path::new("/etc/a/*.yml"), Path::new("/b.yml")]);
        let [one] = config.alerting.alertmanagers.as_slice() else { panic!("{config:?}") };
        assert_eq!((one.scheme.as_str(), one.path_prefix.as_str()), ("https", "/am"));
        assert_eq!((one.timeout.as_secs(), one.relabel.len(), one.alert_relabel.len()), (3, 1, 1));
        assert_eq!((config.alerting.relabel.len(), one.static_groups[0].targets.len()), (1, 1));
        assert_eq!(one.sources[0].section.texts("names"), ["am.local"]);
        let printed = print::to_yaml(&config);
        assert!(!printed.contains("password: p\n"), "{printed}");
        let again = load(&printed, Path::new("/etc/p.yml")).unwrap();
        assert_eq!((&again.rule_files, &again.global), (&config.rule_files, &config.global), "{printed}");
        assert_eq!(again.alerting.alertmanagers[0].relabel, one.relabel, "{printed}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, want) in [
            ("alerting: {alertmanagers: [{api_version: v1}]}", "to be one of [v2] but got v1"),
            ("alerting: {alertmanagers: [{scheme: ftp}]}", "scheme \"ftp\" is neither http nor https"),
            ("alerting: {alertmanagers: [{relabel_configs: [null]}]}", "Alertmanager target relabeling rule"),
            ("rule_files: ['a*/b.yml']", "invalid rule file path \"a*/b.yml\""),
        ] {
            let error = load(text, Path::new("p.yml")).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
