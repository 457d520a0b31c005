//! Inhibition: alerts that make others superfluous.
//!
//! Per rule the source alerts are indexed by their values of the `equal` labels, and rules by a value they ask of their
//! targets: whether an alert is inhibited costs a few lookups.
//! Source: `spec/alertmanager-pushgateway.md` §A7: the true rule, not the original's one source per key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use wf_model::{Labels, MatchOp, Matcher};

use crate::alert::Alert;
use crate::config::AlertmanagerConfig;
use crate::matchers::matches_all;
use crate::route::pooled;

/// A rule with its sources.
#[derive(Debug)]
struct Rule {
    source: Vec<Matcher>,
    target: Vec<Matcher>,
    equal: Vec<String>,
    /// Source alerts by their values of `equal`, then by fingerprint.
    sources: HashMap<Vec<String>, BTreeMap<u64, Arc<Alert>>>,
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Inhibitor {
    rules: Vec<Rule>,
    /// Rules by a label and value that their targets must have.
    by_target: HashMap<String, HashMap<String, Vec<usize>>>,
    others: Vec<usize>,
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
            match target.iter().find(|matcher| matcher.op() == MatchOp::Equal && !matcher.value().is_empty())
            {
                Some(matcher) => {
                    let by_value = this.by_target.entry(matcher.name().to_owned()).or_default();
                    by_value.entry(matcher.value().to_owned()).or_default().push(idx);
                }
                None => this.others.push(idx),
            }
            this.rules.push(Rule { source, target, equal: rule.equal.clone(), sources: HashMap::new() });
        }
        Ok(this)
    }

    pub(crate) fn n_rules(&self) -> usize {
        self.rules.len()
    }

    /// Takes note of an alert as it is known now.
    pub(crate) fn observe(&mut self, alert: &Arc<Alert>) {
        for rule in &mut self.rules {
            if matches_all(&rule.source, &alert.labels) {
                let key = key_of(&rule.equal, &alert.labels);
                rule.sources.entry(key).or_default().insert(alert.fingerprint, Arc::clone(alert));
            }
        }
    }

    /// Forgets what is over.
    pub(crate) fn collect_garbage(&mut self, now: Timestamp) {
        for rule in &mut self.rules {
            rule.sources.retain(|_, alerts| {
                alerts.retain(|_, alert| !alert.is_resolved(now));
                !alerts.is_empty()
            });
        }
    }

    /// Returns the fingerprint of an alert that inhibits one with these labels.
    pub(crate) fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Option<u64> {
        let mut candidates = self.others.clone();
        for (name, by_value) in
            labels.iter().filter_map(|(name, value)| Some((self.by_target.get(name)?, value)))
        {
            candidates.extend(name.get(by_value).into_iter().flatten());
        }
        candidates.sort_unstable();
        candidates.into_iter().find_map(|idx| self.rules.get(idx)?.inhibited_by(labels, now))
    }
}

impl Rule {
    fn inhibited_by(&self, labels: &Labels, now: Timestamp) -> Option<u64> {
        if !matches_all(&self.target, labels) {
            return None;
        }
        let sources = self.sources.get(&key_of(&self.equal, labels))?;
        // An alert that is on both sides is not inhibited by others that are, nor by itself.
        let is_two_sided = matches_all(&self.source, labels);
        let mut firing = sources.values().filter(|alert| !alert.is_resolved(now));
        firing
            .find(|alert| !is_two_sided || !matches_all(&self.target, &alert.labels))
            .map(|alert| alert.fingerprint)
    }
}

fn key_of(equal: &[String], labels: &Labels) -> Vec<String> {
    equal.iter().map(|name| labels.get(name).unwrap_or("").to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::testing::{alert, at};
    use crate::matchers::Mode;

    fn inhibitor(rules: &str) -> Inhibitor {
        let text = format!("route: {{receiver: a}}\nreceivers: [{{name: a}}]\ninhibit_rules:\n{rules}");
        let config = AlertmanagerConfig::load(&text, std::path::Path::new("x.yml"), Mode::Fallback).unwrap();
        Inhibitor::compile(&config).unwrap()
    }

    fn is_inhibited(inhibitor: &Inhibitor, labels: &[(&str, &str)], seconds: i64) -> bool {
        inhibitor.inhibited_by(&Labels::from_pairs(labels.iter().copied()), at(seconds)).is_some()
    }

    #[test]
    fn a_source_inhibits_targets_with_equal_labels_while_it_fires() {
        let mut inhibitor =
            inhibitor("- {source_match: {s: crit}, target_match: {s: warn}, equal: [c, absent]}\n");
        let source = Arc::new(alert(&[("s", "crit"), ("c", "1")], 0, 100));
        inhibitor.observe(&source);
        assert!(is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "2")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1"), ("absent", "x")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "warn"), ("c", "1")], 100));
        inhibitor.collect_garbage(at(100));
        assert!(inhibitor.rules[0].sources.is_empty());
    }

    #[test]
    fn alerts_on_both_sides_do_not_inhibit_each_other() {
        let mut inhibitor =
            inhibitor("- {source_matchers: ['s=~\"a|b\"'], target_matchers: ['s=~\"b|c\"']}\n");
        inhibitor.observe(&Arc::new(alert(&[("s", "b"), ("i", "1")], 0, 100)));
        assert!(!is_inhibited(&inhibitor, &[("s", "b"), ("i", "1")], 50));
        assert!(!is_inhibited(&inhibitor, &[("s", "b"), ("i", "2")], 50));
        assert!(is_inhibited(&inhibitor, &[("s", "c")], 50));
        // A one-sided source is not hidden by a two-sided one.
        inhibitor.observe(&Arc::new(alert(&[("s", "a")], 0, 100)));
        assert!(is_inhibited(&inhibitor, &[("s", "b"), ("i", "1")], 50));
    }
}
