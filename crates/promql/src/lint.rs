//! Suspicious queries: valid, and probably not what was meant.
//!
//! [`lint`] walks a checked tree and returns [`Finding`]s, each with a code, a place, what is wrong and what to write
//! instead. Nothing is executed: metric types come from names unless [`Knowledge`] has better.
//!
//! Severity is a promise: a [`Severity::Warning`] is wrong for every data set that follows the naming conventions, an
//! [`Severity::Info`] is worth a look.
//!
//! # Reading order: `shape` (which labels can be there), `joins`, `matchers`, `rates`, `histograms`, `values`.
//! # Not here: rules about the rule files around a query.

mod histograms;
mod joins;
mod matchers;
mod misc;
mod rates;
mod shape;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;

use wf_model::MetricType;

use crate::ast::{Expr, ExprKind, Pos};

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Wrong, unless the data break the conventions.
    Warning,
    /// Worth a look.
    Info,
}

impl Severity {
    /// Returns the name, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One suspicion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name of the rule, such as `rate-of-gauge`.
    pub code: &'static str,
    /// How sure it is.
    pub severity: Severity,
    /// The part of the query at fault.
    pub pos: Pos,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub suggestion: String,
    /// An edit that does it, where there is only one way: put this text in the place of `pos`.
    pub replacement: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}; {}", self.severity.as_str(), self.code, self.message, self.suggestion)
    }
}

/// Returns the type of a metric, if it is known.
pub type MetricTypeOf<'a> = &'a dyn Fn(&str) -> Option<MetricType>;

/// What is known beyond the text.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// Types from metadata; names decide where it knows nothing.
    pub metric_type: MetricTypeOf<'a>,
    /// Time between two samples, ms; 0 when unknown.
    pub scrape_interval_ms: i64,
}

impl Default for Knowledge<'_> {
    fn default() -> Self {
        Self { metric_type: &|_| None, scrape_interval_ms: 0 }
    }
}

impl fmt::Debug for Knowledge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Knowledge")
            .field("scrape_interval_ms", &self.scrape_interval_ms)
            .finish_non_exhaustive()
    }
}

/// Returns what is suspicious about `expr`, in the order of the text.
pub fn lint(expr: &Expr, knowledge: &Knowledge<'_>) -> Vec<Finding> {
    let mut report = Report { findings: Vec::new(), knowledge };
    walk(expr, Surroundings::default(), &mut report);
    misc::root(expr, &mut report);
    let mut findings = report.findings;
    findings.sort_by(|a, b| (a.pos.start, a.severity, a.code).cmp(&(b.pos.start, b.severity, b.code)));
    findings.dedup();
    findings
}

/// What lies around an expression.
#[derive(Clone, Copy, Debug, Default)]
struct Surroundings {
    /// Inside the argument of a histogram function: native histograms have names like gauges.
    in_histogram: bool,
    /// Inside a function that makes a counter usable, or that does not look at its value.
    is_counter_fine: bool,
}

/// Findings so far, and what is known.
struct Report<'a> {
    findings: Vec<Finding>,
    knowledge: &'a Knowledge<'a>,
}

impl Report<'_> {
    fn warn(&mut self, code: &'static str, pos: Pos, message: String, suggestion: &str) {
        self.add(code, Severity::Warning, pos, message, suggestion);
    }

    fn info(&mut self, code: &'static str, pos: Pos, message: String, suggestion: &str) {
        self.add(code, Severity::Info, pos, message, suggestion);
    }

    fn add(&mut self, code: &'static str, severity: Severity, pos: Pos, message: String, suggestion: &str) {
        let suggestion = suggestion.to_owned();
        self.findings.push(Finding { code, severity, pos, message, suggestion, replacement: None });
    }

    /// Adds the edit that mends the last finding.
    fn with_edit(&mut self, text: String) {
        if let Some(last) = self.findings.last_mut() {
            last.replacement = Some(text);
        }
    }
}

fn walk(expr: &Expr, around: Surroundings, report: &mut Report<'_>) {
    let mut inside = around;
    match &expr.kind {
        ExprKind::Selector(selector) => {
            matchers::selector(selector, expr.pos, report);
            rates::bare_counter(selector, expr.pos, around, report);
        }
        ExprKind::Range(range) => matchers::selector(&range.selector, range.selector_pos, report),
        ExprKind::Call(call) => {
            rates::call(call, expr, around, report);
            histograms::call(call, expr, report);
            misc::call(call, expr, report);
            inside.in_histogram |= call.function.name.starts_with("histogram_");
            inside.is_counter_fine |= rates::makes_counters_fine(call.function.id);
        }
        ExprKind::Aggregate(aggregate) => {
            joins::grouping(aggregate, expr.pos, report);
            misc::aggregate(aggregate, expr, report);
            inside.is_counter_fine |= rates::ignores_values(aggregate.op);
        }
        ExprKind::Binary(binary) => {
            joins::binary(binary, expr.pos, report);
            values::comparison(binary, expr.pos, report);
            inside.is_counter_fine |= binary.op.is_set();
        }
        ExprKind::Subquery(subquery) => misc::subquery(subquery, expr.pos, report),
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Paren(_) | ExprKind::Unary(..) => {}
    }
    for child in expr.children() {
        walk(child, inside, report);
    }
}
