//! What is typed in a rule file.

use std::collections::BTreeMap;
use std::time::Duration;

use wf_config::Position;
use wf_config::yaml::reader::{FromYaml, Reader, read_fields};
use wf_config::yaml::{Node, Value};

/// A rule file as typed.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleFile {
    pub(super) groups: Vec<GroupEntry>,
}

/// An entry of `groups`.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupEntry {
    pub(super) position: Position,
    pub(super) name: String,
    pub(super) interval: Option<Duration>,
    pub(super) query_offset: Option<Duration>,
    pub(super) limit: i64,
    pub(super) labels: Texts,
    pub(super) rules: Vec<RuleEntry>,
}

/// An entry of `rules`. Strings carry their position for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleEntry {
    pub(super) position: Position,
    pub(super) record: Text,
    pub(super) alert: Text,
    pub(super) expr: Text,
    pub(super) hold_for: Option<Duration>,
    pub(super) keep_firing_for: Option<Duration>,
    pub(super) labels: Texts,
    pub(super) annotations: Texts,
}

/// A string and where it stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) position: Position,
}

/// A mapping of strings, and where each value stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts(pub(super) BTreeMap<String, Text>);

impl FromYaml for Text {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        Some(Self { text: String::from_yaml(node, reader)?, position: node.position })
    }
}

impl FromYaml for Texts {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            reader.report(node.position, format!("expected a mapping of strings, got {}", node.kind()));
            return None;
        };
        let mut texts = BTreeMap::new();
        for (key, value) in entries {
            let text = Text { position: value.position, ..reader.read(value) };
            if texts.insert(key.text.clone(), text).is_some() {
                reader.report(key.position, format!("key {:?} already set in map", key.text));
            }
        }
        Some(Self(texts))
    }
}

impl FromYaml for RuleFile {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self::default();
        read_fields(node, reader, "rulefmt.RuleGroups", &[], |name, node, reader| {
            let is_known = name == "groups";
            if is_known {
                this.groups = reader.read(node);
            }
            is_known
        })?;
        Some(this)
    }
}

impl FromYaml for GroupEntry {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self { position: node.position, ..Self::default() };
        read_fields(node, reader, "rulefmt.RuleGroup", &[], |name, node, reader| {
            match name {
                "name" => this.name = reader.read(node),
                "interval" => this.interval = reader.read(node),
                "query_offset" => this.query_offset = reader.read(node),
                "limit" => this.limit = reader.read(node),
                "labels" => this.labels = reader.read(node),
                "rules" => this.rules = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}

impl FromYaml for RuleEntry {
    fn from_yaml(node: &Node, reader: &mut Reader) -> Option<Self> {
        let mut this = Self { position: node.position, ..Self::default() };
        read_fields(node, reader, "rulefmt.Rule", &[], |name, node, reader| {
            match name {
                "record" => this.record = reader.read(node),
                "alert" => this.alert = reader.read(node),
                "expr" => this.expr = reader.read(node),
                "for" => this.hold_for = reader.read(node),
                "keep_firing_for" => this.keep_firing_for = reader.read(node),
                "labels" => this.labels = reader.read(node),
                "annotations" => this.annotations = reader.read(node),
                _ => return false,
            }
            true
        })?;
        Some(this)
    }
}
