//! Inhibition: alerts that make others superfluous.
//!
//! Per rule the source alerts are indexed by a hash of their values of the `equal` labels, and rules by a value that they
//! ask of their sources and of their targets: noting an alert and asking about one cost a few lookups, however many rules
//! there are.
//!
//! Which rules an alert is a source of follows from its labels, which never change under one fingerprint: it is noted once, when it
//! comes for the first time, and by its fingerprint. Whether it fires is asked of the store. A stock rule such as "critical
//! inhibits warning" has thousands of sources, most of them alone under their key, and there may be dozens of such rules.
//! Source: `spec/alertmanager-pushgateway.md` §A7: the true rule, not the original's one source per key.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use wf_model::{Labels, Matcher};

use crate::alert::{Alert, AlertStore};
use crate::config::AlertmanagerConfig;
use crate::matchers::matches_all;
use crate::route::{pooled, values_of};

/// A rule with its sources.
#[derive(Debug)]
struct Rule {
    source: Vec<Matcher>,
    target: Vec<Matcher>,
    equal: Vec<String>,
    /// Source alerts by the hash of their values of `equal`.
    sources: HashMap<u64, Sources, foldhash::fast::RandomState>,
}

/// Fingerprints of the source alerts under one key, ascending.
#[derive(Debug)]
enum Sources {
    One(u64),
    #[expect(
        clippy::box_collection,
        reason = "a table of hundreds of thousands of single sources stays a third smaller"
    )]
    Many(Box<BTreeSet<u64>>),
}

impl Sources {
    fn insert(&mut self, fingerprint: u64) {
        match self {
            Self::One(known) if *known == fingerprint => {}
            Self::One(known) => *self = Self::Many(Box::new(BTreeSet::from([*known, fingerprint]))),
            Self::Many(known) => {
                known.insert(fingerprint);
            }
        }
    }

