//! Repeating an instant evaluation: with its time pinned, and as the middle step of a range query.
//!
//! # Source
//! `spec/prometheus-query.md` §3, "Every instant eval is repeated".

use super::command::{Eval, Expected};
use super::run::Bench;
use super::{command, compare};
use crate::ast::{AtModifier, Expr, ExprKind};
use crate::engine::{InstantSample, QueryValue, RangeSpan, SampleValue};
use crate::functions::FunctionId;
use crate::parser::{ParseOptions, parse};

/// Half of the range that a repeated query covers, and its step, ms.
const RANGE_STEP_MS: i64 = 60_000;

/// Repeats an evaluation that passed at `at_ms`.
pub(super) fn check(bench: &Bench, eval: &Eval, at_ms: i64) -> Result<(), String> {
    middle_of_range(bench, eval, &eval.query, at_ms)?;
    let Some(pinned) = pinned_text(&eval.query, at_ms) else { return Ok(()) };
    for time_ms in times(at_ms) {
        let context = |message: String| format!("pinned as {pinned} at {time_ms} ms: {message}");
        let result = bench.instant(&pinned, time_ms).map_err(|error| context(format!("failed: {error}")))?;
        compare::annotations(&eval.expects, &result.annotations).map_err(context)?;
        compare::value(eval, &result.value).map_err(context)?;
        middle_of_range(bench, eval, &pinned, time_ms).map_err(context)?;
    }
    Ok(())
}

/// Times at which a pinned query must still give the same.
fn times(at_ms: i64) -> Vec<i64> {
    if at_ms == 0 {
        return vec![-1000, 0, 1000];
    }
    vec![-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms]
}

/// Runs the query over a range around `time_ms` and compares the middle step.
fn middle_of_range(bench: &Bench, eval: &Eval, query: &str, time_ms: i64) -> Result<(), String> {
    let is_bound_to_its_range =
        ["start()", "end()", "range()", "step()"].iter().any(|word| query.contains(word));
    let is_string = matches!(eval.expected, Expected::String(_));
    if is_bound_to_its_range || is_string || eval.expects.range_vector.is_some() {
        return Ok(());
    }
    let span = RangeSpan {
        start_ms: time_ms - RANGE_STEP_MS,
        end_ms: time_ms + RANGE_STEP_MS,
        step_ms: RANGE_STEP_MS,
    };
    let context = |message: String| format!("as a range query around {time_ms} ms: {message}");
    let result = bench.range(query, span).map_err(|error| context(format!("failed: {error}")))?;
    let QueryValue::Matrix(series) = &result.value else {
        return Err(context(format!("got {:?}", result.value)));
    };
    if !series.is_sorted_by(|a, b| a.labels <= b.labels) {
        return Err(context("series are not sorted by labels".to_owned()));
    }
    if eval.expects.ordered {
        return Ok(());
    }
    let mut middle = Vec::new();
    for one in series {
        let value = match compare::points_of(one).remove(&time_ms) {
            Some(compare::Point::Float(value)) => SampleValue::Float(value),
            Some(compare::Point::Histogram(histogram)) => SampleValue::Histogram(histogram),
            None => continue,
        };
        middle.push(InstantSample { labels: one.labels.clone(), time_ms, value });
    }
    match &eval.expected {
        Expected::Scalar(want) => {
            let line = command::SeriesLine {
                line: 0,
                labels: wf_model::Labels::empty(),
                values: vec![command::Value::Float(*want)],
                start_offsets_ms: Vec::new(),
            };
            compare::vector(&[line], &middle, false).map_err(context)
        }
        Expected::Series(lines) => compare::vector(lines, &middle, false).map_err(context),
        Expected::String(_) => Ok(()),
    }
}

/// The canonical text with `@ T` on everything unpinned; `None` when the query depends on its own time.
fn pinned_text(query: &str, at_ms: i64) -> Option<String> {
    let mut expr = parse(query, &ParseOptions::all()).ok()?;
    pin(&mut expr, at_ms)?;
    Some(expr.to_string())
}

/// Pins selectors and subqueries, and nothing inside a subquery, which its own pin holds already.
fn pin(expr: &mut Expr, at_ms: i64) -> Option<()> {
    let pinned = Some(AtModifier::Time(at_ms));
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Selector(selector) => selector.at = selector.at.or(pinned),
        ExprKind::Range(range) => range.selector.at = range.selector.at.or(pinned),
        ExprKind::Subquery(subquery) => subquery.at = subquery.at.or(pinned),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => pin(inner, at_ms)?,
        ExprKind::Binary(binary) => {
            pin(&mut binary.lhs, at_ms)?;
            pin(&mut binary.rhs, at_ms)?;
        }
        ExprKind::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                pin(param, at_ms)?;
            }
            pin(&mut aggregate.expr, at_ms)?;
        }
        ExprKind::Call(call) => {
            if depends_on_time(call.function.id) {
                return None;
            }
            for arg in &mut call.args {
                pin(arg, at_ms)?;
            }
        }
    }
    Some(())
}

/// Functions whose value changes with the evaluation time whatever their argument.
fn depends_on_time(id: FunctionId) -> bool {
    use FunctionId as Id;
    matches!(
        id,
        Id::Time
            | Id::Timestamp
            | Id::PredictLinear
            | Id::Minute
            | Id::Hour
            | Id::DayOfWeek
            | Id::DayOfMonth
            | Id::DayOfYear
            | Id::DaysInMonth
            | Id::Month
            | Id::Year
            | Id::Start
            | Id::End
            | Id::Step
            | Id::Range
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_unpinned_is_pinned() {
        let check = |query: &str, want: Option<&str>| {
            assert_eq!(pinned_text(query, 60_000).as_deref(), want, "{query}");
        };
        check("m", Some("m @ 60.000"));
        check("m @ 5", Some("m @ 5.000"));
        check("rate(m[1m]) + n offset 1m", Some("rate(m[1m] @ 60.000) + n @ 60.000 offset 1m"));
        check("sum_over_time(m[1m:])", Some("sum_over_time(m[1m:] @ 60.000)"));
        check("time() + m", None);
        check("sum_over_time(vector(time())[1m:])", Some("sum_over_time(vector(time())[1m:] @ 60.000)"));
    }
}
