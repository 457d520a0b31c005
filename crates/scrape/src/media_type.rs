//! Media types, as the original reads the content type of a page.
//!
//! # Source
//! RFC 2045 §5.1, with the liberties of Go's `mime`: letters in any case, blanks around `;` and `=`, a `;` at the end.

/// Returns the media type of a content type without its parameters; `None` when the text is none, be it in a parameter.
pub(crate) fn parse(content_type: &str) -> Option<&str> {
    let (media_type, mut rest) = match content_type.split_once(';') {
        Some((media_type, parameters)) => (media_type, Some(parameters)),
        None => (content_type, None),
    };
    let media_type = media_type.trim();
    let (kind, subtype) = media_type.split_once('/').unwrap_or((media_type, "x"));
    if !is_token(kind) || !is_token(subtype) {
        return None;
    }
    let mut known: Vec<(String, &str)> = Vec::new();
    while let Some(text) = rest {
        if text.trim().is_empty() {
            break;
        }
        let (name, text) = text.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let (value, behind) = split_value(text.trim_start())?;
        let is_contradicted = known.iter().any(|(other, told)| *other == name && *told != value);
        if !is_token(&name) || is_contradicted {
            return None;
        }
        known.push((name, value));
        let behind = behind.trim_start();
        rest = match behind.strip_prefix(';') {
            None if !behind.is_empty() => return None,
            next => next,
        };
    }
    Some(media_type)
}

/// Splits a value, as written, from what is behind it.
fn split_value(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('"') {
        let end = text.find(|ch| !is_token_char(ch)).unwrap_or(text.len());
        return text.split_at_checked(end).filter(|(value, _)| !value.is_empty());
    }
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    text.split_at_checked(end + 2)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

fn is_token_char(ch: char) -> bool {
    ch.is_ascii_graphic() && !r#"()<>@,;:\"/[]?="#.contains(ch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_needs_sound_parameters() {
        for fine in [
            "text/plain",
            " Text/Plain ",
            "text/plain;",
            "text/plain; ",
            "text/plain; version=0.0.4; charset=utf-8",
            "text/plain ; version = 0.0.4;",
            r#"text/plain; charset="utf-8"; x="a;\"b\"""#,
            "text/plain; version=1; VERSION=1",
        ] {
            let read = parse(fine).unwrap_or_else(|| panic!("{fine}"));
            assert!(read.eq_ignore_ascii_case("text/plain"), "{fine}: {read}");
        }
        for bad in [
            "",
            " ",
            "text / plain",
            "text/",
            "/plain",
            "text/plain/x",
            "text/plain, text/html",
            "text/plain; version",
            "text/plain; version=",
            "text/plain;; version=1",
            "text/plain; =1",
            "text/plain; version=1; version=2",
            r#"text/plain; charset="utf-8"#,
            "text/plain; a=b c",
            "text/plain; \u{e9}=1",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse("nonsense"), Some("nonsense"));
    }
}
