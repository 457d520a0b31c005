//! Selectors and expressions out of parameters.

use wf_model::Matcher;
use wf_promql::ast::{DurationSpec, Expr, ExprKind};
use wf_promql::engine::{Engine, PreparedQuery};

use super::error::ApiError;

/// Reads one series selector of `match[]`.
pub(crate) fn selector(engine: &Engine, text: &str) -> Result<Vec<Matcher>, ApiError> {
    let failed = |cause: String| ApiError::parameter("match[]", cause);
    let expr = engine.prepare(text).map_err(|error| failed(error.to_string()))?.expr;
    let ExprKind::Selector(selector) = expr.kind else {
        return Err(failed("expected a series selector such as up or {job=\"node\"}".to_owned()));
    };
    if selector.at.is_some() || !matches!(selector.offset, DurationSpec::Fixed(0)) {
        return Err(failed("a series selector takes neither offset nor @".to_owned()));
    }
    if selector.matchers.iter().all(Matcher::matches_empty) {
        return Err(failed("match[] must contain at least one non-empty matcher".to_owned()));
    }
    Ok(selector.matchers)
}

/// Reads the parameter `query`.
pub(crate) fn query(engine: &Engine, text: &str) -> Result<PreparedQuery, ApiError> {
    Ok(engine.prepare(text)?)
}

/// Returns whether `expr` reads any series.
pub(crate) fn has_selector(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => false,
        ExprKind::Selector(_) | ExprKind::Range(_) => true,
        ExprKind::Subquery(subquery) => has_selector(&subquery.expr),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => has_selector(inner),
        ExprKind::Binary(binary) => has_selector(&binary.lhs) || has_selector(&binary.rhs),
        ExprKind::Aggregate(aggregate) => {
            has_selector(&aggregate.expr) || aggregate.param.as_ref().is_some_and(has_selector)
        }
        ExprKind::Call(call) => call.args.iter().any(has_selector),
    }
}
