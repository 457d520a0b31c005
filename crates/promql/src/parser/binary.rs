//! Binary expressions by precedence, with their modifiers.

use super::{Parsed, Parser, check, join};
use crate::ast::{BinaryExpr, BinaryOp, Cardinality, Expr, ExprKind, VectorMatching};
use crate::lexer::TokenKind;

/// Level of `^`, which binds tighter than a sign.
pub(super) const POWER_LEVEL: u8 = 6;

fn level(op: BinaryOp) -> u8 {
    use BinaryOp::{Add, And, Atan2, Div, Mod, Mul, Or, Pow, Sub, Unless};
    match op {
        Or => 1,
        And | Unless => 2,
        Add | Sub => 4,
        Mul | Div | Mod | Atan2 => 5,
        Pow => POWER_LEVEL,
        _ => 3,
    }
}

impl Parser<'_> {
    /// Parses operators of at least `min_level`. All associate to the left but `^`.
    pub(super) fn binary(&mut self, min_level: u8) -> Parsed<Expr> {
        let mut lhs = self.unary()?;
        let mut chain = 0;
        while let Some(op) = self.operator().filter(|op| level(*op) >= min_level) {
            self.deeper(1)?;
            chain += 1;
            let op_pos = self.pos();
            self.advance();
            let return_bool = self.take_keyword("bool");
            let matching = self.matching()?;
            let next_level = if op == BinaryOp::Pow { POWER_LEVEL } else { level(op) + 1 };
            let rhs = self.or_hole(|parser| parser.nested(|parser| parser.binary(next_level)))?;
            let pos = join(lhs.pos, rhs.pos);
            let mut binary = BinaryExpr { op, lhs, rhs, return_bool, matching: None };
            match check::binary(&binary, matching, op_pos) {
                Ok(matching) => binary.matching = matching,
                Err(fault) => self.check(Err(fault), &[&binary.lhs, &binary.rhs]),
            }
            lhs = Expr { pos, kind: ExprKind::Binary(Box::new(binary)) };
        }
        self.depth -= chain;
        Ok(lhs)
    }

    fn operator(&self) -> Option<BinaryOp> {
        match self.peek() {
            TokenKind::Operator(op) => Some(*op),
            TokenKind::Identifier => match self.word_at(0).to_ascii_lowercase().as_str() {
                "and" => Some(BinaryOp::And),
                "or" => Some(BinaryOp::Or),
                "unless" => Some(BinaryOp::Unless),
                "atan2" => Some(BinaryOp::Atan2),
                _ => None,
            },
            _ => None,
        }
    }

    /// `on (…)` or `ignoring (…)`, then `group_left (…)` or `group_right (…)`, then fills. `None` when there is nothing.
    fn matching(&mut self) -> Parsed<Option<VectorMatching>> {
        let mut matching = VectorMatching::default();
        let mut given = false;
        if self.is_keyword("on") || self.is_keyword("ignoring") {
            given = true;
            matching.on = self.is_keyword("on");
            self.advance();
            matching.labels = self.label_list()?;
            if self.is_keyword("group_left") || self.is_keyword("group_right") {
                let left = self.is_keyword("group_left");
                matching.cardinality = if left { Cardinality::ManyToOne } else { Cardinality::OneToMany };
                self.advance();
                // Without labels an operand or fills follow.
                if self.peek() == &TokenKind::LeftParen || !self.begins_expression() {
                    matching.include = self.label_list()?;
                }
            }
        }
        given |= self.fills(&mut matching)?;
        Ok(given.then_some(matching))
    }

    fn fills(&mut self, matching: &mut VectorMatching) -> Parsed<bool> {
        let mut given = false;
        while self.peek_at(1) == &TokenKind::LeftParen {
            let pos = self.pos();
            let sides = match self.word_at(0).to_ascii_lowercase().as_str() {
                "fill" => (true, true),
                "fill_left" => (true, false),
                "fill_right" => (false, true),
                _ => break,
            };
            if !self.options.binop_fill_modifiers {
                let flag = "binop fill modifiers are experimental and not enabled";
                return Err(self.fault(pos, flag.to_owned()));
            }
            self.advance();
            self.advance();
            let value = self.signed_number("fill modifier", "number")?;
            self.expect(&TokenKind::RightParen, "fill modifier", "\")\"")?;
            matching.fill_left = if sides.0 { Some(value) } else { matching.fill_left };
            matching.fill_right = if sides.1 { Some(value) } else { matching.fill_right };
            given = true;
        }
        Ok(given)
    }

    /// A number or duration with an optional sign.
    pub(super) fn signed_number(&mut self, context: &str, expected: &str) -> Parsed<f64> {
        let negative = self.sign() == Some(crate::ast::UnaryOp::Minus);
        if self.sign().is_some() {
            self.advance();
        }
        let value = match self.peek() {
            TokenKind::Number(value) | TokenKind::Duration(value) => *value,
            TokenKind::Identifier if self.is_keyword("inf") => f64::INFINITY,
            TokenKind::Identifier if self.is_keyword("nan") => f64::NAN,
            _ => return Err(self.unexpected(context, expected)),
        };
        self.advance();
        Ok(if negative { -value } else { value })
    }

    /// `(a, b)`: names, metric names and quoted names; a trailing comma is fine.
    pub(super) fn label_list(&mut self) -> Parsed<Vec<String>> {
        let context = "grouping opts";
        self.expect(&TokenKind::LeftParen, context, "\"(\"")?;
        let mut labels = Vec::new();
        while !self.take(&TokenKind::RightParen) {
            labels.push(self.grouping_label()?);
            if !self.take(&TokenKind::Comma) {
                self.expect(&TokenKind::RightParen, context, "\",\" or \")\"")?;
                break;
            }
        }
        Ok(labels)
    }

    fn grouping_label(&mut self) -> Parsed<String> {
        let label = match self.peek() {
            TokenKind::String(name) if !name.is_empty() => name.clone(),
            TokenKind::Identifier | TokenKind::MetricIdentifier => {
                let word = self.slice(self.pos()).to_owned();
                if ["without", "inf", "nan"].iter().any(|reserved| word.eq_ignore_ascii_case(reserved)) {
                    return Err(self.unexpected("grouping opts", "label"));
                }
                word
            }
            _ => return Err(self.unexpected("grouping opts", "label")),
        };
        self.advance();
        Ok(label)
    }
}
