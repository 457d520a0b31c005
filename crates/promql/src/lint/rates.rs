//! Counters and gauges: who may be rated, and when.

use wf_model::MetricType;

use super::{Report, Surroundings};
use crate::ast::{AggregateOp, Call, DurationSpec, Expr, ExprKind, Pos, VectorSelector};
use crate::functions::FunctionId;

/// What a metric is, as far as its metadata or name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    /// Neither a counter's suffix nor one that only gauges have.
    Unknown,
}

const COUNTER_SUFFIXES: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];

/// Units and words that the naming conventions put at the end of gauges only.
const GAUGE_SUFFIXES: [&str; 12] = [
    "_bytes",
    "_ratio",
    "_celsius",
    "_info",
    "_percent",
    "_current",
    "_timestamp_seconds",
    "_volts",
    "_state",
    "_status",
    "_limit",
    "_temperature",
];

fn kind_of(selector: &VectorSelector, report: &Report<'_>) -> Option<(String, Kind)> {
    let name = selector.name.clone().or_else(|| {
        let is_name = |matcher: &&wf_model::Matcher| {
            matcher.name() == wf_model::METRIC_NAME && matcher.op() == wf_model::MatchOp::Equal
        };
        selector.matchers.iter().find(is_name).map(|matcher| matcher.value().to_owned())
    })?;
    let has_counter_suffix = COUNTER_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    let kind = match (report.knowledge.metric_type)(&name) {
        Some(MetricType::Counter | MetricType::Histogram | MetricType::Summary) => Kind::Counter,
        Some(MetricType::Gauge | MetricType::GaugeHistogram | MetricType::Info | MetricType::StateSet) => {
            Kind::Gauge
        }
        _ if has_counter_suffix => Kind::Counter,
        _ if GAUGE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) || name == "up" => Kind::Gauge,
        _ => Kind::Unknown,
    };
    Some((name, kind))
}

fn wants_counter(id: FunctionId) -> bool {
    matches!(id, FunctionId::Rate | FunctionId::Irate | FunctionId::Increase | FunctionId::Resets)
}

fn wants_gauge(id: FunctionId) -> bool {
    matches!(id, FunctionId::Delta | FunctionId::Idelta | FunctionId::Deriv | FunctionId::PredictLinear)
}

/// Functions under which a raw counter is no mistake.
pub(super) fn makes_counters_fine(id: FunctionId) -> bool {
    use FunctionId as F;
    wants_counter(id)
        || matches!(
            id,
            F::Absent
                | F::AbsentOverTime
                | F::Timestamp
                | F::StartTimestamp
                | F::PresentOverTime
                | F::CountOverTime
                | F::Changes
                | F::Info
        )
}

/// Aggregations that count series, not values.
pub(super) fn ignores_values(op: AggregateOp) -> bool {
    matches!(op, AggregateOp::Count | AggregateOp::Group | AggregateOp::Limitk | AggregateOp::LimitRatio)
}

/// A counter as it is: its value depends on when the process was started.
pub(super) fn bare_counter(
    selector: &VectorSelector,
    pos: Pos,
    around: Surroundings,
    report: &mut Report<'_>,
) {
    if around.is_counter_fine {
        return;
    }
    if let Some((name, Kind::Counter)) = kind_of(selector, report)
        && name.ends_with("_total")
    {
        let message =
            format!("counter {name} without rate or increase: its value tells how long its process has run");
        report.info("counter-without-rate", pos, message, &format!("write rate({name}[5m])"));
    }
}

pub(super) fn call(call: &Call, expr: &Expr, around: Surroundings, report: &mut Report<'_>) {
    let (rated, gauged) = (wants_counter(call.function.id), wants_gauge(call.function.id));
    if !rated && !gauged {
        return;
    }
    for arg in &call.args {
        match &arg.unwrapped().kind {
            ExprKind::Range(range) => {
                let kind = kind_of(&range.selector, report);
                if rated {
                    rated_selector(call.function.name, kind, expr.pos, around, report);
                } else if let Some((name, Kind::Counter)) = kind {
                    let function = call.function.name;
                    let message =
                        format!("{function}() is for gauges, {name} is a counter: resets look like drops");
                    report.warn("gauge-function-on-counter", expr.pos, message, "use rate or increase");
                }
                short_range(&range.range, arg.pos, report);
            }
            ExprKind::Subquery(subquery) if rated => {
                rated_subquery(call.function.name, &subquery.expr, expr.pos, report);
            }
            _ => {}
        }
    }
}

fn rated_selector(
    function: &str,
    kind: Option<(String, Kind)>,
    pos: Pos,
    around: Surroundings,
    report: &mut Report<'_>,
) {
    // Native histograms are counters whose names end in a unit.
    if around.in_histogram {
        return;
    }
    match kind {
        Some((name, _)) if name.contains(':') => {}
        Some((name, Kind::Gauge)) => {
            let message = format!("{function}() of {name}, which is a gauge: every drop counts as a reset");
            report.warn(
                "rate-of-gauge",
                pos,
                message,
                "use delta, deriv or avg_over_time, or the counter it comes from",
            );
        }
        Some((name, Kind::Unknown)) => {
            let message = format!("{function}() of {name}, whose name does not say that it is a counter");
            let suggestion =
                "if it is a gauge, use delta or deriv; if it is a counter, its name should end in _total";
            report.info("rate-of-gauge", pos, message, suggestion);
        }
        Some((_, Kind::Counter)) | None => {}
    }
}

/// Resets are only seen in what one process counted.
fn rated_subquery(function: &str, inner: &Expr, pos: Pos, report: &mut Report<'_>) {
    if contains_rate(inner) {
        let message = format!("{function}() of what is a rate already");
        report.warn("rate-of-rate", pos, message, "use deriv, or avg_over_time");
    } else if contains_aggregation(inner) {
        let message = format!(
            "{function}() of an aggregate: when one of its series is reset, the sum only dips, and counts too much"
        );
        report.warn("sum-before-rate", pos, message, "rate first, then aggregate: sum(rate(x[5m]))");
    }
}

fn contains_rate(expr: &Expr) -> bool {
    let is_rate = match &expr.kind {
        ExprKind::Call(call) => {
            matches!(
                call.function.id,
                FunctionId::Rate | FunctionId::Irate | FunctionId::Increase | FunctionId::Deriv
            )
        }
        _ => false,
    };
    is_rate || expr.children().into_iter().any(contains_rate)
}

fn contains_aggregation(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Aggregate(aggregate) if !ignores_values(aggregate.op))
        || expr.children().into_iter().any(contains_aggregation)
}

fn short_range(range: &DurationSpec, pos: Pos, report: &mut Report<'_>) {
    let interval_ms = report.knowledge.scrape_interval_ms;
    if let DurationSpec::Fixed(ms) = range
        && interval_ms > 0
        && *ms < interval_ms.saturating_mul(2)
    {
        let message = format!("a window of {ms} ms cannot hold two samples that are {interval_ms} ms apart");
        report.warn("range-too-short", pos, message, "use at least four times the scrape interval");
    }
}
