//! `rule_files` and `alerting`: which rules are evaluated, and who is told.
//!
//! # Source
//! `spec/prometheus-core.md` §3.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wf_httpkit::ClientOptions;
use wf_model::NameScheme;
use wf_model::duration;
use wf_model::quote::GoQuoted;
use wf_model::relabel::Rule;

use crate::file::StaticConfigFile;
use crate::http_client::HttpClientFile;
use crate::print::{quoted, write_client, write_groups, write_rules};
use crate::relabel::{self, RelabelFile, RuleList};
use crate::resolve::{StaticGroup, resolve_group};
use crate::yaml::reader::{At, Reader, yaml_struct};

/// How long an Alertmanager may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

const OF_ALERTS: RuleList =
    RuleList { key: "alert_relabel_configs", entry: "empty or null alert relabeling rule" };
const OF_ALERTMANAGERS: RuleList =
    RuleList { key: "relabel_configs", entry: "empty or null Alertmanager target relabeling rule" };
const OF_ALERTS_THERE: RuleList =
    RuleList { key: "alert_relabel_configs", entry: "empty or null Alertmanager alert relabeling rule" };

yaml_struct! {
    /// `alerting`: who is told of alerts, and how their labels are rewritten first.
    pub struct AlertingFile("config.plain") {
        /// Rules that rewrite the labels of each alert, or drop it, before it is sent.
        pub alert_relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// The Alertmanagers.
        pub alertmanagers: Vec<At<AlertmanagerFile>>,
    }
    flatten {}
    not_yet {}
    null("alerting section")
}

yaml_struct! {
    /// A set of Alertmanagers, all of which are told everything: an entry of `alerting.alertmanagers`.
    pub struct AlertmanagerFile("config.plain") {
        /// `http` or `https`. Default: `http`.
        pub scheme: Option<At<String>>,
        /// Path before `/api/v2/alerts`. Default: none.
        pub path_prefix: Option<String>,
        /// How long an answer may take. Default: 10s.
        pub timeout: Option<Duration>,
        /// `v2`; the older one is gone. Default: `v2`.
        pub api_version: Option<At<String>>,
        /// Rules that rewrite the labels of each Alertmanager found, or drop it.
        pub relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// Rules that rewrite the labels of alerts sent to this set only, or drop them.
        pub alert_relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// Addresses written down here.
        pub static_configs: Vec<StaticConfigFile>,
    }
    flatten { http_client: HttpClientFile, }
    not_yet {
        "sigv4", "oauth2", "azure_sd_configs", "consul_sd_configs", "digitalocean_sd_configs", "docker_sd_configs",
        "dockerswarm_sd_configs", "dns_sd_configs", "ec2_sd_configs", "ecs_sd_configs", "elasticache_sd_configs",
        "eureka_sd_configs", "file_sd_configs", "gce_sd_configs", "hetzner_sd_configs", "http_sd_configs",
        "ionos_sd_configs", "kubernetes_sd_configs", "kuma_sd_configs", "lightsail_sd_configs", "linode_sd_configs",
        "marathon_sd_configs", "msk_sd_configs", "nerve_sd_configs", "nomad_sd_configs", "openstack_sd_configs",
        "outscale_sd_configs", "ovhcloud_sd_configs", "puppetdb_sd_configs", "rds_sd_configs", "scaleway_sd_configs",
        "serverset_sd_configs", "stackit_sd_configs", "triton_sd_configs", "uyuni_sd_configs", "vultr_sd_configs",
        "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
    }
    null("alertmanager config section")
}

/// Who is told of alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertingConfig {
    /// Rules for the labels of all alerts.
    pub relabel: Vec<Rule>,
    /// Sets of Alertmanagers.
    pub alertmanagers: Vec<AlertmanagerConfig>,
}

/// A set of Alertmanagers.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertmanagerConfig {
    /// `http` or `https`.
    pub scheme: String,
    /// Path before `/api/v2/alerts`.
    pub path_prefix: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Rules for the labels of the Alertmanagers.
    pub relabel: Vec<Rule>,
    /// Rules for the labels of alerts sent to this set.
    pub alert_relabel: Vec<Rule>,
    /// Addresses written down in the file.
    pub static_groups: Vec<StaticGroup>,
    /// Credentials, TLS, redirects.
    pub client: ClientOptions,
}

