//! Tokens to a checked syntax tree, by recursive descent with operator precedence.
//!
//! Types, argument counts and modifiers are checked as nodes are built, so that evaluation can trust the tree. Depth is
//! limited: no text can exhaust the stack, here or in whoever walks the tree.
//!
//! # Source
//! `spec/prometheus-query.md` §1.

mod aggregate;
mod binary;
mod call;
mod check;
mod duration;
mod postfix;
mod recover;
mod selector;
#[cfg(test)]
mod tests;

use std::fmt;

use wf_model::Matcher;
use wf_model::quote::GoQuoted;

use crate::ast::{AggregateOp, Expr, ExprKind, NumberLiteral, Pos, UnaryOp};
use crate::lexer::{Token, TokenKind, tokens};

pub use recover::{Lenient, parse_leniently};

/// Deepest tree: nesting and chains of operators together. Whoever walks the tree recurses as deep.
const MAX_DEPTH: u32 = 250;

/// Deepest nesting: an open parenthesis costs this parser about 10 KiB of stack when compiled without optimisation.
const MAX_NESTING: u32 = 100;

/// Which parts of the language beyond the stable ones are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// `promql-experimental-functions`
    pub experimental_functions: bool,
    /// `promql-extended-range-selectors`
    pub extended_range_selectors: bool,
    /// `promql-binop-fill-modifiers`
    pub binop_fill_modifiers: bool,
}

impl ParseOptions {
    /// Everything on, as in the conformance scripts.
    pub fn all() -> Self {
        Self { experimental_functions: true, extended_range_selectors: true, binop_fill_modifiers: true }
    }
}

/// Why a text is not PromQL. Displays as `line:col: parse error: message`, both counted from 1, columns in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The bytes at fault.
    pub pos: Pos,
    /// Line of the first byte at fault.
    pub line: usize,
    /// Column of the first byte at fault.
    pub column: usize,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: parse error: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Parses an expression.
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    Parser::run(text, *options, |parser| {
        parser.expect_something()?;
        let expr = parser.expression()?;
        parser.expect_end("")?;
        Ok(expr)
    })
}

/// Parses a series selector such as `up{job="node"}`, as `match[]` has it: no range, offset or `@`.
/// # Errors
/// The first thing that is wrong.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, ParseError> {
    Parser::run(text, ParseOptions::default(), |parser| {
        let expr = parser.selector_only()?;
        parser.expect_end(" after the selector")?;
        Ok(expr.matchers)
    })
}

/// Parses a series description such as `m{a="1"}` at the start of `text`; returns its pairs as matchers, and where it
/// ends. Unlike a selector it may be empty.
pub(crate) fn series_labels(text: &str) -> Result<(Vec<Matcher>, usize), String> {
    let described = Parser::run(text, ParseOptions::all(), |parser| {
        match parser.peek() {
            TokenKind::LeftBrace | TokenKind::Identifier | TokenKind::MetricIdentifier => {}
            _ => return Err(parser.unexpected("series description", "metric name or \"{\"")),
        }
        let selector = parser.selector_parts()?;
        Ok((selector.matchers, parser.previous_end() as usize))
    });
    described.map_err(|error| error.to_string())
}

