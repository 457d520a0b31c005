//! Relabeling rules as they are typed.

use wf_model::NameScheme;
use wf_model::quote::GoQuoted;
use wf_model::relabel::{Action, Rule, RuleSpec};

use crate::yaml::Node;
use crate::yaml::reader::{At, FromYaml, Reader, read_fields};

/// A relabeling rule: an entry of `relabel_configs` or `metric_relabel_configs`.
///
/// What is not typed has the rule's own default, and a null is the zero value, as in the original: an action of null is
/// none at all.
#[derive(Clone, Debug, PartialEq)]
pub struct RelabelFile {
    /// Labels whose values make the source value. Default: none.
    pub source_labels: Vec<String>,
    /// Stands between source values. Default: `;`.
    pub separator: String,
    /// Label that is set or compared. Required by most actions.
    pub target_label: String,
    /// RE2, anchored at both ends. Default: `(.*)`.
    pub regex: String,
    /// Of `hashmod`: number of shards.
    pub modulus: u64,
    /// Value to set; `$1` and `${name}` stand for what the pattern's groups matched. Default: `$1`.
    pub replacement: String,
    /// What to do, in any case. Default: `replace`.
    pub action: String,
}

impl Default for RelabelFile {
    fn default() -> Self {
        let RuleSpec { source_labels, separator, target_label, regex, modulus, replacement, action } =
            RuleSpec::default();
        let action = action.as_str().to_owned();
        Self { source_labels, separator, target_label, regex, modulus, replacement, action }
    }
}

impl FromYaml for RelabelFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "relabel.Config", &[], |name, node, reader| {
            match name {
                "source_labels" => this.source_labels = reader.read(node),
                "separator" => this.separator = reader.read(node),
                "target_label" => this.target_label = reader.read(node),
                "regex" => this.regex = reader.read(node),
                "modulus" => this.modulus = reader.read(node),
                "replacement" => this.replacement = reader.read(node),
                "action" => this.action = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

/// A list of rules: its key, and what an entry is called in errors.
#[derive(Clone, Copy, Debug)]
pub struct RuleList {
    key: &'static str,
    entry: &'static str,
}

/// Rules for targets.
pub(crate) const OF_TARGETS: RuleList =
    RuleList { key: "relabel_configs", entry: "target relabeling rule in scrape config" };
/// Rules for scraped series.
pub(crate) const OF_SERIES: RuleList =
    RuleList { key: "metric_relabel_configs", entry: "metric relabeling rule in scrape config" };
/// Rules for discovered Alertmanagers.
pub(crate) const OF_ALERTMANAGERS: RuleList =
    RuleList { key: "relabel_configs", entry: "Alertmanager target relabeling rule" };
/// Rules for alerts.
pub(crate) const OF_ALERTS: RuleList =
    RuleList { key: "alert_relabel_configs", entry: "alert relabeling rule" };
/// Rules for series that are sent elsewhere.
pub(crate) const OF_WRITES: RuleList =
    RuleList { key: "write_relabel_configs", entry: "relabeling rule in remote write config" };

/// Checks rules and makes them ready to run; those that are wrong are reported below their key and left out.
pub(crate) fn resolve(
    entries: &[At<Option<RelabelFile>>],
    list: RuleList,
    scheme: NameScheme,
    reader: &mut Reader,
) -> Vec<Rule> {
    reader.inside(format!(".{}", list.key), |reader| resolve_here(entries, list, scheme, reader))
}

/// As [`resolve`], where the reader already stands at the key.
pub(crate) fn resolve_here(
    entries: &[At<Option<RelabelFile>>],
    list: RuleList,
    scheme: NameScheme,
    reader: &mut Reader,
) -> Vec<Rule> {
    let mut rules = Vec::with_capacity(entries.len());
    for (idx, at) in entries.iter().enumerate() {
        let made = match &at.value {
            Some(file) => make(file, scheme),
            None => Err(format!("empty or null {}", list.entry)),
        };
        match made {
            Ok(rule) => rules.push(rule),
            Err(message) => reader.inside(format!("[{idx}]"), |reader| reader.report(at.position, message)),
        }
    }
    rules
}

fn make(file: &RelabelFile, scheme: NameScheme) -> Result<Rule, String> {
    if file.action.is_empty() {
        return Err("relabel action cannot be empty".to_owned());
    }
    let action = Action::parse(&file.action)
        .ok_or_else(|| format!("unknown relabel action {}", GoQuoted(&file.action)))?;
    let RelabelFile { source_labels, separator, target_label, regex, modulus, replacement, action: _ } =
        file.clone();
    let spec = RuleSpec { source_labels, separator, target_label, regex, modulus, replacement, action };
    Rule::new(spec, scheme).map_err(|error| error.to_string())
}
