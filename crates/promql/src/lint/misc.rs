//! Rules that need no analysis.

use super::shape::shape;
use super::values::constant;
use super::{Report, histograms};
use crate::ast::{AggregateExpr, AggregateOp, Call, Expr, ExprKind, Pos, Subquery};
use crate::functions::FunctionId;

pub(super) fn call(call: &Call, expr: &Expr, report: &mut Report<'_>) {
    let inner = call.args.first().map(Expr::unwrapped);
    match (call.function.id, inner.map(|inner| &inner.kind)) {
        (FunctionId::Absent, Some(ExprKind::Aggregate(_))) => {
            let message = "absent() of an aggregate does not tell which labels are missing".to_owned();
            report.info("absent-of-aggregate", expr.pos, message, "write absent(selector)");
        }
        (FunctionId::Clamp, _) => {
            if let [_, low, high] = call.args.as_slice()
                && let (Some(low), Some(high)) = (constant(low), constant(high))
                && low > high
            {
                let message = format!("clamp from {low} to {high} returns nothing");
                report.warn("selects-nothing", expr.pos, message, "exchange the bounds");
            }
        }
        _ => {}
    }
}

pub(super) fn aggregate(aggregate: &AggregateExpr, expr: &Expr, report: &mut Report<'_>) {
    let inner = aggregate.expr.unwrapped();
    if let Some(param) = &aggregate.param {
        parameter(aggregate.op, param, report);
    }
    if matches!(aggregate.op, AggregateOp::Avg | AggregateOp::Sum) && is_quantile(inner) {
        let message = format!("{} of quantiles is no quantile of anything", aggregate.op.as_str());
        report.warn(
            "aggregated-quantiles",
            expr.pos,
            message,
            "aggregate the buckets, then take the quantile",
        );
    }
    if let ExprKind::Call(call) = &inner.kind
        && is_sort(call.function.id)
    {
        let message = format!("{}() inside an aggregation has no effect", call.function.name);
        report.info("sort-without-effect", inner.pos, message, "leave it out");
    }
}

fn parameter(op: AggregateOp, param: &Expr, report: &mut Report<'_>) {
    match op {
        AggregateOp::Quantile => histograms::quantile(Some(param), report),
        AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk
            if constant(param).is_some_and(|k| k < 1.0) =>
        {
            let message = format!("{} of fewer than one series is empty", op.as_str());
            report.warn("selects-nothing", param.pos, message, "write at least 1");
        }
        _ => {}
    }
}

fn is_quantile(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(call) => call.function.id == FunctionId::HistogramQuantile,
        ExprKind::Selector(_) => shape(expr).fixed.contains_key("quantile"),
        _ => false,
    }
}

fn is_sort(id: FunctionId) -> bool {
    matches!(
        id,
        FunctionId::Sort | FunctionId::SortDesc | FunctionId::SortByLabel | FunctionId::SortByLabelDesc
    )
}

/// `x[1h:]` looks at `x` once per default step, where `x[1h]` has all samples.
pub(super) fn subquery(subquery: &Subquery, pos: Pos, report: &mut Report<'_>) {
    if subquery.step.is_none() && matches!(subquery.expr.unwrapped().kind, ExprKind::Selector(_)) {
        let message = "a subquery of a plain selector repeats or skips samples".to_owned();
        report.info("subquery-of-selector", pos, message, "leave out the colon: all samples are there");
    }
}

/// What only makes sense at the root, or not there.
pub(super) fn root(expr: &Expr, report: &mut Report<'_>) {
    let expr = expr.unwrapped();
    if expr.value_type() == crate::ast::ValueType::Vector && expr.selectors().is_empty() {
        return;
    }
    if let ExprKind::Binary(binary) = &expr.kind {
        for side in [&binary.lhs, &binary.rhs] {
            if let ExprKind::Call(call) = &side.unwrapped().kind
                && is_sort(call.function.id)
            {
                let message = format!(
                    "{}() of an operand has no effect on the order of the result",
                    call.function.name
                );
                report.info("sort-without-effect", side.pos, message, "sort the result, or leave it out");
            }
        }
    }
}
