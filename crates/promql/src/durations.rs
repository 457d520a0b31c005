//! Computing duration expressions: `foo[step() * 2]` becomes a fixed range before evaluation.
//!
//! # Source
//! `spec/prometheus-query.md` §1.3, last items.

use crate::ast::{
    BinaryOp, DurationExpr, DurationExprKind, DurationSpec, Expr, ExprKind, UnaryOp, VectorSelector,
};

/// Why a duration expression has no usable value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{start}:{end}: {message}")]
pub struct DurationExprError {
    /// First byte of the expression.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// What is wrong.
    pub message: String,
}

/// What `step()` and `range()` stand for, in milliseconds; both 0 for an instant query.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueryTimes {
    /// The query's step.
    pub step_ms: i64,
    /// The query's end less its start.
    pub range_ms: i64,
}

/// Milliseconds of a literal, rounded to nanoseconds first; `None` beyond 2^63 ns.
pub fn literal_ms(seconds: f64) -> Option<i64> {
    let nanos = (seconds * 1e9).round();
    if !nanos.is_finite() || nanos.abs() >= i64::MAX as f64 {
        return None;
    }
    // Whole milliseconds stay what was written, although a float of seconds lies a little beside them.
    let ms = (seconds * 1e3).round();
    let ms = if ms / 1e3 == seconds { ms } else { (nanos / 1e6).trunc() };
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie inside")]
    Some(ms as i64)
}

/// Replaces every duration expression of the tree by its value.
/// # Errors
/// When a value is not finite, not positive where it must be, divides by zero or is out of range.
pub fn resolve(expr: &mut Expr, times: QueryTimes) -> Result<(), DurationExprError> {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => Ok(()),
        ExprKind::Selector(selector) => resolve_offset(selector, times),
        ExprKind::Range(range) => {
            resolve_spec(&mut range.range, times, Sign::Positive)?;
            resolve_offset(&mut range.selector, times)
        }
        ExprKind::Subquery(subquery) => {
            resolve_spec(&mut subquery.range, times, Sign::Positive)?;
            if let Some(step) = &mut subquery.step {
                resolve_spec(step, times, Sign::Positive)?;
            }
            resolve_spec(&mut subquery.offset, times, Sign::Any)?;
            resolve(&mut subquery.expr, times)
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => resolve(inner, times),
        ExprKind::Binary(binary) => {
            resolve(&mut binary.lhs, times)?;
            resolve(&mut binary.rhs, times)
        }
        ExprKind::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                resolve(param, times)?;
            }
            resolve(&mut aggregate.expr, times)
        }
        ExprKind::Call(call) => call.args.iter_mut().try_for_each(|arg| resolve(arg, times)),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Positive,
    Any,
}

fn resolve_offset(selector: &mut VectorSelector, times: QueryTimes) -> Result<(), DurationExprError> {
    resolve_spec(&mut selector.offset, times, Sign::Any)
}

fn resolve_spec(spec: &mut DurationSpec, times: QueryTimes, sign: Sign) -> Result<(), DurationExprError> {
    let DurationSpec::Expr(expr) = spec else { return Ok(()) };
    let seconds = value(expr, times)?;
    let complain =
        |message: String| Err(DurationExprError { start: expr.pos.start, end: expr.pos.end, message });
    if !seconds.is_finite() {
        return complain("duration is not a finite number".to_owned());
    }
    // Truncated to whole milliseconds, unlike literals.
    let ms = (seconds * 1000.0).trunc();
    if ms.abs() >= i64::MAX as f64 / 1e6 {
        return complain("duration out of range".to_owned());
    }
    if sign == Sign::Positive && ms <= 0.0 {
        return complain("duration must be greater than 0".to_owned());
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie inside")]
    let ms = ms as i64;
    *spec = DurationSpec::Fixed(ms);
    Ok(())
}

fn value(expr: &DurationExpr, times: QueryTimes) -> Result<f64, DurationExprError> {
    Ok(match &expr.kind {
        DurationExprKind::Number(number) => number.value,
        DurationExprKind::Step => times.step_ms as f64 / 1000.0,
        DurationExprKind::Range => times.range_ms as f64 / 1000.0,
        DurationExprKind::Paren(inner) | DurationExprKind::Unary(UnaryOp::Plus, inner) => {
            value(inner, times)?
        }
        DurationExprKind::Unary(UnaryOp::Minus, inner) => -value(inner, times)?,
        DurationExprKind::MinOf(a, b) => value(a, times)?.min(value(b, times)?),
        DurationExprKind::MaxOf(a, b) => value(a, times)?.max(value(b, times)?),
        DurationExprKind::Binary(op, lhs, rhs) => {
            let (left, right) = (value(lhs, times)?, value(rhs, times)?);
            let by_zero = match op {
                BinaryOp::Div if right == 0.0 => Some("division by zero"),
                BinaryOp::Mod if right == 0.0 => Some("modulo by zero"),
                _ => None,
            };
            if let Some(message) = by_zero {
                let pos = expr.pos;
                return Err(DurationExprError {
                    start: pos.start,
                    end: pos.end,
                    message: message.to_owned(),
                });
            }
            match op {
                BinaryOp::Add => left + right,
                BinaryOp::Sub => left - right,
                BinaryOp::Mul => left * right,
                BinaryOp::Div => left / right,
                BinaryOp::Mod => left % right,
                _ => left.powf(right),
            }
        }
    })
}
