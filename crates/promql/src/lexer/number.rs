//! Numbers and duration literals.

use std::time::Duration;

use wf_model::duration;

use super::TokenKind;

/// Reads the number or duration at the start of `text`. Returns how many bytes belong to it and, if it is well formed,
/// the token.
pub(super) fn scan(text: &str) -> (usize, Option<TokenKind>) {
    let word = word_length(text);
    let word_text = text.get(..word).unwrap_or_default();
    let kind =
        number(word_text).map(TokenKind::Number).or_else(|| duration(word_text).map(TokenKind::Duration));
    (word, kind)
}

/// Everything that could belong to a number: letters, digits, `_`, `.`, and a sign after an exponent's `e`.
fn word_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_hex = matches!(bytes, [b'0', b'x' | b'X', ..]);
    let mut length = 0;
    while let Some(byte) = bytes.get(length) {
        let after_exponent = !is_hex && length > 0 && matches!(bytes.get(length - 1), Some(b'e' | b'E'));
        let belongs = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'.')
            || (matches!(byte, b'+' | b'-') && after_exponent);
        if !belongs {
            break;
        }
        length += 1;
    }
    length
}

fn number(word: &str) -> Option<f64> {
    if !underscores_separate_digits(word) {
        return None;
    }
    let digits: String = word.chars().filter(|ch| *ch != '_').collect();
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16)
            .ok()
            .filter(|_| !hex.starts_with(['+', '-']))
            .map(|value| value as f64);
    }
    if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    // Go tries an integer of automatic base first: a leading zero means octal.
    let octal = digits.strip_prefix('0').filter(|rest| !rest.is_empty());
    if let Some(value) = octal.and_then(|rest| i64::from_str_radix(rest, 8).ok()) {
        return Some(value as f64);
    }
    digits.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Whether `word` is a number that no float can hold.
pub(super) fn is_out_of_range(word: &str) -> bool {
    let digits: String = word.chars().filter(|ch| *ch != '_').collect();
    digits.starts_with(|ch: char| ch.is_ascii_digit() || ch == '.')
        && digits.parse().is_ok_and(|value: f64| value.is_infinite())
}

/// Whether `word` is a number that ends in its exponent's `e` or sign.
pub(super) fn lacks_exponent(word: &str) -> bool {
    let mantissa = word.trim_end_matches(['+', '-']).strip_suffix(['e', 'E']);
    mantissa.is_some_and(|mantissa| mantissa.parse::<f64>().is_ok())
}

/// `_` stands between digits, or after `0x`.
fn underscores_separate_digits(word: &str) -> bool {
    let bytes = word.as_bytes();
    let is_hex = matches!(bytes, [b'0', b'x' | b'X', ..]);
    let is_digit = |byte: Option<&u8>| match byte {
        Some(byte) if is_hex => byte.is_ascii_hexdigit(),
        Some(byte) => byte.is_ascii_digit(),
        None => false,
    };
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'_').all(|(idx, _)| {
        let before = idx.checked_sub(1).and_then(|before| bytes.get(before));
        let follows_prefix = is_hex && idx == 2;
        (is_digit(before) || follows_prefix) && is_digit(bytes.get(idx + 1))
    })
}

fn duration(word: &str) -> Option<f64> {
    // A bare `0` is a number here; a duration always has a unit.
    let is_duration = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    duration::parse(word).ok().filter(|_| is_duration).as_ref().map(Duration::as_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_promql_says() {
        let check = |text: &str, want: f64| {
            assert_eq!(scan(text), (text.len(), Some(TokenKind::Number(want))), "{text}");
        };
        check("1", 1.0);
        check(".5", 0.5);
        check("5.", 5.0);
        check("1e-3", 0.001);
        check("0x1F", 31.0);
        check("0x_1f", 31.0);
        check("1_000", 1000.0);
        check("0755", 493.0);
        check("089", 89.0);
    }

    #[test]
    fn durations_are_read_as_seconds() {
        let check =
            |text: &str, want: f64| assert_eq!(scan(text).1, Some(TokenKind::Duration(want)), "{text}");
        check("1h30m", 5400.0);
        check("54s321ms", 54.321);
    }

    #[test]
    fn half_numbers_are_refused() {
        for text in ["1.5h", "1h1h", "0x", "1e", "1.2.3", "1_", "0x1h", "1d_"] {
            assert_eq!(scan(text), (text.len(), None), "{text}");
        }
    }
}
