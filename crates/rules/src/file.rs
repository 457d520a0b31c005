//! Rule files: YAML to groups of rules, or a list of everything that is wrong.

mod read;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wf_config::{Position, Problem};
use wf_model::NameScheme;
use wf_promql::ast::Expr;
use wf_promql::parser::ParseOptions;

use self::read::RuleFile;

/// A group of rules that are evaluated one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name, unique in its file.
    pub name: String,
    /// Time between evaluations; `None` for the global one.
    pub interval: Option<Duration>,
    /// How far back queries look; `None` for the global offset.
    pub query_offset: Option<Duration>,
    /// Series or alerts that one rule may have at most; 0 for any number.
    pub limit: usize,
    /// Its rules, in file order.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Where it stands.
    pub position: Position,
    /// Name of the series it records, or of its alert.
    pub name: String,
    /// What its result becomes.
    pub kind: RuleKind,
    /// What is evaluated, as typed.
    pub text: String,
    /// What that means.
    pub expr: Expr,
    /// Labels set on its results, the group's among them: templates for alerts.
    pub labels: BTreeMap<String, String>,
}

/// What a rule's result becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// A series.
    Record,
    /// Alerts.
    Alert {
        /// How long the condition must hold.
        hold_for: Duration,
        /// How long an alert fires on after its condition ended.
        keep_firing_for: Duration,
        /// Texts for people: templates.
        annotations: BTreeMap<String, String>,
    },
}

/// What is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Acceptance {
    /// How names may look.
    pub scheme: NameScheme,
    /// Whether keys that nobody knows are passed over.
    pub ignores_unknown_fields: bool,
    /// Which expressions are known.
    pub expressions: ParseOptions,
}

impl Default for Acceptance {
    fn default() -> Self {
        Self { scheme: NameScheme::Utf8, ignores_unknown_fields: false, expressions: ParseOptions::all() }
    }
}

/// Why a rule file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleFileError {
    /// It cannot be read.
    #[error("read rule file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Its content is wrong.
    #[error("{}", listed(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
}

fn listed(path: &Path, problems: &[Problem]) -> String {
    let path = path.display();
    let line = |problem: &Problem| {
        let Position { line, column } = problem.position;
        format!("{path}: {line}:{column}: {}", problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Reads the rule file at `path`.
/// # Errors
/// See [`RuleFileError`].
pub fn load_file(path: &Path, acceptance: Acceptance) -> Result<Vec<Group>, RuleFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| RuleFileError::Read { path: path.to_owned(), source })?;
    load(&text, path, acceptance)
}

/// Reads a rule file's text; `path` names it in errors.
/// # Errors
/// [`RuleFileError::Invalid`] with all problems.
pub fn load(text: &str, path: &Path, acceptance: Acceptance) -> Result<Vec<Group>, RuleFileError> {
    let invalid = |problems| RuleFileError::Invalid { path: path.to_owned(), problems };
    let root = wf_config::yaml::parse(text).map_err(|error| {
        let message = format!("yaml: {}", error.message);
        invalid(vec![Problem { position: error.position, path: String::new(), message }])
    })?;
    let mut reader = wf_config::yaml::reader::Reader::default();
    let file: RuleFile = root.map(|node| reader.read(&node)).unwrap_or_default();
    let mut problems = reader.into_problems();
    if acceptance.ignores_unknown_fields {
        problems.retain(|problem| !problem.message.contains(" not found in type "));
    }
    let groups = validate::groups(file, acceptance, &mut problems);
    if problems.is_empty() { Ok(groups) } else { Err(invalid(problems)) }
}

#[cfg(test)]
mod tests;
