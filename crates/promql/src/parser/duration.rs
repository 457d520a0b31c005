//! Durations in ranges, steps and offsets: literals, or arithmetic with `step()`, `range()`, `min_of`, `max_of`.

use super::{Fault, Parsed, Parser, join};
use crate::ast::{BinaryOp, DurationExpr, DurationExprKind, DurationSpec, NumberLiteral, Pos};
use crate::durations;
use crate::lexer::TokenKind;

impl Parser<'_> {
    /// A duration that must be positive: a range or a step.
    pub(super) fn positive_duration(&mut self, context: &str) -> Parsed<DurationSpec> {
        let expr = self.duration_sum(context)?;
        let spec = self.literal_or_expr(expr)?;
        let message = match spec.0 {
            DurationSpec::Fixed(_) if spec.1 <= 0.0 => "duration must be greater than 0",
            // Time has milliseconds: such a window would be empty, such a step none.
            DurationSpec::Fixed(0) => "duration must be at least 1ms",
            _ => return Ok(spec.0),
        };
        self.tolerate(Fault { pos: spec.2, message: message.to_owned() })?;
        Ok(spec.0)
    }

    /// An offset: a signed literal, call or parenthesised expression; anything compound needs parentheses.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationSpec> {
        let expr = self.duration_unary("offset")?;
        Ok(self.literal_or_expr(expr)?.0)
    }

    /// Folds a literal; returns also its seconds and its place.
    fn literal_or_expr(&self, expr: DurationExpr) -> Parsed<(DurationSpec, f64, Pos)> {
        let pos = expr.pos;
        let Some(seconds) = literal_seconds(&expr) else {
            return Ok((DurationSpec::Expr(Box::new(expr)), 1.0, pos));
        };
        let ms = durations::literal_ms(seconds)
            .ok_or_else(|| Fault { pos, message: "duration out of range".to_owned() })?;
        Ok((DurationSpec::Fixed(ms), seconds, pos))
    }

    fn duration_sum(&mut self, context: &str) -> Parsed<DurationExpr> {
        self.duration_left(context, &[BinaryOp::Add, BinaryOp::Sub], |parser, context| {
            let factors = [BinaryOp::Mul, BinaryOp::Div, BinaryOp::Mod];
            parser.duration_left(context, &factors, Self::duration_unary)
        })
    }

    /// A chain of left-associative operators over operands that `operand` parses.
    fn duration_left(
        &mut self,
        context: &str,
        operators: &[BinaryOp],
        operand: impl Fn(&mut Self, &str) -> Parsed<DurationExpr>,
    ) -> Parsed<DurationExpr> {
        let mut lhs = operand(self, context)?;
        let mut chain = 0;
        while let Some(op) = self.duration_operator(operators) {
            self.deeper(1)?;
            chain += 1;
            self.advance();
            let rhs = operand(self, context)?;
            lhs = duration_binary(op, lhs, rhs)?;
        }
        self.depth -= chain;
        Ok(lhs)
    }

    fn duration_operator(&self, operators: &[BinaryOp]) -> Option<BinaryOp> {
        match self.peek() {
            TokenKind::Operator(op) if operators.contains(op) => Some(*op),
            _ => None,
        }
    }

    fn duration_unary(&mut self, context: &str) -> Parsed<DurationExpr> {
        let Some(op) = self.sign() else { return self.duration_power(context) };
        let start = self.pos();
        self.advance();
        let operand = self.nested(|parser| match context {
            // `foo offset -2^2` is `(foo offset -2) ^ 2`.
            "offset" => parser.duration_primary(context),
            _ => parser.duration_power(context),
        })?;
        Ok(DurationExpr {
            pos: join(start, operand.pos),
            kind: DurationExprKind::Unary(op, Box::new(operand)),
        })
    }

    fn duration_power(&mut self, context: &str) -> Parsed<DurationExpr> {
        let base = self.duration_primary(context)?;
        if context == "offset" || self.duration_operator(&[BinaryOp::Pow]).is_none() {
            return Ok(base);
        }
        self.advance();
        let exponent = self.nested(|parser| parser.duration_unary(context))?;
        duration_binary(BinaryOp::Pow, base, exponent)
    }

    fn duration_primary(&mut self, context: &str) -> Parsed<DurationExpr> {
        let start = self.pos();
        let kind = match self.peek().clone() {
            TokenKind::Number(value) => self.duration_literal(value, false),
            TokenKind::Duration(value) => self.duration_literal(value, true),
            TokenKind::LeftParen => {
                self.advance();
                let inner = self.nested(|parser| parser.duration_sum("paren expression"))?;
                self.expect(&TokenKind::RightParen, "paren expression", "\")\"")?;
                DurationExprKind::Paren(Box::new(inner))
            }
            TokenKind::Identifier => self.duration_call(context)?,
            _ => return Err(self.unexpected(context, "number, duration, step(), or range()")),
        };
        Ok(DurationExpr { pos: Pos { start: start.start, end: self.previous_end() }, kind })
    }

    fn duration_literal(&mut self, value: f64, is_duration: bool) -> DurationExprKind {
        self.advance();
        DurationExprKind::Number(NumberLiteral { value, is_duration })
    }

    fn duration_call(&mut self, context: &str) -> Parsed<DurationExprKind> {
        let name = self.word_at(0).to_ascii_lowercase();
        if !matches!(name.as_str(), "step" | "range" | "min_of" | "max_of") {
            return Err(self.unexpected(context, "number, duration, step(), or range()"));
        }
        self.advance();
        self.expect(&TokenKind::LeftParen, context, "\"(\"")?;
        let kind = match name.as_str() {
            "step" => DurationExprKind::Step,
            "range" => DurationExprKind::Range,
            _ => {
                let first = self.nested(|parser| parser.duration_sum("paren expression"))?;
                self.expect(&TokenKind::Comma, context, "\",\"")?;
                let second = self.nested(|parser| parser.duration_sum("paren expression"))?;
                let pair = (Box::new(first), Box::new(second));
                if name == "min_of" {
                    DurationExprKind::MinOf(pair.0, pair.1)
                } else {
                    DurationExprKind::MaxOf(pair.0, pair.1)
                }
            }
        };
        self.expect(&TokenKind::RightParen, context, "\")\"")?;
        Ok(kind)
    }
}

fn duration_binary(op: BinaryOp, lhs: DurationExpr, rhs: DurationExpr) -> Parsed<DurationExpr> {
    if matches!(op, BinaryOp::Div | BinaryOp::Mod) && literal_seconds(&rhs) == Some(0.0) {
        let what = if op == BinaryOp::Div { "division by zero" } else { "modulo by zero" };
        return Err(Fault { pos: rhs.pos, message: what.to_owned() });
    }
    let pos = join(lhs.pos, rhs.pos);
    Ok(DurationExpr { pos, kind: DurationExprKind::Binary(op, Box::new(lhs), Box::new(rhs)) })
}

/// The seconds of a literal with signs before it.
fn literal_seconds(expr: &DurationExpr) -> Option<f64> {
    match &expr.kind {
        DurationExprKind::Number(number) => Some(number.value),
        DurationExprKind::Unary(op, inner) => literal_seconds(inner)
            .map(|seconds| if *op == crate::ast::UnaryOp::Minus { -seconds } else { seconds }),
        _ => None,
    }
}
