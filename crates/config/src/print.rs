//! Writes a resolved configuration as YAML, the answer of `/api/v1/status/config`. Secrets are `<secret>`.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use wf_httpkit::client::{BasicAuth, ClientOptions, TlsOptions, TlsVersion};
use wf_model::duration;
use wf_model::relabel::{Rule, RuleSpec};

use crate::resolve::{Config, FormatConfig, GlobalConfig, ScrapeConfig, ScrapeLimits, StaticGroup};

/// Returns the configuration with its defaults filled in.
pub fn to_yaml(config: &Config) -> String {
    let mut text = String::new();
    write_config(&mut text, config).expect("writing to a string cannot fail");
    text
}

fn write_config(out: &mut String, config: &Config) -> fmt::Result {
    write_global(out, &config.global)?;
    crate::alerting::print(out, &config.rule_files, &config.alerting)?;
    if !config.scrape_configs.is_empty() {
        writeln!(out, "scrape_configs:")?;
    }
    config.scrape_configs.iter().try_for_each(|scrape| write_scrape(out, scrape))?;
    crate::storage::print(out, config.storage)
}

fn write_global(out: &mut String, global: &GlobalConfig) -> fmt::Result {
    writeln!(out, "global:")?;
    writeln!(out, "  scrape_interval: {}", shown(global.scrape_interval))?;
    writeln!(out, "  scrape_timeout: {}", shown(global.scrape_timeout))?;
    writeln!(out, "  evaluation_interval: {}", shown(global.evaluation_interval))?;
    if !global.rule_query_offset.is_zero() {
        writeln!(out, "  rule_query_offset: {}", shown(global.rule_query_offset))?;
    }
    if let Some(path) = &global.query_log_file {
        writeln!(out, "  query_log_file: {}", quoted(&path.to_string_lossy()))?;
    }
    if !global.external_labels.is_empty() {
        writeln!(out, "  external_labels:")?;
        for (name, value) in global.external_labels.iter() {
            writeln!(out, "    {}: {}", quoted(name), quoted(value))?;
        }
    }
    write_format(out, &global.format)?;
    write_limits(out, "  ", &global.limits)
}

fn write_format(out: &mut String, format: &FormatConfig) -> fmt::Result {
    let FormatConfig { protocols, fallback, legacy_names, extra_metrics } = format;
    if !protocols.is_empty() {
        writeln!(out, "  scrape_protocols:")?;
        protocols.iter().try_for_each(|protocol| writeln!(out, "  - {}", protocol.as_str()))?;
    }
    if let Some(fallback) = fallback {
        writeln!(out, "  fallback_scrape_protocol: {}", fallback.as_str())?;
    }
    if *legacy_names {
        writeln!(out, "  metric_name_validation_scheme: legacy")?;
    }
    if *extra_metrics {
        writeln!(out, "  extra_scrape_metrics: true")?;
    }
    Ok(())
}

fn write_limits(out: &mut String, indent: &str, limits: &ScrapeLimits) -> fmt::Result {
    let ScrapeLimits {
        body_bytes_max,
        n_samples_max,
        n_targets_max,
        n_labels_max,
        label_name_bytes_max,
        label_value_bytes_max,
        n_dropped_kept_max,
    } = *limits;
    if body_bytes_max > 0 {
        writeln!(out, "{indent}body_size_limit: {body_bytes_max}B")?;
    }
    let limits = [
        ("sample_limit", n_samples_max),
        ("target_limit", n_targets_max),
        ("label_limit", n_labels_max),
        ("label_name_length_limit", label_name_bytes_max),
        ("label_value_length_limit", label_value_bytes_max),
        ("keep_dropped_targets", n_dropped_kept_max),
    ];
    for (name, limit) in limits.into_iter().filter(|(_, limit)| *limit > 0) {
        writeln!(out, "{indent}{name}: {limit}")?;
    }
    Ok(())
}

fn write_scrape(out: &mut String, scrape: &ScrapeConfig) -> fmt::Result {
    writeln!(out, "- job_name: {}", quoted(&scrape.job_name))?;
    if scrape.honor_labels {
        writeln!(out, "  honor_labels: true")?;
    }
    writeln!(out, "  honor_timestamps: {}", scrape.honor_timestamps)?;
    writeln!(out, "  track_timestamps_staleness: {}", scrape.track_timestamps_staleness)?;
    if !scrape.params.is_empty() {
        writeln!(out, "  params:")?;
    }
    for (name, values) in &scrape.params {
        writeln!(out, "    {}:", quoted(name))?;
        values.iter().try_for_each(|value| writeln!(out, "    - {}", quoted(value)))?;
    }
    writeln!(out, "  scrape_interval: {}", shown(scrape.scrape_interval))?;
    writeln!(out, "  scrape_timeout: {}", shown(scrape.scrape_timeout))?;
    writeln!(out, "  metrics_path: {}", quoted(&scrape.metrics_path))?;
    writeln!(out, "  scheme: {}", scrape.scheme)?;
    writeln!(out, "  enable_compression: {}", scrape.enable_compression)?;
    write_format(out, &scrape.format)?;
    write_limits(out, "  ", &scrape.limits)?;
    write_client(out, &scrape.client)?;
    write_rules(out, "relabel_configs", &scrape.relabel)?;
    write_rules(out, "metric_relabel_configs", &scrape.metric_relabel)?;
    write_groups(out, &scrape.static_groups)
}

