//! What the optimiser may change about a query, each rule by itself and with its own switch.
//!
//! Rules on the expression are pure functions: expression in, changes made and counted. Rules on the plan decide while
//! nodes are made. No rule changes an answer.
//!
//! # Reading order: here (the list), `fold`, `propagate`, `union`.

mod fold;
mod propagate;
#[cfg(test)]
mod tests;
pub(crate) mod union;

use crate::ast::Expr;

/// A rule of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// `1 + 2` becomes `3` before anything runs.
    ConstantFolding,
    /// What is the same at every step is evaluated once.
    StepInvariant,
    /// Selectors with the same matchers share one selection.
    SharedSelectors,
    /// Each selection covers the times its readers look at, not those of the whole query.
    TimePushdown,
    /// Only labels that consumers look at are read, as dictionary codes.
    Projection,
    /// Conditions on labels that both sides of a join must share are applied on both sides.
    MatcherPropagation,
    /// A chain of `or` is one operator.
    UnionFlattening,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 7] = [
        Self::ConstantFolding,
        Self::StepInvariant,
        Self::SharedSelectors,
        Self::TimePushdown,
        Self::Projection,
        Self::MatcherPropagation,
        Self::UnionFlattening,
    ];

    /// Returns the name used in plans and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConstantFolding => "constant-folding",
            Self::StepInvariant => "step-invariant",
            Self::SharedSelectors => "shared-selectors",
            Self::TimePushdown => "time-pushdown",
            Self::Projection => "projection",
            Self::MatcherPropagation => "matcher-propagation",
            Self::UnionFlattening => "union-flattening",
        }
    }
}

/// Which rules are on. All are by default; switching one off is for finding out what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptimizerRules {
    off: u8,
}

impl OptimizerRules {
    /// No rule at all.
    pub const NONE: Self = Self { off: u8::MAX };

    /// Returns these rules without one.
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        Self { off: self.off | 1 << rule as u8 }
    }

    /// Returns whether a rule is on.
    pub fn has(self, rule: Rule) -> bool {
        self.off >> (rule as u8) & 1 == 0
    }
}

/// Rewrites the expression of a query whose times are resolved; returns how often each rule changed it.
pub(crate) fn rewrite(expr: &mut Expr, rules: OptimizerRules) -> Vec<(Rule, u64)> {
    let mut applied = Vec::new();
    let mut note = |rule, times| {
        if times > 0 {
            applied.push((rule, times));
        }
    };
    if rules.has(Rule::ConstantFolding) {
        note(Rule::ConstantFolding, fold::fold(expr));
    }
    if rules.has(Rule::MatcherPropagation) {
        note(Rule::MatcherPropagation, propagate::propagate(expr));
    }
    applied
}
