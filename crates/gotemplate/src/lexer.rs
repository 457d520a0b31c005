//! Text to tokens. Trim markers are applied here: they eat white space of the text beside an action, never of output.

use crate::error::ParseError;
use crate::token::{Kind, Number, Token};
use wf_model::quote::literal;

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
/// What trim markers and arguments are separated by.
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits `text` into tokens; the last is [`Kind::End`].
/// # Errors
/// Where an action is not closed, or holds what no action may.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { text, rest: text, line: 1, tokens: Vec::new(), n_parens: 0 };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
    n_parens: usize,
}

impl<'a> Lexer<'a> {
    fn run(&mut self) -> Result<(), ParseError> {
        let mut trims_left = false;
        loop {
            let (text, action) = match self.rest.find(OPEN) {
                Some(at) => self.rest.split_at(at),
                None => (self.rest, ""),
            };
            let trims_right = opens_with_trim(action);
            self.push_text(text, trims_left, trims_right);
            self.advance(text.len());
            if action.is_empty() {
                self.push(Kind::End);
                return Ok(());
            }
            self.advance(OPEN.len() + if trims_right { 1 } else { 0 });
            trims_left = match self.comment(trims_right)? {
                Some(trims) => trims,
                None => self.action()?,
            };
        }
    }

    fn push_text(&mut self, text: &str, trims_left: bool, trims_right: bool) {
        let text = if trims_left { text.trim_start_matches(SPACES) } else { text };
        let text = if trims_right { text.trim_end_matches(SPACES) } else { text };
        if !text.is_empty() {
            self.push(Kind::Text(text.to_owned()));
        }
    }

    fn push(&mut self, kind: Kind) {
        let at = self.text.len() - self.rest.len();
        self.tokens.push(Token { kind, line: self.line, at });
    }

    fn advance(&mut self, n_bytes: usize) {
        let (over, rest) = self.rest.split_at(n_bytes);
        self.line += over.matches('\n').count();
        self.rest = rest;
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ParseError> {
        Err(ParseError::new(self.line, message))
    }

    /// Passes over a comment, which must touch its delimiters; returns whether it trims what follows.
    fn comment(&mut self, trims: bool) -> Result<Option<bool>, ParseError> {
        let body = if trims { self.rest.trim_start_matches(SPACES) } else { self.rest };
        if !body.starts_with("/*") {
            return Ok(None);
        }
        let Some(length) = body.find("*/") else { return self.fail("unclosed comment") };
        let skipped = self.rest.len() - body.len() + length + 2;
        self.advance(skipped);
        if self.rest.starts_with(CLOSE) {
            self.advance(CLOSE.len());
            return Ok(Some(false));
        }
        let after = self.rest.trim_start_matches(SPACES);
        if after.len() < self.rest.len() && after.starts_with("-}}") {
            let n_bytes = self.rest.len() - after.len() + 1 + CLOSE.len();
            self.advance(n_bytes);
            return Ok(Some(true));
        }
        self.fail("comment ends before closing delimiter")
    }

    /// Reads an action to its end; returns whether it trims what follows.
    fn action(&mut self) -> Result<bool, ParseError> {
        self.push(Kind::Open);
        self.n_parens = 0;
        loop {
            let spaces = self.rest.len() - self.rest.trim_start_matches(SPACES).len();
            let after = self.rest.get(spaces..).unwrap_or_default();
            let trims = spaces > 0 && after.starts_with("-}}");
            if trims || after.starts_with(CLOSE) {
                if self.n_parens > 0 {
                    return self.fail("unclosed left paren");
                }
                self.advance(spaces + if trims { 1 } else { 0 });
                self.push(Kind::Close);
                self.advance(CLOSE.len());
                return Ok(trims);
            }
            if spaces > 0 {
                self.push(Kind::Space);
                self.advance(spaces);
                continue;
            }
            self.piece()?;
        }
    }

    /// Reads one token inside an action; the rest does not begin with white space.
    fn piece(&mut self) -> Result<(), ParseError> {
        let Some(ch) = self.rest.chars().next() else { return self.fail("unclosed action") };
        let (kind, length) = match ch {
            ':' if self.rest.starts_with(":=") => (Kind::Declare, 2),
            ':' => return self.fail("expected :="),
            '=' => (Kind::Assign, 1),
            '|' => (Kind::Pipe, 1),
            ',' => (Kind::Comma, 1),
            '(' => {
                self.n_parens += 1;
                (Kind::OpenParen, 1)
            }
            ')' if self.n_parens == 0 => return self.fail("unexpected right paren"),
            ')' => {
                self.n_parens -= 1;
                (Kind::CloseParen, 1)
            }
            '"' | '`' => return self.string(ch),
            '$' => {
                let length = 1 + word_length(self.rest.get(1..).unwrap_or_default());
                (Kind::Variable(self.head(length).to_owned()), length)
            }
            '.' if !self.rest.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) => {
                match word_length(self.rest.get(1..).unwrap_or_default()) {
                    0 => (Kind::Dot, 1),
                    length => {
                        (Kind::Field(self.head(1 + length).trim_start_matches('.').to_owned()), 1 + length)
                    }
                }
            }
            '\'' | '+' | '-' | '.' | '0'..='9' => return self.number(),
            ch if ch.is_alphabetic() || ch == '_' => {
                let length = word_length(self.rest);
                (Kind::Word(self.head(length).to_owned()), length)
            }
            ch => return self.fail(format!("unexpected {} in command", described(ch))),
        };
        self.push(kind);
        self.advance(length);
        self.check_end()
    }

