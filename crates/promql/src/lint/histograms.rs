//! `histogram_quantile` and `histogram_fraction`: buckets need their `le`, and a rate.

use super::Report;
use super::shape::shape;
use super::values::constant;
use crate::ast::{AggregateOp, Call, Expr, ExprKind, Pos};
use crate::functions::FunctionId;

pub(super) fn call(call: &Call, expr: &Expr, report: &mut Report<'_>) {
    let buckets = match call.function.id {
        FunctionId::HistogramQuantile => {
            quantile(call.args.first(), report);
            call.args.get(1)
        }
        FunctionId::HistogramFraction => call.args.get(2),
        FunctionId::HistogramQuantiles => {
            call.args.iter().skip(2).for_each(|arg| quantile(Some(arg), report));
            call.args.first()
        }
        FunctionId::QuantileOverTime => return quantile(call.args.first(), report),
        _ => return,
    };
    let Some(buckets) = buckets else { return };
    // Native histograms have neither buckets by name nor `le`.
    let is_classic = buckets
        .selectors()
        .iter()
        .any(|(selector, _)| selector.name.as_deref().is_some_and(|name| name.ends_with("_bucket")));
    if !is_classic {
        return;
    }
    if !shape(buckets).may_have("le") {
        let message = "the label le is aggregated away: no bucket is left to look at".to_owned();
        report.warn("missing-le", buckets.pos, message, "keep it: sum by (le, …) (rate(x_bucket[5m]))");
    }
    if !has_window(buckets) {
        let message =
            "buckets count since their process was started: this looks at all of its life".to_owned();
        report.info("histogram-without-rate", expr.pos, message, "take rate(x_bucket[5m])");
    }
    mixed_up(buckets, report);
}

/// Buckets can be added and averaged; the largest or smallest of each is no histogram.
fn mixed_up(expr: &Expr, report: &mut Report<'_>) {
    if let ExprKind::Aggregate(aggregate) = &expr.unwrapped().kind
        && matches!(
            aggregate.op,
            AggregateOp::Min
                | AggregateOp::Max
                | AggregateOp::Stddev
                | AggregateOp::Stdvar
                | AggregateOp::Quantile
        )
    {
        let message = format!("{} of each bucket makes no histogram", aggregate.op.as_str());
        report.warn("histogram-aggregation", expr.pos, message, "use sum by (le, …)");
    }
}

fn has_window(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Range(_) | ExprKind::Subquery(_) => true,
        // A recording rule has done it.
        ExprKind::Selector(selector) => selector.name.as_deref().is_some_and(|name| name.contains(':')),
        ExprKind::Binary(binary) if binary.op == crate::ast::BinaryOp::Sub => true,
        _ => expr.children().into_iter().any(has_window),
    }
}

/// Complains about a quantile that is a percentage.
pub(super) fn quantile(param: Option<&Expr>, report: &mut Report<'_>) {
    let Some(param) = param else { return };
    if let Some(value) = constant(param)
        && !(0.0..=1.0).contains(&value)
    {
        out_of_range(value, param.pos, report);
    }
}

fn out_of_range(value: f64, pos: Pos, report: &mut Report<'_>) {
    let message = format!("quantile {value} is not between 0 and 1: the result is infinite");
    if value > 1.0 && value <= 100.0 {
        let meant = value / 100.0;
        report.warn("quantile-range", pos, message, &format!("write {meant}"));
        report.with_edit(meant.to_string());
    } else {
        report.warn("quantile-range", pos, message, "write a number between 0 and 1");
    }
}
