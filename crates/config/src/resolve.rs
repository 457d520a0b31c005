//! From what was typed to what it means: defaults, inheritance and the checks that look at several keys at once.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use wf_httpkit::ClientOptions;
use wf_model::quote::GoQuoted;
use wf_model::relabel::Rule;
use wf_model::{Labels, NameScheme};

use crate::alerting::{self, AlertingConfig};
use crate::discovery::{Discovery, SdConfig, StaticGroup, resolve_labels};
use crate::file::{ConfigFile, GlobalFile, ScrapeConfigFile};
use crate::formats::{self, FormatConfig, HistogramConfig};
use crate::section::Section;
use crate::storage::{self, StorageConfig};
use crate::yaml::Position;
use crate::yaml::reader::{At, Bytes, Reader};
use crate::{relabel, remote, telemetry};

/// A configuration that can be run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Settings of the whole server.
    pub global: GlobalConfig,
    /// What to scrape, in file order; job names are unique.
    pub scrape_configs: Vec<ScrapeConfig>,
    /// Settings of the database.
    pub storage: StorageConfig,
    /// Patterns of rule files, relative ones below the configuration's directory.
    pub rule_files: Vec<PathBuf>,
    /// Patterns of files with more scrape configurations, which are in `scrape_configs` after the file's own.
    pub scrape_config_files: Vec<PathBuf>,
    /// Which Alertmanagers are told.
    pub alerting: AlertingConfig,
    /// What is sent elsewhere: `remote_write`.
    pub remote_write: Vec<Section>,
    /// What is read elsewhere: `remote_read`.
    pub remote_read: Vec<Section>,
    /// `runtime`, if the file has it.
    pub runtime: Option<Section>,
    /// `otlp`, if the file has it.
    pub otlp: Option<Section>,
    /// `tracing`, if the file has it.
    pub tracing: Option<Section>,
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
    /// How far in the past rules are evaluated.
    pub rule_query_offset: Duration,
    /// File that every query is logged to.
    pub query_log_file: Option<PathBuf>,
    /// File that failed scrapes are logged to, unless a job has its own.
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Labels added to what leaves this server.
    pub external_labels: Labels,
    /// Formats that scrape configurations inherit.
    pub format: FormatConfig,
    /// What becomes of histograms, as scrape configurations inherit it.
    pub histograms: HistogramConfig,
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
            scrape_failure_log_file: None,
            external_labels: Labels::empty(),
            format: FormatConfig::default(),
            histograms: HistogramConfig::default(),
            limits: ScrapeLimits::default(),
        }
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
    /// What becomes of histograms.
    pub histograms: HistogramConfig,
    /// File that failed scrapes are logged to.
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Bounds.
    pub limits: ScrapeLimits,
    /// Rules for the labels of targets.
    pub relabel: Vec<Rule>,
    /// Rules for the labels of scraped series.
    pub metric_relabel: Vec<Rule>,
    /// Targets written down in the file.
    pub static_groups: Vec<StaticGroup>,
    /// Where more targets are found.
    pub sources: Vec<SdConfig>,
    /// Credentials, TLS, redirects.
    pub client: ClientOptions,
    /// Whether the job stands in one of the `scrape_config_files`.
    pub is_included: bool,
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
            histograms: global.histograms,
            scrape_failure_log_file: global.scrape_failure_log_file.clone(),
            limits: global.limits,
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            static_groups: Vec::new(),
            sources: Vec::new(),
            client: ClientOptions::default(),
            is_included: false,
        }
    }
}

/// Resolves `file`, reporting problems to `reader`.
pub(crate) fn resolve(file: &ConfigFile, reader: &mut Reader) -> Config {
    let global = reader.inside(".global".to_owned(), |reader| resolve_global(&file.global, reader));
    let scheme = if global.format.legacy_names { NameScheme::Legacy } else { NameScheme::Utf8 };
    let mut names = HashSet::new();
    let sections = &file.sections;
    remote::check(&sections.remote_write, &sections.remote_read, reader);
    let otlp = checked(sections.otlp.as_ref(), ".otlp", reader, |section| {
        telemetry::check_otlp(section, global.format.legacy_names)
    });
    let tracing = checked(sections.tracing.as_ref(), ".tracing", reader, telemetry::check_tracing);
    Config {
        scrape_configs: resolve_jobs(&file.scrape_configs, &global, &mut names, reader),
        storage: storage::resolve(&file.storage, reader),
        rule_files: resolve_patterns(&file.rule_files, "rule_files", "rule file path", reader),
        scrape_config_files: resolve_patterns(
            &file.scrape_config_files,
            "scrape_config_files",
            "scrape config file path",
            reader,
        ),
        alerting: reader
            .inside(".alerting".to_owned(), |reader| alerting::resolve(&file.alerting, scheme, reader)),
        remote_write: sections.remote_write.iter().map(|at| at.value.clone()).collect(),
        remote_read: sections.remote_read.iter().map(|at| at.value.clone()).collect(),
        runtime: sections.runtime.as_ref().map(|at| at.value.clone()),
        otlp,
        tracing,
        global,
    }
}

