//! Groups of targets, and how their labels are put together.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use wf_config::yaml::Value;
use wf_config::yaml::reader::Reader;
use wf_model::Labels;

/// Targets with common labels, as a source names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// What tells it from other groups of its source.
    pub source: String,
    /// Labels of each target; `__address__` at least.
    pub targets: Vec<Labels>,
    /// Labels of all of them.
    pub labels: Labels,
}

/// Collects labels; empty values are no labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelSet(BTreeMap<String, String>);

impl LabelSet {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Sets `prefix` + each name, made fit for a label name.
    pub(crate) fn set_all<'a>(
        &mut self,
        prefix: &str,
        pairs: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> &mut Self {
        for (name, value) in pairs {
            self.set(format!("{prefix}{}", sanitized(name)), value);
        }
        self
    }

    pub(crate) fn extend(&mut self, other: &Self) -> &mut Self {
        self.0.extend(other.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        self
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    pub(crate) fn build(&self) -> Labels {
        let pairs = self.0.iter().filter(|(_, value)| !value.is_empty());
        Labels::from_sorted(pairs.map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Builds labels with an address.
    pub(crate) fn at(&self, address: &str) -> Labels {
        let mut all = self.clone();
        all.set("__address__", address).build()
    }
}

/// Replaces every character that a label name cannot have by `_`.
pub(crate) fn sanitized(name: &str) -> String {
    name.chars().map(|ch| if ch.is_ascii_alphanumeric() || ch == '_' { ch } else { '_' }).collect()
}

/// Joins host and port; an IPv6 address gets its brackets.
pub(crate) fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// One group as files and HTTP services write it. Services in Go leave out nothing: what is empty they write as null, and
/// keys without a tag in capitals; Go reads both.
#[derive(Debug, Default)]
struct Written {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WrittenVisitor)
    }
}

struct WrittenVisitor;

impl<'de> Visitor<'de> for WrittenVisitor {
    type Value = Written;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group of targets")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
        let mut written = Written::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.to_ascii_lowercase().as_str() {
                "targets" => {
                    let targets = map.next_value::<Option<Vec<Option<String>>>>()?.unwrap_or_default();
                    written.targets = targets.into_iter().map(Option::unwrap_or_default).collect();
                }
                "labels" => {
                    let labels =
                        map.next_value::<Option<BTreeMap<String, Option<String>>>>()?.unwrap_or_default();
                    let labels = labels.into_iter();
                    written.labels = labels.map(|(name, value)| (name, value.unwrap_or_default())).collect();
                }
                _ => return Err(A::Error::unknown_field(&key, &["targets", "labels"])),
            }
        }
        Ok(written)
    }
}

/// Reads a JSON list of groups; each gets the labels `extra` and a number behind `source`.
pub(crate) fn of_json(
    bytes: &[u8],
    source: &str,
    extra: &[(&str, &str)],
) -> Result<Vec<TargetGroup>, String> {
    let written: Option<Vec<Option<Written>>> =
        serde_json::from_slice(bytes).map_err(|error| format!("{source}: {error}"))?;
    written
        .unwrap_or_default()
        .into_iter()
        .enumerate()
        .map(|(idx, group)| {
            let group =
                group.ok_or_else(|| format!("{source}: nil target group item found (index {idx})"))?;
            build(&group.targets, group.labels, source, idx, extra)
        })
        .collect()
}

/// Reads a YAML list of groups, as [`of_json`] does.
pub(crate) fn of_yaml(text: &str, source: &str, extra: &[(&str, &str)]) -> Result<Vec<TargetGroup>, String> {
    let Some(root) = wf_config::yaml::parse(text).map_err(|error| format!("{source}: yaml: {error}"))? else {
        return Ok(Vec::new());
    };
    if let Value::Sequence(items) = &root.value
        && let Some(idx) = items.iter().position(wf_config::yaml::Node::is_null)
    {
        return Err(format!("{source}: nil target group item found (index {idx})"));
    }
    let mut reader = Reader::default();
    let written: Vec<wf_config::discovery::StaticConfigFile> = reader.read(&root);
    if let Some(problem) = reader.into_problems().first() {
        return Err(format!("{source}: {problem}"));
    }
    let groups = written.into_iter().enumerate().map(|(idx, group)| {
        let targets: Vec<String> = group.targets.into_iter().map(|at| at.value).collect();
        let labels = group.labels.into_iter().map(|(name, at)| (name, at.value)).collect();
        build(&targets, labels, source, idx, extra)
    });
    groups.collect()
}

fn build(
    targets: &[String],
    labels: BTreeMap<String, String>,
    source: &str,
    idx: usize,
    extra: &[(&str, &str)],
) -> Result<TargetGroup, String> {
    if let Some(name) = labels.keys().find(|name| name.is_empty()) {
        return Err(format!("{source}: {name:?} is not a valid label name"));
    }
    let mut set = LabelSet(labels);
    for (name, value) in extra {
        set.set(*name, *value);
    }
    Ok(TargetGroup {
        source: format!("{source}:{idx}"),
        targets: targets.iter().map(|address| Labels::from_pairs([("__address__", address)])).collect(),
        labels: set.build(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_label_names() {
        assert_eq!(sanitized("com.docker/x-1_é"), "com_docker_x_1__");
        assert_eq!(host_port("fc00::2", 80), "[fc00::2]:80");
        assert_eq!(host_port("h", 80), "h:80");
    }

    #[test]
    fn json_and_yaml_read_alike_and_null_groups_are_refused() {
        let json = br#"[{"targets":["a:1"],"labels":{"x":"y","e":""}},{"targets":["b"]}]"#;
        let yaml = "- targets: ['a:1']\n  labels: {x: y, e: ''}\n- targets: [b]\n";
        let groups = of_json(json, "f", &[("__meta_url", "u")]).unwrap();
        assert_eq!(groups, of_yaml(yaml, "f", &[("__meta_url", "u")]).unwrap());
        assert_eq!(groups[0].labels, Labels::from_pairs([("x", "y"), ("__meta_url", "u")]));
        assert_eq!(groups[0].source, "f:0");
        assert_eq!(of_json(b"null", "f", &[]).unwrap(), []);
        let of_go = br#"[{"Targets":["a:1"],"Labels":null},{"targets":null,"labels":{"x":null}}]"#;
        let groups = of_json(of_go, "f", &[]).unwrap();
        assert_eq!((groups[0].targets.len(), groups[1].targets.len()), (1, 0));
        assert!(groups.iter().all(|group| group.labels.is_empty()));
        assert!(of_json(br#"[{"labels":{"x":1}}]"#, "f", &[]).is_err());
        assert!(of_json(b"[null]", "f", &[]).unwrap_err().contains("nil target group"));
        assert!(of_yaml("- null\n", "f", &[]).unwrap_err().contains("nil target group"));
        assert!(of_json(br#"[{"target":[]}]"#, "f", &[]).unwrap_err().contains("unknown field"));
        assert!(of_yaml("- target: []\n", "f", &[]).unwrap_err().contains("field target not found"));
    }
}
