//! What is typed in prometheus.yml, key by key. Defaults are named here and applied in `resolve`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alerting::AlertingFile;
use crate::http_client::HttpClientFile;
use crate::relabel::RelabelFile;
use crate::yaml::reader::{At, Bytes, yaml_struct};

yaml_struct! {
    /// The whole file.
    pub struct ConfigFile("config.plain") {
        /// Defaults for all scrape configurations.
        pub global: GlobalFile,
        /// What to scrape.
        pub scrape_configs: Vec<At<ScrapeConfigFile>>,
        /// Settings of the database that a reload can change.
        pub storage: StorageFile,
        /// Files with rules to evaluate; `*` stands in the last part of a path only.
        pub rule_files: Vec<At<String>>,
        /// Who is told of alerts.
        pub alerting: AlertingFile,
    }
    flatten {}
    not_yet {
        "scrape_config_files", "remote_write", "remote_read", "tracing", "otlp", "runtime",
    }
    null("configuration")
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
        /// How far back rules look, so that late samples are seen. Default: 0s.
        pub rule_query_offset: Option<Duration>,
        /// File that every query is logged to, as JSON; relative to the configuration file. Default: none.
        pub query_log_file: Option<String>,
        /// Labels added to what leaves this server (federation, remote write, alerts). `$VAR` is expanded.
        pub external_labels: BTreeMap<String, At<String>>,
        /// Formats to ask for, in order of preference. Default: all that are known.
        pub scrape_protocols: Vec<At<String>>,
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
    not_yet {
        "scrape_failure_log_file",
        "metric_name_escaping_scheme", "scrape_native_histograms", "convert_classic_histograms_to_nhcb", "always_scrape_classic_histograms",
    }
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
        pub scrape_protocols: Vec<At<String>>,
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
        /// Targets written down here.
        pub static_configs: Vec<StaticConfigFile>,
    }
    flatten { http_client: HttpClientFile, }
    not_yet {
        "scrape_failure_log_file",
        "native_histogram_bucket_limit", "native_histogram_min_bucket_factor",
        "metric_name_escaping_scheme", "scrape_native_histograms", "convert_classic_histograms_to_nhcb",
        "always_scrape_classic_histograms",
        "oauth2", "azure_sd_configs", "consul_sd_configs", "digitalocean_sd_configs", "docker_sd_configs",
        "dockerswarm_sd_configs", "dns_sd_configs", "ec2_sd_configs", "ecs_sd_configs", "elasticache_sd_configs",
        "eureka_sd_configs", "file_sd_configs", "gce_sd_configs", "hetzner_sd_configs", "http_sd_configs",
        "ionos_sd_configs", "kubernetes_sd_configs", "kuma_sd_configs", "lightsail_sd_configs", "linode_sd_configs",
        "marathon_sd_configs", "msk_sd_configs", "nerve_sd_configs", "nomad_sd_configs", "openstack_sd_configs",
        "outscale_sd_configs", "ovhcloud_sd_configs", "puppetdb_sd_configs", "rds_sd_configs", "scaleway_sd_configs",
        "serverset_sd_configs", "stackit_sd_configs", "triton_sd_configs", "uyuni_sd_configs", "vultr_sd_configs",
        "proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header",
    }
    null("scrape config section")
}

yaml_struct! {
    /// A group of targets with common labels: an entry of `static_configs`.
    pub struct StaticConfigFile("struct") {
        /// Addresses, `host:port`.
        pub targets: Vec<At<String>>,
        /// Labels of all these targets.
        pub labels: BTreeMap<String, At<String>>,
    }
    flatten {}
    not_yet {}
    null("target group")
}