/// Line and column of byte `at`, both from 1.
pub fn line_and_column(text: &str, at: u32) -> (usize, usize) {
    let before = text.as_bytes().get(..at as usize).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

/// Parses and prints whatever bytes it is given: the entry for fuzzing.
/// # Panics
/// When what is printed does not parse to the same text again, which is a bug of ours.
pub fn fuzz_parse(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = parse_selector(text);
    let strict = parse(text, &ParseOptions::all());
    let lenient = parse_leniently(text, &ParseOptions::all());
    assert_eq!(lenient.errors.first(), strict.as_ref().err(), "{text:?} is judged differently");
    let Ok(expr) = strict else { return };
    let _ = crate::lint::lint(&expr, &crate::lint::Knowledge::default());
    let printed = expr.to_string();
    let again = parse(&printed, &ParseOptions::all()).map(|again| again.to_string());
    assert_eq!(again.as_ref(), Ok(&printed), "{text:?} does not survive printing");
    let pretty = crate::printer::pretty(&expr);
    let again = parse(&pretty, &ParseOptions::all()).map(|again| again.to_string());
    assert_eq!(again, Ok(printed), "{text:?} does not survive pretty printing");
}

/// A message at a place; becomes a [`ParseError`] once at the end.
#[derive(Clone, Debug)]
struct Fault {
    pos: Pos,
    message: String,
}

impl Fault {
    fn into_error(self, text: &str) -> ParseError {
        let (line, column) = line_and_column(text, self.pos.start);
        ParseError { pos: self.pos, line, column, message: self.message }
    }
}

type Parsed<T> = Result<T, Fault>;

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: u32,
    nesting: u32,
    /// Aggregations that are being read: errors say so, wherever inside they are.
    n_aggregations: u32,
    options: ParseOptions,
    /// What the static rules complain about: told only when the syntax is right.
    complaints: Vec<Fault>,
    /// The next selector may select everything: it is the second argument of `info`.
    may_select_all: bool,
    /// What to do about wrong syntax; `None` stops at the first fault.
    recovery: Option<recover::Recovery>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, options: ParseOptions) -> Self {
        Parser {
            text,
            tokens: tokens(text),
            at: 0,
            depth: 0,
            nesting: 0,
            n_aggregations: 0,
            options,
            complaints: Vec::new(),
            may_select_all: false,
            recovery: None,
        }
    }

    fn run<T>(
        text: &'a str,
        options: ParseOptions,
        rule: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Result<T, ParseError> {
        let mut parser = Self::new(text, options);
        let parsed = rule(&mut parser).map_err(|fault| fault.into_error(text))?;
        match parser.complaints.into_iter().next() {
            Some(complaint) => Err(complaint.into_error(text)),
            None => Ok(parsed),
        }
    }

    fn expect_something(&self) -> Parsed<()> {
        match self.peek() {
            TokenKind::End => Err(self.fault(self.pos(), "no expression found in input".to_owned())),
            _ => Ok(()),
        }
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.or_hole(|parser| parser.nested(|parser| parser.binary(0)))
    }

    /// Remembers what a static rule says about `operands`; where one of them is missing, it has nothing to say.
    fn check(&mut self, outcome: Parsed<()>, operands: &[&Expr]) {
        if let Err(fault) = outcome
            && !operands.iter().any(|operand| self.is_hole(operand))
        {
            self.complaints.push(fault);
        }
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.deeper(1)?;
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.too_deep(format!("expression is nested more than {MAX_NESTING} levels deep")));
        }
        let result = rule(self);
        self.nesting -= 1;
        self.depth -= 1;
        result
    }

    fn deeper(&mut self, levels: u32) -> Parsed<()> {
        self.depth += levels;
        if self.depth > MAX_DEPTH {
            return Err(self.too_deep(format!("expression is more than {MAX_DEPTH} levels deep")));
        }
        Ok(())
    }

    /// `+` and `-` bind like `*`: looser than `^`.
    fn unary(&mut self) -> Parsed<Expr> {
        let Some(op) = self.sign() else { return self.postfix() };
        let start = self.pos();
        self.advance();
        let operand = self.nested(|parser| parser.binary(binary::POWER_LEVEL))?;
        let pos = join(start, operand.pos);
        self.check(check::unary_operand(&operand, pos), &[&operand]);
        if let ExprKind::Number(number) = operand.kind {
            let value = if op == UnaryOp::Minus { -number.value } else { number.value };
            return Ok(Expr { pos, kind: ExprKind::Number(NumberLiteral { value, ..number }) });
        }
        Ok(Expr { pos, kind: ExprKind::Unary(op, Box::new(operand)) })
    }

    fn sign(&self) -> Option<UnaryOp> {
        use crate::ast::BinaryOp::{Add, Sub};
        match self.peek() {
            TokenKind::Operator(Add) => Some(UnaryOp::Plus),
            TokenKind::Operator(Sub) => Some(UnaryOp::Minus),
            _ => None,
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let pos = self.pos();
        match self.peek().clone() {
            TokenKind::Number(value) => Ok(self.literal(NumberLiteral { value, is_duration: false })),
            TokenKind::Duration(value) => Ok(self.literal(NumberLiteral { value, is_duration: true })),
            TokenKind::String(value) => {
                self.advance();
                Ok(Expr { pos, kind: ExprKind::String(value) })
            }
            TokenKind::LeftParen => self.paren(),
            TokenKind::LeftBrace | TokenKind::MetricIdentifier => self.selector(),
            TokenKind::Identifier => self.word(),
            _ => Err(self.unexpected("", "")),
        }
    }

    fn literal(&mut self, number: NumberLiteral) -> Expr {
        let pos = self.pos();
        self.advance();
        Expr { pos, kind: ExprKind::Number(number) }
    }

    fn paren(&mut self) -> Parsed<Expr> {
        let start = self.pos();
        self.advance();
        let inner = self.expression()?;
        let end = self.close(&TokenKind::RightParen, "", "")?;
        Ok(Expr { pos: join(start, end), kind: ExprKind::Paren(Box::new(inner)) })
    }

    /// An identifier where an expression begins: number word, aggregation, call or metric name.
    fn word(&mut self) -> Parsed<Expr> {
        let word = self.word_at(0).to_ascii_lowercase();
        let followed_by_paren = self.peek_at(1) == &TokenKind::LeftParen;
        match word.as_str() {
            "inf" => return Ok(self.literal(NumberLiteral { value: f64::INFINITY, is_duration: false })),
            "nan" => return Ok(self.literal(NumberLiteral { value: f64::NAN, is_duration: false })),
            _ => {}
        }
        let has_clause =
            self.word_at(1).eq_ignore_ascii_case("by") || self.word_at(1).eq_ignore_ascii_case("without");
        match aggregate::operator(&word) {
            Some(op) if followed_by_paren || has_clause => self.aggregation(op),
            _ if is_never_an_operand(&word) => Err(self.unexpected("", "")),
            // A keyword is a metric name where it cannot be a keyword, but never a function.
            _ if followed_by_paren && !is_keyword_only(&word) => self.call(),
            _ => self.selector(),
        }
    }

    /// Whether an expression can begin here.
    fn begins_expression(&self) -> bool {
        use crate::ast::BinaryOp::{Add, Sub};
        match self.peek() {
            TokenKind::Identifier => !is_never_an_operand(&self.word_at(0).to_ascii_lowercase()),
            TokenKind::MetricIdentifier
            | TokenKind::Number(_)
            | TokenKind::Duration(_)
            | TokenKind::String(_) => true,
            TokenKind::LeftParen | TokenKind::LeftBrace | TokenKind::Operator(Add | Sub) => true,
            _ => false,
        }
    }

    // Tokens.

    fn peek(&self) -> &TokenKind {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &TokenKind {
        self.tokens.get(self.at + ahead).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn pos(&self) -> Pos {
        self.tokens.get(self.at).or(self.tokens.last()).map_or_else(Pos::default, |token| token.pos)
    }

    /// Where the token before this one ends.
    fn previous_end(&self) -> u32 {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(0, |token| token.pos.end)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len().saturating_sub(1));
    }

    /// The text of the identifier `ahead` tokens on, or `""`.
    fn word_at(&self, ahead: usize) -> &'a str {
        match self.tokens.get(self.at + ahead) {
            Some(Token { kind: TokenKind::Identifier, pos }) => self.slice(*pos),
            _ => "",
        }
    }

    fn slice(&self, pos: Pos) -> &'a str {
        self.text.get(pos.start as usize..pos.end as usize).unwrap_or_default()
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.word_at(0).eq_ignore_ascii_case(keyword)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.is_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    fn take(&mut self, kind: &TokenKind) -> bool {
        let found = self.peek() == kind;
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, kind: &TokenKind, context: &str, expected: &str) -> Parsed<Pos> {
        let pos = self.pos();
        if self.take(kind) { Ok(pos) } else { Err(self.unexpected(context, expected)) }
    }

    fn expect_end(&mut self, context: &str) -> Parsed<()> {
        if self.peek() == &TokenKind::End {
            return Ok(());
        }
        let mut fault = self.unexpected("", "");
        if !matches!(self.peek(), TokenKind::Invalid(_)) {
            fault.message.push_str(context);
        }
        Err(fault)
    }

    fn fault(&self, pos: Pos, message: String) -> Fault {
        Fault { pos, message }
    }

    /// Says what stands here, in which construct, and what belongs here.
    fn unexpected(&self, context: &str, expected: &str) -> Fault {
        if let TokenKind::Invalid(message) = self.peek() {
            return self.fault(self.pos(), message.clone());
        }
        // Inside braces there are no keywords.
        let is_label = context == "label matching" && self.peek() == &TokenKind::Identifier;
        let what = match is_label {
            true => format!("identifier {}", GoQuoted(self.word_at(0))),
            false => self.describe(),
        };
        let mut message = format!("unexpected {what}");
        let context = if context.is_empty() && self.n_aggregations > 0 { "aggregation" } else { context };
        if !context.is_empty() {
            message.push_str(&format!(" in {context}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        self.fault(self.pos(), message)
    }

    fn describe(&self) -> String {
        let text = self.slice(self.pos());
        match self.peek() {
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Identifier => describe_word(text),
            TokenKind::MetricIdentifier => format!("metric identifier {}", GoQuoted(text)),
            TokenKind::Number(_) => format!("number {}", brief(text)),
            TokenKind::Duration(_) => format!("duration {}", brief(text)),
            TokenKind::String(_) => format!("string {}", brief(text)),
            TokenKind::Operator(_) | TokenKind::RegexMatch | TokenKind::RegexNotMatch => {
                format!("<op:{text}>")
            }
            _ => GoQuoted(text).to_string(),
        }
    }
}

/// Keywords that are no metric names either.
fn is_never_an_operand(word: &str) -> bool {
    matches!(word, "bool" | "on" | "ignoring" | "group_left" | "group_right" | "atan2")
}

/// Keywords that no function is called by.
fn is_keyword_only(word: &str) -> bool {
    let modifiers = ["offset", "smoothed", "anchored", "by", "without", "fill", "fill_left", "fill_right"];
    modifiers.contains(&word) || ["and", "or", "unless"].contains(&word)
}

/// A word as errors show it: by what it is where it could be a keyword.
fn describe_word(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    match lower.as_str() {
        "offset" | "by" | "without" | "on" | "ignoring" | "group_left" | "group_right" | "bool"
        | "smoothed" | "anchored" => format!("<{word}>"),
        "and" | "or" | "unless" | "atan2" => format!("<op:{word}>"),
        "start" | "end" | "step" | "range" => GoQuoted(word).to_string(),
        "inf" | "nan" => format!("number {}", GoQuoted(word)),
        lower if aggregate::operator(lower).is_some() => format!("<aggr:{word}>"),
        _ => format!("identifier {}", GoQuoted(word)),
    }
}

/// A literal as errors show it: only its beginning when it is long.
fn brief(text: &str) -> String {
    const CHARS_MAX: usize = 10;
    if text.len() <= CHARS_MAX {
        return GoQuoted(text).to_string();
    }
    let beginning: String = text.chars().take(CHARS_MAX).collect();
    format!("{}...", GoQuoted(&beginning))
}

fn join(first: Pos, last: Pos) -> Pos {
    Pos { start: first.start, end: last.end }
}

/// Whether `op` needs a feature flag.
fn is_experimental(op: AggregateOp) -> bool {
    matches!(op, AggregateOp::Limitk | AggregateOp::LimitRatio)
}
