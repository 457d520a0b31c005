//! Writes a resolved configuration as YAML, the answer of `/api/v1/status/config`. Secrets are `<secret>`.

use std::fmt::{self, Write as _};
use std::time::Duration;

use wf_model::duration;

use crate::http_client::{Auth, HttpClientConfig, SecretSource};
use crate::resolve::{Config, GlobalConfig, ScrapeConfig, ScrapeLimits};

/// Returns the configuration with its defaults filled in.
pub fn to_yaml(config: &Config) -> String {
    let mut text = String::new();
    write_config(&mut text, config).expect("writing to a string cannot fail");
    text
}

fn write_config(out: &mut String, config: &Config) -> fmt::Result {
    write_global(out, &config.global)?;
    if !config.scrape_configs.is_empty() {
        writeln!(out, "scrape_configs:")?;
    }
    config.scrape_configs.iter().try_for_each(|scrape| write_scrape(out, scrape))
}

fn write_global(out: &mut String, global: &GlobalConfig) -> fmt::Result {
    writeln!(out, "global:")?;
    writeln!(out, "  scrape_interval: {}", shown(global.scrape_interval))?;
    writeln!(out, "  scrape_timeout: {}", shown(global.scrape_timeout))?;
    writeln!(out, "  evaluation_interval: {}", shown(global.evaluation_interval))?;
    if !global.external_labels.is_empty() {
        writeln!(out, "  external_labels:")?;
        for (name, value) in global.external_labels.iter() {
            writeln!(out, "    {}: {}", quoted(name), quoted(value))?;
        }
    }
    write_limits(out, "  ", &global.limits)
}

fn write_limits(out: &mut String, indent: &str, limits: &ScrapeLimits) -> fmt::Result {
    let ScrapeLimits {
        body_bytes_max,
        n_samples_max,
        n_targets_max,
        n_labels_max,
        label_name_bytes_max,
        label_value_bytes_max,
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
    write_limits(out, "  ", &scrape.limits)?;
    write_client(out, &scrape.http_client)?;
    if !scrape.static_groups.is_empty() {
        writeln!(out, "  static_configs:")?;
    }
    for group in &scrape.static_groups {
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

fn write_client(out: &mut String, client: &HttpClientConfig) -> fmt::Result {
    match &client.auth {
        None => {}
        Some(Auth::Basic { username, password }) => {
            writeln!(out, "  basic_auth:")?;
            match username {
                SecretSource::Inline(user) => writeln!(out, "    username: {}", quoted(user.expose()))?,
                SecretSource::File(path) => {
                    writeln!(out, "    username_file: {}", quoted(&path.to_string_lossy()))?
                }
            }
            write_secret(out, "password", password)?;
        }
        Some(Auth::Header { scheme, credentials }) => {
            writeln!(out, "  authorization:\n    type: {}", quoted(scheme))?;
            write_secret(out, "credentials", credentials)?;
        }
    }
    let tls = &client.tls;
    if *tls != crate::TlsConfig::default() {
        writeln!(out, "  tls_config:")?;
        let (cert, key) = tls.client_cert.clone().unzip();
        for (name, path) in [("ca_file", tls.ca_file.clone()), ("cert_file", cert), ("key_file", key)] {
            if let Some(path) = path {
                writeln!(out, "    {name}: {}", quoted(&path.to_string_lossy()))?;
            }
        }
        if let Some(name) = &tls.server_name {
            writeln!(out, "    server_name: {}", quoted(name))?;
        }
        writeln!(out, "    insecure_skip_verify: {}", tls.insecure_skip_verify)?;
    }
    writeln!(
        out,
        "  follow_redirects: {}\n  enable_http2: {}",
        client.follow_redirects, client.enable_http2
    )?;
    if !client.headers.is_empty() {
        writeln!(out, "  http_headers:")?;
    }
    for (name, values) in &client.headers {
        writeln!(out, "    {}:", quoted(name))?;
        // Which of the values were secrets is not kept: none is shown.
        writeln!(out, "      secrets: [{}]", vec!["<secret>"; values.len()].join(", "))?;
    }
    Ok(())
}

fn write_secret(out: &mut String, name: &str, secret: &SecretSource) -> fmt::Result {
    match secret {
        SecretSource::Inline(_) => writeln!(out, "    {name}: <secret>"),
        SecretSource::File(path) => writeln!(out, "    {name}_file: {}", quoted(&path.to_string_lossy())),
    }
}

fn shown(value: Duration) -> String {
    duration::format(value)
}

/// Quotes where a plain scalar would read as something else.
fn quoted(text: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_/.-".contains(&byte) || byte == b':';
    let starts_plain =
        text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'/' || byte == b'_');
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_plain = starts_plain
        && text.bytes().all(is_word)
        && !text.ends_with(':')
        && !reserved.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { wf_model::quote::GoQuoted(text).to_string() }
}
