//! prometheus.yml: what was typed becomes what it means, or a list of everything that is wrong with it.
//!
//! [`load`] reads text into [`file::ConfigFile`] (options, upstream names) and resolves it into [`Config`] (defaults
//! filled in, no `Option` that has a default). Both steps collect all problems with position and path.
//!
//! # Invariants
//! - Strict: an unknown key is an error. What the original does and we do not yet loads, and [`Config::warnings`] names it.
//! - An empty file is valid and gives [`Config::default`].
//! # Reading order: `yaml`, `file`, `section`, `http_client`, `relabel`, `discovery`, `resolve`, `formats`, `storage`,
//! `alerting`, `remote`, `telemetry`, `print`, `explain`; `web` is a file of its own.
//! # Not here: what relabeling rules do (`wf_model::relabel`), how targets are discovered, rule files.
//! # Source: `spec/prometheus-core.md` §3.

pub mod alerting;
pub mod discovery;
pub mod explain;
pub mod file;
pub mod formats;
pub mod fuzz;
pub mod glob;
pub mod http_client;
pub mod print;
pub mod relabel;
pub mod remote;
pub mod resolve;
pub mod section;
pub mod storage;
pub mod telemetry;
mod url;
mod web;
pub mod yaml;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use wf_httpkit::client::ClientOptions;

pub use alerting::{AlertingConfig, AlertmanagerConfig};
pub use discovery::{Discovery, Mechanism, SdConfig, StaticGroup};
pub use formats::{EscapingScheme, FormatConfig, HistogramConfig, ScrapeProtocol};
pub use http_client::read_http_client;
pub use resolve::{Config, GlobalConfig, ScrapeConfig, ScrapeLimits};
pub use storage::{FloatEncoding, RetentionConfig, StorageConfig};
pub use web::{read_cluster_tls, read_web};
pub use yaml::Position;
pub use yaml::reader::Problem;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("couldn't load configuration (--config.file={})", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The content is wrong.
    #[error("parsing YAML file {}: {}", path.display(), Listed(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong, in file order of discovery; never empty.
        problems: Vec<Problem>,
    },
}

/// Displays problems as `message (file:line:column, at path)`: the first in line, the others in lines of their own.
struct Listed<'a>(&'a Path, &'a [Problem]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (idx, Problem { position, path, message }) in self.1.iter().enumerate() {
            let between = if idx == 0 { "" } else { "\n  " };
            write!(f, "{between}{message} ({}", self.0.display())?;
            if position.line > 0 {
                write!(f, ":{}:{}", position.line, position.column)?;
            }
            if !path.is_empty() {
                write!(f, ", at {path}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// How a configuration is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Whether `${env:NAME}` and `${file:PATH}` in secrets stand for what they name.
    pub expands_secrets: bool,
    /// Default of `global.extra_scrape_metrics`.
    pub extra_scrape_metrics: bool,
}

/// Reads and resolves the configuration file at `path`, and those it includes.
/// # Errors
/// See [`ConfigError`].
pub fn load_file(path: &Path) -> Result<Config, ConfigError> {
    load_file_with(path, LoadOptions::default())
}

/// As [`load_file`], with options.
/// # Errors
/// See [`ConfigError`].
pub fn load_file_with(path: &Path, options: LoadOptions) -> Result<Config, ConfigError> {
    load_with(&read_text(path)?, path, options)
}

/// Resolves a configuration text; `path` names it in errors and is what relative paths in it are relative to.
/// # Errors
/// [`ConfigError::Invalid`] with all problems of the first file that has any.
pub fn load(text: &str, path: &Path) -> Result<Config, ConfigError> {
    load_with(text, path, LoadOptions::default())
}

/// As [`load`], with options.
/// # Errors
/// See [`load`].
pub fn load_with(text: &str, path: &Path, options: LoadOptions) -> Result<Config, ConfigError> {
    let (mut file, mut reader) = read_as::<file::ConfigFile>(text, path, options)?;
    file.global.extra_scrape_metrics.get_or_insert(options.extra_scrape_metrics);
    let mut config = resolve::resolve(&file, &mut reader);
    refuse_problems(path, reader)?;
    let mut names: HashSet<String> = config.scrape_configs.iter().map(|job| job.job_name.clone()).collect();
    for pattern in &config.scrape_config_files {
        let included =
            glob::files(pattern).map_err(|source| ConfigError::Read { path: pattern.clone(), source })?;
        for path in included {
            let text = read_text(&path)?;
            let (file, mut reader) = read_as::<file::ScrapeConfigsFile>(&text, &path, options)?;
            let jobs = resolve::resolve_jobs(&file.scrape_configs, &config.global, &mut names, &mut reader);
            refuse_problems(&path, reader)?;
            config
                .scrape_configs
                .extend(jobs.into_iter().map(|job| ScrapeConfig { is_included: true, ..job }));
        }
    }
    Ok(config)
}

/// Returns the rule files and scrape configurations that a configuration names and that exist. A text that cannot be
/// read names none.
pub fn named_files(text: &str, path: &Path) -> Vec<PathBuf> {
    let Ok(Some(yaml::Node { value: yaml::Value::Mapping(entries), .. })) = yaml::parse(text) else {
        return Vec::new();
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    let lists =
        entries.iter().filter(|(key, _)| matches!(key.text.as_str(), "rule_files" | "scrape_config_files"));
    for (_, list) in lists {
        let yaml::Value::Sequence(patterns) = &list.value else { continue };
        for pattern in patterns {
            if let yaml::Value::Scalar { text, .. } = &pattern.value {
                files.extend(glob::files(&directory.join(text)).unwrap_or_default());
            }
        }
    }
    files
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = bytes.get(..valid).unwrap_or_default();
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let position = Position {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: valid - line_start + 1,
        };
        let message = "yaml: invalid UTF-8: save the file as UTF-8".to_owned();
        ConfigError::Invalid {
            path: path.to_owned(),
            problems: vec![Problem { position, path: String::new(), message }],
        }
    })
}

