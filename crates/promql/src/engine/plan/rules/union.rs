//! Union flattening: `a or b or c` is one operator over three inputs, not a union of a union.
//!
//! A union of unions holds and copies everything once per `or`, and its depth follows the length of the chain.

use crate::ast::{BinaryExpr, BinaryOp, Expr, ExprKind, VectorMatching};
use crate::engine::times::strip_parens;

/// Returns the inputs of a chain of `or` that match on the same labels, first to last; `None` unless there are three.
pub(crate) fn union_parts(expr: &Expr) -> Option<Vec<&Expr>> {
    let last = as_or(expr)?;
    let matching = key(last.matching.as_ref());
    let mut parts = vec![&last.rhs];
    let mut rest = &last.lhs;
    while let Some(or) = as_or(strip_parens(rest)).filter(|or| key(or.matching.as_ref()) == matching) {
        parts.push(&or.rhs);
        rest = &or.lhs;
    }
    parts.push(rest);
    parts.reverse();
    (parts.len() > 2).then_some(parts)
}

fn as_or(expr: &Expr) -> Option<&BinaryExpr> {
    match &expr.kind {
        ExprKind::Binary(binary) if binary.op == BinaryOp::Or => Some(binary),
        _ => None,
    }
}

/// What decides which elements stand for each other.
fn key(matching: Option<&VectorMatching>) -> (bool, &[String]) {
    matching.map_or((false, &[]), |matching| (matching.on, &matching.labels))
}
