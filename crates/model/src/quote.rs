//! Strings as Go's `strconv.Quote` writes them: error texts and canonical PromQL are compared literally.

pub mod literal;

use std::fmt::{self, Write};
use std::sync::LazyLock;

use regex_automata::meta;

/// Displays a string in double quotes with Go's escapes: `\a \b \f \n \r \t \v \\ \"`, `\x7f`, `\u00ad`.
#[derive(Clone, Copy, Debug)]
pub struct GoQuoted<'a>(pub &'a str);

impl fmt::Display for GoQuoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for ch in self.0.chars() {
            match ch {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\u{7}' => f.write_str("\\a")?,
                '\u{8}' => f.write_str("\\b")?,
                '\u{c}' => f.write_str("\\f")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                '\u{b}' => f.write_str("\\v")?,
                ch if (ch as u32) < 0x20 || ch as u32 == 0x7f => write!(f, "\\x{:02x}", ch as u32)?,
                ch if is_raw_byte(ch) => write!(f, "\\x{:02x}", ch as u32 - RAW_BYTE_BASE)?,
                ch if is_printable(ch) => f.write_char(ch)?,
                ch if (ch as u32) < 0x1_0000 => write!(f, "\\u{:04x}", ch as u32)?,
                ch => write!(f, "\\U{:08x}", ch as u32)?,
            }
        }
        f.write_char('"')
    }
}

/// Where the stand-ins for bytes begin; they are the end of the last private-use plane, which no text uses.
const RAW_BYTE_BASE: u32 = 0x10_ff00;

/// Returns the stand-in for a byte that is not UTF-8, as PromQL's `"\xff"` can make. [`GoQuoted`] writes `\xff` for it.
pub fn raw_byte(byte: u8) -> char {
    char::from_u32(RAW_BYTE_BASE + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Returns whether `ch` stands for a byte that is not UTF-8.
pub fn is_raw_byte(ch: char) -> bool {
    (RAW_BYTE_BASE + 0x80..=RAW_BYTE_BASE + 0xff).contains(&u32::from(ch))
}

/// Whether Go prints `ch` as itself: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(ch: char) -> bool {
    static PRINTABLE: LazyLock<meta::Regex> =
        LazyLock::new(|| meta::Regex::new(r"^[\pL\pM\pN\pP\pS ]$").expect("a constant pattern compiles"));
    matches!(ch, ' '..='~') || PRINTABLE.is_match(&*ch.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_go_does() {
        let check = |input: &str, want: &str| assert_eq!(GoQuoted(input).to_string(), want);
        check("plain", r#""plain""#);
        check("a\"b\\c\n\t\u{7}", r#""a\"b\\c\n\t\a""#);
        check("\u{1}\u{7f}\u{ad}", r#""\x01\x7f\u00ad""#);
        check(&format!("a{}z", raw_byte(0xc5)), r#""a\xc5z""#);
        check("온도 é e\u{301}", "\"온도 é e\u{301}\"");
        check("\u{a0}\u{2028}", r#""\u00a0\u2028""#);
    }
}
