//! From what was typed to what it means: defaults, inheritance and the checks that look at several keys at once.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wf_httpkit::ClientOptions;
use wf_model::labels::METRIC_NAME;
use wf_model::quote::GoQuoted;
use wf_model::relabel::Rule;
use wf_model::{Labels, NameScheme};

use crate::alerting::{self, AlertingConfig};
use crate::file::{ConfigFile, GlobalFile, ScrapeConfigFile, StaticConfigFile};
use crate::relabel;
use crate::storage::{self, StorageConfig};
use crate::yaml::Position;
use crate::yaml::reader::{At, Bytes, Reader};

/// A configuration that can be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Settings of the whole server.
    pub global: GlobalConfig,
    /// What to scrape, in file order; job names are unique.
    pub scrape_configs: Vec<ScrapeConfig>,
    /// Settings of the database.
    pub storage: StorageConfig,
    /// Globs of files with rules, absolute or relative to where the program runs.
    pub rule_files: Vec<PathBuf>,
    /// Who is told of alerts.
    pub alerting: AlertingConfig,
}

/// Settings of the whole server, and what scrape configurations inherit.
#[derive(Clone, Debug, PartialEq)]
pub struct GlobalConfig {
    /// Time between two scrapes of one target.
    pub scrape_interval: Duration,
    /// How long a scrape may take; at most the interval.
    pub scrape_timeout: Duration,
    /// Time between two evaluations of a rule group.
    pub evaluation_interval: Duration,
    /// How far back rules look.
    pub rule_query_offset: Duration,
    /// File that every query is logged to.
    pub query_log_file: Option<PathBuf>,
    /// Labels added to what leaves this server.
    pub external_labels: Labels,
    /// Formats that scrape configurations inherit.
    pub format: FormatConfig,
    /// Limits that scrape configurations inherit.
    pub limits: ScrapeLimits,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        Self {
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            evaluation_interval: Duration::from_secs(60),
            rule_query_offset: Duration::ZERO,
            query_log_file: None,
            external_labels: Labels::empty(),
            format: FormatConfig::default(),
            limits: ScrapeLimits::default(),
        }
    }
}

/// Which pages are asked for, and how their names are judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatConfig {
    /// Formats to ask for, in order of preference; none stands for all that are known.
    pub protocols: Vec<ScrapeProtocol>,
    /// Format of pages whose content type says nothing useful; `None` fails them.
    pub fallback: Option<ScrapeProtocol>,
    /// Whether names must be of the legacy scheme: letters, digits, `_` and `:`.
    pub legacy_names: bool,
    /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are stored too.
    pub extra_metrics: bool,
}

/// A format that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeProtocol {
    /// `OpenMetricsText0.0.1`
    OpenMetrics0_0_1,
    /// `OpenMetricsText1.0.0`
    OpenMetrics1_0_0,
    /// `PrometheusText0.0.4`
    Text0_0_4,
    /// `PrometheusText1.0.0`
    Text1_0_0,
}

impl ScrapeProtocol {
    const ALL: [Self; 4] = [Self::OpenMetrics0_0_1, Self::OpenMetrics1_0_0, Self::Text0_0_4, Self::Text1_0_0];

    /// Returns the name in configuration files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenMetrics0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetrics1_0_0 => "OpenMetricsText1.0.0",
            Self::Text0_0_4 => "PrometheusText0.0.4",
            Self::Text1_0_0 => "PrometheusText1.0.0",
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        if name == "PrometheusProto" {
            return Err("scrape protocol PrometheusProto is not supported yet: name a text format".to_owned());
        }
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == name).ok_or_else(|| {
            format!(
                "unknown scrape protocol {name}, supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 \
                 PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0]"
            )
        })
    }
}

/// Bounds on what a target may give; 0 is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Uncompressed page.
    pub body_bytes_max: u64,
    /// Samples per scrape.
    pub n_samples_max: u64,
    /// Targets per job.
    pub n_targets_max: u64,
    /// Labels per sample.
    pub n_labels_max: u64,
    /// Length of a label name.
    pub label_name_bytes_max: u64,
    /// Length of a label value.
    pub label_value_bytes_max: u64,
    /// Dropped targets that are shown, per job.
    pub n_dropped_kept_max: u64,
}

