//! Fits a parsed query to its time span: `@ start()` becomes a time, duration expressions become numbers.
//!
//! # Source
//! `spec/prometheus-query.md` §1.3.

use super::error::QueryError;
use crate::ast::{
    AtModifier, BinaryOp, DurationExpr, DurationExprKind, DurationSpec, Expr, ExprKind, NumberLiteral,
    UnaryOp, VectorSelector,
};
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

/// Which durations are legal in a place.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Positive,
    Any,
}

/// Resolves everything in `expr` that depends on the span of the query.
/// # Errors
/// [`QueryError::Invalid`] when a duration expression has no usable value.
pub(crate) fn resolve(expr: &mut Expr, span: &QuerySpan) -> Result<(), QueryError> {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => Ok(()),
        ExprKind::Selector(selector) => resolve_selector(selector, span),
        ExprKind::Range(range) => {
            resolve_duration(&mut range.range, Sign::Positive, span)?;
            resolve_selector(&mut range.selector, span)
        }
        ExprKind::Subquery(subquery) => {
            resolve_duration(&mut subquery.range, Sign::Positive, span)?;
            if let Some(step) = &mut subquery.step {
                resolve_duration(step, Sign::Positive, span)?;
            }
            resolve_duration(&mut subquery.offset, Sign::Any, span)?;
            resolve_at(&mut subquery.at, span);
            resolve(&mut subquery.expr, span)
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => resolve(inner, span),
        ExprKind::Binary(binary) => {
            resolve(&mut binary.lhs, span)?;
            resolve(&mut binary.rhs, span)
        }
        ExprKind::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                resolve(param, span)?;
            }
            resolve(&mut aggregate.expr, span)
        }
        ExprKind::Call(call) => {
            if let Some(value) = span_function(call.function.id, span) {
                expr.kind = ExprKind::Number(NumberLiteral { value, is_duration: false });
                return Ok(());
            }
            call.args.iter_mut().try_for_each(|arg| resolve(arg, span))
        }
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

fn resolve_selector(selector: &mut VectorSelector, span: &QuerySpan) -> Result<(), QueryError> {
    resolve_duration(&mut selector.offset, Sign::Any, span)?;
    resolve_at(&mut selector.at, span);
    Ok(())
}

fn resolve_at(at: &mut Option<AtModifier>, span: &QuerySpan) {
    *at = at.map(|at| {
        AtModifier::Time(match at {
            AtModifier::Time(time_ms) => time_ms,
            AtModifier::Start => span.start_ms,
            AtModifier::End => span.end_ms,
        })
    });
}

fn resolve_duration(duration: &mut DurationSpec, sign: Sign, span: &QuerySpan) -> Result<(), QueryError> {
    let DurationSpec::Expr(expr) = duration else { return Ok(()) };
    let seconds = evaluate(expr, span)?;
    if sign == Sign::Positive && seconds <= 0.0 {
        return Err(fault(expr, "duration must be greater than 0"));
    }
    // Durations are nanoseconds in 64 bits elsewhere: about 292 years. NaN fails the comparison too.
    if !(seconds.abs() < i64::MAX as f64 / 1e9) {
        return Err(fault(expr, "duration is out of range"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "durations are cut to whole milliseconds; the bound is above"
    )]
    let ms = (seconds * 1000.0) as i64;
    if sign == Sign::Positive && ms <= 0 {
        return Err(fault(expr, "duration must be greater than 0"));
    }
    *duration = DurationSpec::Fixed(ms);
    Ok(())
}

fn evaluate(expr: &DurationExpr, span: &QuerySpan) -> Result<f64, QueryError> {
    Ok(match &expr.kind {
        DurationExprKind::Number(number) => number.value,
        DurationExprKind::Step => span.step_seconds(),
        DurationExprKind::Range => span.range_seconds(),
        DurationExprKind::Paren(inner) | DurationExprKind::Unary(UnaryOp::Plus, inner) => {
            evaluate(inner, span)?
        }
        DurationExprKind::Unary(UnaryOp::Minus, inner) => -evaluate(inner, span)?,
        DurationExprKind::MinOf(a, b) => evaluate(a, span)?.min(evaluate(b, span)?),
        DurationExprKind::MaxOf(a, b) => evaluate(a, span)?.max(evaluate(b, span)?),
        DurationExprKind::Binary(op, a, b) => {
            let (lhs, rhs) = (evaluate(a, span)?, evaluate(b, span)?);
            match op {
                BinaryOp::Add => lhs + rhs,
                BinaryOp::Sub => lhs - rhs,
                BinaryOp::Mul => lhs * rhs,
                BinaryOp::Pow => lhs.powf(rhs),
                BinaryOp::Div if rhs == 0.0 => return Err(fault(expr, "division by zero")),
                BinaryOp::Div => lhs / rhs,
                BinaryOp::Mod if rhs == 0.0 => return Err(fault(expr, "modulo by zero")),
                BinaryOp::Mod => lhs % rhs,
                other => {
                    return Err(fault(
                        expr,
                        &format!("operator {} is not allowed in durations", other.as_str()),
                    ));
                }
            }
        }
    })
}

fn fault(expr: &DurationExpr, message: &str) -> QueryError {
    QueryError::Invalid(format!("{}:{}: {message}", expr.pos.start, expr.pos.end))
}
