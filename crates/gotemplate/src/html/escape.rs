//! The escapers of each place.

use std::fmt::Write;

use crate::value::Value;

/// What stands for a value that is not safe in its place.
const UNSAFE: &str = "ZgotmplZ";

/// For text and quoted attributes.
pub(super) fn html(text: &str) -> String {
    replace(text, |ch| entity(ch).or(if ch == '&' { Some("&amp;") } else { None }))
}

/// As [`html`], leaving entities as they are: for text that is HTML already.
pub(super) fn html_once(text: &str) -> String {
    replace(text, entity)
}

fn entity(ch: char) -> Option<&'static str> {
    Some(match ch {
        '\0' => "\u{fffd}",
        '"' => "&#34;",
        '\'' => "&#39;",
        '+' => "&#43;",
        '<' => "&lt;",
        '>' => "&gt;",
        _ => return None,
    })
}

/// For attributes without quotes.
pub(super) fn html_no_space(text: &str) -> String {
    if text.is_empty() {
        return UNSAFE.to_owned();
    }
    replace(text, |ch| {
        Some(match ch {
            '\0' => "&#xfffd;",
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\u{b}' => "&#11;",
            '\u{c}' => "&#12;",
            '\r' => "&#13;",
            ' ' => "&#32;",
            '=' => "&#61;",
            '`' => "&#96;",
            '&' => "&amp;",
            ch => return entity(ch),
        })
    })
}

fn replace(text: &str, with: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match with(ch) {
            Some(escaped) => out.push_str(escaped),
            None => out.push(ch),
        }
    }
    out
}

/// Takes tags out of HTML that goes into an attribute.
pub(super) fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        out.push_str(before);
        let Some((_, after)) = tag.split_once('>') else { return out };
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Keeps relative URLs and those of harmless schemes.
pub(super) fn filter_url(text: &str) -> String {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| !scheme.contains('/'));
    let is_safe = scheme.is_none_or(|scheme| {
        ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    });
    if is_safe { text.to_owned() } else { format!("#{UNSAFE}") }
}

/// Percent-encodes; `is_whole` keeps what has a meaning in a URL, and encodings that are there already.
pub(super) fn url(text: &str, is_whole: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().copied().enumerate() {
        let is_encoding = || {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        let is_kept = match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@'
            | b'[' | b']' => is_whole,
            b'%' => is_whole && is_encoding(),
            byte => byte.is_ascii_alphanumeric(),
        };
        if is_kept {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

/// For the inside of a script's string.
pub(super) fn script_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '/' => out.push_str("\\/"),
            '\\' => out.push_str("\\\\"),
            '"' | '\'' | '&' | '+' | '<' | '>' | '`' | '\u{2028}' | '\u{2029}' => push_unicode(&mut out, ch),
            ch if ch < ' ' => push_unicode(&mut out, ch),
            ch => out.push(ch),
        }
    }
    out
}

fn push_unicode(out: &mut String, ch: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\u{:04x}", u32::from(ch));
}

/// A literal of a script.
pub(super) fn script_value(value: &Value) -> String {
    match value {
        Value::Nil => " null ".to_owned(),
        Value::Bool(_) | Value::Int(_) | Value::Uint(_) => format!(" {value} "),
        Value::Float(float) if float.is_finite() => format!(" {value} "),
        value => match (value.as_text(), value.elements(), value.entries()) {
            (None, Some(elements), _) => {
                let items: Vec<String> =
                    elements.iter().map(|item| script_value(item).trim().to_owned()).collect();
                format!("[{}]", items.join(","))
            }
            (None, None, Some(entries)) => {
                let pair = |(key, item): &(std::sync::Arc<str>, Value)| {
                    format!("\"{}\":{}", script_string(key), script_value(item).trim())
                };
                format!("{{{}}}", entries.iter().map(pair).collect::<Vec<_>>().join(","))
            }
            _ => format!("\"{}\"", script_string(&value.to_string()).replace("\\/", "/")),
        },
    }
}

/// Passes words, numbers, colours and lengths only.
pub(super) fn style(text: &str) -> &str {
    let is_safe =
        |ch: char| ch.is_ascii_alphanumeric() || matches!(ch, '-' | '.' | '#' | '%' | ' ' | ',' | '_' | '!');
    let lower = text.to_ascii_lowercase();
    let is_harmless = !["expression", "moz-binding", "--", "<!"].iter().any(|word| lower.contains(word));
    if text.chars().all(is_safe) && is_harmless { text } else { UNSAFE }
}

/// Passes names of attributes that hold plain text.
pub(super) fn attribute_name(text: &str) -> String {
    let name = text.to_ascii_lowercase();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_name && super::kind_of(&name) == super::AttrKind::Plain { name } else { UNSAFE.to_owned() }
}
