//! Writes a resolved configuration as YAML, the answer of `/api/v1/status/config`. Secrets are `<secret>`.
//!
//! # Invariants
//! - What is written loads again to the same configuration, secrets apart.
//! # Reading order: `tree`, this file, `client`.

mod client;
pub(crate) mod tree;

use wf_model::relabel::{Rule, RuleSpec};

use crate::alerting::{AlertingConfig, AlertmanagerConfig};
use crate::discovery::{SdConfig, StaticGroup, mechanisms};
use crate::formats::{FormatConfig, HistogramConfig};
use crate::resolve::{Config, GlobalConfig, ScrapeConfig, ScrapeLimits};
use crate::section::{ClientBlock, Section, Value};
use tree::{Fields, Tree, quoted};

/// Returns the configuration with its defaults filled in.
pub fn to_yaml(config: &Config) -> String {
    let mut text = String::new();
    config_tree(config, false).write_document(&mut text).expect("writing to a string cannot fail");
    text
}

/// Returns one scrape job with its defaults filled in.
pub fn job_to_yaml(job: &ScrapeConfig, global: &GlobalConfig) -> String {
    let mut text = String::new();
    job_tree(job, global, false).write_document(&mut text).expect("writing to a string cannot fail");
    text
}

/// Returns the configuration as a tree: with what differs from the defaults or always matters, or with every field.
pub(crate) fn config_tree(config: &Config, shows_defaults: bool) -> Tree {
    let mut fields = Fields::new(shows_defaults);
    fields.put("global", global_tree(&config.global, shows_defaults));
    section_option(&mut fields, "runtime", config.runtime.as_ref());
    fields.filled("rule_files", Tree::texts(config.rule_files.iter().map(|path| path.display())));
    fields.filled(
        "scrape_config_files",
        Tree::texts(config.scrape_config_files.iter().map(|path| path.display())),
    );
    // Included jobs are in the files named above; with every field shown nothing will be loaded again.
    let jobs = config.scrape_configs.iter().filter(|job| shows_defaults || !job.is_included);
    let jobs = jobs.map(|job| job_tree(job, &config.global, shows_defaults)).collect();
    fields.filled("scrape_configs", Tree::List(jobs));
    fields.filled("alerting", alerting_tree(&config.alerting, shows_defaults));
    fields.filled("storage", crate::storage::tree(config.storage, shows_defaults));
    for (name, list) in [("remote_write", &config.remote_write), ("remote_read", &config.remote_read)] {
        let list = list.iter().map(|section| section_tree(section, shows_defaults)).collect();
        fields.filled(name, Tree::List(list));
    }
    section_option(&mut fields, "otlp", config.otlp.as_ref());
    section_option(&mut fields, "tracing", config.tracing.as_ref());
    fields.build()
}

fn section_option(fields: &mut Fields, name: &str, section: Option<&Section>) {
    if let Some(section) = section {
        let tree = section_tree(section, fields.shows_defaults);
        fields.put(name, tree);
    }
}

fn global_tree(global: &GlobalConfig, shows_defaults: bool) -> Tree {
    let mut fields = Fields::new(shows_defaults);
    fields.put("scrape_interval", Tree::time(global.scrape_interval));
    fields.put("scrape_timeout", Tree::time(global.scrape_timeout));
    fields.put("evaluation_interval", Tree::time(global.evaluation_interval));
    let offset = global.rule_query_offset;
    fields.unless(offset.is_zero(), "rule_query_offset", Tree::time(offset));
    fields.option("query_log_file", global.query_log_file.as_ref().map(|path| path.display()));
    fields.option(
        "scrape_failure_log_file",
        global.scrape_failure_log_file.as_ref().map(|path| path.display()),
    );
    fields.filled("external_labels", Tree::pairs(escaped_labels(global)));
    format_fields(&mut fields, &global.format, &FormatConfig::default());
    histogram_fields(&mut fields, &global.histograms, &HistogramConfig::default());
    limit_fields(&mut fields, &global.limits);
    fields.build()
}

/// A dollar in an external label would be read as a variable.
fn escaped_labels(global: &GlobalConfig) -> impl Iterator<Item = (&str, String)> {
    global.external_labels.iter().map(|(name, value)| (name, value.replace('$', "$$")))
}

