//! Fits a parsed query to its time span: `@ start()` becomes a time, duration expressions become numbers.
//!
//! # Source
//! `spec/prometheus-query.md` §1.3.

use super::error::QueryError;
use crate::ast::{AtModifier, Expr, ExprKind, NumberLiteral};
use crate::durations::{self, QueryTimes};
use crate::functions::FunctionId;

/// The span of the whole query, ms; a step of zero marks an instant query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QuerySpan {
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) step_ms: i64,
}

impl QuerySpan {
    fn step_seconds(&self) -> f64 {
        self.step_ms as f64 / 1000.0
    }

    fn range_seconds(&self) -> f64 {
        if self.step_ms == 0 { 0.0 } else { (self.end_ms - self.start_ms) as f64 / 1000.0 }
    }
}

/// Resolves everything in `expr` that depends on the span of the query.
/// # Errors
/// [`QueryError::Invalid`] when a duration expression has no usable value.
pub(crate) fn resolve(expr: &mut Expr, span: &QuerySpan) -> Result<(), QueryError> {
    let range_ms = if span.step_ms == 0 { 0 } else { span.end_ms - span.start_ms };
    let times = QueryTimes { step_ms: span.step_ms, range_ms };
    durations::resolve(expr, times).map_err(|error| QueryError::Invalid(error.to_string()))?;
    pin(expr, span);
    Ok(())
}

/// Replaces `@ start()`, `@ end()` and the functions of the same kind by numbers.
fn pin(expr: &mut Expr, span: &QuerySpan) {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Selector(selector) => pin_at(&mut selector.at, span),
        ExprKind::Range(range) => pin_at(&mut range.selector.at, span),
        ExprKind::Subquery(subquery) => {
            pin_at(&mut subquery.at, span);
            pin(&mut subquery.expr, span);
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => pin(inner, span),
        ExprKind::Binary(binary) => {
            pin(&mut binary.lhs, span);
            pin(&mut binary.rhs, span);
        }
        ExprKind::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                pin(param, span);
            }
            pin(&mut aggregate.expr, span);
        }
        ExprKind::Call(call) => match span_function(call.function.id, span) {
            Some(value) => expr.kind = ExprKind::Number(NumberLiteral { value, is_duration: false }),
            None => call.args.iter_mut().for_each(|arg| pin(arg, span)),
        },
    }
}

/// Returns the value of the functions that only depend on the span.
fn span_function(id: FunctionId, span: &QuerySpan) -> Option<f64> {
    match id {
        FunctionId::Start => Some(span.start_ms as f64 / 1000.0),
        FunctionId::End => Some(span.end_ms as f64 / 1000.0),
        FunctionId::Step => Some(span.step_seconds()),
        FunctionId::Range => Some(span.range_seconds()),
        _ => None,
    }
}

fn pin_at(at: &mut Option<AtModifier>, span: &QuerySpan) {
    *at = at.map(|at| {
        AtModifier::Time(match at {
            AtModifier::Time(time_ms) => time_ms,
            AtModifier::Start => span.start_ms,
            AtModifier::End => span.end_ms,
        })
    });
}
