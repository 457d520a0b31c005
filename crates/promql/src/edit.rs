//! Changes to all selectors of a query: what `promtool promql label-matchers` does.

use wf_model::{METRIC_NAME, Matcher};

use crate::ast::{Expr, ExprKind, Pos, VectorSelector};

/// Puts `matcher` into every selector, in the place of all conditions on its label.
pub fn set_matcher(expr: &mut Expr, matcher: &Matcher) {
    each_selector(expr, &mut |selector, _| {
        let position = selector.matchers.iter().position(|known| known.name() == matcher.name());
        remove(selector, matcher.name());
        let position = position.unwrap_or(selector.matchers.len()).min(selector.matchers.len());
        selector.matchers.insert(position, matcher.clone());
    });
}

/// Takes all conditions on `label` out of every selector.
/// # Errors
/// The first selector that would select everything then.
pub fn delete_matchers(expr: &mut Expr, label: &str) -> Result<(), Pos> {
    let mut unselective = None;
    each_selector(expr, &mut |selector, pos| {
        let could_select_all = selector.matchers.iter().all(Matcher::matches_empty);
        remove(selector, label);
        if !could_select_all && selector.matchers.iter().all(Matcher::matches_empty) {
            unselective = unselective.or(Some(pos));
        }
    });
    unselective.map_or(Ok(()), Err)
}

fn remove(selector: &mut VectorSelector, label: &str) {
    selector.matchers.retain(|known| known.name() != label);
    if label == METRIC_NAME {
        selector.name = None;
    }
}

fn each_selector(expr: &mut Expr, change: &mut dyn FnMut(&mut VectorSelector, Pos)) {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Selector(selector) => change(selector, expr.pos),
        ExprKind::Range(range) => change(&mut range.selector, range.selector_pos),
        ExprKind::Subquery(subquery) => each_selector(&mut subquery.expr, change),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => each_selector(inner, change),
        ExprKind::Binary(binary) => {
            each_selector(&mut binary.lhs, change);
            each_selector(&mut binary.rhs, change);
        }
        ExprKind::Aggregate(aggregate) => {
            if let Some(param) = &mut aggregate.param {
                each_selector(param, change);
            }
            each_selector(&mut aggregate.expr, change);
        }
        ExprKind::Call(call) => call.args.iter_mut().for_each(|arg| each_selector(arg, change)),
    }
}

#[cfg(test)]
mod tests {
    use wf_model::MatchOp;

    use super::*;
    use crate::parser::{ParseOptions, parse};

    #[test]
    fn matchers_are_set_and_deleted_everywhere() {
        let set = |text: &str, op, value: &str| {
            let mut expr = parse(text, &ParseOptions::all()).unwrap();
            set_matcher(&mut expr, &Matcher::new(op, "a", value).unwrap());
            expr.to_string()
        };
        assert_eq!(
            set("x + rate(y{a=\"1\",b=\"2\"}[5m])", MatchOp::Equal, "3"),
            "x{a=\"3\"} + rate(y{a=\"3\",b=\"2\"}[5m])"
        );
        assert_eq!(set("x{a!=\"1\",a!=\"2\"}", MatchOp::Regex, "3|4"), "x{a=~\"3|4\"}");
        let delete = |text: &str, label: &str| {
            let mut expr = parse(text, &ParseOptions::all()).unwrap();
            delete_matchers(&mut expr, label).map(|()| expr.to_string())
        };
        assert_eq!(
            delete("x{a=\"1\"} or max_over_time(y{a!=\"2\",b=\"3\"}[5m:])", "a").unwrap(),
            "x or max_over_time(y{b=\"3\"}[5m:])"
        );
        assert_eq!(delete("1 + {a=\"1\"}", "a"), Err(Pos { start: 4, end: 11 }));
        assert_eq!(delete("x{a=\"1\"}", "__name__").unwrap(), "{a=\"1\"}");
    }
}