pub(crate) fn resolve(
    file: &AlertingFile,
    scheme: NameScheme,
    directory: &Path,
    reader: &mut Reader,
) -> AlertingConfig {
    reader.inside(".alerting".to_owned(), |reader| {
        let relabel = relabel::resolve(&file.alert_relabel_configs, OF_ALERTS, scheme, reader);
        let mut alertmanagers = Vec::with_capacity(file.alertmanagers.len());
        for (idx, entry) in file.alertmanagers.iter().enumerate() {
            alertmanagers.push(reader.inside(format!(".alertmanagers[{idx}]"), |reader| {
                resolve_alertmanager(entry, scheme, directory, reader)
            }));
        }
        AlertingConfig { relabel, alertmanagers }
    })
}

fn resolve_alertmanager(
    at: &At<AlertmanagerFile>,
    names: NameScheme,
    directory: &Path,
    reader: &mut Reader,
) -> AlertmanagerConfig {
    let file = &at.value;
    if let Some(version) = file.api_version.as_ref().filter(|at| !matches!(at.value.as_str(), "" | "v2")) {
        let message =
            format!("expected Alertmanager api version to be one of [v2] but got {}", version.value);
        reader.report(version.position, message);
    }
    let scheme = file.scheme.as_ref().filter(|at| !at.value.is_empty());
    if let Some(wrong) = scheme.filter(|at| !matches!(at.value.as_str(), "http" | "https")) {
        let message = format!("scheme {} is neither http nor https", GoQuoted(&wrong.value));
        reader.report(wrong.position, message);
    }
    let groups = file.static_configs.iter().enumerate().map(|(idx, group)| {
        reader.inside(format!(".static_configs[{idx}]"), |reader| resolve_group(group, reader))
    });
    let static_groups = groups.collect();
    AlertmanagerConfig {
        scheme: scheme.map_or("http", |at| &at.value).to_owned(),
        path_prefix: file.path_prefix.clone().unwrap_or_default(),
        timeout: file.timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT),
        relabel: relabel::resolve(&file.relabel_configs, OF_ALERTMANAGERS, names, reader),
        alert_relabel: relabel::resolve(&file.alert_relabel_configs, OF_ALERTS_THERE, names, reader),
        static_groups,
        client: file.http_client.resolve(at.position, directory, reader),
    }
}

/// Resolves globs of rule files: relative ones are below `directory`, and stars stand in the file name only.
pub(crate) fn resolve_globs(globs: &[At<String>], directory: &Path, reader: &mut Reader) -> Vec<PathBuf> {
    let mut paths = Vec::with_capacity(globs.len());
    for (idx, at) in globs.iter().enumerate() {
        if !is_file_glob(&at.value) {
            let message = format!("invalid rule file path {}", GoQuoted(&at.value));
            reader.inside(format!(".rule_files[{idx}]"), |reader| reader.report(at.position, message));
        }
        paths.push(directory.join(&at.value));
    }
    paths
}

/// Returns whether stars stand in the last part only, and not in twos.
fn is_file_glob(path: &str) -> bool {
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
    !directory.contains('*') && !file.contains("**")
}

pub(crate) fn print(out: &mut String, rule_files: &[PathBuf], alerting: &AlertingConfig) -> fmt::Result {
    if !alerting.relabel.is_empty() || !alerting.alertmanagers.is_empty() {
        writeln!(out, "alerting:")?;
        write_rules(out, "alert_relabel_configs", &alerting.relabel)?;
    }
    if !alerting.alertmanagers.is_empty() {
        writeln!(out, "  alertmanagers:")?;
    }
    for entry in &alerting.alertmanagers {
        writeln!(out, "  - scheme: {}", entry.scheme)?;
        if !entry.path_prefix.is_empty() {
            writeln!(out, "    path_prefix: {}", quoted(&entry.path_prefix))?;
        }
        writeln!(out, "    timeout: {}\n    api_version: v2", duration::format(entry.timeout))?;
        let mut rest = String::new();
        write_client(&mut rest, &entry.client)?;
        write_rules(&mut rest, "relabel_configs", &entry.relabel)?;
        write_rules(&mut rest, "alert_relabel_configs", &entry.alert_relabel)?;
        write_groups(&mut rest, &entry.static_groups)?;
        rest.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    if !rule_files.is_empty() {
        writeln!(out, "rule_files:")?;
    }
    rule_files.iter().try_for_each(|path| writeln!(out, "- {}", quoted(&path.to_string_lossy())))
}

#[cfg(test)]
mod tests {
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
            ("alerting: {alertmanagers: [{sigv4: {region: a}}]}", "field sigv4 is not supported yet"),
            ("rule_files: ['a*/b.yml']", "invalid rule file path \"a*/b.yml\""),
        ] {
            let error = load(text, Path::new("p.yml")).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
