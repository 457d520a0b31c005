//! What is typed in prometheus.yml, key by key. Defaults are named here and applied in `resolve`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alerting::AlertingFile;
use crate::discovery::DiscoveryFile;
use crate::http_client::HttpClientFile;
use crate::relabel::RelabelFile;
use crate::section::{Section, read_records};
use crate::yaml::Node;
use crate::yaml::reader::{At, Bytes, Reader, yaml_struct};
use crate::{remote, telemetry};

yaml_struct! {
    /// The whole file.
    pub struct ConfigFile("config.plain") {
        /// Defaults for all scrape configurations.
        pub global: GlobalFile,
        /// What to scrape.
        pub scrape_configs: Vec<At<ScrapeConfigFile>>,
        /// Settings of the database that a reload can change.
        pub storage: StorageFile,
        /// Files with rules; `*` may stand in the last part of the path.
        pub rule_files: Vec<At<String>>,
        /// Files with more scrape configurations; `*` may stand in the last part of the path.
        pub scrape_config_files: Vec<At<String>>,
        /// Which Alertmanagers are told.
        pub alerting: AlertingFile,
    }
    flatten { sections: SectionsFile, }
    not_yet {}
    null("configuration")
}

yaml_struct! {
    /// A file that `scrape_config_files` names.
    pub struct ScrapeConfigsFile("config.ScrapeConfigs") {
        /// What to scrape.
        pub scrape_configs: Vec<At<ScrapeConfigFile>>,
    }
    flatten {}
    not_yet {}
    null("configuration")
}

/// Sections described by tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SectionsFile {
    /// `runtime`.
    pub runtime: Option<At<Section>>,
    /// `otlp`.
    pub otlp: Option<At<Section>>,
    /// `tracing`.
    pub tracing: Option<At<Section>>,
    /// `remote_write`.
    pub remote_write: Vec<At<Section>>,
    /// `remote_read`.
    pub remote_read: Vec<At<Section>>,
}

impl SectionsFile {
    fn set_field(&mut self, name: &str, node: &Node, reader: &mut Reader) -> bool {
        let (slot, schema) = match name {
            "runtime" => (&mut self.runtime, &telemetry::RUNTIME),
            "otlp" => (&mut self.otlp, &telemetry::OTLP),
            "tracing" => (&mut self.tracing, &telemetry::TRACING),
            "remote_write" | "remote_read" => {
                let (list, schema) = match name {
                    "remote_write" => (&mut self.remote_write, &remote::WRITE),
                    _ => (&mut self.remote_read, &remote::READ),
                };
                if !node.is_null() {
                    *list = read_records(schema, node, reader).unwrap_or_default();
                }
                return true;
            }
            _ => return false,
        };
        if !node.is_null() {
            *slot = Section::read(schema, node, reader).map(|value| At { value, position: node.position });
        }
        true
    }
}

yaml_struct! {
    /// `storage`: settings of the database that a reload can change.
    pub struct StorageFile("config.StorageConfig") {
        /// Settings of the time series database.
        pub tsdb: TsdbFile,
        /// Settings of the exemplars.
        pub exemplars: ExemplarsFile,
    }
    flatten {}
    not_yet {}
    null("storage section")
}

yaml_struct! {
    /// `storage.tsdb`.
    pub struct TsdbFile("config.plain") {
        /// How far behind the newest sample an out-of-order one may be. Default: 0s, none is taken.
        pub out_of_order_time_window: Option<Duration>,
        /// How long data is kept. Default: what the flags say.
        pub retention: Option<RetentionFile>,
        /// Share of stale series from which on they leave memory early. Default: 0, off.
        pub stale_series_compaction_threshold: Option<At<f64>>,
        /// How samples are encoded.
        pub chunk_encoding: ChunkEncodingFile,
    }
    flatten {}
    not_yet {}
    null("tsdb section")
}

yaml_struct! {
    /// `storage.tsdb.retention`: replaces the flags as a whole, what is absent is no limit.
    pub struct RetentionFile("config.plain") {
        /// Longest time.
        pub time: Option<Duration>,
        /// Most bytes, such as `512MB`.
        pub size: Option<Bytes>,
        /// Most of the file system, percent.
        pub percentage: Option<At<f64>>,
    }
    flatten {}
    not_yet {}
    null("retention section")
}

yaml_struct! {
    /// `storage.tsdb.chunk_encoding`.
    pub struct ChunkEncodingFile("config.plain") {
        /// `xor` or `xor2`. Default: xor.
        pub floats: Option<At<String>>,
    }
    flatten {}
    not_yet {}
    null("chunk encoding section")
}

yaml_struct! {
    /// `storage.exemplars`.
    pub struct ExemplarsFile("config.plain") {
        /// Exemplars kept at most, over all series; none at zero and below. Default: 100000.
        pub max_exemplars: Option<i64>,
    }
    flatten {}
    not_yet {}
    null("exemplars section")
}

