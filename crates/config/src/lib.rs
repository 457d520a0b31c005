//! prometheus.yml: what was typed becomes what it means, or a list of everything that is wrong with it.
//!
//! [`load`] reads text into [`file::ConfigFile`] (options, upstream names) and resolves it into [`Config`] (defaults
//! filled in, no `Option` that has a default). Both steps collect all problems with position and path.
//!
//! # Invariants
//! - Strict: an unknown key is an error; a key that the original knows and we do not act on yet is another, unless its
//!   value is empty.
//! - An empty file is valid and gives [`Config::default`].
//! # Reading order: `yaml`, `file`, `http_client`, `relabel`, `resolve`, `storage`, `alerting`, `print`; `web` is a file of its own.
//! # Not here: what relabeling rules do (`wf_model::relabel`), service discovery other than static targets, rule files.
//! # Source: `spec/prometheus-core.md` §3.

pub mod alerting;
pub mod file;
pub mod http_client;
pub mod print;
pub mod relabel;
pub mod resolve;
pub mod storage;
mod web;
pub mod yaml;

use std::path::{Path, PathBuf};

pub use alerting::{AlertingConfig, AlertmanagerConfig};
pub use resolve::{
    Config, FormatConfig, GlobalConfig, ScrapeConfig, ScrapeLimits, ScrapeProtocol, StaticGroup,
};
pub use storage::{FloatEncoding, RetentionConfig, StorageConfig};
pub use web::read_web;
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
    #[error("parsing YAML file {}: {}", path.display(), Listed(problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong, in file order of discovery; never empty.
        problems: Vec<Problem>,
    },
}

/// Displays one problem in line, several in lines of their own.
struct Listed<'a>(&'a [Problem]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let [problem] = self.0 {
            return write!(f, "{problem}");
        }
        write!(f, "{} problems", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// Reads and resolves the configuration file at `path`.
/// # Errors
/// See [`ConfigError`].
pub fn load_file(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    load(&text, path)
}

/// Resolves a configuration text; `path` names it in errors and is what relative paths in it are relative to.
/// # Errors
/// [`ConfigError::Invalid`] with all problems.
pub fn load(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let invalid = |problems| ConfigError::Invalid { path: path.to_owned(), problems };
    let root = yaml::parse(text).map_err(|error| {
        let message = format!("yaml: {}", error.message);
        invalid(vec![Problem { position: error.position, path: String::new(), message }])
    })?;
    let mut reader = yaml::reader::Reader::default();
    let file: file::ConfigFile = root.map(|node| reader.read(&node)).unwrap_or_default();
    let directory = path.parent().unwrap_or(Path::new(""));
    let config = resolve::resolve(&file, directory, &mut reader);
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(config) } else { Err(invalid(problems)) }
}

#[cfg(test)]
mod tests;
