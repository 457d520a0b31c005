//! Relabeling: rules that rewrite a label set, or drop what carries it.
//!
//! A [`RuleSpec`] is what was typed; [`Rule::new`] checks it once and compiles its pattern. [`apply`] runs rules in order
//! over an evolving set, [`trace`] does the same and shows every step.
//!
//! # Invariants
//! - A set built after rules ran is valid whatever the rules were: no name is empty, under the legacy scheme no name that
//!   a rule sets is foreign to it.
//! # Reading order: the types below, `check` (which fields an action takes), then `apply`.
//! # Not here: where rules are run, and on which labels (`wf-scrape`).
//! # Source: `spec/prometheus-core.md` §5.

mod check;

use std::fmt;

use md5::{Digest, Md5};

use crate::labels::{Labels, LabelsBuilder, NameScheme};
use crate::quote::GoQuoted;
use crate::regex::{AnchoredRegex, RegexError};

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sets the target label to the expanded replacement if the source value matches.
    #[default]
    Replace,
    /// Drops what does not match.
    Keep,
    /// Drops what matches.
    Drop,
    /// Drops unless the source value is the value of the target label.
    KeepEqual,
    /// Drops if the source value is the value of the target label.
    DropEqual,
    /// Sets the target label to a hash of the source value modulo `modulus`.
    HashMod,
    /// Copies labels whose names match to the expanded replacement.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Sets the target label to the source value in lower case.
    Lowercase,
    /// Sets the target label to the source value in upper case.
    Uppercase,
}

impl Action {
    const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// Returns the action of that name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, action)| *action)
    }

    /// Returns the name in configuration files.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a rule says, unchecked; the default is every field's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSpec {
    /// Labels whose values, joined by `separator`, are the source value. A missing label counts as empty.
    pub source_labels: Vec<String>,
    /// Stands between source values.
    pub separator: String,
    /// Label that is set or compared.
    pub target_label: String,
    /// RE2, anchored at both ends.
    pub regex: String,
    /// Of `hashmod`.
    pub modulus: u64,
    /// Value to set, with `$1` and `${name}`.
    pub replacement: String,
    /// What to do.
    pub action: Action,
}

impl Default for RuleSpec {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            target_label: String::new(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            replacement: "$1".to_owned(),
            action: Action::default(),
        }
    }
}

/// Why a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The pattern is no RE2.
    #[error(transparent)]
    Regex(#[from] RegexError),
    /// `hashmod` without a modulus.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    NoModulus,
    /// An action that sets or compares a label, without one.
    #[error("relabel configuration for {0} action requires 'target_label' value")]
    NoTarget(Action),
    /// The target label cannot be a label.
    #[error("{} is invalid 'target_label' for {action} action", GoQuoted(name))]
    InvalidTarget {
        /// What was typed.
        name: String,
        /// The action that needs it.
        action: Action,
    },
    /// What `labelmap` would set cannot be a label.
    #[error("{} is invalid 'replacement' for {action} action", GoQuoted(name))]
    InvalidReplacement {
        /// What was typed.
        name: String,
        /// The action that needs it.
        action: Action,
    },
    /// A source label cannot be a label.
    #[error("{} is not a valid label name", GoQuoted(.0))]
    InvalidSource(String),
    /// The action has nothing to replace.
    #[error("'replacement' can not be set for {0} action")]
    Replacement(Action),
    /// `keepequal` and `dropequal` with more than they take.
    #[error("{0} action requires only 'source_labels' and `target_label`, and no other fields")]
    MoreThanLabels(Action),
    /// `labeldrop` and `labelkeep` with more than they take.
    #[error("{0} action requires only 'regex', and no other fields")]
    MoreThanRegex(Action),
}

/// A rule known to be valid, ready to run.
#[derive(Clone, Debug)]
pub struct Rule {
    spec: RuleSpec,
    scheme: NameScheme,
    regex: AnchoredRegex,
}

/// Rules are equal when they say the same: a pattern compiles to one meaning.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.spec, self.scheme) == (&other.spec, other.scheme)
    }
}

impl Eq for Rule {}

/// What becomes of the thing that carries the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is dropped.
    Drop,
}

impl Rule {
    /// Checks `spec` once, here, so that no run has to; `scheme` says which names it may set.
    /// # Errors
    /// [`RuleError`], in the original's words.
    pub fn new(spec: RuleSpec, scheme: NameScheme) -> Result<Self, RuleError> {
        let regex = AnchoredRegex::new(&spec.regex)?;
        check::check(&spec, scheme)?;
        Ok(Self { spec, scheme, regex })
    }