/// What equals `inherited` need not be said.
fn format_fields(fields: &mut Fields, format: &FormatConfig, inherited: &FormatConfig) {
    let FormatConfig { protocols, fallback, legacy_names, escaping, extra_metrics } = format;
    let names = protocols.iter().map(|protocol| protocol.as_str());
    fields.filled("scrape_protocols", Tree::texts(names));
    if let Some(fallback) = fallback {
        fields.put("fallback_scrape_protocol", Tree::text(fallback.as_str()));
    }
    let scheme = if *legacy_names { "legacy" } else { "utf8" };
    let is_same = legacy_names == &inherited.legacy_names;
    fields.unless(is_same, "metric_name_validation_scheme", Tree::text(scheme));
    let is_same = is_same && escaping == &inherited.escaping;
    fields.unless(is_same, "metric_name_escaping_scheme", Tree::text(escaping.as_str()));
    let is_same = extra_metrics == &inherited.extra_metrics;
    fields.unless(is_same, "extra_scrape_metrics", Tree::plain(extra_metrics));
}

fn histogram_fields(fields: &mut Fields, histograms: &HistogramConfig, inherited: &HistogramConfig) {
    let flags = [
        ("scrape_native_histograms", histograms.scrape_native, inherited.scrape_native),
        ("convert_classic_histograms_to_nhcb", histograms.convert_classic, inherited.convert_classic),
        ("always_scrape_classic_histograms", histograms.always_classic, inherited.always_classic),
    ];
    for (name, own, inherited) in flags {
        fields.unless(own == inherited, name, Tree::plain(own));
    }
}

fn limit_fields(fields: &mut Fields, limits: &ScrapeLimits) {
    let ScrapeLimits {
        body_bytes_max,
        n_samples_max,
        n_targets_max,
        n_labels_max,
        label_name_bytes_max,
        label_value_bytes_max,
        n_dropped_kept_max,
    } = *limits;
    fields.unless(body_bytes_max == 0, "body_size_limit", Tree::plain(format_args!("{body_bytes_max}B")));
    let limits = [
        ("sample_limit", n_samples_max),
        ("target_limit", n_targets_max),
        ("label_limit", n_labels_max),
        ("label_name_length_limit", label_name_bytes_max),
        ("label_value_length_limit", label_value_bytes_max),
        ("keep_dropped_targets", n_dropped_kept_max),
    ];
    for (name, limit) in limits {
        fields.unless(limit == 0, name, Tree::plain(limit));
    }
}

fn job_tree(job: &ScrapeConfig, global: &GlobalConfig, shows_defaults: bool) -> Tree {
    let mut fields = Fields::new(shows_defaults);
    fields.put("job_name", Tree::text(&job.job_name));
    fields.unless(!job.honor_labels, "honor_labels", Tree::plain(job.honor_labels));
    fields.put("honor_timestamps", Tree::plain(job.honor_timestamps));
    fields.put("track_timestamps_staleness", Tree::plain(job.track_timestamps_staleness));
    let params = job.params.iter().map(|(name, values)| (name.clone(), Tree::texts(values)));
    fields.filled("params", Tree::Map(params.collect()));
    fields.put("scrape_interval", Tree::time(job.scrape_interval));
    fields.put("scrape_timeout", Tree::time(job.scrape_timeout));
    fields.option("scrape_failure_log_file", job.scrape_failure_log_file.as_ref().map(|path| path.display()));
    fields.put("metrics_path", Tree::text(&job.metrics_path));
    fields.put("scheme", Tree::text(&job.scheme));
    fields.put("enable_compression", Tree::plain(job.enable_compression));
    format_fields(&mut fields, &job.format, &global.format);
    histogram_fields(&mut fields, &job.histograms, &global.histograms);
    let HistogramConfig { n_buckets_max, bucket_factor_min, .. } = job.histograms;
    fields.unless(n_buckets_max == 0, "native_histogram_bucket_limit", Tree::plain(n_buckets_max));
    let is_any = bucket_factor_min == 0.0;
    fields.unless(is_any, "native_histogram_min_bucket_factor", Tree::plain(bucket_factor_min));
    limit_fields(&mut fields, &job.limits);
    client::fields(&mut fields, &job.client, true);
    fields.filled("relabel_configs", rules_tree(&job.relabel));
    fields.filled("metric_relabel_configs", rules_tree(&job.metric_relabel));
    discovery_fields(&mut fields, &job.static_groups, &job.sources);
    fields.build()
}

