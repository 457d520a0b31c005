//! What a scrape job is told: resolved settings, no file format.

use std::path::PathBuf;
use std::time::Duration;

use wf_httpkit::ClientOptions;
use wf_model::Labels;
use wf_model::relabel::Rule;

/// One job: targets, and how they are scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct JobConfig {
    /// Value of the `job` label unless a target brings its own. Unique among jobs.
    pub name: String,
    /// How the job's targets are scraped.
    pub settings: JobSettings,
    /// The targets.
    pub groups: Vec<TargetGroup>,
}

/// How the targets of a job are scraped.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSettings {
    /// Time between two scrapes of one target.
    pub interval: Duration,
    /// How long a scrape may take; at most the interval.
    pub timeout: Duration,
    /// `http` or `https`, unless a target brings its own.
    pub scheme: String,
    /// Path of the page, unless a target brings its own.
    pub metrics_path: String,
    /// URL parameters, sorted by name.
    pub params: Vec<(String, Vec<String>)>,
    /// Whether labels of the page win over those of the target.
    pub honor_labels: bool,
    /// Whether timestamps of the page are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own go stale when they vanish.
    pub track_timestamps_staleness: bool,
    /// Whether compressed pages are asked for.
    pub enable_compression: bool,
    /// Formats to ask for, in order of preference; none stands for all that are known.
    pub protocols: Vec<ScrapeProtocol>,
    /// Format of pages whose content type says nothing useful; `None` fails them.
    pub fallback_protocol: Option<ScrapeProtocol>,
    /// Which names are accepted.
    pub name_validation: NameValidation,
    /// How names that are no identifiers shall be written by targets.
    pub name_escaping: NameEscaping,
    /// What becomes of histograms.
    pub histograms: HistogramSettings,
    /// What becomes of start timestamps.
    pub start_times: StartTimes,
    /// File that failed scrapes are logged to, one JSON object a line.
    pub failure_log: Option<PathBuf>,
    /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are reported too.
    pub extra_scrape_metrics: bool,
    /// Whether exemplars are handed to storage.
    pub keeps_exemplars: bool,
    /// Whether type, help and unit are handed to storage with the series (`metadata-wal-records`).
    pub keeps_metadata: bool,
    /// Whether declared types and units are labels of the series (`type-and-unit-labels`).
    pub type_and_unit_labels: bool,
    /// Bounds on what a target may give.
    pub limits: ScrapeLimits,
    /// Rules for the labels of targets.
    pub relabel: Vec<Rule>,
    /// Rules for the labels of scraped series.
    pub metric_relabel: Vec<Rule>,
    /// Credentials, TLS, redirects.
    pub client: ClientOptions,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            scheme: "http".to_owned(),
            metrics_path: "/metrics".to_owned(),
            params: Vec::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            enable_compression: true,
            protocols: Vec::new(),
            fallback_protocol: None,
            name_validation: NameValidation::Utf8,
            name_escaping: NameEscaping::AllowUtf8,
            histograms: HistogramSettings::default(),
            start_times: StartTimes::default(),
            failure_log: None,
            extra_scrape_metrics: false,
            keeps_exemplars: false,
            keeps_metadata: false,
            type_and_unit_labels: false,
            limits: ScrapeLimits::default(),
            relabel: Vec::new(),
            metric_relabel: Vec::new(),
            client: ClientOptions::default(),
        }
    }
}

impl JobSettings {
    /// Returns whether `self` is `job` with these histogram settings.
    pub(crate) fn is_variant_of(&self, job: &Self, histograms: HistogramSettings) -> bool {
        *self == Self { histograms, ..job.clone() }
    }

    /// Returns whether series known under `self` mean the same under `other`: only what decides when and how a page
    /// is fetched, and how many samples it may have, differs.
    pub(crate) fn shares_cache_with(&self, other: &Self) -> bool {
        let same = Self {
            interval: self.interval,
            timeout: self.timeout,
            client: self.client.clone(),
            failure_log: self.failure_log.clone(),
            limits: ScrapeLimits { n_samples_max: self.limits.n_samples_max, ..other.limits },
            ..other.clone()
        };
        *self == same
    }
}

