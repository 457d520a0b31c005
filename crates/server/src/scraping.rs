//! From the configuration file's words to those of the scrape manager.

use wf_config::{Config, ScrapeConfig as JobFile};
use wf_scrape::{
    HistogramSettings, JobConfig, JobSettings, NameEscaping, NameValidation, ScrapeConfig, ScrapeLimits,
    ScrapeProtocol, TargetGroup,
};

/// Returns what the scrape manager is to do under `config`, as far as it concerns jobs that are `wanted`.
pub(crate) fn scrape_config(
    config: &Config,
    keeps_exemplars: bool,
    is_wanted: impl Fn(&str) -> bool,
) -> ScrapeConfig {
    let jobs = config.scrape_configs.iter().filter(|file| is_wanted(&file.job_name));
    ScrapeConfig {
        jobs: jobs.map(|file| job_config(file, keeps_exemplars)).collect(),
        external_labels: config.global.external_labels.clone(),
    }
}

/// Returns what one job is to do.
pub(crate) fn job_config(file: &JobFile, keeps_exemplars: bool) -> JobConfig {
    let groups = file.static_groups.iter();
    JobConfig {
        name: file.job_name.clone(),
        settings: JobSettings { keeps_exemplars, ..settings(file) },
        groups: groups.map(|group| TargetGroup::of_addresses(&group.targets, group.labels.clone())).collect(),
    }
}

fn settings(file: &JobFile) -> JobSettings {
    let wf_config::FormatConfig { protocols, fallback, legacy_names, escaping, extra_metrics } = &file.format;
    JobSettings {
        interval: file.scrape_interval,
        timeout: file.scrape_timeout,
        scheme: file.scheme.clone(),
        metrics_path: file.metrics_path.clone(),
        params: file.params.clone().into_iter().collect(),
        honor_labels: file.honor_labels,
        honor_timestamps: file.honor_timestamps,
        track_timestamps_staleness: file.track_timestamps_staleness,
        enable_compression: file.enable_compression,
        protocols: protocols.iter().map(|name| protocol(*name)).collect(),
        fallback_protocol: fallback.map(protocol),
        name_validation: if *legacy_names { NameValidation::Legacy } else { NameValidation::Utf8 },
        name_escaping: escaping_of(*escaping),
        histograms: histograms(file.histograms),
        failure_log: file.scrape_failure_log_file.clone(),
        extra_scrape_metrics: *extra_metrics,
        limits: limits(file.limits),
        relabel: file.relabel.clone(),
        metric_relabel: file.metric_relabel.clone(),
        client: file.client.clone(),
        ..JobSettings::default()
    }
}

fn protocol(name: wf_config::ScrapeProtocol) -> ScrapeProtocol {
    match name {
        wf_config::ScrapeProtocol::OpenMetrics0_0_1 => ScrapeProtocol::OpenMetrics0_0_1,
        wf_config::ScrapeProtocol::OpenMetrics1_0_0 => ScrapeProtocol::OpenMetrics1_0_0,
        wf_config::ScrapeProtocol::Text0_0_4 => ScrapeProtocol::Text0_0_4,
        wf_config::ScrapeProtocol::Text1_0_0 => ScrapeProtocol::Text1_0_0,
        wf_config::ScrapeProtocol::Protobuf => ScrapeProtocol::Protobuf,
    }
}

fn escaping_of(scheme: wf_config::EscapingScheme) -> NameEscaping {
    match scheme {
        wf_config::EscapingScheme::AllowUtf8 => NameEscaping::AllowUtf8,
        wf_config::EscapingScheme::Underscores => NameEscaping::Underscores,
        wf_config::EscapingScheme::Dots => NameEscaping::Dots,
        wf_config::EscapingScheme::Values => NameEscaping::Values,
    }
}

fn histograms(file: wf_config::HistogramConfig) -> HistogramSettings {
    let wf_config::HistogramConfig {
        scrape_native,
        convert_classic,
        always_classic,
        n_buckets_max,
        bucket_factor_min,
    } = file;
    HistogramSettings {
        takes_native: scrape_native,
        converts_classic: convert_classic,
        keeps_classic: always_classic,
        n_buckets_max,
        bucket_factor_min,
    }
}

fn limits(file: wf_config::ScrapeLimits) -> ScrapeLimits {
    let wf_config::ScrapeLimits {
        body_bytes_max,
        n_samples_max,
        n_targets_max,
        n_labels_max,
        label_name_bytes_max,
        label_value_bytes_max,
        n_dropped_kept_max,
    } = file;
    ScrapeLimits {
        body_bytes_max,
        n_samples_max,
        n_targets_max,
        n_labels_max,
        label_name_bytes_max,
        label_value_bytes_max,
        n_dropped_kept_max,
    }
}