/// How one group of targets is scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// Value of the `job` label.
    pub job_name: String,
    /// Time between two scrapes of one target.
    pub scrape_interval: Duration,
    /// How long a scrape may take; at most the interval.
    pub scrape_timeout: Duration,
    /// `http` or `https`.
    pub scheme: String,
    /// Path of the page.
    pub metrics_path: String,
    /// URL parameters.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether labels of the page win over those of the target.
    pub honor_labels: bool,
    /// Whether timestamps of the page are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own go stale when they vanish.
    pub track_timestamps_staleness: bool,
    /// Whether compressed pages are asked for.
    pub enable_compression: bool,
    /// Formats.
    pub format: FormatConfig,
    /// Bounds.
    pub limits: ScrapeLimits,
    /// Rules for the labels of targets.
    pub relabel: Vec<Rule>,
    /// Rules for the labels of scraped series.
    pub metric_relabel: Vec<Rule>,
    /// Targets written down in the file.
    pub static_groups: Vec<StaticGroup>,
    /// Credentials, TLS, redirects.
    pub client: ClientOptions,
}

impl ScrapeConfig {
    /// Returns a job with the defaults of the file format, a name and no targets.
    pub fn new(job_name: &str, global: &GlobalConfig) -> Self {
        Self {
            job_name: job_name.to_owned(),
            scrape_interval: global.scrape_interval,
            scrape_timeout: global.scrape_timeout.min(global.scrape_interval),
            scheme: "http".to_owned(),
            metrics_path: "/metrics".to_owned(),
            params: BTreeMap::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            enable_compression: true,
            format: global.format.clone(),
            limits: global.limits,
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            static_groups: Vec::new(),
            client: ClientOptions::default(),
        }
    }
}

/// Targets with common labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StaticGroup {
    /// Addresses.
    pub targets: Vec<String>,
    /// Labels of all of them.
    pub labels: Labels,
}

/// Resolves `file`, reporting problems to `reader`; relative paths are below `directory`.
pub(crate) fn resolve(file: &ConfigFile, directory: &Path, reader: &mut Reader) -> Config {
    let global =
        reader.inside(".global".to_owned(), |reader| resolve_global(&file.global, directory, reader));
    let mut names = HashSet::new();
    let mut scrape_configs = Vec::with_capacity(file.scrape_configs.len());
    for (idx, scrape) in file.scrape_configs.iter().enumerate() {
        let config = reader.inside(format!(".scrape_configs[{idx}]"), |reader| {
            let config = resolve_scrape(scrape, &global, directory, reader);
            if !config.job_name.is_empty() && !names.insert(config.job_name.clone()) {
                let name = GoQuoted(&config.job_name);
                reader.report(scrape.position, format!("found multiple scrape configs with job name {name}"));
            }
            config
        });
        scrape_configs.push(config);
    }
    let names = if global.format.legacy_names { NameScheme::Legacy } else { NameScheme::Utf8 };
    Config {
        global,
        scrape_configs,
        storage: storage::resolve(&file.storage, reader),
        rule_files: alerting::resolve_globs(&file.rule_files, directory, reader),
        alerting: alerting::resolve(&file.alerting, names, directory, reader),
    }
}

fn resolve_global(file: &GlobalFile, directory: &Path, reader: &mut Reader) -> GlobalConfig {
    let default = GlobalConfig::default();
    let interval = positive(file.scrape_interval.as_ref()).unwrap_or(default.scrape_interval);
    let timeout = match positive(file.scrape_timeout.as_ref()) {
        Some(timeout) => timeout,
        None => default.scrape_timeout.min(interval),
    };
    if timeout > interval {
        let position = file.scrape_timeout.as_ref().map_or(Position::default(), |at| at.position);
        reader.report(position, "global scrape timeout greater than scrape interval");
    }
    GlobalConfig {
        scrape_interval: interval,
        scrape_timeout: timeout,
        evaluation_interval: file
            .evaluation_interval
            .filter(|interval| !interval.is_zero())
            .unwrap_or(default.evaluation_interval),
        rule_query_offset: file.rule_query_offset.unwrap_or_default(),
        query_log_file: file
            .query_log_file
            .as_ref()
            .filter(|path| !path.is_empty())
            .map(|path| directory.join(path)),
        external_labels: resolve_external_labels(&file.external_labels, reader),
        format: FormatConfig {
            protocols: resolve_protocols(&file.scrape_protocols, "in global config", reader),
            fallback: None,
            legacy_names: is_legacy(file.metric_name_validation_scheme.as_ref(), reader).unwrap_or(false),
            extra_metrics: file.extra_scrape_metrics.unwrap_or(false),
        },
        limits: ScrapeLimits {
            body_bytes_max: file.body_size_limit.unwrap_or_default().0,
            n_samples_max: file.sample_limit.unwrap_or(0),
            n_targets_max: file.target_limit.unwrap_or(0),
            n_labels_max: file.label_limit.unwrap_or(0),
            label_name_bytes_max: file.label_name_length_limit.unwrap_or(0),
            label_value_bytes_max: file.label_value_length_limit.unwrap_or(0),
            n_dropped_kept_max: file.keep_dropped_targets.unwrap_or(0),
        },
    }
}

