//! Text to tokens. Keywords stay identifiers: only the parser knows where `by` is a keyword and where a metric name.
//!
//! # Source
//! `spec/prometheus-query.md` §1.1.

mod number;

use wf_model::duration::{self, DurationError};
use wf_model::quote::GoQuoted;

use crate::ast::{BinaryOp, Pos};

/// A token with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: TokenKind,
    /// Where it stands.
    pub(crate) pos: Pos,
}

/// The kinds of token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// The end of the text.
    End,
    /// `[A-Za-z_][A-Za-z0-9_]*`
    Identifier,
    /// As an identifier, with `:` somewhere.
    MetricIdentifier,
    /// A number.
    Number(f64),
    /// A duration literal, in seconds.
    Duration(f64),
    /// A string, unescaped.
    String(String),
    /// `(`
    LeftParen,
    /// `)`
    RightParen,
    /// `{`
    LeftBrace,
    /// `}`
    RightBrace,
    /// `[`
    LeftBracket,
    /// `]`
    RightBracket,
    /// `,`
    Comma,
    /// `:` inside brackets.
    Colon,
    /// `@`
    At,
    /// `=`
    Assign,
    /// `=~`
    RegexMatch,
    /// `!~`
    RegexNotMatch,
    /// A binary operator that is not a word.
    Operator(BinaryOp),
    /// No token: why not. Nothing accepts it, so who parses strictly stops here.
    Invalid(String),
}

/// What is wrong with the text, at which bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LexError {
    pub(crate) pos: Pos,
    pub(crate) message: String,
}

