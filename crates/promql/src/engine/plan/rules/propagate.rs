//! Matcher propagation: both sides of a join share the labels they are matched on, so a condition on such a label that
//! holds for one side holds for every partner on the other, and storage can apply it there too.
//!
//! Series that have no partner never show in a result, and neither do their errors vanish:
//! - the "one" side of a join must be unique even where nobody matches, so it is narrowed only where grouping has made
//!   it unique already;
//! - where the other side is empty duplicates of the one side are no error; when narrowing may have emptied it, the
//!   query is evaluated anew without this rule (`crate::engine::execute`);
//! - selectors of several metrics stay as they are: without their names, series could be the same.

use wf_model::{METRIC_NAME, MatchOp, Matcher};

use crate::ast::{
    AggregateExpr, AggregateOp, BinaryExpr, BinaryOp, Cardinality, Expr, ExprKind, VectorMatching,
    VectorSelector,
};
use crate::engine::operator::is_metadata_label;
use crate::engine::times::strip_parens;
use crate::functions::FunctionId;

/// Narrows the selectors of `expr`; returns how many conditions were added.
pub(crate) fn propagate(expr: &mut Expr) -> u64 {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range(_) => 0,
        ExprKind::Subquery(subquery) => propagate(&mut subquery.expr),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => propagate(inner),
        ExprKind::Binary(binary) => {
            // Outside in and inside out: what a nested join learned is passed on, and the other way round.
            let before = across(binary);
            before + propagate(&mut binary.lhs) + propagate(&mut binary.rhs) + across(binary)
        }
        ExprKind::Aggregate(aggregate) => {
            propagate(&mut aggregate.expr) + aggregate.param.as_mut().map_or(0, propagate)
        }
        // Its second argument is no selector.
        ExprKind::Call(call) if call.function.id == FunctionId::Info => 0,
        ExprKind::Call(call) => call.args.iter_mut().map(propagate).sum(),
    }
}

/// Which sides of a join may be narrowed by what the other side demands.
fn across(binary: &mut BinaryExpr) -> u64 {
    let Some(matching) = binary.matching.clone() else { return 0 };
    if matching.fill_left.is_some() || matching.fill_right.is_some() {
        return 0;
    }
    let (narrows_left, narrows_right) = match binary.op {
        BinaryOp::Or => (false, false),
        BinaryOp::And => (true, true),
        BinaryOp::Unless => (false, true),
        _ => {
            let (left, right) = (&binary.lhs, &binary.rhs);
            match matching.cardinality {
                Cardinality::OneToMany => (is_unique(left, &matching), true),
                _ => (true, is_unique(right, &matching)),
            }
        }
    };
    let mut added = 0;
    if narrows_right {
        for matcher in demanded(&binary.lhs).into_iter().filter(|matcher| is_shared(matcher, &matching)) {
            added += narrow(&mut binary.rhs, &matcher);
        }
    }
    if narrows_left {
        for matcher in demanded(&binary.rhs).into_iter().filter(|matcher| is_shared(matcher, &matching)) {
            added += narrow(&mut binary.lhs, &matcher);
        }
    }
    added
}

/// Returns whether partners have equal values of the label.
fn is_shared(matcher: &Matcher, matching: &VectorMatching) -> bool {
    let is_listed = matching.labels.iter().any(|label| label == matcher.name());
    !is_metadata_label(matcher.name()) && is_listed == matching.on
}

/// Returns whether no two series of `expr` can be in one match group.
fn is_unique(expr: &Expr, matching: &VectorMatching) -> bool {
    match &strip_parens(expr).kind {
        ExprKind::Aggregate(aggregate) if !aggregate.without && folds(aggregate.op) => {
            aggregate.grouping.iter().all(|label| matching.labels.contains(label) == matching.on)
        }
        _ => false,
    }
}

/// Returns whether an aggregation yields one series per group.
fn folds(op: AggregateOp) -> bool {
    !matches!(
        op,
        AggregateOp::Topk
            | AggregateOp::Bottomk
            | AggregateOp::Limitk
            | AggregateOp::LimitRatio
            | AggregateOp::CountValues
    )
}