fn read_as<T: yaml::reader::FromYaml + Default>(
    text: &str,
    path: &Path,
    options: LoadOptions,
) -> Result<(T, yaml::reader::Reader), ConfigError> {
    let root = yaml::parse(text).map_err(|error| {
        let message = format!("yaml: {}", error.message);
        let problem = Problem { position: error.position, path: String::new(), message };
        ConfigError::Invalid { path: path.to_owned(), problems: vec![problem] }
    })?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut reader = yaml::reader::Reader::below(directory, options.expands_secrets);
    let file = root.map(|node| reader.read(&node)).unwrap_or_default();
    Ok((file, reader))
}

fn refuse_problems(path: &Path, reader: yaml::reader::Reader) -> Result<(), ConfigError> {
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(()) } else { Err(ConfigError::Invalid { path: path.to_owned(), problems }) }
}

impl Config {
    /// Says what the configuration asks for and this program does not do yet, a line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for job in &self.scrape_configs {
            let place = format!("job {:?}", job.job_name);
            warn_of_discovery(&place, &job.sources, &mut warnings);
            warn_of_client(&place, &job.client, &mut warnings);
        }
        for (idx, group) in self.alerting.alertmanagers.iter().enumerate() {
            let place = format!("alerting.alertmanagers[{idx}]");
            warn_of_discovery(&place, &group.sources, &mut warnings);
            warn_of_client(&place, &group.client, &mut warnings);
            if group.sigv4.is_some() {
                warnings.push(format!("{place}: sigv4 is not available yet: requests go unsigned"));
            }
        }
        let sections = [
            ("remote_write", !self.remote_write.is_empty(), "nothing is sent"),
            ("remote_read", !self.remote_read.is_empty(), "only local data is read"),
            ("otlp", self.otlp.is_some(), "no metrics are received from OpenTelemetry"),
            ("tracing", self.tracing.is_some(), "no traces are sent"),
        ];
        for (name, _, means) in sections.into_iter().filter(|(_, is_set, _)| *is_set) {
            warnings.push(format!("{name} is not available yet: {means}"));
        }
        warnings
    }
}

fn warn_of_discovery(place: &str, sources: &[SdConfig], warnings: &mut Vec<String>) {
    for source in sources.iter().filter(|source| !source.mechanism.is_available) {
        let key = source.mechanism.key;
        warnings.push(format!("{place}: {key} is not available yet: it finds no targets"));
    }
    for source in sources.iter().filter(|source| source.mechanism.is_available) {
        warn_of_client(&format!("{place}: {}", source.mechanism.key), &source.section.client, warnings);
    }
}

fn warn_of_client(place: &str, client: &ClientOptions, warnings: &mut Vec<String>) {
    warnings.extend(client.warnings().iter().map(|warning| format!("{place}: {warning}")));
}

#[cfg(test)]
mod tests;
