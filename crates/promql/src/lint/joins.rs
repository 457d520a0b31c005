//! Labels that cannot be there: in matches of two vectors and in groupings.

use std::collections::BTreeSet;

use wf_model::METRIC_NAME;

use super::Report;
use super::shape::{Shape, shape};
use crate::ast::{AggregateExpr, AggregateOp, BinaryExpr, BinaryOp, Cardinality, Expr, Pos, VectorMatching};

const CANNOT_MATCH: &str = "labels-cannot-match";

/// Labels of a grouping that the aggregated series cannot have.
pub(super) fn grouping(aggregate: &AggregateExpr, pos: Pos, report: &mut Report<'_>) {
    let inner = shape(&aggregate.expr);
    let mut seen = BTreeSet::new();
    for label in &aggregate.grouping {
        if !seen.insert(label) {
            let message = format!("label {label:?} is listed twice");
            report.info("repeated-label", pos, message, "list it once");
        } else if !inner.may_have(label) && aggregate.op != AggregateOp::CountValues {
            let clause = if aggregate.without { "without" } else { "by" };
            let message =
                format!("{clause} ({label}): the series that are aggregated have no label {label:?}");
            report.warn(
                "grouping-label-missing",
                pos,
                message,
                "keep the label inside, or do not group by it",
            );
        }
    }
}

/// Pairs of a binary operator that can never be, or only without a label.
pub(super) fn binary(binary: &BinaryExpr, pos: Pos, report: &mut Report<'_>) {
    let Some(matching) = &binary.matching else { return };
    let (left, right) = (shape(&binary.lhs), shape(&binary.rhs));
    included(matching, &left, &right, pos, report);
    if binary.op == BinaryOp::Or {
        return;
    }
    if let Some((label, a, b)) = different_values(matching, &left, &right) {
        let message = format!(
            "series with {label}={a:?} on the left never match series with {label}={b:?} on the right: {}",
            consequence(binary.op)
        );
        let suggestion = format!("select the same value on both sides, or match ignoring ({label})");
        return report.warn(CANNOT_MATCH, pos, message, &suggestion);
    }
    if matching.on {
        on(binary, matching, &left, &right, pos, report);
    } else {
        all_but(binary, matching, &left, &right, pos, report);
    }
}

fn consequence(op: BinaryOp) -> &'static str {
    if op == BinaryOp::Unless { "nothing is removed" } else { "the result is empty" }
}

fn is_matched(matching: &VectorMatching, label: &str) -> bool {
    let is_listed = matching.labels.iter().any(|listed| listed == label);
    if matching.on { is_listed } else { !is_listed && label != METRIC_NAME }
}

fn different_values(
    matching: &VectorMatching,
    left: &Shape,
    right: &Shape,
) -> Option<(String, String, String)> {
    left.fixed.iter().filter(|(label, _)| is_matched(matching, label)).find_map(|(label, a)| {
        let b = right.fixed.get(label).filter(|b| *b != a)?;
        Some((label.clone(), a.clone(), b.clone()))
    })
}

/// `group_left (a)`: the one side has to have `a`.
fn included(matching: &VectorMatching, left: &Shape, right: &Shape, pos: Pos, report: &mut Report<'_>) {
    let (one, side) = match matching.cardinality {
        Cardinality::ManyToOne => (right, "right"),
        Cardinality::OneToMany => (left, "left"),
        Cardinality::OneToOne | Cardinality::ManyToMany => return,
    };
    for label in matching.include.iter().filter(|label| !one.may_have(label)) {
        let message =
            format!("label {label:?} is to be copied from the {side} side, which has no such label");
        report.warn("included-label-missing", pos, message, "keep the label on that side, or do not copy it");
    }
}

fn on(
    binary: &BinaryExpr,
    matching: &VectorMatching,
    left: &Shape,
    right: &Shape,
    pos: Pos,
    report: &mut Report<'_>,
) {
    for label in &matching.labels {
        let (message, suggestion) = match (left.may_have(label), right.may_have(label)) {
            (true, true) => continue,
            (false, false) => (format!("neither side has label {label:?}"), "leave it out of on ()"),
            (has_left, _) => {
                let side = if has_left { "right" } else { "left" };
                let message = format!("the {side} side has no label {label:?}: {}", consequence(binary.op));
                (message, "keep the label on both sides, or leave it out of on ()")
            }
        };
        report.warn(CANNOT_MATCH, pos, message, suggestion);
    }
}

/// Without `on` all labels have to be the same.
fn all_but(
    binary: &BinaryExpr,
    matching: &VectorMatching,
    left: &Shape,
    right: &Shape,
    pos: Pos,
    report: &mut Report<'_>,
) {
    let sides = [("left", left, "right", right), ("right", right, "left", left)];
    for (name, has, other_name, lacks) in sides {
        let labels: BTreeSet<&String> = has.fixed.keys().chain(has.only.iter().flatten()).collect();
        let missing: Vec<&str> = labels
            .into_iter()
            .map(String::as_str)
            .filter(|label| is_matched(matching, label) && has.may_have(label) && !lacks.may_have(label))
            .collect();
        if !missing.is_empty() {
            let list = missing.join(", ");
            let message = format!(
                "the {name} side has {list}, the {other_name} side has not: {}",
                consequence(binary.op)
            );
            let suggestion = format!("match on the labels both have, or ignoring ({list}) with group_{name}");
            return report.warn(CANNOT_MATCH, pos, message, &suggestion);
        }
    }
    let is_open = |shape: &Shape, expr: &Expr| shape.only.is_none() && !is_recorded(expr);
    let (open, closed, only) = match (&left.only, &right.only) {
        (None, Some(only)) if is_open(left, &binary.lhs) => ("left", "right", only),
        (Some(only), None) if is_open(right, &binary.rhs) => ("right", "left", only),
        _ => return,
    };
    let list = only.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!(
        "the {open} side keeps all its labels, the {closed} side only ({list}): they match only if there are no others"
    );
    let suggestion = match binary.op.is_set() {
        true => format!("match on ({list})"),
        false => format!("match on ({list}) group_{open}"),
    };
    report.warn(CANNOT_MATCH, pos, message, &suggestion);
}

/// A recording rule may have any labels, also few.
fn is_recorded(expr: &Expr) -> bool {
    expr.selectors()
        .iter()
        .any(|(selector, _)| selector.name.as_deref().is_none_or(|name| name.contains(':')))
}