pub(crate) fn write_groups(out: &mut String, groups: &[StaticGroup]) -> fmt::Result {
    if !groups.is_empty() {
        writeln!(out, "  static_configs:")?;
    }
    for group in groups {
        writeln!(out, "  - targets:{}", if group.targets.is_empty() { " []" } else { "" })?;
        group.targets.iter().try_for_each(|target| writeln!(out, "    - {}", quoted(target)))?;
        if !group.labels.is_empty() {
            writeln!(out, "    labels:")?;
        }
        for (name, value) in group.labels.iter() {
            writeln!(out, "      {}: {}", quoted(name), quoted(value))?;
        }
    }
    Ok(())
}

pub(crate) fn write_client(out: &mut String, client: &ClientOptions) -> fmt::Result {
    if let Some(BasicAuth { username, username_file, password, password_file }) = &client.basic_auth {
        writeln!(out, "  basic_auth:")?;
        write_text(out, "    username", Some(username).filter(|name| !name.is_empty()))?;
        write_path(out, "    username_file", username_file.as_ref())?;
        write_text(out, "    password", password.as_ref())?;
        write_path(out, "    password_file", password_file.as_ref())?;
    }
    if let Some(authorization) = &client.authorization {
        writeln!(out, "  authorization:\n    type: {}", quoted(authorization.scheme()))?;
        write_text(out, "    credentials", authorization.credentials.as_ref())?;
        write_path(out, "    credentials_file", authorization.credentials_file.as_ref())?;
    }
    write_text(out, "  bearer_token", client.bearer_token.as_ref())?;
    write_path(out, "  bearer_token_file", client.bearer_token_file.as_ref())?;
    if client.tls_config != TlsOptions::default() {
        writeln!(out, "  tls_config:")?;
        write_tls(out, &client.tls_config)?;
    }
    writeln!(
        out,
        "  follow_redirects: {}\n  enable_http2: {}",
        client.follow_redirects, client.enable_http2
    )?;
    if !client.http_headers.is_empty() {
        writeln!(out, "  http_headers:")?;
    }
    for (name, header) in &client.http_headers {
        writeln!(out, "    {}:", quoted(name))?;
        write_list(out, "values", &header.values)?;
        write_list(out, "secrets", &header.secrets)?;
        let files: Vec<_> = header.files.iter().map(|path| path.display()).collect();
        write_list(out, "files", &files)?;
    }
    Ok(())
}

fn write_tls(out: &mut String, tls: &TlsOptions) -> fmt::Result {
    write_text(out, "    ca", tls.ca.as_ref())?;
    write_path(out, "    ca_file", tls.ca_file.as_ref())?;
    write_text(out, "    cert", tls.cert.as_ref())?;
    write_path(out, "    cert_file", tls.cert_file.as_ref())?;
    write_text(out, "    key", tls.key.as_ref())?;
    write_path(out, "    key_file", tls.key_file.as_ref())?;
    write_text(out, "    server_name", tls.server_name.as_ref())?;
    for (name, version) in [("min_version", tls.min_version), ("max_version", tls.max_version)] {
        if let Some(version) = version {
            let version = match version {
                TlsVersion::Tls10 => "TLS10",
                TlsVersion::Tls11 => "TLS11",
                TlsVersion::Tls12 => "TLS12",
                TlsVersion::Tls13 => "TLS13",
            };
            writeln!(out, "    {name}: {version}")?;
        }
    }
    writeln!(out, "    insecure_skip_verify: {}", tls.insecure_skip_verify)
}

/// Empty texts are written too: they differ from the defaults.
pub(crate) fn write_rules(out: &mut String, name: &str, rules: &[Rule]) -> fmt::Result {
    if !rules.is_empty() {
        writeln!(out, "  {name}:")?;
    }
    for rule in rules {
        let RuleSpec { source_labels, separator, target_label, regex, modulus, replacement, action } =
            rule.spec();
        // The first key of an entry follows its dash.
        let mut indent = "  - ";
        if !source_labels.is_empty() {
            let names: Vec<String> = source_labels.iter().map(|name| quoted(name)).collect();
            writeln!(out, "{indent}source_labels: [{}]", names.join(", "))?;
            indent = "    ";
        }
        writeln!(out, "{indent}separator: {}", quoted(separator))?;
        writeln!(out, "    regex: {}", quoted(regex))?;
        if *modulus > 0 {
            writeln!(out, "    modulus: {modulus}")?;
        }
        if !target_label.is_empty() {
            writeln!(out, "    target_label: {}", quoted(target_label))?;
        }
        writeln!(out, "    replacement: {}", quoted(replacement))?;
        writeln!(out, "    action: {action}")?;
    }
    Ok(())
}

/// Writes a text, or `<secret>` for what prints itself so.
fn write_text(out: &mut String, name: &str, text: Option<&impl fmt::Display>) -> fmt::Result {
    text.map_or(Ok(()), |text| writeln!(out, "{name}: {}", quoted(&text.to_string())))
}

fn write_path(out: &mut String, name: &str, path: Option<&PathBuf>) -> fmt::Result {
    write_text(out, name, path.map(|path| path.display()).as_ref())
}

fn write_list(out: &mut String, name: &str, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "      {name}:")?;
    items.iter().try_for_each(|item| writeln!(out, "      - {}", quoted(&item.to_string())))
}

fn shown(value: Duration) -> String {
    duration::format(value)
}

/// Quotes where a plain scalar would read as something else.
pub(crate) fn quoted(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.-".contains(&byte) || byte == b':';
    let starts_plain =
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'/' || byte == b'_');
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    if text == wf_httpkit::secret::REDACTED {
        return text.to_owned();
    }
    let is_plain = starts_plain
        && text.bytes().all(is_word)
        && !text.ends_with(':')
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { wf_model::quote::GoQuoted(text).to_string() }
}
