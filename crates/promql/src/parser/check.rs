//! Static rules: which types go where.

use wf_model::quote::GoQuoted;

use super::{Fault, Parsed};
use crate::ast::{AggregateOp, BinaryExpr, Cardinality, Expr, ExprKind, Pos, ValueType, VectorMatching};
use crate::functions::{Function, FunctionId};

/// Returns the type's name as errors spell it.
pub(super) fn type_name(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::Scalar => "scalar",
        ValueType::String => "string",
        ValueType::Vector => "instant vector",
        ValueType::Matrix => "range vector",
    }
}

fn fault<T>(pos: Pos, message: String) -> Parsed<T> {
    Err(Fault { pos, message })
}

fn expect_type(expr: &Expr, wanted: ValueType, place: &str) -> Parsed<()> {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    fault(expr.pos, format!("expected type {} in {place}, got {}", type_name(wanted), type_name(found)))
}

pub(super) fn unary_operand(operand: &Expr, pos: Pos) -> Parsed<()> {
    let found = operand.value_type();
    if matches!(found, ValueType::Scalar | ValueType::Vector) {
        return Ok(());
    }
    let rule = "unary expression only allowed on expressions of type scalar or instant vector";
    fault(pos, format!("{rule}, got {}", GoQuoted(type_name(found))))
}

pub(super) fn aggregation(op: AggregateOp, expr: &Expr, param: Option<&Expr>) -> Parsed<()> {
    expect_type(expr, ValueType::Vector, "aggregation expression")?;
    let Some(param) = param else { return Ok(()) };
    let wanted = if op == AggregateOp::CountValues { ValueType::String } else { ValueType::Scalar };
    expect_type(param, wanted, "aggregation parameter")
}

pub(super) fn arguments(function: &Function, args: &[Expr]) -> Parsed<()> {
    let place = format!("call to function {}", GoQuoted(function.name));
    for (idx, arg) in args.iter().enumerate() {
        // Further arguments of an unbounded function are of the last type.
        let wanted = function.args.get(idx).or(function.args.last()).copied().unwrap_or(ValueType::Vector);
        expect_type(arg, wanted, &place)?;
    }
    match (function.id, args) {
        (FunctionId::Info, [_, selector]) => info_selector(selector),
        _ => Ok(()),
    }
}

/// The second argument of `info` is matchers in braces, without a name before them.
fn info_selector(arg: &Expr) -> Parsed<()> {
    match &arg.kind {
        ExprKind::Selector(selector) if selector.name.is_none() => Ok(()),
        _ => fault(arg.pos, "expected label selectors only".to_owned()),
    }
}

/// Checks operands and modifiers; returns the matching to keep, which is there exactly for two vectors.
pub(super) fn binary(
    expr: &BinaryExpr,
    matching: Option<VectorMatching>,
    op_pos: Pos,
) -> Parsed<Option<VectorMatching>> {
    let types = (expr.lhs.value_type(), expr.rhs.value_type());
    let op = expr.op;
    if expr.return_bool && !op.is_comparison() {
        return fault(op_pos, "bool modifier can only be used on comparison operators".to_owned());
    }
    for operand in [&expr.lhs, &expr.rhs] {
        if !matches!(operand.value_type(), ValueType::Scalar | ValueType::Vector) {
            let rule = "binary expression must contain only scalar and instant vector types";
            return fault(operand.pos, rule.to_owned());
        }
    }
    if types == (ValueType::Scalar, ValueType::Scalar) && op.is_comparison() && !expr.return_bool {
        return fault(op_pos, "comparisons between scalars must use BOOL modifier".to_owned());
    }
    if types != (ValueType::Vector, ValueType::Vector) {
        return without_matching(expr, matching.as_ref());
    }
    vector_matching(expr, matching.unwrap_or_default(), op_pos).map(Some)
}

fn without_matching(expr: &BinaryExpr, matching: Option<&VectorMatching>) -> Parsed<Option<VectorMatching>> {
    let pos = super::join(expr.lhs.pos, expr.rhs.pos);
    let name = GoQuoted(expr.op.as_str());
    if matching.is_some() {
        return fault(pos, "vector matching only allowed between instant vectors".to_owned());
    }
    if expr.op.is_set() {
        return fault(pos, format!("set operator {name} not allowed in binary scalar expression"));
    }
    Ok(None)
}

fn vector_matching(expr: &BinaryExpr, mut matching: VectorMatching, op_pos: Pos) -> Parsed<VectorMatching> {
    let name = GoQuoted(expr.op.as_str());
    let pos = super::join(expr.lhs.pos, expr.rhs.pos);
    if expr.op.is_set() {
        if matching.cardinality != Cardinality::OneToOne {
            return fault(pos, format!("no grouping allowed for {name} operation"));
        }
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            return fault(pos, "filling in missing series not allowed for set operators".to_owned());
        }
        matching.cardinality = Cardinality::ManyToMany;
    }
    let both = matching.labels.iter().find(|label| matching.on && matching.include.contains(label));
    match both {
        Some(label) => {
            fault(op_pos, format!("label {} must not occur in ON and GROUP clause at once", GoQuoted(label)))
        }
        None => Ok(matching),
    }
}