/// Splits `text` into tokens; the last one is [`TokenKind::End`]. What is no token becomes [`TokenKind::Invalid`], and
/// reading goes on behind it.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, in_braces: false, in_brackets: false, n_open_parens: 0 };
    let mut tokens = Vec::new();
    loop {
        let start = lexer.at;
        match lexer.next() {
            Ok(token) => {
                let is_end = token.kind == TokenKind::End;
                tokens.push(token);
                if is_end {
                    return tokens;
                }
            }
            Err(LexError { pos, message }) => {
                lexer.resume(start, pos);
                tokens.push(Token { kind: TokenKind::Invalid(message), pos });
            }
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    in_braces: bool,
    in_brackets: bool,
    n_open_parens: usize,
}

impl Lexer<'_> {
    fn next(&mut self) -> Result<Token, LexError> {
        self.skip_blanks_and_comments();
        let start = self.at;
        let Some(ch) = self.rest().chars().next() else { return self.end() };
        let kind = match ch {
            '"' | '\'' | '`' => self.string(ch)?,
            '0'..='9' if !self.in_braces => self.number()?,
            '.' if !self.in_braces && self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => {
                self.number()?
            }
            ':' if self.in_brackets => self.take(1, TokenKind::Colon),
            ch if ch.is_ascii_alphabetic() || ch == '_' || (ch == ':' && !self.in_braces) => self.word(),
            _ => self.symbol(ch)?,
        };
        Ok(self.token(start, kind))
    }

    fn end(&self) -> Result<Token, LexError> {
        let message = if self.in_braces {
            "unexpected end of input inside braces"
        } else if self.n_open_parens > 0 {
            "unclosed left parenthesis"
        } else if self.in_brackets {
            "unclosed left bracket"
        } else {
            return Ok(self.token(self.at, TokenKind::End));
        };
        Err(self.error(self.at, 0, message.to_owned()))
    }

    /// Goes behind what is no token, and always on.
    fn resume(&mut self, start: usize, wrong: Pos) {
        let Some(ch) = self.rest().chars().next() else {
            // The end says once what is still open.
            (self.in_braces, self.in_brackets, self.n_open_parens) = (false, false, 0);
            return;
        };
        self.at = match ch {
            '"' | '\'' | '`' => self.at + wf_model::quote::literal::skip(self.rest(), ch),
            _ => self.text.len().min((wrong.end as usize).max(self.at.max(start) + ch.len_utf8())),
        };
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
    }

    fn symbol(&mut self, ch: char) -> Result<TokenKind, LexError> {
        use BinaryOp::{
            Add, Div, Equal, Greater, GreaterEqual, Less, LessEqual, Mod, Mul, NotEqual, Pow, Sub,
        };
        let operator = |op| TokenKind::Operator(op);
        if self.in_braces && !matches!(ch, '{' | '}' | ',' | '=' | '!') {
            return Err(self.unexpected(ch));
        }
        let (length, kind) = match (ch, self.byte(1)) {
            ('(', _) => {
                self.n_open_parens += 1;
                (1, TokenKind::LeftParen)
            }
            (')', _) if self.n_open_parens == 0 => {
                // The reference points behind it.
                return Err(self.error(self.at + 1, 0, "unexpected right parenthesis ')'".to_owned()));
            }
            (')', _) => {
                self.n_open_parens -= 1;
                (1, TokenKind::RightParen)
            }
            ('{', _) => return self.open_brace(),
            ('}', _) => return self.close_brace(),
            ('[', _) => return self.open_bracket(),
            (']', _) => return self.close_bracket(),
            (',', _) => (1, TokenKind::Comma),
            ('@', _) => (1, TokenKind::At),
            ('=', Some(b'~')) if self.in_braces => (2, TokenKind::RegexMatch),
            ('=', Some(b'~')) => {
                return Err(self.error(self.at, 2, "unexpected character after '=': '~'".to_owned()));
            }
            ('=', Some(b'=')) if !self.in_braces => (2, operator(Equal)),
            ('=', _) => (1, TokenKind::Assign),
            ('!', Some(b'=')) => (2, operator(NotEqual)),
            ('!', Some(b'~')) if self.in_braces => (2, TokenKind::RegexNotMatch),
            ('<', Some(b'=')) => (2, operator(LessEqual)),
            ('<', Some(b'/')) => (2, operator(BinaryOp::TrimUpper)),
            ('<', _) => (1, operator(Less)),
            ('>', Some(b'=')) => (2, operator(GreaterEqual)),
            ('>', Some(b'/')) => (2, operator(BinaryOp::TrimLower)),
            ('>', _) => (1, operator(Greater)),
            ('+', _) => (1, operator(Add)),
            ('-', _) => (1, operator(Sub)),
            ('*', _) => (1, operator(Mul)),
            ('/', _) => (1, operator(Div)),
            ('%', _) => (1, operator(Mod)),
            ('^', _) => (1, operator(Pow)),
            ('!', _) => {
                let after = self.rest().chars().nth(1).map(quoted_char);
                let place = if self.in_braces { " inside braces" } else { "" };
                // The end is told as Go tells a character that is none.
                let after = after.unwrap_or_else(|| quoted_char(char::REPLACEMENT_CHARACTER));
                let message = format!("unexpected character after '!'{place}: {after}");
                return Err(self.error(self.at, 1, message));
            }
            _ => return Err(self.unexpected(ch)),
        };
        Ok(self.take(length, kind))
    }

    fn unexpected(&self, ch: char) -> LexError {
        let place = if self.in_braces { " inside braces" } else { "" };
        self.error(self.at, ch.len_utf8(), format!("unexpected character{place}: {}", quoted_char(ch)))
    }

    fn open_brace(&mut self) -> Result<TokenKind, LexError> {
        if self.in_braces {
            return Err(self.error(self.at, 1, "unexpected left brace '{'".to_owned()));
        }
        self.in_braces = true;
        Ok(self.take(1, TokenKind::LeftBrace))
    }

    fn close_brace(&mut self) -> Result<TokenKind, LexError> {
        if !self.in_braces {
            return Err(self.unexpected('}'));
        }
        self.in_braces = false;
        Ok(self.take(1, TokenKind::RightBrace))
    }

    fn open_bracket(&mut self) -> Result<TokenKind, LexError> {
        if self.in_braces || self.in_brackets {
            return Err(self.error(self.at, 1, "unexpected left bracket '['".to_owned()));
        }
        self.in_brackets = true;
        Ok(self.take(1, TokenKind::LeftBracket))
    }

    fn close_bracket(&mut self) -> Result<TokenKind, LexError> {
        if !self.in_brackets {
            return Err(self.error(self.at, 1, "unexpected right bracket ']'".to_owned()));
        }
        self.in_brackets = false;
        Ok(self.take(1, TokenKind::RightBracket))
    }

    /// An identifier; `:` belongs to it outside of braces and brackets.
    fn word(&mut self) -> TokenKind {
        let takes_colon = !self.in_braces && !self.in_brackets;
        let belongs =
            |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || (*byte == b':' && takes_colon);
        let length = self.rest().bytes().take_while(belongs).count();
        let has_colon = self.rest().bytes().take(length).any(|byte| byte == b':');
        self.take(length, if has_colon { TokenKind::MetricIdentifier } else { TokenKind::Identifier })
    }

    fn number(&mut self) -> Result<TokenKind, LexError> {
        let (length, kind) = number::scan(self.rest());
        match kind {
            Some(kind) => Ok(self.take(length, kind)),
            None => {
                let text = self.rest().get(..length).unwrap_or_default();
                if number::is_out_of_range(text) {
                    let cause = format!("strconv.ParseFloat: parsing {}: value out of range", GoQuoted(text));
                    return Err(self.error(self.at, length, format!("error parsing number: {cause}")));
                }
                if number::lacks_exponent(text) {
                    let cause = format!("strconv.ParseFloat: parsing {}: invalid syntax", GoQuoted(text));
                    return Err(self.error(self.at, length, format!("error parsing number: {cause}")));
                }
                if let Err(error @ DurationError::OutOfRange) = duration::parse(text) {
                    return Err(self.error(self.at, length, error.to_string()));
                }
                Err(self.error(self.at, length, format!("bad number or duration syntax: {}", GoQuoted(text))))
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<TokenKind, LexError> {
        match wf_model::quote::literal::scan(self.rest(), quote) {
            Ok((length, value)) => Ok(self.take(length, TokenKind::String(value))),
            Err((length, message)) => Err(self.error(self.at, length, message)),
        }
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
            let comment = match rest.as_bytes().get(blanks) {
                Some(b'#') => rest.bytes().skip(blanks).take_while(|byte| *byte != b'\n').count(),
                _ => 0,
            };
            if blanks + comment == 0 {
                return;
            }
            self.at += blanks + comment;
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn take(&mut self, length: usize, kind: TokenKind) -> TokenKind {
        self.at += length;
        kind
    }

    fn token(&self, start: usize, kind: TokenKind) -> Token {
        Token { kind, pos: pos(start, self.at) }
    }

    fn error(&self, start: usize, length: usize, message: String) -> LexError {
        LexError { pos: pos(start, start + length), message }
    }
}

/// A query is far below 4 GiB: request bodies are limited.
fn pos(start: usize, end: usize) -> Pos {
    Pos { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
}

fn quoted_char(ch: char) -> String {
    let quoted = GoQuoted(ch.encode_utf8(&mut [0; 4])).to_string();
    let inner = quoted.trim_matches('"');
    format!(
        "'{}'",
        if ch == '\'' {
            "\\'"
        } else if ch == '"' {
            "\""
        } else {
            inner
        }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn a_colon_belongs_to_names_outside_brackets_only() {
        use TokenKind::{Colon, Duration, End, Identifier, LeftBracket, MetricIdentifier, RightBracket};
        assert_eq!(kinds("a:b"), [MetricIdentifier, End]);
        let subquery = [Identifier, LeftBracket, Duration(300.0), Colon, Duration(60.0), RightBracket, End];
        assert_eq!(kinds("a[5m:1m]"), subquery);
    }

    #[test]
    fn comments_and_blanks_are_skipped() {
        assert_eq!(
            kinds("a # b\n\t+ #"),
            [TokenKind::Identifier, TokenKind::Operator(BinaryOp::Add), TokenKind::End]
        );
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let check = |text: &str, message: &str| {
            assert!(kinds(text).contains(&TokenKind::Invalid(message.to_owned())), "{text}");
        };
        check("a ? b", "unexpected character: '?'");
        check("é", "unexpected character: 'é'");
        check("\"abc", "unterminated quoted string");
        check("\"a\nb\"", "unterminated quoted string");
        check("`abc", "unterminated raw string");
        check("1.5h", "bad number or duration syntax: \"1.5h\"");
        check("1__0", "bad number or duration syntax: \"1__0\"");
        check("\"\\q\"", "unknown escape sequence U+0071 'q'");
        check("a}", "unexpected character: '}'");
    }

    #[test]
    fn reading_goes_on_behind_what_is_no_token() {
        let n_invalid = |text: &str| {
            let invalid = |kind: &&TokenKind| matches!(kind, TokenKind::Invalid(_));
            (kinds(text).iter().filter(invalid).count(), kinds(text).len())
        };
        assert_eq!(n_invalid("a ? b é c"), (2, 6));
        assert_eq!(n_invalid("\"\\q\" + b"), (1, 4));
        assert_eq!(n_invalid("\"a\n+ b"), (1, 4));
        assert_eq!(n_invalid("(a"), (1, 4));
        assert_eq!(n_invalid("a)) 1.5h"), (3, 5));
    }
}