yaml_struct! {
    /// `global`: defaults for all scrape configurations, and labels for what leaves this server.
    pub struct GlobalFile("config.plain") {
        /// Time between two scrapes of one target. Default: 1m.
        pub scrape_interval: Option<At<Duration>>,
        /// How long a scrape may take. Default: 10s, or the interval if that is shorter.
        pub scrape_timeout: Option<At<Duration>>,
        /// Time between two evaluations of a rule group. Default: 1m.
        pub evaluation_interval: Option<Duration>,
        /// File that every query is logged to, as JSON; relative to the configuration file. Default: none.
        pub query_log_file: Option<String>,
        /// Labels added to what leaves this server (federation, remote write, alerts). `$VAR` is expanded.
        pub external_labels: BTreeMap<String, At<String>>,
        /// Added to the time rules are evaluated at, backwards. Default: 0s.
        pub rule_query_offset: Option<Duration>,
        /// File that failed scrapes are logged to, as JSON; relative to the configuration file. Default: none.
        pub scrape_failure_log_file: Option<String>,
        /// How names that a consumer cannot read are written: `allow-utf-8`, `underscores`, `dots` or `values`.
        pub metric_name_escaping_scheme: Option<At<String>>,
        /// Whether native histograms are stored. Default: false.
        pub scrape_native_histograms: Option<bool>,
        /// Whether classic histograms become native ones with custom buckets. Default: false.
        pub convert_classic_histograms_to_nhcb: Option<bool>,
        /// Whether classic histograms are stored beside native ones. Default: false.
        pub always_scrape_classic_histograms: Option<bool>,
        /// Formats to ask for, in order of preference. Default: all that are known.
        pub scrape_protocols: Option<At<Vec<At<String>>>>,
        /// `utf8` or `legacy`: which metric and label names are accepted. Default: utf8.
        pub metric_name_validation_scheme: Option<At<String>>,
        /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are stored too.
        pub extra_scrape_metrics: Option<bool>,
        /// Largest uncompressed page a target may give, such as `10MB`. Default: 0, no limit.
        pub body_size_limit: Option<Bytes>,
        /// Most samples per scrape after relabeling. Default: 0, no limit.
        pub sample_limit: Option<u64>,
        /// Most targets per scrape configuration. Default: 0, no limit.
        pub target_limit: Option<u64>,
        /// Most labels per sample. Default: 0, no limit.
        pub label_limit: Option<u64>,
        /// Longest label name, bytes. Default: 0, no limit.
        pub label_name_length_limit: Option<u64>,
        /// Longest label value, bytes. Default: 0, no limit.
        pub label_value_length_limit: Option<u64>,
        /// How many of the targets that relabeling dropped are shown, per scrape configuration. Default: 0, all.
        pub keep_dropped_targets: Option<u64>,
    }
    flatten {}
    not_yet {}
    null("global section")
}

yaml_struct! {
    /// How one group of targets is found and scraped: an entry of `scrape_configs`.
    pub struct ScrapeConfigFile("config.ScrapeConfig") {
        /// Value of the `job` label. Required, unique in the file.
        pub job_name: Option<At<String>>,
        /// Time between two scrapes of one target. Default: `global.scrape_interval`.
        pub scrape_interval: Option<At<Duration>>,
        /// How long a scrape may take. Default: `global.scrape_timeout`, or the interval if that is shorter.
        pub scrape_timeout: Option<At<Duration>>,
        /// Path of the page. Default: `/metrics`.
        pub metrics_path: Option<String>,
        /// `http` or `https`. Default: `http`.
        pub scheme: Option<At<String>>,
        /// URL parameters, each with one or more values.
        pub params: BTreeMap<String, Vec<String>>,
        /// Whether labels of the page win over those of the target. Default: false, they become `exported_…`.
        pub honor_labels: Option<bool>,
        /// Whether timestamps of the page are used. Default: true.
        pub honor_timestamps: Option<bool>,
        /// Whether series with timestamps of their own go stale when they vanish. Default: false.
        pub track_timestamps_staleness: Option<bool>,
        /// Whether compressed pages are asked for. Default: true.
        pub enable_compression: Option<bool>,
        /// Formats to ask for, in order of preference. Default: those of `global`.
        pub scrape_protocols: Option<At<Vec<At<String>>>>,
        /// As in `global`.
        pub scrape_failure_log_file: Option<String>,
        /// As in `global`.
        pub metric_name_escaping_scheme: Option<At<String>>,
        /// As in `global`.
        pub scrape_native_histograms: Option<bool>,
        /// As in `global`.
        pub convert_classic_histograms_to_nhcb: Option<bool>,
        /// As in `global`.
        pub always_scrape_classic_histograms: Option<bool>,
        /// Most buckets of a native histogram; beyond it its resolution is halved. Default: 0, no limit.
        pub native_histogram_bucket_limit: Option<u64>,
        /// Smallest factor from one bucket of a native histogram to the next. Default: 0, any.
        pub native_histogram_min_bucket_factor: Option<At<f64>>,
        /// `utf8` or `legacy`: which metric and label names are accepted.
        pub metric_name_validation_scheme: Option<At<String>>,
        /// Whether `scrape_timeout_seconds`, `scrape_sample_limit` and `scrape_body_size_bytes` are stored too.
        pub extra_scrape_metrics: Option<bool>,
        /// Format of pages whose content type says nothing useful. Default: such a scrape fails.
        pub fallback_scrape_protocol: Option<At<String>>,
        /// As in `global`.
        pub body_size_limit: Option<Bytes>,
        /// As in `global`.
        pub sample_limit: Option<u64>,
        /// As in `global`.
        pub target_limit: Option<u64>,
        /// As in `global`.
        pub label_limit: Option<u64>,
        /// As in `global`.
        pub label_name_length_limit: Option<u64>,
        /// As in `global`.
        pub label_value_length_limit: Option<u64>,
        /// As in `global`.
        pub keep_dropped_targets: Option<u64>,
        /// Rules that rewrite the labels of a target, or drop it, before it is scraped.
        pub relabel_configs: Vec<At<Option<RelabelFile>>>,
        /// Rules that rewrite the labels of each scraped series, or drop it, before it is stored.
        pub metric_relabel_configs: Vec<At<Option<RelabelFile>>>,
    }
    flatten { discovery: DiscoveryFile, http_client: HttpClientFile, }
    not_yet {}
    null("scrape config section")
}