fn checked(
    at: Option<&At<Section>>,
    path: &str,
    reader: &mut Reader,
    check: impl FnOnce(&Section) -> Result<(), String>,
) -> Option<Section> {
    let at = at?;
    if let Err(message) = check(&at.value) {
        reader.inside(path.to_owned(), |reader| reader.report(at.position, message));
    }
    Some(at.value.clone())
}

fn resolve_patterns(patterns: &[At<String>], key: &str, what: &str, reader: &mut Reader) -> Vec<PathBuf> {
    for (idx, at) in patterns.iter().enumerate() {
        if !crate::glob::has_stars_in_last_segment_only(&at.value) {
            let message = format!(
                "invalid {what} {}: * may stand once, in the last part of the path",
                GoQuoted(&at.value)
            );
            reader.inside(format!(".{key}[{idx}]"), |reader| reader.report(at.position, message));
        }
    }
    patterns.iter().map(|at| PathBuf::from(reader.below_directory(&at.value))).collect()
}

/// Resolves jobs of one file; `names` are those taken by the files before it.
pub(crate) fn resolve_jobs(
    files: &[At<ScrapeConfigFile>],
    global: &GlobalConfig,
    names: &mut HashSet<String>,
    reader: &mut Reader,
) -> Vec<ScrapeConfig> {
    let mut jobs = Vec::with_capacity(files.len());
    for (idx, scrape) in files.iter().enumerate() {
        jobs.push(reader.inside(format!(".scrape_configs[{idx}]"), |reader| {
            let config = resolve_scrape(scrape, global, reader);
            if !config.job_name.is_empty() && !names.insert(config.job_name.clone()) {
                let name = GoQuoted(&config.job_name);
                reader.report(scrape.position, format!("found multiple scrape configs with job name {name}"));
            }
            config
        }));
    }
    jobs
}

fn resolve_path(path: Option<&String>, reader: &Reader) -> Option<PathBuf> {
    path.filter(|path| !path.is_empty()).map(|path| PathBuf::from(reader.below_directory(path)))
}

fn resolve_global(file: &GlobalFile, reader: &mut Reader) -> GlobalConfig {
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
    let (format, histograms) = formats::of_global(file, reader);
    GlobalConfig {
        scrape_interval: interval,
        scrape_timeout: timeout,
        evaluation_interval: file
            .evaluation_interval
            .filter(|interval| !interval.is_zero())
            .unwrap_or(default.evaluation_interval),
        rule_query_offset: file.rule_query_offset.unwrap_or_default(),
        query_log_file: resolve_path(file.query_log_file.as_ref(), reader),
        scrape_failure_log_file: resolve_path(file.scrape_failure_log_file.as_ref(), reader),
        external_labels: resolve_external_labels(&file.external_labels, reader),
        format,
        histograms,
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

fn resolve_scrape(at: &At<ScrapeConfigFile>, global: &GlobalConfig, reader: &mut Reader) -> ScrapeConfig {
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
    let Discovery { static_groups, sources } =
        file.discovery.resolve(!file.relabel_configs.is_empty(), reader);
    let (format, histograms) = formats::of_job(file, global, reader);
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
        histograms,
        scrape_failure_log_file: resolve_path(file.scrape_failure_log_file.as_ref(), reader)
            .or(base.scrape_failure_log_file),
        limits: resolve_limits(file, &global.limits),
        relabel: relabel::resolve(&file.relabel_configs, relabel::OF_TARGETS, scheme, reader),
        metric_relabel: relabel::resolve(&file.metric_relabel_configs, relabel::OF_SERIES, scheme, reader),
        static_groups,
        sources,
        client: file.http_client.resolve(at.position, reader),
        is_included: false,
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