    /// Returns what the rule says.
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    fn run(&self, labels: &mut LabelsBuilder) -> Verdict {
        let spec = &self.spec;
        let target = spec.target_label.as_str();
        match spec.action {
            Action::Replace => self.replace(labels),
            Action::Keep => return keep_if(self.regex.is_match(&self.source(labels))),
            Action::Drop => return keep_if(!self.regex.is_match(&self.source(labels))),
            Action::KeepEqual => return keep_if(self.source(labels) == labels.get(target).unwrap_or("")),
            Action::DropEqual => return keep_if(self.source(labels) != labels.get(target).unwrap_or("")),
            Action::HashMod => {
                // A modulus of zero is refused when the rule is made.
                let shard = hash(&self.source(labels)).checked_rem(spec.modulus).unwrap_or(0);
                labels.set(target, &shard.to_string());
            }
            Action::LabelMap => self.map_names(labels),
            Action::LabelDrop => remove_where(labels, |name| self.regex.is_match(name)),
            Action::LabelKeep => remove_where(labels, |name| !self.regex.is_match(name)),
            Action::Lowercase => {
                let lower: String = self.source(labels).chars().map(simple_lower).collect();
                labels.set(target, &lower);
            }
            Action::Uppercase => {
                let upper: String = self.source(labels).chars().map(simple_upper).collect();
                labels.set(target, &upper);
            }
        }
        Verdict::Keep
    }

    fn source(&self, labels: &LabelsBuilder) -> String {
        let mut value = String::new();
        for (idx, name) in self.spec.source_labels.iter().enumerate() {
            if idx > 0 {
                value.push_str(&self.spec.separator);
            }
            value.push_str(labels.get(name).unwrap_or(""));
        }
        value
    }

    fn replace(&self, labels: &mut LabelsBuilder) {
        let source = self.source(labels);
        // Most patterns decide faster whether than what they match.
        if !self.regex.is_match(&source) {
            return;
        }
        let expand = |template: &str| match template.contains('$') {
            true => self.regex.expand(&source, template),
            false => Some(template.to_owned()),
        };
        let Some(target) = expand(&self.spec.target_label) else { return };
        let Some(value) = expand(&self.spec.replacement) else { return };
        if self.scheme.is_label_name(&target) {
            labels.set(&target, &value);
        }
    }

    /// Sees the set as it was when the rule started, in name order: of two names mapped to one, the later wins.
    fn map_names(&self, labels: &mut LabelsBuilder) {
        let mut before: Vec<(String, String)> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        before.sort_unstable();
        for (name, value) in before.iter().filter(|(name, _)| self.regex.is_match(name)) {
            let mapped = self.regex.expand(name, &self.spec.replacement);
            if let Some(mapped) = mapped.filter(|mapped| self.scheme.is_label_name(mapped)) {
                labels.set(&mapped, value);
            }
        }
    }
}

/// Runs `rules` in order over `labels`; a drop ends the run and leaves the set as it was then.
pub fn apply(rules: &[Rule], labels: &mut LabelsBuilder) -> Verdict {
    for rule in rules {
        if rule.run(labels) == Verdict::Drop {
            return Verdict::Drop;
        }
    }
    Verdict::Keep
}

/// What one rule did.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The set it was given.
    pub before: Labels,
    /// The set it left.
    pub after: Labels,
    /// What it decided.
    pub verdict: Verdict,
}

/// Runs `rules` like [`apply`] and returns what each of them did; the rule that drops is the last.
pub fn trace<'a>(rules: &'a [Rule], labels: &Labels) -> Vec<Step<'a>> {
    let mut steps = Vec::with_capacity(rules.len());
    let mut current = LabelsBuilder::from_labels(labels);
    let mut before = labels.clone();
    for rule in rules {
        let verdict = rule.run(&mut current);
        let after = current.clone().build();
        steps.push(Step { rule, before, after: after.clone(), verdict });
        before = after;
        if verdict == Verdict::Drop {
            break;
        }
    }
    steps
}

fn keep_if(condition: bool) -> Verdict {
    if condition { Verdict::Keep } else { Verdict::Drop }
}

fn remove_where(labels: &mut LabelsBuilder, is_removed: impl Fn(&str) -> bool) {
    let removed: Vec<String> =
        labels.iter().filter(|(name, _)| is_removed(name)).map(|(name, _)| name.to_owned()).collect();
    for name in removed {
        labels.remove(&name);
    }
}

/// The last eight bytes of the MD5 digest, most significant first: what the original shards by.
fn hash(source: &str) -> u64 {
    let digest = Md5::digest(source.as_bytes());
    digest.iter().skip(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Maps one character to one, as Go does, where Rust's tables know an expansion too.
fn simple_lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    // Only `İ` has more than one; the first of them is its simple form.
    lower.next().unwrap_or(c)
}

/// See [`simple_lower`]; what has no upper case of one character stays.
fn simple_upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        // Greek letters with an iota below: title case stands eight or nine places on.
        _ => match c {
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shifted(c, 8),
            '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shifted(c, 9),
            _ => c,
        },
    }
}

fn shifted(c: char, places: u32) -> char {
    char::from_u32(u32::from(c) + places).unwrap_or(c)
}

#[cfg(test)]
mod tests;
