//! Binary operators.
//!
//! # Reading order: `arithmetic` (two samples), `scalar` (vector and number), `matching` (who meets whom), `join`
//! (vector and vector), `set` (`and`, `or`, `unless`).
//! # Source: `spec/prometheus-query.md` §2.3, §2.7, §2.10.

mod arithmetic;
mod join;
mod matching;
mod scalar;
mod set;

use super::build::{Site, Value, build, build_vector};
use super::context::Cx;
use super::error::QueryError;
use super::plan::Operator;
use super::plan::rules::union::union_parts;
use crate::ast::{BinaryExpr, Expr};

pub(crate) use scalar::{negate, scalar_comparison};

/// Builds a binary expression.
pub(crate) fn build_binary(
    expr: &Expr,
    binary: &BinaryExpr,
    site: Site,
    cx: &mut Cx<'_>,
) -> Result<Value, QueryError> {
    let operand_site = site.for_operands_of(binary.op);
    if cx.env.plan.node(expr).is_some_and(|node| node.operator == Operator::Union)
        && let Some(parts) = union_parts(expr)
    {
        let inputs =
            parts.into_iter().map(|part| build_vector(part, site, cx)).collect::<Result<Vec<_>, _>>()?;
        return Ok(Value::Vector(set::union(&inputs, binary, site.grid.n_steps, cx)?));
    }
    let lhs = build(&binary.lhs, operand_site, cx)?;
    let rhs = build(&binary.rhs, operand_site, cx)?;
    let pos = expr.pos;
    let op = scalar::VectorScalar::new(binary, pos);
    Ok(match (lhs, rhs) {
        (Value::Scalar(a), Value::Scalar(b)) => {
            Value::Scalar(a.zip(&b, |a, b| scalar_comparison(binary.op, a, b)))
        }
        (Value::Vector(vector), Value::Scalar(number)) => {
            op.build(vector, number, scalar::Side::Right, cx)?
        }
        (Value::Scalar(number), Value::Vector(vector)) => op.build(vector, number, scalar::Side::Left, cx)?,
        (Value::Vector(left), Value::Vector(right)) if binary.op.is_set() => {
            Value::Vector(set::build(binary, left, right, site.grid.n_steps, cx)?)
        }
        (Value::Vector(left), Value::Vector(right)) => {
            Value::Vector(join::build(binary, pos, left, right, site.grid.n_steps, cx)?)
        }
        (Value::String(_), _) | (_, Value::String(_)) => {
            return Err(QueryError::Execution("binary operators work on scalars and instant vectors".into()));
        }
    })
}
