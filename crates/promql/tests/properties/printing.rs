//! What is printed parses to the same tree.

use wf_promql::ast::{DurationExpr, DurationExprKind, DurationSpec, Expr, ExprKind, Pos, VectorSelector};
use wf_promql::parser::{ParseOptions, parse, parse_leniently};
use wf_promql::printer::pretty;
use wf_promql::testing::{Generator, Scope};

use super::{data, n_of, seed};

/// The tree as text, without places.
fn shape(expr: &Expr) -> String {
    let mut expr = expr.clone();
    strip(&mut expr);
    format!("{expr:?}")
}

fn strip(expr: &mut Expr) {
    expr.pos = Pos::default();
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Selector(selector) => strip_selector(selector),
        ExprKind::Range(range) => {
            range.selector_pos = Pos::default();
            strip_spec(&mut range.range);
            strip_selector(&mut range.selector);
        }
        ExprKind::Subquery(subquery) => {
            strip_spec(&mut subquery.range);
            strip_spec(&mut subquery.offset);
            subquery.step.iter_mut().for_each(strip_spec);
            strip(&mut subquery.expr);
        }
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => strip(inner),
        ExprKind::Binary(binary) => {
            strip(&mut binary.lhs);
            strip(&mut binary.rhs);
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.param.iter_mut().for_each(strip);
            strip(&mut aggregate.expr);
        }
        ExprKind::Call(call) => call.args.iter_mut().for_each(strip),
    }
}

/// Conditions are a set: they print sorted.
fn strip_selector(selector: &mut VectorSelector) {
    strip_spec(&mut selector.offset);
    selector.matchers.sort_by_key(ToString::to_string);
}

fn strip_spec(spec: &mut DurationSpec) {
    if let DurationSpec::Expr(expr) = spec {
        strip_duration(expr);
    }
}

fn strip_duration(expr: &mut DurationExpr) {
    expr.pos = Pos::default();
    match &mut expr.kind {
        DurationExprKind::Number(_) | DurationExprKind::Step | DurationExprKind::Range => {}
        DurationExprKind::Unary(_, inner) | DurationExprKind::Paren(inner) => strip_duration(inner),
        DurationExprKind::Binary(_, a, b) | DurationExprKind::MinOf(a, b) | DurationExprKind::MaxOf(a, b) => {
            strip_duration(a);
            strip_duration(b);
        }
    }
}

#[test]
fn printed_queries_parse_to_the_same_tree() {
    let read =
        |text: &str| parse(text, &ParseOptions::all()).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let mut generator = Generator::new(seed(), data::VOCABULARY, Scope::ALL);
    for _ in 0..n_of(20_000) {
        let text = generator.query();
        let expr = read(&text);
        let want = shape(&expr);
        assert_eq!(shape(&read(&expr.to_string())), want, "{text}\n{expr}");
        let pretty = pretty(&expr);
        assert_eq!(shape(&read(&pretty)), want, "{text}\n{pretty}");
        assert_eq!(read(&pretty).to_string(), expr.to_string());
    }
}

/// Every prefix of a query is what an editor has while it is typed.
#[test]
fn every_prefix_is_answered_with_what_the_strict_parser_says_first() {
    let mut generator = Generator::new(seed() + 1, data::VOCABULARY, Scope::ALL);
    for _ in 0..n_of(300) {
        let text = generator.query();
        for (at, _) in text.char_indices() {
            let prefix = text.get(..at).unwrap_or_default();
            let strict = parse(prefix, &ParseOptions::all());
            let lenient = parse_leniently(prefix, &ParseOptions::all());
            assert_eq!(lenient.errors.first(), strict.as_ref().err(), "{prefix}");
            assert!(strict.is_err() || lenient.expr.is_some(), "{prefix}");
        }
    }
}

/// Whatever is linted or walked, nothing panics.
#[test]
fn every_query_can_be_linted() {
    let mut generator = Generator::new(seed() + 2, data::VOCABULARY, Scope::ALL);
    for _ in 0..n_of(5_000) {
        let text = generator.query();
        let expr = parse(&text, &ParseOptions::all()).unwrap_or_else(|error| panic!("{text}\n{error}"));
        for finding in wf_promql::lint::lint(&expr, &wf_promql::lint::Knowledge::default()) {
            assert!(
                text.get(finding.pos.start as usize..finding.pos.end as usize).is_some(),
                "{text}: {finding:?}"
            );
        }
    }
}