fn discovery_fields(fields: &mut Fields, groups: &[StaticGroup], sources: &[SdConfig]) {
    for mechanism in mechanisms() {
        let sources = sources.iter().filter(|source| source.mechanism == mechanism);
        let sources: Vec<Tree> =
            sources.map(|source| section_tree(&source.section, fields.shows_defaults)).collect();
        if !sources.is_empty() {
            fields.put(mechanism.key, Tree::List(sources));
        }
    }
    let groups = groups.iter().map(|group| {
        let mut fields = Fields::new(false);
        fields.put("targets", Tree::texts(&group.targets));
        fields.filled("labels", Tree::pairs(group.labels.iter()));
        fields.build()
    });
    let groups: Vec<Tree> = groups.collect();
    if !groups.is_empty() {
        fields.put("static_configs", Tree::List(groups));
    }
}

fn alerting_tree(alerting: &AlertingConfig, shows_defaults: bool) -> Tree {
    let mut fields = Fields::new(shows_defaults);
    if alerting == &AlertingConfig::default() {
        return fields.build();
    }
    fields.filled("alert_relabel_configs", rules_tree(&alerting.relabel));
    let groups = alerting.alertmanagers.iter().map(|group| alertmanager_tree(group, shows_defaults));
    fields.filled("alertmanagers", Tree::List(groups.collect()));
    fields.build()
}

fn alertmanager_tree(group: &AlertmanagerConfig, shows_defaults: bool) -> Tree {
    let mut fields = Fields::new(shows_defaults);
    client::fields(&mut fields, &group.client, true);
    fields.put("scheme", Tree::text(&group.scheme));
    fields.option("path_prefix", Some(&group.path_prefix).filter(|prefix| !prefix.is_empty()));
    fields.put("timeout", Tree::time(group.timeout));
    fields.put("api_version", Tree::text("v2"));
    fields.filled("relabel_configs", rules_tree(&group.relabel));
    fields.filled("alert_relabel_configs", rules_tree(&group.alert_relabel));
    section_option(&mut fields, "sigv4", group.sigv4.as_ref());
    discovery_fields(&mut fields, &group.static_groups, &group.sources);
    fields.build()
}

/// Empty texts are written too: they differ from the defaults.
fn rules_tree(rules: &[Rule]) -> Tree {
    let trees = rules.iter().map(|rule| {
        let RuleSpec { source_labels, separator, target_label, regex, modulus, replacement, action } =
            rule.spec();
        let mut fields = Fields::new(false);
        fields.filled("source_labels", Tree::Flow(source_labels.iter().map(|name| quoted(name)).collect()));
        fields.put("separator", Tree::text(separator));
        fields.put("regex", Tree::text(regex));
        fields.unless(*modulus == 0, "modulus", Tree::plain(modulus));
        fields.unless(target_label.is_empty(), "target_label", Tree::text(target_label));
        fields.put("replacement", Tree::text(replacement));
        fields.put("action", Tree::plain(action));
        fields.build()
    });
    Tree::List(trees.collect())
}

/// Fields that were typed, or all of them.
fn section_tree(section: &Section, shows_defaults: bool) -> Tree {
    let mut fields = Fields::new(shows_defaults);
    for field in section.schema().fields {
        let Some(value) = section.value(field.name) else { continue };
        if section.is_set(field.name) || shows_defaults {
            fields.put(field.name, value_tree(&value, shows_defaults));
        }
    }
    if section.schema().client != ClientBlock::None {
        client::fields(&mut fields, &section.client, section.schema().client != ClientBlock::InlineHttp1);
    }
    fields.build()
}

fn value_tree(value: &Value, shows_defaults: bool) -> Tree {
    match value {
        Value::Text(text) => Tree::text(text),
        Value::Secret(secret) if secret.reveal().is_empty() => Tree::text(""),
        Value::Secret(secret) => Tree::text(secret),
        Value::Bool(value) => Tree::plain(value),
        Value::Int(value) => Tree::plain(value),
        Value::Float(value) => Tree::plain(value),
        Value::Time(value) => Tree::time(*value),
        Value::Texts(texts) => Tree::texts(texts),
        Value::Map(map) => Tree::pairs(map),
        Value::Record(section) => section_tree(section, shows_defaults),
        Value::Records(sections) => {
            Tree::List(sections.iter().map(|section| section_tree(section, shows_defaults)).collect())
        }
        Value::Rules(rules) => rules_tree(rules),
    }
}
