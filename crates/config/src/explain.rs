//! The effective value of every field, and where it comes from.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::print::config_tree;
use crate::print::tree::Tree;
use crate::yaml::{self, Node, Position, Value};
use crate::{Config, ConfigError, LoadOptions, glob};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was written there.
    File(PathBuf, Position),
    /// It was written there in `global`, and the job says nothing else.
    Inherited(PathBuf, Position),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, at) => write!(f, "{}:{}:{}", path.display(), at.line, at.column),
            Self::Inherited(path, at) => write!(f, "global, {}:{}:{}", path.display(), at.line, at.column),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it stands, such as `scrape_configs[0].scrape_interval`.
    pub path: String,
    /// Its value, as YAML; secrets hidden.
    pub value: String,
    /// Where that comes from.
    pub origin: Origin,
}

/// Loads a configuration and returns its fields in the order they are printed.
/// # Errors
/// See [`ConfigError`].
pub fn explain_file(path: &Path, options: LoadOptions) -> Result<Vec<Field>, ConfigError> {
    let config = crate::load_file_with(path, options)?;
    let mut written = HashMap::new();
    note_file(path, 0, &mut written)?;
    let mut n_jobs = config.scrape_configs.iter().filter(|job| !job.is_included).count();
    for pattern in &config.scrape_config_files {
        let files =
            glob::files(pattern).map_err(|source| ConfigError::Read { path: pattern.clone(), source })?;
        for file in files {
            n_jobs += note_file(&file, n_jobs, &mut written)?;
        }
    }
    Ok(explain(&config, &written))
}

type Written = HashMap<String, (PathBuf, Position)>;

/// Notes where the fields of a file stand; its jobs are counted from `first_job`. Returns their number.
fn note_file(path: &Path, first_job: usize, written: &mut Written) -> Result<usize, ConfigError> {
    let text = crate::read_text(path)?;
    // It was loaded a moment ago: if it has changed since, what can no longer be read is not explained.
    let Ok(Some(Node { value: Value::Mapping(entries), .. })) = yaml::parse(&text) else { return Ok(0) };
    let mut n_jobs = 0;
    for (key, node) in &entries {
        match &node.value {
            Value::Sequence(jobs) if key.text == "scrape_configs" => {
                n_jobs = jobs.len();
                for (idx, job) in jobs.iter().enumerate() {
                    note(&format!("scrape_configs[{}]", first_job + idx), job, path, written);
                }
            }
            _ => note(&key.text, node, path, written),
        }
    }
    Ok(n_jobs)
}

fn note(at: &str, node: &Node, path: &Path, written: &mut Written) {
    if node.is_null() {
        return;
    }
    written.insert(at.to_owned(), (path.to_owned(), node.position));
    match &node.value {
        Value::Scalar { .. } => {}
        Value::Sequence(items) => {
            for (idx, item) in items.iter().enumerate() {
                note(&format!("{at}[{idx}]"), item, path, written);
            }
        }
        Value::Mapping(entries) => {
            for (key, value) in entries {
                note(&format!("{at}.{}", key.text), value, path, written);
            }
        }
    }
}

fn explain(config: &Config, written: &Written) -> Vec<Field> {
    let mut fields = Vec::new();
    walk(String::new(), &config_tree(config, true), written, &mut fields);
    fields
}

fn walk(path: String, tree: &Tree, written: &Written, fields: &mut Vec<Field>) {
    let value = match tree {
        Tree::Map(entries) if !entries.is_empty() => {
            for (name, tree) in entries {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(path, tree, written, fields);
            }
            return;
        }
        Tree::List(items) if !items.is_empty() => {
            for (idx, item) in items.iter().enumerate() {
                walk(format!("{path}[{idx}]"), item, written, fields);
            }
            return;
        }
        Tree::Scalar(text) => text.clone(),
        Tree::Flow(items) => format!("[{}]", items.join(", ")),
        Tree::Map(_) => "{}".to_owned(),
        Tree::List(_) => "[]".to_owned(),
    };
    let origin = origin_of(&path, written);
    fields.push(Field { path, value, origin });
}

fn origin_of(path: &str, written: &Written) -> Origin {
    if let Some((file, position)) = written.get(path) {
        return Origin::File(file.clone(), *position);
    }
    let of_job = path.strip_prefix("scrape_configs[").and_then(|rest| rest.split_once("]."));
    let global = of_job.and_then(|(_, field)| written.get(&format!("global.{field}")));
    match global {
        Some((file, position)) => Origin::Inherited(file.clone(), *position),
        None => Origin::Default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_value_and_an_origin() {
        let folder = std::env::temp_dir().join(format!("wf-explain-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        write(
            "p.yml",
            "global: {scrape_interval: 15s}\nscrape_config_files: [more.yml]\nscrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: hush}\n  file_sd_configs:\n  - files: [t.json]\n",
        );
        write("more.yml", "scrape_configs:\n- job_name: b\n  scrape_interval: 5s\n");
        let fields = explain_file(&folder.join("p.yml"), LoadOptions::default()).unwrap();
        let of = |path: &str| {
            let field = fields.iter().find(|field| field.path == path).unwrap_or_else(|| panic!("{path}"));
            let folder = format!("{}/", folder.display());
            format!("{} ({})", field.value, field.origin).replace(&folder, "")
        };
        assert_eq!(of("global.scrape_interval"), "15s (p.yml:1:27)");
        assert_eq!(of("global.evaluation_interval"), "1m (default)");
        assert_eq!(of("scrape_configs[0].scrape_interval"), "15s (global, p.yml:1:27)");
        assert_eq!(of("scrape_configs[0].basic_auth.password"), "<secret> (p.yml:5:39)");
        assert_eq!(of("scrape_configs[0].sample_limit"), "0 (default)");
        assert_eq!(of("scrape_configs[0].file_sd_configs[0].refresh_interval"), "5m (default)");
        assert_eq!(of("scrape_configs[1].scrape_interval"), "5s (more.yml:3:20)");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
