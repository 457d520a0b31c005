//! A syntax tree as JSON, the answer of `/parse_query`.
//!
//! # Source
//! `spec/prometheus-query.md` §4.4.

use wf_model::float::format_f;
use wf_promql::ast::{
    AtModifier, BinaryExpr, Cardinality, DurationExpr, DurationExprKind, DurationSpec, Expr, ExprKind,
    NumberLiteral, RangeMode, UnaryOp, ValueType, VectorMatching, VectorSelector,
};
use wf_promql::functions::{Function, Variadic};

use crate::json::JsonWriter;

/// Writes `expr` and everything below it.
pub(crate) fn write(json: &mut JsonWriter, expr: &Expr) {
    json.raw(r#"{"type":"#);
    match &expr.kind {
        ExprKind::Number(number) => write_number(json, *number),
        ExprKind::String(text) => {
            json.string("stringLiteral").raw(r#","val":"#).string(text);
        }
        ExprKind::Selector(selector) => {
            json.string("vectorSelector");
            write_selector(json, selector);
        }
        ExprKind::Range(range) => {
            json.string("matrixSelector");
            write_duration(json, "range", &range.range);
            write_selector(json, &range.selector);
        }
        ExprKind::Subquery(subquery) => {
            json.string("subquery").raw(r#","expr":"#);
            write(json, &subquery.expr);
            write_duration(json, "range", &subquery.range);
            write_duration(json, "step", subquery.step.as_ref().unwrap_or(&DurationSpec::Fixed(0)));
            write_duration(json, "offset", &subquery.offset);
            write_at(json, subquery.at);
        }
        ExprKind::Paren(inner) => {
            json.string("parenExpr").raw(r#","expr":"#);
            write(json, inner);
        }
        ExprKind::Unary(op, inner) => {
            json.string("unaryExpr").raw(r#","op":"#).string(sign(*op)).raw(r#","expr":"#);
            write(json, inner);
        }
        ExprKind::Binary(binary) => write_binary(json, binary),
        ExprKind::Aggregate(aggregate) => {
            json.string("aggregation").raw(r#","op":"#).string(aggregate.op.as_str()).raw(r#","expr":"#);
            write(json, &aggregate.expr);
            json.raw(r#","param":"#);
            match &aggregate.param {
                Some(param) => write(json, param),
                None => drop(json.raw("null")),
            }
            json.raw(r#","grouping":"#).strings(&aggregate.grouping);
            json.raw(r#","without":"#).boolean(aggregate.without);
        }
        ExprKind::Call(call) => {
            json.string("call").raw(r#","func":"#);
            write_function(json, call.function);
            json.raw(r#","args":"#).list(&call.args, write);
        }
    }
    json.raw("}");
}

fn write_number(json: &mut JsonWriter, number: NumberLiteral) {
    json.string("numberLiteral").raw(r#","val":"#).string(&format_f(number.value));
}

fn sign(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Plus => "+",
        UnaryOp::Minus => "-",
    }
}

fn write_selector(json: &mut JsonWriter, selector: &VectorSelector) {
    json.raw(r#","name":"#).string(selector.name.as_deref().unwrap_or(""));
    json.raw(r#","matchers":"#).list(&selector.matchers, |json, matcher| {
        json.raw(r#"{"name":"#).string(matcher.name());
        json.raw(r#","value":"#).string(matcher.value());
        json.raw(r#","type":"#).string(matcher.op().as_str()).raw("}");
    });
    write_duration(json, "offset", &selector.offset);
    write_at(json, selector.at);
    json.raw(r#","anchored":"#).boolean(selector.mode == RangeMode::Anchored);
    json.raw(r#","smoothed":"#).boolean(selector.mode == RangeMode::Smoothed);
}

/// Writes `,"name":ms`, and `,"nameExpr":…` when it is computed.
fn write_duration(json: &mut JsonWriter, name: &str, duration: &DurationSpec) {
    json.raw(",").key(name).integer(duration.fixed_ms().unwrap_or(0));
    json.raw(",").key(&format!("{name}Expr"));
    match duration {
        DurationSpec::Fixed(_) => drop(json.raw("null")),
        DurationSpec::Expr(expr) => write_duration_expr(json, expr),
    }
}

fn write_duration_expr(json: &mut JsonWriter, expr: &DurationExpr) {
    let mut node = |op: &str, sides: [Option<&DurationExpr>; 2], is_wrapped: bool| {
        json.raw(r#"{"type":"durationExpr","op":"#).string(op);
        for (name, side) in ["lhs", "rhs"].into_iter().zip(sides) {
            json.raw(",").key(name);
            match side {
                Some(side) => write_duration_expr(json, side),
                None => drop(json.raw("null")),
            }
        }
        json.raw(r#","wrapped":"#).boolean(is_wrapped).raw("}");
    };
    match &expr.kind {
        DurationExprKind::Number(number) => {
            json.raw(r#"{"type":"#);
            write_number(json, *number);
            json.raw("}");
        }
        DurationExprKind::Step => node("step", [None, None], false),
        DurationExprKind::Range => node("range", [None, None], false),
        DurationExprKind::Unary(op, inner) => node(sign(*op), [None, Some(inner)], false),
        DurationExprKind::Binary(op, lhs, rhs) => node(op.as_str(), [Some(lhs), Some(rhs)], false),
        DurationExprKind::MinOf(lhs, rhs) => node("min_of", [Some(lhs), Some(rhs)], false),
        DurationExprKind::MaxOf(lhs, rhs) => node("max_of", [Some(lhs), Some(rhs)], false),
        DurationExprKind::Paren(inner) => node("", [Some(inner), None], true),
    }
}

fn write_at(json: &mut JsonWriter, at: Option<AtModifier>) {
    json.raw(r#","timestamp":"#);
    match at {
        Some(AtModifier::Time(time_ms)) => json.integer(time_ms),
        _ => json.raw("null"),
    };
    json.raw(r#","startOrEnd":"#);
    json.raw(match at {
        Some(AtModifier::Start) => "\"start\"",
        Some(AtModifier::End) => "\"end\"",
        _ => "null",
    });
}

fn write_binary(json: &mut JsonWriter, binary: &BinaryExpr) {
    json.string("binaryExpr").raw(r#","op":"#).string(binary.op.as_str()).raw(r#","lhs":"#);
    write(json, &binary.lhs);
    json.raw(r#","rhs":"#);
    write(json, &binary.rhs);
    json.raw(r#","bool":"#).boolean(binary.return_bool).raw(r#","matching":"#);
    match &binary.matching {
        Some(matching) => write_matching(json, matching),
        None => drop(json.raw("null")),
    }
}

fn write_matching(json: &mut JsonWriter, matching: &VectorMatching) {
    let cardinality = match matching.cardinality {
        Cardinality::OneToOne => "one-to-one",
        Cardinality::ManyToOne => "many-to-one",
        Cardinality::OneToMany => "one-to-many",
        Cardinality::ManyToMany => "many-to-many",
    };
    json.raw(r#"{"card":"#).string(cardinality);
    json.raw(r#","labels":"#).strings(&matching.labels);
    json.raw(r#","on":"#).boolean(matching.on);
    json.raw(r#","include":"#).strings(&matching.include);
    json.raw(r#","fillValues":{"#);
    for (idx, (name, fill)) in [("lhs", matching.fill_left), ("rhs", matching.fill_right)].iter().enumerate()
    {
        json.item(idx == 0).key(name);
        match fill {
            Some(value) => json.raw(&format_f(*value)),
            None => json.raw("null"),
        };
    }
    json.raw("}}");
}

fn write_function(json: &mut JsonWriter, function: &Function) {
    let name_of = |kind: ValueType| match kind {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "vector",
        ValueType::Matrix => "matrix",
    };
    json.raw(r#"{"name":"#).string(function.name);
    json.raw(r#","argTypes":"#).strings(function.args.iter().map(|kind| name_of(*kind)));
    let variadic = match function.variadic {
        Variadic::Fixed => 0,
        Variadic::Optional(n) => i64::try_from(n).unwrap_or(i64::MAX),
        Variadic::Unbounded => -1,
    };
    json.raw(r#","variadic":"#).integer(variadic);
    json.raw(r#","returnType":"#).string(name_of(function.return_type)).raw("}");
}
