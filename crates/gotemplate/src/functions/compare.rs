//! `eq`, `ne`, `lt` and their kin: values of one kind only; integers of either sign compare.

use std::cmp::Ordering;

use crate::value::Value;

const INCOMPATIBLE: &str = "incompatible types for comparison";

/// Returns whether the first equals any of the others.
pub(super) fn equals_any(args: &[Value]) -> Result<bool, String> {
    let Some((first, others)) = args.split_first() else {
        return Err("missing argument for comparison".to_owned());
    };
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if equals(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn equals(a: &Value, b: &Value) -> Result<bool, String> {
    if let (Value::Nil, _) | (_, Value::Nil) = (a, b) {
        return Ok(matches!((a, b), (Value::Nil, Value::Nil)));
    }
    if let (Value::Bool(a), Value::Bool(b)) = (a, b) {
        return Ok(a == b);
    }
    if let (Value::Float(a), Value::Float(b)) = (a, b) {
        return Ok(a == b);
    }
    if a.len().is_some() && a.as_text().is_none() || b.len().is_some() && b.as_text().is_none() {
        let kind = if a.as_text().is_none() && a.len().is_some() { a } else { b };
        return Err(format!("non-comparable type {kind}: {}", kind.type_name()));
    }
    order(a, b).map(|order| order == Some(Ordering::Equal))
}

/// Returns whether `a < b`.
pub(super) fn is_less(a: &Value, b: &Value) -> Result<bool, String> {
    if let (Value::Bool(_) | Value::Nil, _) | (_, Value::Bool(_) | Value::Nil) = (a, b) {
        return Err("invalid type for comparison".to_owned());
    }
    order(a, b).map(|order| order == Some(Ordering::Less))
}

/// Orders two values of one kind; `None` when one of them is NaN.
fn order(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    if let (Some(a), Some(b)) = (a.as_text(), b.as_text()) {
        return Ok(Some(a.cmp(b)));
    }
    Ok(match (a, b) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Uint(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
        _ => return Err(INCOMPATIBLE.to_owned()),
    })
}
