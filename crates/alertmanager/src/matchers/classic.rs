//! The grammar of old: identifiers, and values that need quotes only for commas.

use wf_model::matcher::{MatchOp, Matcher};

use super::build;

pub(super) fn parse(input: &str) -> Result<Vec<Matcher>, String> {
    let input = input.strip_prefix('{').unwrap_or(input);
    let input = input.strip_suffix('}').unwrap_or(input);
    let mut parts = split(input);
    if parts.last().is_some_and(|last| last.trim().is_empty()) {
        parts.pop();
    }
    parts.into_iter().map(parse_one).collect()
}

/// Splits at commas outside quotes.
fn split(input: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in input.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                parts.push(input.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(input.get(start..).unwrap_or_default());
    parts
}

fn parse_one(part: &str) -> Result<Matcher, String> {
    let bad = || format!("bad matcher format: {part}");
    let text = part.trim();
    let is_name = |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '_' | ':');
    let length = text.find(|ch| !is_name(ch)).unwrap_or(text.len());
    let (name, rest) = text.split_at(length);
    if name.is_empty() || name.starts_with(|ch: char| ch.is_ascii_digit()) {
        return Err(bad());
    }
    let rest = rest.trim_start();
    let ops = [MatchOp::Regex, MatchOp::NotRegex, MatchOp::NotEqual, MatchOp::Equal];
    let op = ops.into_iter().find(|op| rest.starts_with(op.as_str())).ok_or_else(bad)?;
    let raw = rest.get(op.as_str().len()..).unwrap_or_default().trim();
    build(
        op,
        name,
        &unescape(raw).ok_or_else(|| format!("matcher value contains unescaped double quote: {raw}"))?,
    )
}

/// Takes quotes off and resolves `\"`, `\n`, `\\`; other backslashes stand for themselves.
fn unescape(raw: &str) -> Option<String> {
    let body = raw.strip_prefix('"');
    let mut out = String::with_capacity(raw.len());
    let mut chars = body.unwrap_or(raw).chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => match chars.peek() {
                Some('"') => out.extend(chars.next()),
                Some('\\') => out.extend(chars.next()),
                Some('n') => {
                    chars.next();
                    out.push('\n');
                }
                _ => out.push('\\'),
            },
            '"' if body.is_some() && chars.peek().is_none() => return Some(out),
            '"' => return None,
            ch => out.push(ch),
        }
    }
    // A quote that was opened must be closed.
    body.is_none().then_some(out)
}
