//! JSON as Go writes it, and YAML trees as JSON.
//!
//! Objects are written in the order of their keys' insertion: bodies of a fixed shape keep their order, maps are
//! filled sorted.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value as Json};
use wf_config::yaml::{Node, Value};

/// Writes `value` as Go's encoder does: `<`, `>`, `&` and line separators escaped, floats shortest.
pub(crate) fn to_text(value: &Json) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// As [`to_text`], with the newline that Go's stream encoder adds.
pub(crate) fn to_line(value: &Json) -> String {
    to_text(value) + "\n"
}

fn write(out: &mut String, value: &Json) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number_text(number)),
        Json::String(text) => write_string(out, text),
        Json::Array(items) => {
            out.push('[');
            for (idx, item) in items.iter().enumerate() {
                if idx > 0 {
                    out.push(',');
                }
                write(out, item);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (idx, (key, value)) in entries.iter().enumerate() {
                if idx > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => {
            // Go's encoder writes an exponent only for very small and very large numbers.
            if float == 0.0 || (1e-6..1e21).contains(&float.abs()) {
                format!("{float}")
            } else {
                format!("{float:e}")
            }
        }
        _ => number.to_string(),
    }
}

/// Writes a text in quotes.
pub(crate) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    // Runs that need no escape, which most texts are one of, go in one piece.
    let mut plain_from = 0;
    for (at, ch) in text.char_indices() {
        let escape = match ch {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => "",
            ch if ch < ' ' => "",
            _ => continue,
        };
        out.push_str(text.get(plain_from..at).unwrap_or_default());
        plain_from = at + ch.len_utf8();
        match escape {
            "" => push_escape(out, ch),
            escape => out.push_str(escape),
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
    out.push('"');
}

/// Writes pairs as an object.
pub(crate) fn write_pairs<'a>(out: &mut String, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (idx, (name, value)) in pairs.enumerate() {
        if idx > 0 {
            out.push(',');
        }
        write_string(out, name);
        out.push(':');
        write_string(out, value);
    }
    out.push('}');
}

fn push_escape(out: &mut String, ch: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(ch));
}

/// Turns a YAML tree into JSON; plain scalars get the types that YAML 1.1 gives them, keys sorted.
/// # Errors
/// When a number cannot be said in JSON.
pub(crate) fn from_yaml(node: &Node) -> Result<Json, String> {
    Ok(match &node.value {
        Value::Scalar { text, is_plain: true } => typed(text)?,
        Value::Scalar { text, .. } => Json::String(text.clone()),
        Value::Sequence(items) => Json::Array(items.iter().map(from_yaml).collect::<Result<_, _>>()?),
        Value::Mapping(entries) => {
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by(|a, b| a.0.text.cmp(&b.0.text));
            let mut object = Map::new();
            for (key, value) in sorted {
                object.insert(key.text.clone(), from_yaml(value)?);
            }
            Json::Object(object)
        }
    })
}

/// Types a plain scalar.
fn typed(text: &str) -> Result<Json, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Json::Null),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Ok(Json::Bool(true));
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Ok(Json::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return Err(format!("{text} has no form in JSON")),
        _ => {}
    }
    let begins_as_number = text.starts_with(|ch: char| ch.is_ascii_digit() || matches!(ch, '+' | '-' | '.'));
    if !begins_as_number {
        return Ok(Json::String(text.to_owned()));
    }
    if let Some(whole) = integer(text) {
        return Ok(whole);
    }
    let digits = text.replace('_', "");
    let is_float = digits.chars().all(|ch| ch.is_ascii_digit() || matches!(ch, '+' | '-' | '.' | 'e' | 'E'));
    match digits.parse::<f64>().ok().filter(|_| is_float).and_then(Number::from_f64) {
        Some(number) => Ok(Json::Number(number)),
        None => Ok(Json::String(text.to_owned())),
    }
}

/// Decimal, `0x`, `0b`, `0o`, and octal with a leading zero; `_` between digits.
fn integer(text: &str) -> Option<Json> {
    let digits = text.replace('_', "");
    let (is_negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', b'o', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // No second sign.
    if !digits.starts_with(|ch: char| ch.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match is_negative {
        true => 0_i64.checked_sub_unsigned(magnitude).map(Json::from),
        false => Some(Json::from(magnitude)),
    }
}

/// Parses a text that a template rendered as YAML; a plain text stays one.
/// # Errors
/// When a number in it cannot be said in JSON.
pub(crate) fn retyped(text: &str) -> Result<Json, String> {
    match wf_config::yaml::parse(text) {
        Ok(None) => Ok(Json::Null),
        Ok(Some(node)) => match from_yaml(&node)? {
            // YAML folds lines and cuts blanks: a text stays as it was rendered.
            Json::String(_) => Ok(Json::String(text.to_owned())),
            other => Ok(other),
        },
        Err(_) => Ok(Json::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_go_does() {
        assert_eq!(
            to_text(&Json::from("a<b>&\u{2028}\n\u{1}é")),
            "\"a\\u003cb\\u003e\\u0026\\u2028\\n\\u0001é\""
        );
        assert_eq!(
            to_line(&serde_json::json!({"b": 1, "a": [1.5, null, true, 1e6]})),
            "{\"b\":1,\"a\":[1.5,null,true,1000000]}\n"
        );
    }

    #[test]
    fn rendered_texts_are_typed_by_yaml() {
        let check = |text: &str, want: &str| assert_eq!(to_text(&retyped(text).unwrap()), want, "{text:?}");
        check("", "null");
        check("~", "null");
        check("yes", "true");
        check("off", "false");
        check("0123", "83");
        check("0x1F", "31");
        check("1_000", "1000");
        check("-5", "-5");
        check("1.5", "1.5");
        check("Disk: full", "{\"Disk\":\"full\"}");
        check("2026-01-02", "\"2026-01-02\"");
        check("[1, a]", "[1,\"a\"]");
        check("two words", "\"two words\"");
        check("1-2", "\"1-2\"");
        assert!(retyped(".nan").is_err());
    }
}