    /// A word, field or variable ends where something that may follow begins.
    fn check_end(&self) -> Result<(), ParseError> {
        let is_name = matches!(
            self.tokens.last().map(|token| &token.kind),
            Some(Kind::Word(_) | Kind::Field(_) | Kind::Variable(_))
        );
        match self.rest.chars().next() {
            Some(ch) if is_name && !(SPACES.contains(&ch) || ".,|:=()}".contains(ch)) => {
                self.fail(format!("bad character {}", described(ch)))
            }
            _ => Ok(()),
        }
    }

    fn string(&mut self, quote: char) -> Result<(), ParseError> {
        match literal::scan(self.rest, quote) {
            Ok((length, value)) => {
                let source = self.head(length).to_owned();
                self.push(Kind::Quoted { value, source });
                self.advance(length);
                Ok(())
            }
            Err((_, message)) if message.starts_with("unterminated") => self.fail(message),
            Err((_, message)) => self.fail(format!("invalid syntax: {message}")),
        }
    }

    fn number(&mut self) -> Result<(), ParseError> {
        let length = match self.rest.strip_prefix('\'') {
            Some(_) => match literal::scan(self.rest, '\'') {
                Ok((length, _)) => length,
                Err(_) => return self.fail("unterminated character constant"),
            },
            None => number_length(self.rest),
        };
        let text = self.head(length);
        let Some(number) = Number::parse(text) else {
            let word = self.head(length + word_length(self.rest.get(length..).unwrap_or_default()));
            return self.fail(format!("bad number syntax: {}", wf_model::quote::GoQuoted(word)));
        };
        if word_length(self.rest.get(length..).unwrap_or_default()) > 0 {
            let word = self.head(length + 1);
            return self.fail(format!("bad number syntax: {}", wf_model::quote::GoQuoted(word)));
        }
        self.push(Kind::Number(number));
        self.advance(length);
        Ok(())
    }

    fn head(&self, length: usize) -> &'a str {
        self.rest.get(..length).unwrap_or(self.rest)
    }
}

fn opens_with_trim(action: &str) -> bool {
    action.strip_prefix("{{-").is_some_and(|rest| rest.starts_with(SPACES))
}

fn word_length(text: &str) -> usize {
    text.find(|ch: char| !(ch.is_alphanumeric() || ch == '_')).unwrap_or(text.len())
}

/// A sign may stand in front and behind an exponent's letter.
fn number_length(text: &str) -> usize {
    let is_hex =
        text.trim_start_matches(['+', '-']).get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    let mut previous = ' ';
    for (at, ch) in text.char_indices() {
        let is_sign = matches!(ch, '+' | '-')
            && (at == 0 || matches!(previous, 'p' | 'P') || !is_hex && matches!(previous, 'e' | 'E'));
        if !(is_sign || ch.is_ascii_alphanumeric() || ch == '.' || ch == '_') {
            return at;
        }
        previous = ch;
    }
    text.len()
}

/// A character as Go's `%#U` writes it.
fn described(ch: char) -> String {
    match ch.is_control() {
        true => format!("U+{:04X}", u32::from(ch)),
        false => format!("U+{:04X} '{ch}'", u32::from(ch)),
    }
}
