//! The grammar with quoted names: words, strings, operators, commas, braces.

use wf_model::matcher::{MatchOp, Matcher};
use wf_model::quote::{is_raw_byte, literal};

use super::{build, is_reserved};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Text(String),
}

struct Lexed {
    token: Token,
    /// First column and the one behind, in characters.
    start: usize,
    end: usize,
}

pub(super) fn parse(input: &str) -> Result<Vec<Matcher>, String> {
    let tokens = lex(input)?;
    let mut rest = tokens.as_slice();
    let has_open = matches!(rest.first(), Some(first) if first.token == Token::Open);
    if has_open {
        rest = rest.get(1..).unwrap_or_default();
    }
    let has_close = matches!(rest.last(), Some(last) if last.token == Token::Close);
    match (has_open, has_close) {
        (true, false) => return Err("0:1: end of input: expected close brace".to_owned()),
        (false, true) => return Err(at(rest.last(), "unexpected close brace: expected opening brace")),
        _ => {}
    }
    if has_close {
        rest = rest.get(..rest.len() - 1).unwrap_or_default();
    }
    let mut matchers = Vec::new();
    while !rest.is_empty() {
        let [name, op, value, after @ ..] = rest else {
            return Err(at(
                rest.last(),
                "unexpected end of input: a matcher is a name, an operator and a value",
            ));
        };
        let Token::Text(name_text) = &name.token else { return Err(at(Some(name), "expected label name")) };
        let Token::Op(kind) = &op.token else {
            return Err(at(Some(op), "expected an operator such as '=', '!=', '=~' or '!~'"));
        };
        let Token::Text(value_text) = &value.token else {
            return Err(at(Some(value), "expected label value"));
        };
        if name_text.is_empty() {
            return Err(at(Some(name), "a label name cannot be empty"));
        }
        matchers.push(build(*kind, name_text, value_text)?);
        rest = match after {
            [] => after,
            [comma, rest @ ..] if comma.token == Token::Comma => rest,
            [other, ..] => return Err(at(Some(other), "expected a comma or close brace")),
        };
    }
    Ok(matchers)
}

fn at(token: Option<&Lexed>, message: &str) -> String {
    let (start, end) = token.map_or((0, 0), |token| (token.start, token.end));
    format!("{start}:{end}: {message}")
}

fn lex(input: &str) -> Result<Vec<Lexed>, String> {
    let mut tokens = Vec::new();
    let mut rest = input;
    let mut column = 0;
    while let Some(ch) = rest.chars().next() {
        let start = column;
        let (length, token) = match ch {
            ch if ch.is_whitespace() => (ch.len_utf8(), None),
            '{' => (1, Some(Token::Open)),
            '}' => (1, Some(Token::Close)),
            ',' => (1, Some(Token::Comma)),
            '=' if rest.starts_with("=~") => (2, Some(Token::Op(MatchOp::Regex))),
            '=' => (1, Some(Token::Op(MatchOp::Equal))),
            '!' if rest.starts_with("!~") => (2, Some(Token::Op(MatchOp::NotRegex))),
            '!' if rest.starts_with("!=") => (2, Some(Token::Op(MatchOp::NotEqual))),
            '"' => {
                let (length, value) =
                    literal::scan(rest, '"').map_err(|(_, why)| format!("{start}:{}: {why}", start + 1))?;
                if value.chars().any(is_raw_byte) {
                    return Err(format!("{start}:{}: not valid UTF-8", start + 1));
                }
                (length, Some(Token::Text(value)))
            }
            ch if is_reserved(ch) => return Err(format!("{start}:{}: {ch}: invalid input", start + 1)),
            _ => {
                let length = rest.find(is_reserved).unwrap_or(rest.len());
                (length, Some(Token::Text(rest.get(..length).unwrap_or_default().to_owned())))
            }
        };
        let (taken, tail) = rest.split_at(length);
        column += taken.chars().count();
        rest = tail;
        tokens.extend(token.map(|token| Lexed { token, start, end: column }));
    }
    Ok(tokens)
}