    /// Keeps some; returns whether any is left.
    fn retain(&mut self, is_kept: impl Fn(u64) -> bool) -> bool {
        match self {
            Self::One(known) => is_kept(*known),
            Self::Many(known) => {
                known.retain(|fingerprint| is_kept(*fingerprint));
                !known.is_empty()
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        let (one, many) = match self {
            Self::One(known) => (Some(*known), None),
            Self::Many(known) => (None, Some(known.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Rules by a label and value that they ask for.
#[derive(Debug, Default)]
struct Index {
    by_label: Vec<(String, HashMap<String, Vec<usize>>)>,
    others: Vec<usize>,
}

impl Index {
    fn add(&mut self, rule: usize, matchers: &[Matcher]) {
        let wanted = matchers.iter().find_map(|matcher| Some((matcher.name(), values_of(matcher)?)));
        let Some((name, values)) = wanted else {
            self.others.push(rule);
            return;
        };
        let at = self.by_label.iter().position(|(label, _)| label == name).unwrap_or_else(|| {
            self.by_label.push((name.to_owned(), HashMap::new()));
            self.by_label.len() - 1
        });
        let Some((_, by_value)) = self.by_label.get_mut(at) else { return };
        for value in values {
            by_value.entry(value.to_owned()).or_default().push(rule);
        }
    }

    /// Calls `visit` with the rules that may match, in no order.
    fn candidates(&self, labels: &Labels, mut visit: impl FnMut(usize)) {
        for (name, by_value) in &self.by_label {
            let rules = labels.get(name).and_then(|value| by_value.get(value));
            rules.into_iter().flatten().for_each(|rule| visit(*rule));
        }
        self.others.iter().for_each(|rule| visit(*rule));
    }
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Inhibitor {
    rules: Vec<Rule>,
    by_source: Index,
    by_target: Index,
}

impl Inhibitor {
    /// Compiles the rules of a checked configuration.
    /// # Errors
    /// When a matcher cannot be compiled, which the configuration's checks exclude.
    pub(crate) fn compile(config: &AlertmanagerConfig) -> Result<Self, String> {
        let mut this = Self::default();
        for (idx, rule) in config.file.inhibit_rules.iter().enumerate() {
            let source =
                pooled(&rule.source_match, &rule.source_match_re, &rule.source_matchers, config.mode)?;
            let target =
                pooled(&rule.target_match, &rule.target_match_re, &rule.target_matchers, config.mode)?;
            this.by_source.add(idx, &source);
            this.by_target.add(idx, &target);
            this.rules.push(Rule { source, target, equal: rule.equal.clone(), sources: HashMap::default() });
        }
        Ok(this)
    }

    pub(crate) fn n_rules(&self) -> usize {
        self.rules.len()
    }

    /// Takes note of an alert that comes for the first time; again does no harm.
    pub(crate) fn observe(&mut self, alert: &Alert) {
        let rules = &mut self.rules;
        self.by_source.candidates(&alert.labels, |idx| {
            let Some(rule) = rules.get_mut(idx).filter(|rule| matches_all(&rule.source, &alert.labels))
            else {
                return;
            };
            let key = key_of(&rule.equal, &alert.labels);
            let sources = rule.sources.entry(key).or_insert(Sources::One(alert.fingerprint));
            sources.insert(alert.fingerprint);
        });
    }

    /// Forgets what `alerts` has forgotten: who comes back is noted again.
    pub(crate) fn collect_garbage(&mut self, alerts: &AlertStore) {
        for rule in &mut self.rules {
            rule.sources.retain(|_, sources| sources.retain(|fingerprint| alerts.get(fingerprint).is_some()));
        }
    }

    /// Returns the first rule by which alerts with these labels are inhibited, and the fingerprint of the one of `alerts`
    /// that does it.
    pub(crate) fn inhibited_by(
        &self,
        labels: &Labels,
        alerts: &AlertStore,
        now: Timestamp,
    ) -> Option<(usize, u64)> {
        let mut found: Option<(usize, u64)> = None;
        self.by_target.candidates(labels, |idx| {
            if found.is_some_and(|(first, _)| first <= idx) {
                return;
            }
            let source = self.rules.get(idx).and_then(|rule| rule.inhibited_by(labels, alerts, now));
            found = source.map(|source| (idx, source)).or(found);
        });
        found
    }
}

impl Rule {
    fn inhibited_by(&self, labels: &Labels, alerts: &AlertStore, now: Timestamp) -> Option<u64> {
        if self.sources.is_empty() || !matches_all(&self.target, labels) {
            return None;
        }
        let sources = self.sources.get(&key_of(&self.equal, labels))?;
        // An alert that is on both sides is not inhibited by others that are, nor by itself.
        let is_two_sided = matches_all(&self.source, labels);
        // Different values may share a hash.
        let has_equal =
            |alert: &Alert| self.equal.iter().all(|name| value(&alert.labels, name) == value(labels, name));
        let known = sources.iter().filter_map(|fingerprint| alerts.get(fingerprint));
        let mut firing = known.filter(|alert| !alert.is_resolved(now) && has_equal(alert));
        firing
            .find(|alert| !is_two_sided || !matches_all(&self.target, &alert.labels))
            .map(|alert| alert.fingerprint)
    }
}

fn value<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).unwrap_or("")
}

/// Returns the hash of the values of `equal`.
fn key_of(equal: &[String], labels: &Labels) -> u64 {
    let mut hash = xxhash_rust::xxh64::Xxh64::new(0);
    for name in equal {
        hash.update(value(labels, name).as_bytes());
        hash.update(&[0xff]);
    }
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Put;
    use crate::alert::testing::{alert, at};
    use crate::matchers::Mode;

    /// An inhibitor and the alerts it asks about.
    struct Known(Inhibitor, AlertStore);

    impl Known {
        fn take(&mut self, alert: Alert) {
            let now = alert.updated_at;
            if let Put::New(alert) = self.1.put(alert, now) {
                self.0.observe(&alert);
            }
        }
    }

    fn inhibitor(rules: &str) -> Known {
        let text = format!("route: {{receiver: a}}\nreceivers: [{{name: a}}]\ninhibit_rules:\n{rules}");
        let config = AlertmanagerConfig::load(&text, std::path::Path::new("x.yml"), Mode::Fallback).unwrap();
        Known(Inhibitor::compile(&config).unwrap(), AlertStore::default())
    }

    fn is_inhibited(known: &Known, labels: &[(&str, &str)], seconds: i64) -> bool {
        let labels = Labels::from_pairs(labels.iter().copied());
        known.0.inhibited_by(&labels, &known.1, at(seconds)).is_some()
    }

    #[test]
    fn a_source_inhibits_targets_with_equal_labels_while_it_fires() {
        let mut inhibitor =
            inhibitor("- {source_match: {s: crit}, target_match: {s: warn}, equal: [c, absent]}\n");
        inhibitor.take(alert(&[("s", "crit"), ("c", "1")], 0, 100));
        assert!(is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "2")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1"), ("absent", "x")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1")], 100));
        let Known(rules, alerts) = &mut inhibitor;
        alerts.collect_garbage(at(100));
        rules.collect_garbage(alerts);
        assert!(rules.rules[0].sources.is_empty());
        // It comes back, is refreshed, and ends.
        inhibitor.take(alert(&[("s", "crit"), ("c", "1")], 200, 300));
        inhibitor.take(alert(&[("s", "crit"), ("c", "1")], 200, 400));
        assert!(is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1")], 350));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1")], 400));
    }

    #[test]
    fn the_first_rule_that_holds_is_named() {
        let mut inhibitor = inhibitor(
            "- {source_matchers: ['a!=1'], target_matchers: ['t!=1'], equal: [x]}\n\
             - {source_matchers: ['a=~\"2|3\"'], target_matchers: ['t=~\"2|3\"'], equal: [x]}\n\
             - {source_matchers: ['a=2'], target_matchers: ['t=2']}\n",
        );
        inhibitor.take(alert(&[("a", "2"), ("t", "1"), ("x", "1")], 0, 100));
        let Known(rules, alerts) = &inhibitor;
        let by = |labels: &[(&str, &str)]| {
            let by = rules.inhibited_by(&Labels::from_pairs(labels.iter().copied()), alerts, at(50));
            by.map(|(rule, _)| rule)
        };
        assert_eq!(by(&[("t", "2"), ("x", "1"), ("a", "1")]), Some(0));
        assert_eq!(by(&[("t", "2"), ("x", "2"), ("a", "1")]), Some(2));
        assert_eq!(by(&[("t", "3"), ("x", "2"), ("a", "1")]), None);
    }

    #[test]
    fn alerts_on_both_sides_do_not_inhibit_each_other() {
        let mut inhibitor =
            inhibitor("- {source_matchers: ['s=~\"a|b\"'], target_matchers: ['s=~\"b|c\"']}\n");
        inhibitor.take(alert(&[("s", "b"), ("i", "1")], 0, 100));
        assert!(!is_inhibited(&inhibitor, &[("s", "b"), ("i", "1")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "b"), ("i", "2")], 50));
        assert!(is_inhibited(&inhibitor, &[("s", "c")], 50));
        // A one-sided source is not hidden by a two-sided one under the same key.
        inhibitor.take(alert(&[("s", "a")], 0, 100));
        assert!(is_inhibited(&inhibitor, &[("s", "b"), ("i", "1")], 50));
    }
}