/// Returns conditions that every series of `expr` fulfils.
fn demanded(expr: &Expr) -> Vec<Matcher> {
    match &expr.kind {
        ExprKind::Selector(selector) => selector.matchers.clone(),
        ExprKind::Range(range) => range.selector.matchers.clone(),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => demanded(inner),
        ExprKind::Aggregate(aggregate) => {
            let mut matchers = demanded(&aggregate.expr);
            matchers.retain(|matcher| keeps_label(aggregate, matcher.name()));
            matchers
        }
        ExprKind::Call(call) => range_argument(call.function.id)
            .and_then(|idx| call.args.get(idx))
            .map_or_else(Vec::new, demanded),
        ExprKind::Binary(binary) => match &binary.matching {
            None if matches!(binary.rhs.kind, ExprKind::Number(_)) => demanded(&binary.lhs),
            None if matches!(binary.lhs.kind, ExprKind::Number(_)) => demanded(&binary.rhs),
            _ => Vec::new(),
        },
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Subquery(_) => Vec::new(),
    }
}

/// Returns whether series of one value of the label are aggregated apart from those of another.
fn keeps_label(aggregate: &AggregateExpr, name: &str) -> bool {
    let is_listed = aggregate.grouping.iter().any(|label| label == name);
    let is_written = aggregate.op == AggregateOp::CountValues;
    !is_metadata_label(name) && !is_written && is_listed != aggregate.without
}

/// Restricts `expr` to series that fulfil `matcher`; returns how many selectors changed, none where that is not safe.
fn narrow(expr: &mut Expr, matcher: &Matcher) -> u64 {
    let add = |matchers: &mut Vec<Matcher>| {
        let is_known = matchers.contains(matcher);
        if !is_known {
            matchers.push(matcher.clone());
        }
        u64::from(!is_known)
    };
    match &mut expr.kind {
        ExprKind::Selector(selector) if has_one_name(selector) => add(&mut selector.matchers),
        ExprKind::Range(range) if has_one_name(&range.selector) => add(&mut range.selector.matchers),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => narrow(inner, matcher),
        ExprKind::Aggregate(aggregate) if keeps_label(aggregate, matcher.name()) => {
            narrow(&mut aggregate.expr, matcher)
        }
        ExprKind::Call(call) => match range_argument(call.function.id) {
            Some(idx) => call.args.get_mut(idx).map_or(0, |arg| narrow(arg, matcher)),
            None => 0,
        },
        ExprKind::Binary(binary) if binary.matching.is_none() => {
            if matches!(binary.rhs.kind, ExprKind::Number(_)) {
                narrow(&mut binary.lhs, matcher)
            } else if matches!(binary.lhs.kind, ExprKind::Number(_)) {
                narrow(&mut binary.rhs, matcher)
            } else {
                0
            }
        }
        _ => 0,
    }
}

/// Returns whether all series of the selector have the same name.
fn has_one_name(selector: &VectorSelector) -> bool {
    selector.matchers.iter().any(|matcher| matcher.name() == METRIC_NAME && matcher.op() == MatchOp::Equal)
}

/// Returns which argument of a function is the range vector whose labels the result keeps.
fn range_argument(id: FunctionId) -> Option<usize> {
    match id {
        FunctionId::QuantileOverTime => Some(1),
        FunctionId::Rate
        | FunctionId::Increase
        | FunctionId::Delta
        | FunctionId::Irate
        | FunctionId::Idelta
        | FunctionId::Resets
        | FunctionId::Changes
        | FunctionId::Deriv
        | FunctionId::PredictLinear
        | FunctionId::SumOverTime
        | FunctionId::AvgOverTime
        | FunctionId::CountOverTime
        | FunctionId::PresentOverTime
        | FunctionId::FirstOverTime
        | FunctionId::LastOverTime
        | FunctionId::MinOverTime
        | FunctionId::MaxOverTime
        | FunctionId::StddevOverTime
        | FunctionId::StdvarOverTime => Some(0),
        _ => None,
    }
}
