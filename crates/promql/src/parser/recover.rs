//! Reading on behind mistakes, for editors: a tree with holes and all errors instead of the first.
//!
//! The same rules as for strict parsing run; where one fails, what follows is skipped up to the next comma or closing
//! bracket, and a hole takes the place of the operand. A hole is a selector without matchers, which no text makes.

use super::{Fault, ParseError, ParseOptions, Parsed, Parser};
use crate::ast::{DurationSpec, Expr, ExprKind, Pos, RangeMode, VectorSelector};
use crate::lexer::TokenKind;

/// Errors told about one text; behind that many, more would not help.
const N_ERRORS_MAX: usize = 20;

/// What can be said about a text that may be wrong.
#[derive(Clone, Debug, Default)]
pub struct Lenient {
    /// What was understood. When there are `errors` it is for looking at, not for evaluation.
    pub expr: Option<Expr>,
    /// Where operands are missing; in the tree a selector without matchers stands there.
    pub holes: Vec<Pos>,
    /// Everything that is wrong; empty exactly when [`parse`](super::parse) succeeds, and the first is its error.
    pub errors: Vec<ParseError>,
}

/// Parses as [`parse`](super::parse) does, but reads on behind errors.
pub fn parse_leniently(text: &str, options: &ParseOptions) -> Lenient {
    let mut parser = Parser::new(text, *options);
    parser.recovery = Some(Recovery::default());
    let expr = parser.all_of_it();
    let Parser { recovery, complaints, .. } = parser;
    let Recovery { mut faults, holes, .. } = recovery.unwrap_or_default();
    faults.extend(complaints);
    faults.truncate(N_ERRORS_MAX);
    let errors = faults.into_iter().map(|fault| fault.into_error(text)).collect();
    Lenient { expr, holes, errors }
}

/// What was met on the way.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    faults: Vec<Fault>,
    holes: Vec<Pos>,
    /// Too deep, or too much is wrong: nothing is tried any more.
    gave_up: bool,
}

impl Parser<'_> {
    /// Parses the first expression; what follows it is only looked at for errors.
    fn all_of_it(&mut self) -> Option<Expr> {
        if let Err(fault) = self.expect_something() {
            self.remember(fault);
            return None;
        }
        let first = match self.expression() {
            Ok(expr) => Some(expr),
            Err(fault) => {
                self.remember(fault);
                None
            }
        };
        while let Err(fault) = self.expect_end("") {
            if !self.remember(fault) {
                break;
            }
            let begins_operand = matches!(
                self.peek(),
                TokenKind::Identifier
                    | TokenKind::MetricIdentifier
                    | TokenKind::LeftParen
                    | TokenKind::LeftBrace
            );
            if !begins_operand {
                self.advance();
            } else if self.expression().is_err() {
                break;
            }
        }
        first
    }

    /// Remembers a fault after which the rule can go on; a strict parser stops.
    pub(super) fn tolerate(&mut self, fault: Fault) -> Parsed<()> {
        match &self.recovery {
            Some(recovery) if !recovery.gave_up => {
                self.remember(fault);
                Ok(())
            }
            _ => Err(fault),
        }
    }

    /// Remembers a fault unless one is known at its place: that is the cause, this a consequence.
    /// Returns whether it is worth going on.
    fn remember(&mut self, fault: Fault) -> bool {
        let Some(recovery) = &mut self.recovery else { return false };
        let is_known = recovery.faults.iter().any(|known| known.pos.start == fault.pos.start);
        if !is_known {
            recovery.faults.push(fault);
        }
        recovery.gave_up |= recovery.faults.len() >= N_ERRORS_MAX;
        !recovery.gave_up
    }

    /// The fault of a text that is too deep: nobody recovers from it, as every level would.
    pub(super) fn too_deep(&mut self, message: String) -> Fault {
        if let Some(recovery) = &mut self.recovery {
            recovery.gave_up = true;
        }
        self.fault(self.pos(), message)
    }

    /// Runs a rule for an operand; when it fails, skips to where its caller can go on, and leaves a hole.
    pub(super) fn or_hole(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<Expr>) -> Parsed<Expr> {
        let (depth, nesting) = (self.depth, self.nesting);
        rule(self).or_else(|fault| {
            self.tolerate(fault)?;
            (self.depth, self.nesting) = (depth, nesting);
            let hole = self.hole();
            self.skip_to_delimiter();
            Ok(hole)
        })
    }

    /// Runs a rule for a duration in brackets; when it fails, skips it.
    pub(super) fn or_no_duration(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Parsed<DurationSpec>,
    ) -> Parsed<DurationSpec> {
        let (depth, nesting) = (self.depth, self.nesting);
        rule(self).or_else(|fault| {
            self.tolerate(fault)?;
            (self.depth, self.nesting) = (depth, nesting);
            self.skip_to_delimiter();
            Ok(DurationSpec::Fixed(0))
        })
    }

    /// Expects a closing bracket; when it is not there, skips to it or acts as if it were.
    pub(super) fn close(&mut self, kind: &TokenKind, context: &str, expected: &str) -> Parsed<Pos> {
        let pos = self.pos();
        if self.take(kind) {
            return Ok(pos);
        }
        self.tolerate(self.unexpected(context, expected))?;
        while self.skip_to_delimiter() == &TokenKind::Comma {
            self.advance();
        }
        let pos = self.pos();
        self.take(kind);
        Ok(pos)
    }

    /// A stand-in for the operand that is missing here.
    pub(super) fn hole(&mut self) -> Expr {
        let start = self.pos().start;
        let pos = Pos { start, end: start };
        if let Some(recovery) = &mut self.recovery {
            recovery.holes.push(pos);
        }
        let selector = VectorSelector {
            name: None,
            matchers: Vec::new(),
            offset: DurationSpec::Fixed(0),
            at: None,
            mode: RangeMode::Plain,
        };
        Expr { pos, kind: ExprKind::Selector(selector) }
    }

    pub(super) fn is_hole(&self, expr: &Expr) -> bool {
        let Some(recovery) = &self.recovery else { return false };
        match &expr.kind {
            ExprKind::Selector(selector) => {
                selector.matchers.is_empty() && recovery.holes.contains(&expr.pos)
            }
            ExprKind::Paren(inner) => self.is_hole(inner),
            _ => false,
        }
    }

    /// Goes to the next comma or closing bracket of the same level, or to the end; returns what stands there.
    pub(super) fn skip_to_delimiter(&mut self) -> &TokenKind {
        let mut level = 0_u32;
        loop {
            match self.peek() {
                TokenKind::End => break,
                TokenKind::Comma
                | TokenKind::RightParen
                | TokenKind::RightBracket
                | TokenKind::RightBrace
                    if level == 0 =>
                {
                    break;
                }
                TokenKind::LeftParen | TokenKind::LeftBracket | TokenKind::LeftBrace => level += 1,
                TokenKind::RightParen | TokenKind::RightBracket | TokenKind::RightBrace => level -= 1,
                _ => {}
            }
            self.advance();
        }
        self.peek()
    }
}