/// Bounds on what a target may give; 0 is no bound of the user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeLimits {
    /// Uncompressed page, bytes. At 0, [`DEFAULT_BODY_BYTES_MAX`] holds: memory is never at a target's mercy.
    pub body_bytes_max: u64,
    /// Samples per scrape.
    pub n_samples_max: u64,
    /// Targets per job.
    pub n_targets_max: u64,
    /// Labels per sample.
    pub n_labels_max: u64,
    /// Length of a label name, bytes.
    pub label_name_bytes_max: u64,
    /// Length of a label value, bytes.
    pub label_value_bytes_max: u64,
    /// Targets per job that relabeling dropped and that are remembered for the API; all are counted.
    pub n_dropped_kept_max: u64,
}

/// Size of an uncompressed page that no target exceeds unless its job sets a `body_size_limit` of its own.
// About a million series; the largest known pages (kube-state-metrics of clusters with thousands of nodes) are as big.
pub const DEFAULT_BODY_BYTES_MAX: u64 = 128 << 20;

/// What becomes of histograms, classic and native.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HistogramSettings {
    /// Whether native histograms are taken as such; this asks for protobuf first, which alone has them.
    pub takes_native: bool,
    /// Whether classic histograms become native ones with custom buckets.
    pub converts_classic: bool,
    /// Whether the classic form is kept beside a native or converted one.
    pub keeps_classic: bool,
    /// Buckets of one native histogram; beyond, its resolution is lowered until it fits. 0 is no bound.
    pub n_buckets_max: u64,
    /// Smallest growth from one bucket to the next; a finer histogram is lowered to it. 0 is no bound.
    pub bucket_factor_min: f64,
}

/// What becomes of the times at which counters began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimes {
    /// Whether a zero is stored at the start timestamp (`created-timestamp-zero-ingestion`).
    pub inject_zero: bool,
    /// Whether the start timestamp is stored with each sample (`st-storage`).
    pub store: bool,
    /// Whether a start is made up for counters whose target tells none (`st-synthesis`).
    pub synthesise: bool,
}

impl StartTimes {
    /// Returns whether start timestamps are of any use.
    pub(crate) fn are_read(self) -> bool {
        self.inject_zero || self.store || self.synthesise
    }
}

/// How targets shall write names that are no identifiers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameEscaping {
    /// As they are: `allow-utf-8`.
    #[default]
    AllowUtf8,
    /// With `_` for each character that is not allowed: `underscores`.
    Underscores,
    /// With `_dot_` for a dot: `dots`.
    Dots,
    /// With the code point of each character that is not allowed: `values`.
    Values,
}

impl NameEscaping {
    /// Returns the name of the scheme in headers and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// A format that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// `PrometheusProto`.
    Protobuf,
    /// `OpenMetricsText1.0.0`.
    OpenMetrics1_0_0,
    /// `OpenMetricsText0.0.1`.
    OpenMetrics0_0_1,
    /// `PrometheusText1.0.0`.
    Text1_0_0,
    /// `PrometheusText0.0.4`.
    Text0_0_4,
}

/// Which metric and label names are accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameValidation {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// Letters, digits, `_`, and `:` in metric names.
    Legacy,
}

/// Targets with common labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetGroup {
    /// Labels of each target; `__address__` at least.
    pub targets: Vec<Labels>,
    /// Labels of all of them.
    pub labels: Labels,
}

impl TargetGroup {
    /// Builds a group from addresses, as `static_configs` writes them.
    pub fn of_addresses<A: AsRef<str>>(addresses: impl IntoIterator<Item = A>, labels: Labels) -> Self {
        let target = |address: A| Labels::from_pairs([("__address__", address.as_ref())]);
        Self { targets: addresses.into_iter().map(target).collect(), labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_outlives_changes_of_schedule_client_and_sample_limit_only() {
        let old = JobSettings::default();
        let mut new =
            JobSettings { interval: Duration::from_secs(5), timeout: Duration::from_secs(5), ..old.clone() };
        new.limits.n_samples_max = 10;
        assert!(old.shares_cache_with(&new));
        assert!(!old.shares_cache_with(&JobSettings { honor_labels: true, ..old.clone() }));
        new.limits.n_labels_max = 10;
        assert!(!old.shares_cache_with(&new));
    }
}
