//! Constant folding: arithmetic between literals is done once, before anything is selected.

use crate::ast::{Expr, ExprKind, NumberLiteral, UnaryOp};
use crate::engine::binary::scalar_comparison;
use crate::functions::FunctionId;

/// Folds every constant part of `expr`; returns how many operators went away.
pub(crate) fn fold(expr: &mut Expr) -> u64 {
    let mut folded = match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(_) => 0,
        ExprKind::Subquery(subquery) => fold(&mut subquery.expr),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => fold(inner),
        ExprKind::Binary(binary) => fold(&mut binary.lhs) + fold(&mut binary.rhs),
        ExprKind::Aggregate(aggregate) => {
            fold(&mut aggregate.expr) + aggregate.param.as_mut().map_or(0, fold)
        }
        ExprKind::Call(call) => call.args.iter_mut().map(fold).sum(),
    };
    if let Some((value, pos)) = constant(expr) {
        expr.kind = ExprKind::Number(NumberLiteral { value, is_duration: false });
        expr.pos = pos;
        folded += 1;
    }
    folded
}

/// Returns the value of an operator over literals. Parentheses vanish with the position remarks would point to.
fn constant(expr: &Expr) -> Option<(f64, crate::ast::Pos)> {
    let literal = |expr: &Expr| match &expr.kind {
        ExprKind::Number(number) => Some(number.value),
        _ => None,
    };
    match &expr.kind {
        ExprKind::Paren(inner) => Some((literal(inner)?, inner.pos)),
        ExprKind::Unary(UnaryOp::Plus, inner) => Some((literal(inner)?, expr.pos)),
        ExprKind::Unary(UnaryOp::Minus, inner) => Some((-literal(inner)?, expr.pos)),
        ExprKind::Binary(binary) => {
            let value = scalar_comparison(binary.op, literal(&binary.lhs)?, literal(&binary.rhs)?);
            Some((value, expr.pos))
        }
        ExprKind::Call(call) if call.function.id == FunctionId::Pi => Some((std::f64::consts::PI, expr.pos)),
        _ => None,
    }
}
