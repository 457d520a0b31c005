//! Escapes: `\n`, `\x{1F600}`, `\012`, `\Q…\E`, `\d`, `\pL`, `\b`.

use regex_syntax::hir::{Class, Hir, Look};

use super::{Parser, fault};
use crate::regex::RegexError;

impl Parser<'_> {
    /// Reads an escape outside brackets.
    pub(super) fn escape(&mut self) -> Result<(), RegexError> {
        if let Some(quoted) = self.rest().strip_prefix(r"\Q") {
            // Without an end the quotation goes to the end of the pattern.
            let (literal, length) = match quoted.split_once(r"\E") {
                Some((literal, _)) => (literal, literal.len() + 4),
                None => (quoted, quoted.len() + 2),
            };
            self.at += length;
            literal.chars().for_each(|ch| self.push_char(ch));
            return Ok(());
        }
        let look = match self.rest().as_bytes().get(1) {
            Some(b'A') => Look::Start,
            Some(b'z') => Look::End,
            Some(b'b') => Look::WordAscii,
            Some(b'B') => Look::WordAsciiNegate,
            _ => {
                if let Some(class) = self.escaped_class()? {
                    self.push(Hir::class(Class::Unicode(class)));
                } else {
                    let ch = self.escaped_char()?;
                    self.push_char(ch);
                }
                return Ok(());
            }
        };
        self.at += 2;
        self.push(Hir::look(look));
        Ok(())
    }

    /// Reads an escape that stands for one character.
    pub(super) fn escaped_char(&mut self) -> Result<char, RegexError> {
        let start = self.at;
        self.at += 1;
        let Some(ch) = self.peek() else {
            return Err(fault("trailing backslash at end of expression", ""));
        };
        self.at += ch.len_utf8();
        let decoded = match ch {
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            'x' => self.hexadecimal(),
            '0' => self.octal(0),
            // A lone digit would be a back reference, which RE2 has not.
            '1'..='7' if self.peek().is_some_and(|next| next.is_digit(8)) => {
                self.octal(ch.to_digit(8).unwrap_or(0))
            }
            ch if ch.is_ascii() && !ch.is_ascii_alphanumeric() => Some(ch),
            _ => None,
        };
        decoded.ok_or_else(|| fault("invalid escape sequence", self.slice(start, self.at)))
    }

    /// Reads up to two more octal digits.
    fn octal(&mut self, first: u32) -> Option<char> {
        let mut value = first;
        for _ in 0..2 {
            let Some(digit) = self.peek().and_then(|ch| ch.to_digit(8)) else { break };
            self.at += 1;
            value = value * 8 + digit;
        }
        char::from_u32(value)
    }

    /// Reads `41` or `{1F600}`.
    fn hexadecimal(&mut self) -> Option<char> {
        let digits = if self.peek() == Some('{') {
            let (digits, _) = self.rest().get(1..)?.split_once('}')?;
            self.at += digits.len() + 2;
            digits
        } else {
            let digits = self.rest().get(..2)?;
            self.at += 2;
            digits
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| u32::from_str_radix(digits, 16).ok()).flatten().and_then(char::from_u32)
    }
}
