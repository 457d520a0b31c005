//! `static_configs` and the `*_sd_configs` beside it: where targets come from.
//!
//! # Reading order: this file, `mechanisms` (what we do), `cloud` (what only loads), `checks`.
//! # Source: `spec/prometheus-core.md` §4.

mod checks;
mod cloud;
mod mechanisms;

use std::collections::BTreeMap;

use wf_model::Labels;
use wf_model::labels::METRIC_NAME;
use wf_model::quote::GoQuoted;

use crate::section::{Schema, Section, read_records};
use crate::yaml::reader::{At, Reader, yaml_struct};
use crate::yaml::{Node, Position};

/// A way to find targets.
#[derive(Debug)]
pub struct Mechanism {
    /// Its name in metrics and logs, such as `consul`.
    pub name: &'static str,
    /// Its key in the file, such as `consul_sd_configs`.
    pub key: &'static str,
    /// Whether this program does it; the others load, are checked, and find nothing.
    pub is_available: bool,
    /// Its fields.
    pub schema: Schema,
    /// Finds what is wrong with a section beyond the kinds of its fields.
    check: fn(&Section) -> Result<(), String>,
}

impl PartialEq for Mechanism {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

/// One entry of a `*_sd_configs` list.
#[derive(Clone, Debug, PartialEq)]
pub struct SdConfig {
    /// How targets are found.
    pub mechanism: &'static Mechanism,
    /// Its settings.
    pub section: Section,
}

/// Targets with common labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StaticGroup {
    /// Addresses.
    pub targets: Vec<String>,
    /// Labels of all of them.
    pub labels: Labels,
}

/// Where the targets of a job, or the Alertmanagers, come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Discovery {
    /// Targets written down in the file.
    pub static_groups: Vec<StaticGroup>,
    /// Sources to ask, by mechanism in the order of [`mechanisms`] and then in file order.
    pub sources: Vec<SdConfig>,
}

/// Returns every mechanism, those that are not available yet included, sorted by key.
pub fn mechanisms() -> impl Iterator<Item = &'static Mechanism> {
    mechanisms::ALL.iter().chain(cloud::ALL)
}

yaml_struct! {
    /// A group of targets with common labels: an entry of `static_configs`.
    pub struct StaticConfigFile("struct") {
        /// Addresses, `host:port`.
        pub targets: Vec<At<String>>,
        /// Labels of all these targets.
        pub labels: BTreeMap<String, At<String>>,
    }
    flatten {}
    not_yet {}
    null("section in static_configs")
}

/// What was typed of `static_configs` and its like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiscoveryFile {
    static_configs: Vec<StaticConfigFile>,
    sources: Vec<SdConfig>,
}

impl DiscoveryFile {
    /// Reads one key; returns whether it is one of a mechanism.
    pub(crate) fn set_field(&mut self, name: &str, node: &Node, reader: &mut Reader) -> bool {
        if name == "static_configs" {
            self.static_configs = reader.read(node);
            return true;
        }
        let Some(mechanism) = mechanisms().find(|mechanism| mechanism.key == name) else { return false };
        if node.is_null() {
            return true;
        }
        for (idx, at) in
            read_records(&mechanism.schema, node, reader).unwrap_or_default().into_iter().enumerate()
        {
            if let Err(message) = (mechanism.check)(&at.value) {
                reader.inside(format!("[{idx}]"), |reader| reader.report(at.position, message));
            }
            self.sources.push(SdConfig { mechanism, section: at.value });
        }
        true
    }

    /// Resolves static targets; `has_rules` tells whether rules may still make an address of a URL.
    pub(crate) fn resolve(&self, has_rules: bool, reader: &mut Reader) -> Discovery {
        let mut static_groups = Vec::with_capacity(self.static_configs.len());
        for (idx, group) in self.static_configs.iter().enumerate() {
            static_groups.push(reader.inside(format!(".static_configs[{idx}]"), |reader| {
                if !has_rules {
                    check_addresses(group, reader);
                }
                StaticGroup {
                    targets: group.targets.iter().map(|at| at.value.clone()).collect(),
                    labels: reader
                        .inside(".labels".to_owned(), |reader| resolve_labels(&group.labels, reader)),
                }
            }));
        }
        let mut sources = self.sources.clone();
        let order = |source: &SdConfig| mechanisms().position(|known| known == source.mechanism);
        sources.sort_by_key(order);
        Discovery { static_groups, sources }
    }
}

fn check_addresses(group: &StaticConfigFile, reader: &mut Reader) {
    for target in &group.targets {
        let address = GoQuoted(&target.value);
        if target.value.contains('/') {
            let message =
                format!("{address} is not a valid hostname: give host:port, the path goes into metrics_path");
            reader.report(target.position, message);
        } else if target.value.is_empty() {
            reader.report(target.position, "target address is empty");
        }
    }
}

/// Checks names and sorts out empty values.
pub(crate) fn resolve_labels(file: &BTreeMap<String, At<String>>, reader: &mut Reader) -> Labels {
    for (name, at) in file {
        if name.is_empty() || name == METRIC_NAME {
            report_name(name, at.position, reader);
        }
    }
    // A map is sorted and names its keys once.
    let pairs = file.iter().map(|(name, at)| (name.as_str(), at.value.as_str()));
    Labels::from_sorted(pairs.filter(|(_, value)| !value.is_empty()))
}

fn report_name(name: &str, position: Position, reader: &mut Reader) {
    reader.report(position, format!("{} is not a valid label name", GoQuoted(name)));
}
