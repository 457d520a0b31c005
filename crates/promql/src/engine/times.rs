//! Which times the parts of a query look at: windows, subquery grids, and what does not depend on the step at all.
//!
//! # Source
//! `spec/prometheus-query.md` §2.1.

use super::grid::Grid;
use super::window::WindowSpec;
use crate::ast::{
    AtModifier, Call, DurationSpec, Expr, ExprKind, RangeMode, RangeSelector, Subquery, VectorSelector,
};
use crate::functions::FunctionId;

/// Returns the milliseconds of a duration that [`super::prepare::resolve`] has seen.
pub(crate) fn fixed_ms(duration: &DurationSpec) -> i64 {
    duration.fixed_ms().unwrap_or(0)
}

/// Returns the pinned time of a resolved `@`.
pub(crate) fn at_ms(at: Option<AtModifier>) -> Option<i64> {
    at.map(|at| match at {
        AtModifier::Time(time_ms) => time_ms,
        AtModifier::Start | AtModifier::End => 0,
    })
}

/// Returns the windows of an instant selector: what it may look back at from each step.
pub(crate) fn selector_window(selector: &VectorSelector, grid: Grid, lookback_ms: i64) -> WindowSpec {
    let is_smoothed = selector.mode == RangeMode::Smoothed;
    WindowSpec {
        grid,
        range_ms: lookback_ms,
        offset_ms: fixed_ms(&selector.offset),
        at_ms: at_ms(selector.at),
        extra_before_ms: 0,
        extra_after_ms: if is_smoothed { lookback_ms } else { 0 },
    }
}

/// Returns the windows of a range selector.
pub(crate) fn range_window(range: &RangeSelector, grid: Grid, lookback_ms: i64) -> WindowSpec {
    let (before, after) = match range.selector.mode {
        RangeMode::Plain => (0, 0),
        RangeMode::Anchored => (lookback_ms, 0),
        RangeMode::Smoothed => (lookback_ms, lookback_ms),
    };
    WindowSpec {
        grid,
        range_ms: fixed_ms(&range.range),
        offset_ms: fixed_ms(&range.selector.offset),
        at_ms: at_ms(range.selector.at),
        extra_before_ms: before,
        extra_after_ms: after,
    }
}

/// Returns the windows of a subquery over its own samples.
pub(crate) fn subquery_window(subquery: &Subquery, grid: Grid) -> WindowSpec {
    WindowSpec {
        grid,
        range_ms: fixed_ms(&subquery.range),
        offset_ms: fixed_ms(&subquery.offset),
        at_ms: at_ms(subquery.at),
        extra_before_ms: 0,
        extra_after_ms: 0,
    }
}

/// Returns the steps of the inner expression: absolute multiples of the subquery's step inside its windows.
pub(crate) fn subquery_grid(subquery: &Subquery, grid: Grid, default_step_ms: i64) -> Grid {
    let step_ms = subquery.step.as_ref().map_or(default_step_ms, fixed_ms).max(1);
    let window = subquery_window(subquery, grid);
    let after_ms = window.end_ms(0).saturating_sub(window.range_ms);
    let start_ms = after_ms.div_euclid(step_ms).saturating_add(1).saturating_mul(step_ms);
    Grid::new(start_ms, window.end_ms(grid.n_steps.saturating_sub(1)), step_ms)
}

/// Returns whether the expression yields the same at every step, so that one step is enough.
pub(crate) fn is_step_invariant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => true,
        ExprKind::Selector(selector) => selector.at.is_some(),
        ExprKind::Range(range) => range.selector.at.is_some(),
        ExprKind::Subquery(subquery) => subquery.at.is_some(),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => is_step_invariant(inner),
        ExprKind::Binary(binary) => is_step_invariant(&binary.lhs) && is_step_invariant(&binary.rhs),
        ExprKind::Aggregate(aggregate) => {
            is_step_invariant(&aggregate.expr) && aggregate.param.as_ref().is_none_or(is_step_invariant)
        }
        ExprKind::Call(call) => is_call_step_invariant(call),
    }
}

fn is_call_step_invariant(call: &Call) -> bool {
    match call.function.id {
        FunctionId::Time
        | FunctionId::Minute
        | FunctionId::Hour
        | FunctionId::DayOfWeek
        | FunctionId::DayOfMonth
        | FunctionId::DayOfYear
        | FunctionId::DaysInMonth
        | FunctionId::Month
        | FunctionId::Year
        | FunctionId::PredictLinear => false,
        // A smoothed sample has no time of its own but that of the step.
        FunctionId::Timestamp => call.args.first().is_some_and(|arg| {
            matches!(&strip_parens(arg).kind,
                ExprKind::Selector(selector) if selector.at.is_some() && selector.mode != RangeMode::Smoothed)
        }),
        FunctionId::Info => call.args.first().is_some_and(is_step_invariant),
        _ => call.args.iter().all(is_step_invariant),
    }
}

/// Returns the expression inside any parentheses.
pub(crate) fn strip_parens(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Paren(inner) => strip_parens(inner),
        _ => expr,
    }
}
