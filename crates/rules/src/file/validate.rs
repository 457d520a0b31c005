//! What is typed becomes groups; what is wrong with it becomes problems, in the words of the original.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use wf_config::{Position, Problem};
use wf_model::quote::GoQuoted;
use wf_model::{METRIC_NAME, NameScheme, labels};
use wf_promql::ast::Expr;
use wf_promql::parser::parse;

use super::read::{GroupEntry, RuleEntry, RuleFile, Texts};
use super::{Acceptance, Group, Rule, RuleKind};
use crate::template;

/// Checks everything; a group with a problem is left out.
pub(super) fn groups(file: RuleFile, acceptance: Acceptance, problems: &mut Vec<Problem>) -> Vec<Group> {
    let mut names = HashSet::new();
    let mut groups = Vec::new();
    for entry in file.groups {
        let mut report = |message: String| {
            problems.push(Problem { position: entry.position, path: String::new(), message });
        };
        if entry.name.is_empty() {
            report("Groupname must not be empty".to_owned());
        } else if !names.insert(entry.name.clone()) {
            report(format!("groupname: {} is repeated in the same file", GoQuoted(&entry.name)));
        }
        for name in entry.labels.0.keys().filter(|name| !is_label(name, acceptance.scheme)) {
            report(format!("invalid label name: {name}"));
        }
        groups.push(group(entry, acceptance, problems));
    }
    groups
}

fn group(entry: GroupEntry, acceptance: Acceptance, problems: &mut Vec<Problem>) -> Group {
    let mut rules = Vec::with_capacity(entry.rules.len());
    for (idx, rule) in entry.rules.iter().enumerate() {
        let mut checker = RuleChecker { group: &entry.name, number: idx + 1, rule, acceptance, problems };
        rules.extend(checker.check(&entry.labels));
    }
    Group {
        name: entry.name,
        interval: entry.interval.filter(|interval| !interval.is_zero()),
        query_offset: entry.query_offset,
        // As in the original, a negative limit is none.
        limit: usize::try_from(entry.limit).unwrap_or(0),
        rules,
    }
}

struct RuleChecker<'a> {
    group: &'a str,
    /// Counted from 1, as people do.
    number: usize,
    rule: &'a RuleEntry,
    acceptance: Acceptance,
    problems: &'a mut Vec<Problem>,
}

impl RuleChecker<'_> {
    fn check(&mut self, group_labels: &Texts) -> Option<Rule> {
        let n_before = self.problems.len();
        let rule = self.rule;
        match (rule.record.text.as_str(), rule.alert.text.as_str()) {
            ("", "") => self.report(rule.position, "one of 'record' or 'alert' must be set"),
            ("", _) => {}
            (_, "") => self.check_record(),
            _ => self.report(rule.record.position, "only one of 'record' and 'alert' must be set"),
        }
        let expr = self.expression();
        self.check_labels();
        if !rule.alert.text.is_empty() {
            self.check_templates();
        }
        let expr = expr.filter(|_| self.problems.len() == n_before)?;
        let mut labels = texts(group_labels);
        labels.extend(texts(&rule.labels));
        let is_record = rule.alert.text.is_empty();
        let kind = match is_record {
            true => RuleKind::Record,
            false => RuleKind::Alert {
                hold_for: rule.hold_for.unwrap_or_default(),
                keep_firing_for: rule.keep_firing_for.unwrap_or_default(),
                annotations: texts(&rule.annotations),
            },
        };
        let name = if is_record { &rule.record.text } else { &rule.alert.text };
        Some(Rule {
            position: rule.position,
            name: name.clone(),
            kind,
            text: rule.expr.text.clone(),
            expr,
            labels,
        })
    }

    fn check_record(&mut self) {
        let (rule, record) = (self.rule, &self.rule.record);
        let is_set = |duration: Option<Duration>| duration.is_some_and(|duration| !duration.is_zero());
        if !rule.annotations.0.is_empty() {
            self.report(rule.position, "invalid field 'annotations' in recording rule");
        }
        if is_set(rule.hold_for) {
            self.report(rule.position, "invalid field 'for' in recording rule");
        }
        if is_set(rule.keep_firing_for) {
            self.report(rule.position, "invalid field 'keep_firing_for' in recording rule");
        }
        if record.text.contains(['{', '}']) {
            let message =
                format!("braces present in the recording rule name; should it be in expr?: {}", record.text);
            self.report(record.position, &message);
        } else if !is_metric(&record.text, self.acceptance.scheme) {
            self.report(record.position, &format!("invalid recording rule name: {}", record.text));
        }
    }

    fn expression(&mut self) -> Option<Expr> {
        let expr = &self.rule.expr;
        if expr.text.is_empty() {
            self.report(self.rule.position, "field 'expr' must be set in rule");
            return None;
        }
        match parse(&expr.text, &self.acceptance.expressions) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.report(expr.position, &format!("could not parse expression: {error}"));
                None
            }
        }
    }

    fn check_labels(&mut self) {
        let rule = self.rule;
        for (name, text) in &rule.labels.0 {
            if !is_label(name, self.acceptance.scheme) || name == METRIC_NAME {
                self.report(text.position, &format!("invalid label name: {name}"));
            }
        }
        for (name, text) in &rule.annotations.0 {
            if !is_label(name, self.acceptance.scheme) {
                self.report(text.position, &format!("invalid annotation name: {name}"));
            }
        }
    }

    fn check_templates(&mut self) {
        let rule = self.rule;
        for (what, texts) in [("label", &rule.labels), ("annotation", &rule.annotations)] {
            for (name, text) in &texts.0 {
                if let Err(error) = template::check(&rule.alert.text, &text.text) {
                    self.report(text.position, &format!("{what} {}: {error}", GoQuoted(name)));
                }
            }
        }
    }

    fn report(&mut self, position: Position, message: &str) {
        let name = match self.rule.alert.text.is_empty() {
            true => &self.rule.record.text,
            false => &self.rule.alert.text,
        };
        let group = GoQuoted(self.group);
        let message = format!("group {group}, rule {}, {}: {message}", self.number, GoQuoted(name));
        self.problems.push(Problem { position, path: String::new(), message });
    }
}

fn texts(texts: &Texts) -> BTreeMap<String, String> {
    texts.0.iter().map(|(name, text)| (name.clone(), text.text.clone())).collect()
}

fn is_label(name: &str, scheme: NameScheme) -> bool {
    scheme.is_label_name(name) && name != METRIC_NAME
}

fn is_metric(name: &str, scheme: NameScheme) -> bool {
    match scheme {
        NameScheme::Utf8 => !name.is_empty(),
        NameScheme::Legacy => labels::is_legacy_metric_name(name),
    }
}
