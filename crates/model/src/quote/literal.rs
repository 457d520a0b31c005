//! String literals with Go's escapes, as PromQL and templates have them.

/// Reads the string at the start of `text`, which begins with `quote`. Returns its length with quotes and its value.
/// # Errors
/// How many bytes are wrong, and why.
pub fn scan(text: &str, quote: char) -> Result<(usize, String), (usize, String)> {
    if quote == '`' {
        return match text.get(1..).and_then(|body| body.find('`')) {
            Some(length) => Ok((length + 2, text.get(1..=length).unwrap_or_default().to_owned())),
            None => Err((text.len(), "unterminated raw string".to_owned())),
        };
    }
    let mut value = Vec::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, ch)) = chars.next() {
        match ch {
            ch if ch == quote => return Ok(finish(at + 1, value)),
            '\n' => break,
            '\\' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                let length = unescape(rest, quote, &mut value).map_err(|why| (at + 2, why))?;
                let end = at + 1 + length;
                while chars.clone().next().is_some_and(|(next, _)| next < end) {
                    chars.next();
                }
            }
            ch => value.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Err((text.len(), "unterminated quoted string".to_owned()))
}

/// Returns where to read on behind a string that is wrong: after its closing quote, or at the end of its line.
pub fn skip(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, ch)) = chars.next() {
        match ch {
            '\n' if quote != '`' => return at,
            '\\' if quote != '`' => drop(chars.next()),
            ch if ch == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `\xNN` can make bytes that are not UTF-8; each becomes its stand-in, so that messages can quote it.
fn finish(length: usize, value: Vec<u8>) -> (usize, String) {
    let text = String::from_utf8(value).unwrap_or_else(|error| {
        let mut text = String::new();
        for chunk in error.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| super::raw_byte(*byte)));
        }
        text
    });
    (length, text)
}

/// Reads one escape, behind its backslash; returns how many bytes it has.
fn unescape(rest: &str, quote: char, value: &mut Vec<u8>) -> Result<usize, String> {
    let Some(ch) = rest.chars().next() else { return Err("escape sequence not terminated".to_owned()) };
    let simple = match ch {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        ch if ch == quote => quote as u8,
        '0'..='7' => return number(rest, 0, 3, 8, value),
        'x' => return number(rest, 1, 2, 16, value),
        'u' => return number(rest, 1, 4, 16, value),
        'U' => return number(rest, 1, 8, 16, value),
        ch => return Err(format!("unknown escape sequence U+{:04X} '{ch}'", ch as u32)),
    };
    value.push(simple);
    Ok(1)
}

/// Reads `n_digits` after a prefix: a byte for octal and `\x`, a code point for `\u` and `\U`.
fn number(
    rest: &str,
    prefix: usize,
    n_digits: usize,
    radix: u32,
    value: &mut Vec<u8>,
) -> Result<usize, String> {
    let digits =
        rest.get(prefix..prefix + n_digits).filter(|digits| digits.chars().all(|ch| ch.is_digit(radix)));
    let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok()) else {
        return Err(format!("escape sequence needs {n_digits} digits of base {radix}"));
    };
    if n_digits <= 3 {
        let byte = u8::try_from(code).map_err(|_| "octal escape sequence above 255".to_owned())?;
        value.push(byte);
    } else {
        let ch = char::from_u32(code).ok_or("escape sequence is an invalid Unicode code point")?;
        value.extend_from_slice(ch.encode_utf8(&mut [0; 4]).as_bytes());
    }
    Ok(prefix + n_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_gos() {
        let check = |text: &str, want: &str| {
            let quote = text.chars().next().unwrap();
            assert_eq!(scan(text, quote), Ok((text.len(), want.to_owned())), "{text}");
        };
        check(r#""a\n\"\\""#, "a\n\"\\");
        check(r#"'it\'s "x"'"#, "it's \"x\"");
        check(r#""\101\x41\u00e9\U0001F525""#, "AAé🔥");
        check(r#""a\xc5z""#, "a\u{10ffc5}z");
        check("`raw\\n\nline`", "raw\\n\nline");
    }

    #[test]
    fn bad_escapes_are_refused() {
        for text in [r#""\8""#, r#""\400""#, r#""\xg1""#, r#""\ud800""#, r#""\'""#, r#""\"#] {
            assert!(scan(text, '"').is_err(), "{text}");
        }
    }
}
