//! The language's own functions. `and` and `or` are evaluated where they stand, since they stop early.

use super::compare::{equals, equals_any, is_less};
use super::escape::{html, js, url_query};
use crate::format;
use crate::value::Value;

/// Returns whether the language has a function of this name.
pub(crate) fn is_builtin(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "or"
            | "not"
            | "len"
            | "index"
            | "slice"
            | "print"
            | "printf"
            | "println"
            | "html"
            | "js"
            | "urlquery"
            | "call"
            | "eq"
            | "ne"
            | "lt"
            | "le"
            | "gt"
            | "ge"
    )
}

/// Calls one of them.
pub(crate) fn call_builtin(name: &str, args: &[Value]) -> Result<Value, String> {
    Ok(match (name, args) {
        ("not", [value]) => Value::Bool(!value.is_true()),
        ("len", [value]) => length(value)?,
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) => slice(value, bounds)?,
        ("print", args) => Value::Text(format::print(args).into()),
        ("println", args) => Value::Text(format::print_line(args).into()),
        ("printf", [Value::Text(template), args @ ..]) => Value::Text(format::printf(template, args).into()),
        ("printf", [other, ..]) => {
            return Err(format!("wrong type for value; expected string; got {}", other.type_name()));
        }
        ("html", args) => Value::Text(html(&format::print(args)).into()),
        ("js", args) => Value::Text(js(&format::print(args)).into()),
        ("urlquery", args) => Value::Text(url_query(&format::print(args)).into()),
        ("eq", args) => Value::Bool(equals_any(args)?),
        ("ne", [a, b]) => Value::Bool(!equals(a, b)?),
        ("lt", [a, b]) => Value::Bool(is_less(a, b)?),
        ("le", [a, b]) => Value::Bool(is_less(a, b)? || equals(a, b)?),
        ("gt", [a, b]) => Value::Bool(is_less(b, a)?),
        ("ge", [a, b]) => Value::Bool(is_less(b, a)? || equals(a, b)?),
        ("call", [value, ..]) => return Err(format!("non-function {value} of type {}", value.type_name())),
        (name, args) => return Err(format!("wrong number of args for {name}: got {}", args.len())),
    })
}

fn length(value: &Value) -> Result<Value, String> {
    match value.len() {
        Some(length) => Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX))),
        None if matches!(value, Value::Nil) => Err("len of nil pointer".to_owned()),
        None => Err(format!("len of type {}", value.type_name())),
    }
}

/// Follows indices and keys, one level each.
fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Nil, _) => return Err("index of untyped nil".to_owned()),
            (value, Value::Int(_) | Value::Uint(_)) if value.as_text().is_some() => {
                let text = value.as_text().unwrap_or_default().as_bytes();
                Value::Uint(u64::from(text[position(key, text.len())?]))
            }
            (value, key) if value.elements().is_some() => {
                let elements = value.elements().unwrap_or_default();
                elements[position(key, elements.len())?].clone()
            }
            (value, key) if value.entries().is_some() => match key.as_text() {
                Some(key) => value.entry(key).unwrap_or_default(),
                None => return Err(format!("value has type {}; should be string", key.type_name())),
            },
            (value, _) => return Err(format!("can't index item of type {}", value.type_name())),
        };
    }
    Ok(value)
}

/// Returns an index that is below `length`.
fn position(key: &Value, length: usize) -> Result<usize, String> {
    let position = bound(key)?;
    match position < length {
        true => Ok(position),
        false => Err(format!("index out of range: {key}")),
    }
}

fn bound(key: &Value) -> Result<usize, String> {
    let found = match key {
        Value::Int(at) => usize::try_from(*at).ok(),
        Value::Uint(at) => usize::try_from(*at).ok(),
        Value::Nil => return Err("cannot index slice/array with nil".to_owned()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    found.ok_or_else(|| format!("index out of range: {key}"))
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let Some(length) = value.len() else {
        return Err(format!("can't slice item of type {}", value.type_name()));
    };
    if bounds.len() > 3 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    if bounds.len() == 3 && value.as_text().is_some() {
        return Err("cannot 3-index slice a string".to_owned());
    }
    let bounds = bounds.iter().map(bound).collect::<Result<Vec<_>, _>>()?;
    let (start, end) = (bounds.first().copied().unwrap_or(0), bounds.get(1).copied().unwrap_or(length));
    if let Some(outside) =
        [start, end].into_iter().chain(bounds.get(2).copied()).find(|bound| *bound > length)
    {
        return Err(format!("index out of range: {outside}"));
    }
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    match (value.as_text(), value.elements()) {
        (Some(text), _) => {
            let bytes = &text.as_bytes()[start..end];
            Ok(Value::Text(String::from_utf8_lossy(bytes).into()))
        }
        (None, Some(elements)) => Ok(Value::list(elements[start..end].to_vec())),
        (None, None) => Err(format!("can't slice item of type {}", value.type_name())),
    }
}