/// Zero is unset, as in the original.
fn positive(duration: Option<&At<Duration>>) -> Option<Duration> {
    duration.map(|at| at.value).filter(|value| !value.is_zero())
}

fn resolve_external_labels(file: &BTreeMap<String, At<String>>, reader: &mut Reader) -> Labels {
    let lookup = |name: &str| std::env::var(name).ok();
    let expanded = file.iter().map(|(name, at)| {
        let value = expand_variables(&at.value, lookup);
        (name.clone(), At { value, position: at.position })
    });
    reader.inside(".external_labels".to_owned(), |reader| resolve_labels(&expanded.collect(), reader))
}

/// Replaces `$name` and `${name}`; `$$` is a dollar, an unknown name is nothing.
fn expand_variables(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|braced| braced.split_once('}'))
        {
            out.push_str(&lookup(name).unwrap_or_default());
            rest = after;
        } else {
            let n_name =
                after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            let (name, after) = after.split_at(n_name);
            out.push_str(&lookup(name).unwrap_or_default());
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn resolve_labels(file: &BTreeMap<String, At<String>>, reader: &mut Reader) -> Labels {
    for (name, at) in file {
        if name.is_empty() || name == METRIC_NAME {
            reader.report(at.position, format!("{} is not a valid label name", GoQuoted(name)));
        }
    }
    // A map is sorted and names its keys once.
    let pairs = file.iter().map(|(name, at)| (name.as_str(), at.value.as_str()));
    Labels::from_sorted(pairs.filter(|(_, value)| !value.is_empty()))
}

fn resolve_scrape(
    at: &At<ScrapeConfigFile>,
    global: &GlobalConfig,
    directory: &Path,
    reader: &mut Reader,
) -> ScrapeConfig {
    let file = &at.value;
    let job_name = file.job_name.as_ref().map_or("", |at| at.value.as_str());
    if job_name.is_empty() {
        reader.report(at.position, "job_name is empty");
    }
    let (scrape_interval, scrape_timeout) = resolve_times(file, global, job_name, reader);
    let base = ScrapeConfig::new(job_name, global);
    if let Some(scheme) =
        file.scheme.as_ref().filter(|at| !matches!(at.value.as_str(), "http" | "https" | ""))
    {
        reader
            .report(scheme.position, format!("scheme {} is neither http nor https", GoQuoted(&scheme.value)));
    }
    let non_empty =
        |text: Option<&String>, default: String| text.filter(|t| !t.is_empty()).cloned().unwrap_or(default);
    let format = resolve_format(file, global, reader);
    let scheme = if format.legacy_names { NameScheme::Legacy } else { NameScheme::Utf8 };
    ScrapeConfig {
        scrape_interval,
        scrape_timeout,
        scheme: non_empty(file.scheme.as_ref().map(|at| &at.value), base.scheme),
        metrics_path: non_empty(file.metrics_path.as_ref(), base.metrics_path),
        params: file.params.clone(),
        honor_labels: file.honor_labels.unwrap_or(base.honor_labels),
        honor_timestamps: file.honor_timestamps.unwrap_or(base.honor_timestamps),
        track_timestamps_staleness: file
            .track_timestamps_staleness
            .unwrap_or(base.track_timestamps_staleness),
        enable_compression: file.enable_compression.unwrap_or(base.enable_compression),
        format,
        limits: resolve_limits(file, &global.limits),
        relabel: relabel::resolve(&file.relabel_configs, relabel::OF_TARGETS, scheme, reader),
        metric_relabel: relabel::resolve(&file.metric_relabel_configs, relabel::OF_SERIES, scheme, reader),
        static_groups: resolve_groups(file, reader),
        client: file.http_client.resolve(at.position, directory, reader),
        job_name: base.job_name,
    }
}

fn resolve_times(
    file: &ScrapeConfigFile,
    global: &GlobalConfig,
    job_name: &str,
    reader: &mut Reader,
) -> (Duration, Duration) {
    let interval = positive(file.scrape_interval.as_ref()).unwrap_or(global.scrape_interval);
    let Some(timeout) = positive(file.scrape_timeout.as_ref()) else {
        return (interval, global.scrape_timeout.min(interval));
    };
    if timeout > interval {
        let position = file.scrape_timeout.as_ref().map_or(Position::default(), |at| at.position);
        let name = GoQuoted(job_name);
        let message =
            format!("scrape timeout greater than scrape interval for scrape config with job name {name}");
        reader.report(position, message);
    }
    (interval, timeout)
}

fn resolve_format(file: &ScrapeConfigFile, global: &GlobalConfig, reader: &mut Reader) -> FormatConfig {
    let job = GoQuoted(file.job_name.as_ref().map_or("", |at| at.value.as_str())).to_string();
    let context = format!("for scrape config with job name {job}");
    let own = resolve_protocols(&file.scrape_protocols, &context, reader);
    let fallback = file.fallback_scrape_protocol.as_ref().filter(|at| !at.value.is_empty());
    let fallback = fallback.and_then(|at| match ScrapeProtocol::parse(&at.value) {
        Ok(protocol) => Some(protocol),
        Err(cause) => {
            reader.report(at.position, format!("invalid fallback_scrape_protocol {context}: {cause}"));
            None
        }
    });
    let legacy_names = is_legacy(file.metric_name_validation_scheme.as_ref(), reader);
    FormatConfig {
        protocols: if own.is_empty() { global.format.protocols.clone() } else { own },
        fallback,
        legacy_names: legacy_names.unwrap_or(global.format.legacy_names),
        extra_metrics: file.extra_scrape_metrics.unwrap_or(global.format.extra_metrics),
    }
}

fn resolve_protocols(names: &[At<String>], context: &str, reader: &mut Reader) -> Vec<ScrapeProtocol> {
    let mut protocols = Vec::with_capacity(names.len());
    for at in names {
        match ScrapeProtocol::parse(&at.value) {
            Ok(protocol) if protocols.contains(&protocol) => {
                let all: Vec<&str> = names.iter().map(|at| at.value.as_str()).collect();
                let message =
                    format!("duplicated protocol in scrape_protocols, got [{}] {context}", all.join(" "));
                reader.report(at.position, message);
            }
            Ok(protocol) => protocols.push(protocol),
            Err(cause) => reader.report(at.position, format!("scrape_protocols: {cause} {context}")),
        }
    }
    protocols
}

fn is_legacy(scheme: Option<&At<String>>, reader: &mut Reader) -> Option<bool> {
    let at = scheme?;
    match at.value.as_str() {
        "" => None,
        "utf8" => Some(false),
        "legacy" => Some(true),
        other => {
            reader.report(
                at.position,
                format!("unrecognized ValidationScheme: {}; use utf8 or legacy", GoQuoted(other)),
            );
            None
        }
    }
}

fn resolve_limits(file: &ScrapeConfigFile, global: &ScrapeLimits) -> ScrapeLimits {
    // Zero inherits, as in the original.
    let inherit = |own: Option<u64>, global: u64| own.filter(|own| *own > 0).unwrap_or(global);
    ScrapeLimits {
        body_bytes_max: inherit(file.body_size_limit.map(|Bytes(bytes)| bytes), global.body_bytes_max),
        n_samples_max: inherit(file.sample_limit, global.n_samples_max),
        n_targets_max: inherit(file.target_limit, global.n_targets_max),
        n_labels_max: inherit(file.label_limit, global.n_labels_max),
        label_name_bytes_max: inherit(file.label_name_length_limit, global.label_name_bytes_max),
        label_value_bytes_max: inherit(file.label_value_length_limit, global.label_value_bytes_max),
        n_dropped_kept_max: inherit(file.keep_dropped_targets, global.n_dropped_kept_max),
    }
}

fn resolve_groups(file: &ScrapeConfigFile, reader: &mut Reader) -> Vec<StaticGroup> {
    let groups = &file.static_configs;
    // Rules may make an address of a URL: only without them it is known to be wrong.
    let may_be_url = !file.relabel_configs.is_empty();
    let mut resolved = Vec::with_capacity(groups.len());
    for (idx, group) in groups.iter().enumerate() {
        resolved.push(reader.inside(format!(".static_configs[{idx}]"), |reader| {
            if !may_be_url {
                check_addresses(group, reader);
            }
            resolve_group(group, reader)
        }));
    }
    resolved
}

fn check_addresses(group: &StaticConfigFile, reader: &mut Reader) {
    for target in &group.targets {
        let address = GoQuoted(&target.value);
        if target.value.contains('/') {
            let message =
                format!("{address} is not a valid hostname: give host:port, the path goes into metrics_path");
            reader.report(target.position, message);
        } else if target.value.is_empty() {
            reader.report(target.position, "target address is empty");
        }
    }
}

pub(crate) fn resolve_group(group: &StaticConfigFile, reader: &mut Reader) -> StaticGroup {
    StaticGroup {
        targets: group.targets.iter().map(|at| at.value.clone()).collect(),
        labels: reader.inside(".labels".to_owned(), |reader| resolve_labels(&group.labels, reader)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_in_external_labels() {
        let lookup = |name: &str| (name == "FOO").then(|| "bar".to_owned());
        let check = |text: &str, want: &str| assert_eq!(expand_variables(text, lookup), want);
        check("foo${FOO}bar", "foobarbar");
        check("foo$FOO", "foobar");
        check("$$FOO", "$FOO");
        check("${TEST}!", "!");
        check("plain", "plain");
    }
}
